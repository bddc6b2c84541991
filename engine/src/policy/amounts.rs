//! How much, of what, in which window: `limit` with `window`, or `bucket`, from as written to as it runs.

use super::errors::PolicyErrors;
use super::wire::{self, Calendar};
use super::{CalendarUnit, Window};
use crate::units::{Amount, Meter, NanoUsd};
use jiff::tz::{TimeZone, TimeZoneDatabase};

const COUNT_MAX: u64 = 1_000_000_000_000;
const ROLLING_MS: std::ops::RangeInclusive<i64> = 1_000..=366 * 86_400_000;

/// What is counted, 100 % of it, and how it is forgotten; `None` after an error.
pub(super) fn compile(
    path: &str,
    limit: Option<wire::Limit>,
    window: Option<wire::Window>,
    bucket: Option<wire::Bucket>,
    errors: &mut PolicyErrors,
) -> Option<(Meter, Amount, Window)> {
    let mut amounts = Amounts { errors };
    match (limit, window, bucket) {
        (Some(limit), window, None) if limit.requests_in_flight.is_some() => {
            amounts.in_flight(path, &limit, window.as_ref())
        }
        (Some(limit), Some(window), None) => {
            let limit = amounts.limit(&format!("{path}.limit"), &limit);
            let window = amounts.window(&format!("{path}.window"), window);
            let (meter, amount) = limit?;
            Some((meter, amount, window?))
        }
        (None, None, Some(bucket)) => amounts.bucket(&format!("{path}.bucket"), bucket),
        (Some(_), None, None) => {
            errors.add(path, "`limit` needs a `window`, such as {\"calendar\": \"day\"}");
            None
        }
        _ => {
            errors.add(path, "either `limit` with `window`, or `bucket`, is needed");
            None
        }
    }
}

/// An amount by itself, as of another limit; `None` after an error.
pub(super) fn limit(path: &str, limit: &wire::Limit, errors: &mut PolicyErrors) -> Option<(Meter, Amount)> {
    Amounts { errors }.limit(path, limit)
}

/// A length of time in milliseconds; `None` after an error.
pub(super) fn duration(path: &str, text: &str, errors: &mut PolicyErrors) -> Option<i64> {
    Amounts { errors }.duration(path, text)
}

struct Amounts<'e> {
    errors: &'e mut PolicyErrors,
}

