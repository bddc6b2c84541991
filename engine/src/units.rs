//! Quantities with their units in the type: time, money, and what a budget counts.

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct EpochMs(pub i64);

impl EpochMs {
    /// Whole seconds from `self` until `later`, rounded up: a client that waits them is not early.
    #[must_use]
    pub fn seconds_until(self, later: Self) -> u64 {
        let ms = u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0);
        ms.div_ceil(1000)
    }

    /// This time moved by `ms`.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// Money in billionths of a US dollar: list prices a token are whole numbers of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct NanoUsd(pub i64);

impl NanoUsd {
    /// One dollar.
    pub const DOLLAR: i64 = 1_000_000_000;

    /// Reads a decimal amount of dollars such as `500` or `0.02`, exactly.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
            return None;
        }
        let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
        whole.parse::<i64>().ok()?.checked_mul(Self::DOLLAR)?.checked_add(nanos).map(Self)
    }

    /// As sentences say it, rounded down: from a dollar on to hundredths of a cent, below it to four digits.
    #[must_use]
    pub fn rounded_down(self) -> Self {
        Self(self.0.saturating_sub(self.0.checked_rem_euclid(self.said_in()).unwrap_or_default()))
    }

    /// The same, rounded up.
    #[must_use]
    pub fn rounded_up(self) -> Self {
        let down = self.rounded_down();
        if down == self { self } else { Self(down.0.saturating_add(self.said_in())) }
    }

    fn said_in(self) -> i64 {
        let abs = self.0.unsigned_abs();
        let digits = if abs >= Self::DOLLAR.unsigned_abs() { 8 } else { abs.checked_ilog10().unwrap_or(0) };
        10_i64.saturating_pow(digits.saturating_sub(3))
    }
}

impl std::fmt::Display for NanoUsd {
    /// Dollars with two decimals, or as many as a small amount needs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, abs) = if self.0 < 0 { ("-", self.0.unsigned_abs()) } else { ("", self.0.unsigned_abs()) };
        let dollars = abs / 1_000_000_000;
        let nanos = format!("{:09}", abs % 1_000_000_000);
        let kept = nanos.trim_end_matches('0').len().clamp(2, 9);
        write!(f, "{sign}${}.{}", grouped(dollars), nanos.get(..kept).unwrap_or(&nanos))
    }
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meter {
    /// Input and output tokens together.
    Tokens,
    /// Tokens of the prompt, cached ones included.
    InputTokens,
    /// Tokens of the answer, reasoning included.
    OutputTokens,
    /// Cost by the price book.
    Usd,
    /// Calls that used something.
    Requests,
    /// Calls that run now.
    RequestsInFlight,
}

/// An amount of a meter in the ledger's unit: millionths of a token or a request (so that a refill of a
/// few an hour loses nothing to rounding), or nano-dollars.
pub type Amount = i64;

impl Meter {
    /// Ledger units in one unit that people read: a token, a request, or a nano-dollar.
    const fn scale(self) -> i64 {
        match self {
            Self::Usd => 1,
            _ => 1_000_000,
        }
    }

    /// The ledger amount of `count` tokens, requests or nano-dollars.
    #[must_use]
    pub fn amount(self, count: u64) -> Amount {
        i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(self.scale())
    }

    /// Whole tokens, requests or nano-dollars in an amount, rounded down, never negative.
    #[must_use]
    pub fn count(self, amount: Amount) -> u64 {
        u64::try_from(amount).unwrap_or(0).checked_div(self.scale().unsigned_abs()).unwrap_or(0)
    }

    /// The amount, rounded up to a whole token or request: what is used in part is not there for a caller.
    #[must_use]
    pub fn whole(self, amount: Amount) -> Amount {
        let part = amount.checked_rem_euclid(self.scale()).unwrap_or_default();
        if part == 0 { amount } else { amount.saturating_sub(part).saturating_add(self.scale()) }
    }

