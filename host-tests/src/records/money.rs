//! Dollars in print. It owns their form, and rounds only where it says so.

use tokenstile_engine::units::{NanoUsd, grouped};

/// Billionths of a dollar.
pub type Nano = i128;

/// Exact, as programs read it: `-12.000000345`.
#[must_use]
pub fn exact(nano: Nano) -> String {
    let (sign, all) = (if nano < 0 { "-" } else { "" }, nano.unsigned_abs());
    let (whole, part) = (all / 1_000_000_000, all % 1_000_000_000);
    format!("{sign}{whole}.{part:09}")
}

/// For people: cents above a hundred dollars, a hundredth of a cent below.
#[must_use]
pub fn dollars(nano: Nano) -> String {
    let places = if nano.unsigned_abs() >= 100_000_000_000 { 2 } else { 4 };
    let unit = 10_u128.pow(9 - places);
    let all = (nano.unsigned_abs() + unit / 2) / unit;
    let one = 10_u128.pow(places);
    let whole = grouped(u64::try_from(all / one).unwrap_or(u64::MAX));
    let sign = if nano < 0 && all > 0 { "-" } else { "" };
    format!("{sign}${whole}.{:0width$}", all % one, width = places as usize)
}

/// A sum for people; one that is as high as sums go may be more.
#[must_use]
pub fn sum(usd: NanoUsd) -> String {
    if is_cut(usd) { "more than $9,223,372,036".to_owned() } else { usd.to_string() }
}

/// Whether a sum is as high as sums go.
#[must_use]
pub const fn is_cut(usd: NanoUsd) -> bool {
    usd.0 == i64::MAX
}

/// An amount shared by so many, to the nearest billionth; none if there is nobody.
#[must_use]
pub fn each(nano: Nano, count: u64) -> Option<Nano> {
    let count = i128::from(count);
    (count > 0).then(|| (nano * 2 + count).div_euclid(count * 2))
}

/// A share in per cent, with one place.
#[must_use]
pub fn percent(part: i128, whole: i128) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let tenths = (part * 2_000 + whole).div_euclid(whole * 2);
    let sign = if tenths < 0 { "-" } else { "" };
    format!("{sign}{}.{}%", tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10)
}

#[cfg(test)]
mod tests {
    use super::{NanoUsd, dollars, each, exact, percent, sum};

    #[test]
    fn amounts_are_exact_for_programs_and_rounded_once_for_people() {
        assert_eq!(exact(-1), "-0.000000001");
        assert_eq!(exact(12_000_000_345), "12.000000345");
        assert_eq!(dollars(12_345_678_900_000), "$12,345.68");
        assert_eq!(dollars(99_999), "$0.0001");
        assert_eq!(dollars(-1), "$0.0000");
        assert_eq!(dollars(99_999_999_999), "$100.0000");
        assert_eq!(sum(NanoUsd(i64::MAX)), "more than $9,223,372,036");
        assert_eq!(sum(NanoUsd(1_500_000_000)), "$1.50");
        assert_eq!((each(5, 2), each(-5, 2), each(1, 0)), (Some(3), Some(-2), None));
        assert_eq!((percent(1, 3), percent(1, 0)), ("33.3%".to_owned(), "–".to_owned()));
    }
}
