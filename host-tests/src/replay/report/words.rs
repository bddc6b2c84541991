//! Numbers as people read them, the same in the terminal and on the page.

use crate::records::money;
use crate::replay::tally::Unpriced;
use std::collections::BTreeMap;
use tokenstile_engine::units::{EpochMs, NanoUsd, grouped};

/// Dollars to the cent, and small amounts to four places.
pub(crate) fn usd(nano: i64) -> String {
    if money::is_cut(NanoUsd(nano)) {
        return money::sum(NanoUsd(nano));
    }
    let (unit, places) = if nano.unsigned_abs() < 10_000_000_000 { (100_000, 4) } else { (10_000_000, 2) };
    let rounded = (i128::from(nano) + i128::from(nano.signum()) * unit / 2) / unit * unit;
    let text = NanoUsd(i64::try_from(rounded).unwrap_or(nano)).to_string();
    // Always as many places, so that columns line up.
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}.{fraction:0<places$}")
}

pub(crate) fn count(number: u64) -> String {
    grouped(number)
}

/// One of the whole, in percent.
#[expect(clippy::cast_precision_loss, reason = "a percentage")]
pub(crate) fn percent(part: i64, whole: i64) -> String {
    if whole == 0 { "–".to_owned() } else { format!("{:.1}%", part as f64 * 100.0 / whole as f64) }
}

/// `2026-11-22 12:00`.
pub(crate) fn time(ms: i64) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(EpochMs(ms).0).unwrap_or_default();
    timestamp.strftime("%Y-%m-%d %H:%M").to_string()
}

/// `3 d 4 h`, `12 min`, `40 s`.
pub(crate) fn length(ms: i64) -> String {
    let s = ms / 1_000;
    match s {
        0 if ms == 0 => "–".to_owned(),
        0..120 => format!("{s} s"),
        120..7_200 => format!("{} min", s / 60),
        7_200..172_800 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// How much of the cost is a ceiling; nothing if every price is known.
pub(crate) fn unpriced(unpriced: &Unpriced) -> Option<String> {
    let Unpriced { calls, cost_without_nano_usd: without, cost_with_nano_usd: with } = *unpriced;
    (calls > 0).then(|| {
        format!(
            "The price of {} calls is not known: their cost is a ceiling, {} without the policy and {} with it.",
            count(calls),
            usd(without),
            usd(with),
        )
    })
}

/// `12 deny, 3 warn`, the strictest first as it is told.
pub(crate) fn said(said: &BTreeMap<&'static str, u64>) -> String {
    let mut all: Vec<String> =
        said.iter().map(|(name, number)| format!("{} {name}", count(*number))).collect();
    if all.is_empty() {
        all.push("–".to_owned());
    }
    all.join(", ")
}
