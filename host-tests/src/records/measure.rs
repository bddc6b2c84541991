//! What is measured of a call in an experiment: its name for programs, its words and unit for people. Called by `ab` and its
//! page. It owns how means and differences are printed.

use super::Record;

/// Something that is measured of a call.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// For programs.
    pub name: &'static str,
    /// For people.
    pub label: &'static str,
    /// Of what it is so much.
    pub unit: Unit,
    /// How a sentence says it.
    pub words: Words,
    pub(super) of: fn(&Record) -> f64,
}

/// What a measure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Billionths of a dollar, printed as dollars.
    Dollars,
    /// Tokens.
    Tokens,
    /// Milliseconds.
    Milliseconds,
    /// Calls that are such, of all.
    Share,
}

/// How a sentence says that there is more or less of it.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    verb: &'static str,
    more: &'static str,
    less: &'static str,
}

impl Words {
    /// “costs 12.5% more”, which wants a “than”; without a share where there was nothing before.
    #[must_use]
    pub fn sentence(self, share: Option<&str>, is_more: bool) -> String {
        let than = if is_more { self.more } else { self.less };
        [self.verb].into_iter().chain(share).chain([than]).collect::<Vec<_>>().join(" ")
    }
}

/// What is compared by call.
pub const MEASURES: [Measure; 8] = [
    measure("cost_nano_usd", "cost", Unit::Dollars, ["costs", "more", "less"], |record| {
        float(record.cost_nano_usd)
    }),
    measure("input_tokens", "input", Unit::Tokens, ["has", "more input", "less input"], |record| {
        record.usage.input as f64
    }),
    measure("output_tokens", "output", Unit::Tokens, ["has", "more output", "less output"], |record| {
        record.usage.output as f64
    }),
    measure("duration_ms", "duration", Unit::Milliseconds, ["takes", "longer", "less time"], |record| {
        float(record.duration_ms)
    }),
    measure("errors", "errors", Unit::Share, ["has", "more errors", "fewer errors"], |record| {
        flag(record.ending == "error")
    }),
    measure("refusals", "refusals", Unit::Share, ["has", "more refusals", "fewer refusals"], |record| {
        flag(record.ending == "refused")
    }),
    // A call that is tried again comes once more: of the calls, those that are such.
    measure("retries", "retries", Unit::Share, ["has", "more retries", "fewer retries"], |record| {
        flag(record.retry_count > 0)
    }),
    measure("hang_ups", "hang-ups", Unit::Share, ["has", "more hang-ups", "fewer hang-ups"], |record| {
        flag(record.ending == "cut")
    }),
];

const fn measure(
    name: &'static str,
    label: &'static str,
    unit: Unit,
    [verb, more, less]: [&'static str; 3],
    of: fn(&Record) -> f64,
) -> Measure {
    Measure { name, label, unit, words: Words { verb, more, less }, of }
}

#[expect(clippy::cast_precision_loss, reason = "statistics")]
fn float(number: i64) -> f64 {
    number as f64
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

impl Unit {
    /// What one of the printed unit is, and the places that it has at least and at most.
    const fn scale(self) -> (f64, usize, usize) {
        match self {
            Self::Dollars => (1e9, 4, 9),
            Self::Tokens => (1.0, 1, 3),
            Self::Milliseconds => (1.0, 0, 2),
            Self::Share => (0.01, 2, 4),
        }
    }

    /// A mean: three digits that say something, and four of money.
    #[must_use]
    pub fn mean(self, value: f64) -> String {
        let (one, least, most) = self.scale();
        let shown = value / one;
        let digits = if self == Self::Dollars { 4 } else { 3 };
        let text = format!("{shown:.0$}", places(shown, digits, (least, most)));
        match self {
            Self::Dollars => format!("${text}"),
            Self::Tokens => format!("{text} tokens"),
            Self::Milliseconds => format!("{text} ms"),
            Self::Share => format!("{text}%"),
        }
    }

    /// A difference and its margin, with the places that the margin makes sense of: two of its digits. Those of shares are
    /// points of a per cent.
    #[must_use]
    pub fn difference(self, of: f64, margin: f64) -> (String, String) {
        let (one, least, most) = self.scale();
        let (of, margin) = (of / one, margin / one);
        let places = places(margin, 2, (least, most));
        let sign = if of < 0.0 { "-" } else { "+" };
        let (of, margin) = (format!("{:.places$}", of.abs()), format!("{margin:.places$}"));
        let unit = match self {
            Self::Dollars => return (format!("{sign}${of}"), format!("± ${margin}")),
            Self::Tokens => "tokens",
            Self::Milliseconds => "ms",
            Self::Share => "points",
        };
        (format!("{sign}{of}"), format!("± {margin} {unit}"))
    }
}

/// How many decimal places show so many digits of a number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few places")]
fn places(value: f64, digits: i32, (least, most): (usize, usize)) -> usize {
    if value == 0.0 || !value.is_finite() {
        return least;
    }
    let needed = digits - 1 - value.abs().log10().floor() as i32;
    (needed.max(0) as usize).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::Unit;

    #[test]
    fn means_and_differences_have_their_units_and_the_places_that_say_something() {
        assert_eq!(Unit::Dollars.mean(16_353_123.4), "$0.01635");
        assert_eq!(Unit::Dollars.mean(6_095.0), "$0.000006095");
        assert_eq!(Unit::Dollars.mean(0.0), "$0.0000");
        assert_eq!(Unit::Tokens.mean(1_234.56), "1234.6 tokens");
        assert_eq!(Unit::Milliseconds.mean(900.4), "900 ms");
        assert_eq!(Unit::Share.mean(0.025), "2.50%");
        let text = |(of, margin): (String, String)| format!("{of} {margin}");
        assert_eq!(text(Unit::Dollars.difference(-2_100_000.0, 400_000.0)), "-$0.00210 ± $0.00040");
        assert_eq!(text(Unit::Dollars.difference(0.0, 0.0)), "+$0.0000 ± $0.0000");
        assert_eq!(text(Unit::Milliseconds.difference(12.3, 4.56)), "+12.3 ± 4.6 ms");
        assert_eq!(text(Unit::Share.difference(0.012, 0.003)), "+1.20 ± 0.30 points");
    }
}
