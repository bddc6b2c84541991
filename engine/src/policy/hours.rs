//! Times of the day and of the week, by the clock of a zone: `{"from": "22:00", "to": "06:00", "days": ["sat"]}`.

use super::compile::Compiler;
use super::condition::Wanted;
use crate::units::EpochMs;
use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

/// From a minute of the day to another, on some days of the week.
#[derive(Debug, Clone)]
pub struct Hours {
    /// In minutes since midnight.
    from: u16,
    /// The first minute after it; not after `from`: on the next day.
    to: u16,
    /// On which days it begins, a bit each from Monday.
    days: u8,
    zone: TimeZone,
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];
const ALL_DAYS: u8 = 0b111_1111;

impl Hours {
    /// Whether it is that time. On a day when clocks change, the clock decides.
    #[must_use]
    pub fn hold(&self, at: EpochMs) -> bool {
        let Ok(at) = Timestamp::from_millisecond(at.0) else { return false };
        let clock = at.to_zoned(self.zone.clone());
        let minute = u16::from(clock.hour().unsigned_abs())
            .saturating_mul(60)
            .saturating_add(u16::from(clock.minute().unsigned_abs()));
        let today = clock.weekday();
        if self.from < self.to {
            return (self.from..self.to).contains(&minute) && self.begins(today);
        }
        (minute >= self.from && self.begins(today)) || (minute < self.to && self.begins(today.previous()))
    }

    fn begins(&self, day: Weekday) -> bool {
        DAYS.iter().zip(0..).any(|((_, other), bit)| *other == day && (self.days >> bit) & 1 == 1)
    }
}

impl Compiler<'_> {
    /// What `time` says in a `match`.
    pub(super) fn hours(&mut self, at: &str, wanted: &Wanted) -> Option<Hours> {
        let (mut from, mut to, mut days, mut zone) = (0, 0, 0, None);
        let Some(Wanted::Each(given)) =
            Some(wanted).filter(|wanted| !matches!(wanted, Wanted::Each(n) if n.is_empty()))
        else {
            self.errors.add(at, "a time is needed, such as {\"from\": \"22:00\", \"to\": \"06:00\"}");
            return None;
        };
        for (key, value) in given.iter() {
            let at = format!("{at}.{key}");
            match (key.as_str(), value) {
                ("from", Wanted::Text(text)) => from = self.minute(at, text)?,
                ("to", Wanted::Text(text)) => to = self.minute(at, text)?,
                ("days", Wanted::Words(names)) => days = self.days(&at, names),
                ("timezone", Wanted::Text(name)) => zone = Some(name.as_str()),
                ("from" | "to" | "timezone", _) => self.errors.add(at, "one text is needed, in quotes"),
                ("days", _) => self.errors.add(at, "a list is needed, such as [\"sat\", \"sun\"]"),
                _ => self.errors.add(at, "unknown key; known are `from`, `to`, `days` and `timezone`"),
            }
        }
        let days = if given.names().any(|name| name == "days") { days } else { ALL_DAYS };
        let zone = super::amounts::zone(&format!("{at}.timezone"), zone, self.errors)?;
        Some(Hours { from, to, days, zone })
    }

    fn minute(&mut self, at: String, text: &str) -> Option<u16> {
        let minute = minute_of(text);
        if minute.is_none() {
            self.errors.add(at, format!("`{text}` is no time of the day; write `22:00`"));
        }
        minute
    }

    fn days(&mut self, at: &str, names: &[String]) -> u8 {
        let mut days = 0;
        for (i, name) in names.iter().enumerate() {
            match DAYS.iter().zip(0..).find(|((day, _), _)| day == name) {
                Some((_, bit)) => days |= 1_u8 << bit,
                None => {
                    let wrong = format!(
                        "`{name}` is no day; write `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`"
                    );
                    self.errors.add(format!("{at}[{i}]"), wrong);
                }
            }
        }
        days
    }
}

/// `22:00` in minutes since midnight.
fn minute_of(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two =
        |part: &str| (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok());
    let (hour, minute): (u16, u16) = (two(hour)??, two(minute)??);
    (hour < 24 && minute < 60).then(|| hour.saturating_mul(60).saturating_add(minute))
}

#[cfg(test)]
mod tests {
    use crate::policy::{Condition, Policy};
    use crate::units::EpochMs;
    use serde_json::{Value, json};

    fn holds(time: &Value, at: &str) -> bool {
        let policy = json!({"version": 1, "name": "p", "identity": {}, "budgets": [], "routes": [
            {"name": "off-peak", "match": {"time": time}, "set": {"model": "gpt-4o-mini"}}]});
        let policy = Policy::parse(policy.to_string().as_bytes()).unwrap();
        let at: jiff::Timestamp = at.parse().unwrap();
        let [Condition::Time(hours)] = policy.routes[0].matches.as_slice() else { panic!("no time") };
        hours.hold(EpochMs(at.as_millisecond()))
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = json!({"from": "22:00", "to": "06:00", "days": ["fri"], "timezone": "Europe/Berlin"});
        // 2026-11-27 is a Friday; Berlin is an hour ahead.
        for (at, expected) in [
            ("2026-11-27T20:59:59.999Z", false),
            ("2026-11-27T21:00:00Z", true),
            ("2026-11-28T04:59:59.999Z", true),
            ("2026-11-28T05:00:00Z", false),
            ("2026-11-28T21:00:00Z", false),
            ("2026-11-27T03:00:00Z", false),
        ] {
            assert_eq!(holds(&night, at), expected, "{at}");
        }
    }

    #[test]
    fn a_day_a_morning_and_the_hour_that_comes_twice() {
        assert!(holds(&json!({"days": ["sat", "sun"]}), "2026-11-28T23:59:59Z"));
        assert!(!holds(&json!({"days": ["sat", "sun"]}), "2026-11-30T00:00:00Z"));
        assert!(holds(&json!({"from": "09:30", "to": "10:00"}), "2026-11-30T09:30:00Z"));
        assert!(!holds(&json!({"from": "09:30", "to": "10:00"}), "2026-11-30T10:00:00Z"));
        let twice = json!({"from": "02:00", "to": "03:00", "timezone": "Europe/Berlin"});
        for at in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
            assert!(holds(&twice, at), "{at}");
        }
        assert!(!holds(&twice, "2026-10-25T02:30:00Z"));
    }
}