impl Amounts<'_> {
    fn in_flight(
        &mut self,
        path: &str,
        limit: &wire::Limit,
        window: Option<&wire::Window>,
    ) -> Option<(Meter, Amount, Window)> {
        if window.is_some() {
            let wrong = "`requests_in_flight` takes no window: a call counts for as long as it runs";
            self.errors.add(format!("{path}.window"), wrong);
        }
        if limit.requests_in_flight == Some(0) {
            let wrong =
                "no call ends where none may begin; to refuse all, write {\"requests\": 0} with a `window`";
            self.errors.add(format!("{path}.limit.requests_in_flight"), wrong);
        }
        let (meter, amount) = self.limit(&format!("{path}.limit"), limit)?;
        Some((meter, amount, Window::InFlight))
    }

    fn limit(&mut self, path: &str, limit: &wire::Limit) -> Option<(Meter, Amount)> {
        let counts = [
            (Meter::Tokens, limit.tokens),
            (Meter::InputTokens, limit.input_tokens),
            (Meter::OutputTokens, limit.output_tokens),
            (Meter::Requests, limit.requests),
            (Meter::RequestsInFlight, limit.requests_in_flight),
        ];
        let mut counts = counts.iter().filter_map(|(meter, count)| Some((*meter, (*count)?)));
        match (counts.next(), counts.next(), limit.usd.as_deref()) {
            (Some((meter, count)), None, None) => self.count(path, meter, count),
            (None, None, Some(text)) => {
                let money = NanoUsd::parse(text);
                if money.is_none() {
                    let wrong =
                        format!("`{text}` is no amount of dollars; write it like \"500\" or \"0.02\"");
                    self.errors.add(format!("{path}.usd"), wrong);
                }
                money.map(|NanoUsd(nano)| (Meter::Usd, nano))
            }
            _ => {
                let wrong = "exactly one of `tokens`, `input_tokens`, `output_tokens`, `usd` and `requests` is needed \
                             (in a `limit` also `requests_in_flight`); more limits are more budgets";
                self.errors.add(path, wrong);
                None
            }
        }
    }

    fn count(&mut self, path: &str, meter: Meter, count: u64) -> Option<(Meter, Amount)> {
        if count > COUNT_MAX {
            let wrong = format!("`{count}` is more than the largest limit, {COUNT_MAX}");
            self.errors.add(format!("{path}.{}", meter.unit()), wrong);
            return None;
        }
        Some((meter, meter.amount(count)))
    }

    fn window(&mut self, path: &str, window: wire::Window) -> Option<Window> {
        match (window.calendar, window.rolling) {
            (Some(calendar), None) => {
                let unit = self.unit(path, calendar, window.day);
                let zone = zone(&format!("{path}.timezone"), window.timezone.as_deref(), self.errors);
                Some(Window::Calendar { unit: unit?, zone: zone? })
            }
            (None, Some(rolling)) => {
                for (key, given) in [("day", window.day.is_some()), ("timezone", window.timezone.is_some())] {
                    if given {
                        let wrong =
                            format!("a rolling window has no `{key}`; leave it out, or write `calendar`");
                        self.errors.add(format!("{path}.{key}"), wrong);
                    }
                }
                let period_ms = self.duration(&format!("{path}.rolling"), &rolling)?;
                if !ROLLING_MS.contains(&period_ms) {
                    let wrong = format!("`{rolling}` is not between `1s` and `366d`");
                    self.errors.add(format!("{path}.rolling"), wrong);
                }
                Some(Window::Rolling { period_ms })
            }
            _ => {
                let wrong =
                    "exactly one of `calendar` and `rolling` is needed, such as {\"rolling\": \"24h\"}";
                self.errors.add(path, wrong);
                None
            }
        }
    }

    fn unit(&mut self, path: &str, calendar: Calendar, day: Option<u8>) -> Option<CalendarUnit> {
        let unit = match calendar {
            Calendar::Hour => CalendarUnit::Hour,
            Calendar::Day => CalendarUnit::Day,
            Calendar::Week => CalendarUnit::Week,
            Calendar::Month => CalendarUnit::Month,
            Calendar::BillingMonth => return self.billing_month(path, day),
        };
        if day.is_some() {
            let wrong = "only a `billing_month` begins on a day of your choice";
            self.errors.add(format!("{path}.day"), wrong);
        }
        Some(unit)
    }

    fn billing_month(&mut self, path: &str, day: Option<u8>) -> Option<CalendarUnit> {
        let day = day.and_then(|day| i8::try_from(day).ok()).filter(|day| (1..=31).contains(day));
        if day.is_none() {
            let wrong = "a `billing_month` needs the `day` on which it begins, 1 to 31; \
                         in shorter months 29 to 31 mean the last";
            self.errors.add(format!("{path}.day"), wrong);
        }
        day.map(|day| CalendarUnit::BillingMonth { day })
    }

    fn bucket(&mut self, path: &str, bucket: wire::Bucket) -> Option<(Meter, Amount, Window)> {
        let (size, refill, every) = bucket.amounts();
        let refill_path = format!("{path}.refill");
        let every_ms = self.duration(&format!("{refill_path}.every"), &every);
        let size = self.limit(path, &size);
        let refill = self.limit(&refill_path, &refill);
        let ((meter, limit), (of, refill)) = (size?, refill?);
        if of != meter {
            let wrong =
                format!("a bucket of `{}` is refilled by `{0}`, not by `{}`", meter.unit(), of.unit());
            self.errors.add(&refill_path, wrong);
        }
        if refill == 0 {
            let wrong = "a bucket that is never refilled; use a `limit` instead";
            self.errors.add(format!("{refill_path}.{}", of.unit()), wrong);
        }
        Some((meter, limit, Window::Bucket { refill, every_ms: every_ms? }))
    }

    fn duration(&mut self, path: &str, text: &str) -> Option<i64> {
        let ms = duration_ms(text);
        if ms.is_none() {
            let wrong = format!("`{text}` is no duration; write it like `30s`, `1m`, `24h` or `7d`");
            self.errors.add(path, wrong);
        }
        ms
    }
}

pub(super) fn duration_ms(text: &str) -> Option<i64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(scale).filter(|ms| *ms > 0)
}

/// A time zone by its name; UTC if it has none.
pub(super) fn zone(path: &str, name: Option<&str>, errors: &mut PolicyErrors) -> Option<TimeZone> {
    let name = name.unwrap_or("UTC");
    let zone = TimeZoneDatabase::bundled().get(name).ok();
    if zone.is_none() {
        errors.add(path, format!("unknown time zone `{name}`; use an IANA name such as `Europe/Berlin`"));
    }
    zone
}

/// So many thousandths of a limit.
pub(super) fn amount_at(limit: Amount, per_mille: u32) -> Amount {
    let at = i128::from(limit).saturating_mul(i128::from(per_mille)) / 1000;
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// `90%` or `99.5%` in thousandths of the limit.
pub(super) fn per_mille(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?;
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || tenth.len() != 1 || !whole.bytes().chain(tenth.bytes()).all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let value = whole.parse::<u32>().ok()?.checked_mul(10)?.checked_add(tenth.parse().ok()?)?;
    (value <= 100_000).then_some(value)
}
