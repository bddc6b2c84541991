//! Amounts and times as bills write them. Called by the parent.

use super::When;
use crate::records::money::Nano;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// An amount, and how far it may be rounded: half of its last place, but for those with more places than a
/// nano-dollar has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) nano: Nano,
    pub(super) rounding: Nano,
}

/// What stands before the decimals of an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// `1,234.50`
    Point,
    /// `1.234,50`
    Comma,
}

impl Mark {
    /// The mark of decimals, and that between thousands.
    const fn signs(self) -> (char, char) {
        match self {
            Self::Point => ('.', ','),
            Self::Comma => (',', '.'),
        }
    }
}

/// How amounts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) cents: bool,
    pub(super) mark: Mark,
}

/// What amounts show of the mark before their decimals.
#[derive(Debug)]
pub(super) struct Signs {
    /// Cells are parted by `;`, as where the comma is taken for decimals.
    by_semicolon: bool,
    /// The first amounts that are so for certain: with a point, with a comma.
    certain: [Option<String>; 2],
    /// The first that may be.
    unclear: [Option<String>; 2],
}

impl Signs {
    pub(super) const fn new(by_semicolon: bool) -> Self {
        Self { by_semicolon, certain: [None, None], unclear: [None, None] }
    }

    /// Looks at one amount.
    pub(super) fn see(&mut self, text: &str) {
        let Some((mark, is_certain)) = shown(text) else { return };
        let [point, comma] = if is_certain { &mut self.certain } else { &mut self.unclear };
        let place = if mark == Mark::Point { point } else { comma };
        place.get_or_insert_with(|| text.to_owned());
    }

    /// What all of them show together.
    ///
    /// # Errors
    /// They show both, or nothing where it matters.
    pub(super) fn mark(self) -> Result<Mark, String> {
        const SAY: &str = "say which it is: `--decimal point` or `--decimal comma`";
        let unclear = |amount: &str| format!("`{amount}` may be thousands or have three decimals; {SAY}");
        match (self.certain, self.unclear) {
            ([Some(point), Some(comma)], _) => Err(format!(
                "`{point}` has a decimal point and `{comma}` a decimal comma, in one bill; {SAY}"
            )),
            ([Some(_), None], _) => Ok(Mark::Point),
            ([None, Some(_)], _) => Ok(Mark::Comma),
            (_, [None, Some(_)]) if self.by_semicolon => Ok(Mark::Comma),
            (_, [_, Some(amount)]) => Err(unclear(&amount)),
            (_, [Some(amount), None]) if self.by_semicolon => Err(unclear(&amount)),
            (_, [_, None]) => Ok(Mark::Point),
        }
    }
}

/// The mark before an amount's decimals, and whether that is certain: `1,234` may be thousands. `None` if it has
/// none.
fn shown(text: &str) -> Option<(Mark, bool)> {
    let bare = bare(text);
    let bare = bare.trim_start_matches('-');
    let number = bare.split(['e', 'E']).next()?;
    if !number.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',')) {
        return None;
    }
    let (before, after) = number.split_at(number.rfind(['.', ','])?);
    let (mark, other) =
        if after.starts_with(',') { (Mark::Comma, Mark::Point) } else { (Mark::Point, Mark::Comma) };
    let (decimals, between) = mark.signs();
    if before.contains(between) {
        return Some((mark, true));
    }
    // One that comes again stands between thousands.
    if before.contains(decimals) {
        return Some((other, true));
    }
    let may_be_thousands = after.len() == 4 && !before.starts_with('0') && (1..=3).contains(&before.len());
    Some((mark, !may_be_thousands || number.len() < bare.len()))
}

/// Without what says that it is dollars, and without blanks, which part thousands in some places.
fn bare(text: &str) -> String {
    text.chars().filter(|c| *c != '$' && !c.is_whitespace()).collect()
}

/// Without the marks between thousands; `None` if one stands before other than three digits.
fn without_thousands(whole: &str, between: char) -> Option<String> {
    let mut groups = whole.split(between);
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    let fits = rest.is_empty() || (1..=3).contains(&first.len());
    (fits && rest.iter().all(|group| group.len() == 3)).then(|| whole.replace(between, ""))
}

/// Reads dollars or cents: `12.3400`, `$1,234.5`, `-0.5`, `9.1e-05`; with a decimal comma `1.234,5`.
pub(super) fn amount(text: &str, how: Written) -> Result<Amount, String> {
    let wrong = || format!("`{text}` is no amount of money");
    let plain = bare(text);
    let (number, exponent) = match plain.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().map_err(|_| wrong())?),
        None => (plain.as_str(), 0),
    };
    let (sign, number) = match number.strip_prefix('-') {
        Some(number) => (-1, number),
        None => (1, number),
    };
    let (decimals, between) = how.mark.signs();
    let (whole, part) = number.split_once(decimals).unwrap_or((number, ""));
    let whole = without_thousands(whole, between).ok_or_else(wrong)?;
    let digits: String = [&whole, part].concat();
    if digits.is_empty() || digits.len() > 60 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    // The digits stand so many places before the nano-dollar.
    let places = if how.cents { 7 } else { 9 };
    let places = places + exponent - i32::try_from(part.len()).map_err(|_| wrong())?;
    let nano = sign * scaled(&digits, places).ok_or_else(wrong)?;
    let rounding = if places > 0 { scaled("5", places - 1).ok_or_else(wrong)? } else { 1 };
    Ok(Amount { nano, rounding })
}

