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

/// Reads dollars or cents: `12.3400`, `$1,234.5`, `-0.5`, `9.1e-05`.
pub(super) fn amount(text: &str, cents: bool) -> Result<Amount, String> {
    let wrong = || format!("`{text}` is no amount of money");
    let plain: String = text.chars().filter(|c| !matches!(c, '$' | ',' | ' ')).collect();
    let (number, exponent) = match plain.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().map_err(|_| wrong())?),
        None => (plain.as_str(), 0),
    };
    let (sign, number) = match number.strip_prefix('-') {
        Some(number) => (-1, number),
        None => (1, number),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits: String = [whole, part].concat();
    if digits.is_empty() || digits.len() > 60 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    // The digits stand so many places before the nano-dollar.
    let places = if cents { 7 } else { 9 };
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
    use super::{Amount, When, amount, time};

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
            assert_eq!(amount(text, cents), Ok(Amount { nano, rounding }), "{text}");
        }
        for text in ["", "free", "1.2.3", "1e", "--1", "1e99999999999", "."] {
            assert!(amount(text, false).is_err(), "{text}");
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