    /// The name: in the policy, in machine fields and in metrics.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::Usd => "usd",
            Self::Requests => "requests",
            Self::RequestsInFlight => "requests_in_flight",
        }
    }

    /// What [`Meter::count`] counts in: money is exact only in billionths.
    #[must_use]
    pub const fn exact_unit(self) -> &'static str {
        if matches!(self, Self::Usd) { "nano_usd" } else { self.unit() }
    }

    /// What follows an amount in a sentence: ` tokens`; nothing for money, which carries its own sign.
    #[must_use]
    pub const fn unit_text(self) -> &'static str {
        match self {
            Self::Tokens => " tokens",
            Self::InputTokens => " input tokens",
            Self::OutputTokens => " output tokens",
            Self::Usd => "",
            Self::Requests => " requests",
            Self::RequestsInFlight => " requests in flight",
        }
    }

    /// The amount with its unit, as a person reads it: `45,000 tokens`, `1 request`, `$12.50`.
    #[must_use]
    pub fn told(self, amount: Amount) -> String {
        let shown = self.display(amount);
        let unit = self.unit_text();
        if shown == "1" { shown + &of_one(unit) } else { shown + unit }
    }

    /// What of an amount sentences say, rounded down: of money no billionths.
    #[must_use]
    pub fn said(self, amount: Amount) -> Amount {
        if self == Self::Usd { NanoUsd(amount).rounded_down().0 } else { amount }
    }

    /// The same of what is needed, rounded up.
    #[must_use]
    pub fn said_needed(self, amount: Amount) -> Amount {
        if self == Self::Usd { NanoUsd(amount).rounded_up().0 } else { amount }
    }

    /// The quota unit of `RateLimit-Policy`. The draft names `requests` and `concurrent-requests`
    /// (draft-ietf-httpapi-ratelimit-headers-10, section 3.1.2); the others are ours.
    #[must_use]
    pub const fn quota_unit(self) -> &'static str {
        match self {
            Self::Usd => "usd-micros",
            Self::RequestsInFlight => "concurrent-requests",
            _ => self.unit(),
        }
    }

    /// Whether each call counts as one, whatever is in it.
    #[must_use]
    pub const fn counts_calls(self) -> bool {
        matches!(self, Self::Requests | Self::RequestsInFlight)
    }

    /// An amount as a person reads it: `45,000`, or `$12.50`.
    #[must_use]
    pub fn display(self, amount: Amount) -> String {
        match self {
            Self::Usd => NanoUsd(amount).to_string(),
            _ => grouped(self.count(amount)),
        }
    }
}

/// The unit behind a single one: ` token` of ` tokens`, ` request in flight` of ` requests in flight`.
#[must_use]
pub fn of_one(unit: &str) -> String {
    let plural = ["tokens", "requests", "answers", "images"].into_iter().find(|plural| unit.contains(plural));
    plural.map_or_else(|| unit.to_owned(), |plural| unit.replace(plural, plural.trim_end_matches('s')))
}

/// Digits in groups of three: `45,000`.
#[must_use]
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let head = digits.len() % 3;
    let mut out = String::with_capacity(digits.len().saturating_add(digits.len() / 3));
    for (i, c) in digits.chars().enumerate() {
        if i != 0 && i % 3 == head {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_and_written_exactly() {
        for (text, nano) in
            [("500", 500_000_000_000), ("0.02", 20_000_000), ("0.000000001", 1), ("1.5", 1_500_000_000)]
        {
            assert_eq!(NanoUsd::parse(text), Some(NanoUsd(nano)), "{text}");
        }
        for wrong in ["", "-1", "1e3", ".5", "0.0000000001", "99999999999", "1,000"] {
            assert_eq!(NanoUsd::parse(wrong), None, "{wrong}");
        }
        assert_eq!(NanoUsd(12_500_000_000).to_string(), "$12.50");
        assert_eq!(NanoUsd(1_234_000).to_string(), "$0.001234");
    }

    #[test]
    fn sentences_say_money_in_no_more_digits_than_people_read() {
        for (nano, down, up) in [
            (0, "$0.00", "$0.00"),
            (7, "$0.000000007", "$0.000000007"),
            (37_211, "$0.00003721", "$0.00003722"),
            (372_000, "$0.000372", "$0.000372"),
            (999_999_999, "$0.9999", "$1.00"),
            (1_000_000_001, "$1.00", "$1.0001"),
            (12_345_678_901, "$12.3456", "$12.3457"),
            (4_999_999_999, "$4.9999", "$5.00"),
            (i64::MAX, "$9,223,372,036.8547", "$9,223,372,036.854775807"),
        ] {
            let told = (NanoUsd(nano).rounded_down().to_string(), NanoUsd(nano).rounded_up().to_string());
            assert_eq!(told, (down.to_owned(), up.to_owned()), "{nano}");
        }
    }

    #[test]
    fn one_is_told_as_one() {
        for (meter, one, two) in [
            (Meter::Tokens, "1 token", "2 tokens"),
            (Meter::InputTokens, "1 input token", "2 input tokens"),
            (Meter::Requests, "1 request", "2 requests"),
            (Meter::RequestsInFlight, "1 request in flight", "2 requests in flight"),
        ] {
            assert_eq!(
                (meter.told(meter.amount(1)).as_str(), meter.told(meter.amount(2)).as_str()),
                (one, two)
            );
        }
        assert_eq!(Meter::Usd.told(1_000_000_000), "$1.00");
        assert_eq!(Meter::Requests.told(0), "0 requests");
    }

    #[test]
    fn digits_are_grouped() {
        for (n, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (45_000, "45,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(n), text);
        }
    }
}