/// A number of these digits times a power of ten, to the nearest.
fn scaled(digits: &str, places: i32) -> Option<Nano> {
    if let Ok(more) = usize::try_from(places) {
        let digits = digits.trim_start_matches('0');
        return if digits.is_empty() {
            Some(0)
        } else {
            format!("{digits}{}", "0".repeat(more.min(40))).parse().ok()
        };
    }
    let less = usize::try_from(-places).ok()?;
    let kept = digits.len().checked_sub(less);
    let Some(kept) = kept else { return Some(0) };
    let (whole, rest) = digits.split_at(kept);
    let whole: Nano = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    Some(whole + Nano::from(rest.starts_with(['5', '6', '7', '8', '9'])))
}

/// Reads a time: a day, a moment with or without a zone (then UTC), or seconds since 1970.
pub(super) fn time(text: &str) -> Result<When, String> {
    let text = text.trim().trim_end_matches(" UTC");
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && text.len() > 8 {
        let seconds = text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        return seconds.map(When::From).ok_or_else(|| format!("`{text}` is no time"));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(When::From(at));
    }
    let is_day = !text.contains([':', 'T']);
    if is_day && let Ok(day) = text.parse::<Date>() {
        return Ok(When::Day(day));
    }
    let at = text.parse::<DateTime>().ok().and_then(|at| at.to_zoned(TimeZone::UTC).ok());
    at.map(|at| When::From(at.timestamp()))
        .ok_or_else(|| format!("`{text}` is no day; one is written as 2026-11-30"))
}

#[cfg(test)]
mod tests {
    use super::{Amount, Mark, Signs, When, Written, amount, time};

    #[test]
    fn amounts_are_exact_with_as_many_places_as_bills_have() {
        for (text, cents, nano, rounding) in [
            ("0.8958740000000000", false, 895_874_000, 1),
            ("0.003835980000000000000000000000", false, 3_835_980, 1),
            ("$1,234.50", false, 1_234_500_000_000, 5_000_000),
            ("-12", false, -12_000_000_000, 500_000_000),
            ("9.1e-05", false, 91_000, 500),
            ("123.45", true, 1_234_500_000, 50_000),
            ("0.0000000005", false, 1, 1),
            ("0", false, 0, 500_000_000),
            ("1e-30", false, 0, 1),
        ] {
            let how = Written { cents, mark: Mark::Point };
            assert_eq!(amount(text, how), Ok(Amount { nano, rounding }), "{text}");
        }
        for text in [
            "",
            "free",
            "1.2.3",
            "1e",
            "--1",
            "1e99999999999",
            ".",
            "5,26",
            "5,2600",
            "1,23,456.7",
            "1234,567",
        ] {
            assert!(amount(text, Written { cents: false, mark: Mark::Point }).is_err(), "{text}");
        }
        let how = Written { cents: false, mark: Mark::Comma };
        for (text, nano) in [
            ("5,2600", 5_260_000_000),
            ("1.234,5", 1_234_500_000_000),
            ("-1.234.567", -1_234_567_000_000_000),
            ("1\u{a0}234,5", 1_234_500_000_000),
            ("0,007", 7_000_000),
        ] {
            assert_eq!(amount(text, how).map(|amount| amount.nano), Ok(nano), "{text}");
        }
        assert!(amount("5.26", how).is_err());
    }

    /// A comma before other than three digits is none between thousands; `1,234` alone says nothing.
    #[test]
    fn the_amounts_of_a_bill_show_their_decimal_mark() {
        let mark = |by_semicolon: bool, amounts: &[&str]| {
            let mut signs = Signs::new(by_semicolon);
            amounts.iter().for_each(|amount| signs.see(amount));
            signs.mark()
        };
        for (amounts, told) in [
            (&["5,2600", "1,234"][..], Mark::Comma),
            (&["1.234,50"], Mark::Comma),
            (&["1.234.567"], Mark::Comma),
            (&["0,123"], Mark::Comma),
            (&["1234,567"], Mark::Comma),
            (&["9,1e-05"], Mark::Comma),
            (&["1,234.50", "1,234"], Mark::Point),
            (&["1,234,567"], Mark::Point),
            (&["0.5", "1,234"], Mark::Point),
            (&["12", "-7", "0.5", "-123,456", "none, yet"], Mark::Point),
            (&["1.234"], Mark::Point),
        ] {
            assert_eq!(mark(false, amounts), Ok(told), "{amounts:?}");
        }
        assert_eq!(mark(true, &["1,234"]), Ok(Mark::Comma));
        assert_eq!(mark(true, &["1.234", "0.5"]), Ok(Mark::Point));
        for (by_semicolon, amounts) in [(false, &["1,234"][..]), (true, &["1.234"]), (false, &["0.5", "0,5"])]
        {
            assert!(
                mark(by_semicolon, amounts).is_err_and(|why| why.contains("--decimal comma")),
                "{amounts:?}"
            );
        }
    }

    #[test]
    fn times_are_days_or_moments() {
        let day = When::Day("2026-11-20".parse().unwrap());
        let at = When::From("2026-11-20T00:00:00Z".parse().unwrap());
        for (text, when) in [
            ("2026-11-20", day),
            ("20261120", day),
            ("1795132800", at),
            ("2026-11-20T00:00:00+00:00", at),
            ("2026-11-19T16:00:00-08:00", at),
            ("2026-11-20T00:00:00", at),
            ("2026-11-20 00:00:00.000", at),
            ("2026-11-20 00:00:00 UTC", at),
        ] {
            assert_eq!(time(text), Ok(when), "{text}");
        }
        for text in ["", "20/11/2026", "yesterday", "99999999999999999999"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
