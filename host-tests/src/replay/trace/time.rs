//! Times as traces write them. It owns their forms, and guesses no zone: a time without one is UTC.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tokenstile_engine::units::EpochMs;

/// RFC 3339, RFC 2822 (`date` headers), a date and a time without a zone, or seconds or milliseconds since 1970.
pub(super) fn read(text: &str) -> Option<EpochMs> {
    let text = text.trim();
    let ms = |timestamp: jiff::Timestamp| EpochMs(timestamp.as_millisecond());
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(ms(timestamp));
    }
    if let Ok(number) = text.parse::<f64>() {
        return number_of(number);
    }
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(ms(zoned.timestamp()));
    }
    let civil = text.parse::<DateTime>().ok()?;
    Some(ms(civil.to_zoned(TimeZone::UTC).ok()?.timestamp()))
}

/// Seconds or milliseconds since 1970: what would be later than the year 5138 as seconds is milliseconds.
pub(super) fn number_of(number: f64) -> Option<EpochMs> {
    let ms = if number.abs() < 1e11 { number * 1_000.0 } else { number };
    whole(ms).map(EpochMs)
}

/// A number without its fraction, if it is one that an integer can hold.
pub(super) fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "checked")]
    (number.is_finite() && number.abs() < 9e15).then_some(number.round() as i64)
}
