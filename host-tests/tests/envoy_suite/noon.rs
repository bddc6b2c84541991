//! A time zone in which no day ends while a test runs. Used by every test with a daily budget in a proxy whose
//! clock cannot be moved.

use std::time::SystemTime;

/// The zone in which it is about noon now: `Etc/GMT-5` is five hours ahead of UTC (the sign is POSIX's).
pub(crate) fn zone_where_it_is_noon() -> String {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    match since_1970.as_secs() / 3600 % 24 {
        hour @ 0..12 => format!("Etc/GMT-{}", 12 - hour),
        hour => format!("Etc/GMT+{}", hour - 12),
    }
}
