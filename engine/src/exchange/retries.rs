//! How often a client has tried a call before, as SDKs say it of themselves in a header. Asked for where arms of
//! experiments are compared: an answer that makes clients try again is worse than its cost tells.

use super::Exchange;
use crate::policy::Header;

/// More than any SDK tries: a caller may write what it likes.
const RETRIES_MAX: u64 = 1_000;

impl Exchange {
    /// Reads what the client's SDK says, if an experiment is to know it.
    pub(super) fn read_retries(&mut self, headers: &[Header<'_>]) {
        if self.policy.has_experiments() {
            self.retry_count = headers.iter().find_map(|(name, value)| retries(name, value)).unwrap_or(0);
        }
    }
}

/// Of the SDKs of OpenAI and Anthropic: `x-stainless-retry-count: 1`
/// (<https://github.com/openai/openai-python/blob/main/src/openai/_base_client.py>). Of AWS's:
/// `amz-sdk-request: attempt=2; max=3` (<https://github.com/smithy-lang/smithy-typescript/tree/main/packages/middleware-retry>).
fn retries(name: &[u8], value: &[u8]) -> Option<u64> {
    let value = || std::str::from_utf8(value).ok();
    let count = if name.eq_ignore_ascii_case(b"x-stainless-retry-count") {
        value()?.trim().parse::<u64>().ok()?
    } else if name.eq_ignore_ascii_case(b"amz-sdk-request") {
        let attempt = value()?.split(';').find_map(|part| part.trim().strip_prefix("attempt="))?;
        attempt.parse::<u64>().ok()?.checked_sub(1)?
    } else {
        return None;
    };
    (count <= RETRIES_MAX).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::retries;

    #[test]
    fn what_sdks_say_of_themselves_is_read_and_nothing_else() {
        for (name, value, count) in [
            ("x-stainless-retry-count", "0", Some(0)),
            ("X-Stainless-Retry-Count", "2", Some(2)),
            ("amz-sdk-request", "attempt=1; max=3", Some(0)),
            ("amz-sdk-request", "ttl=20261127T160000Z; attempt=3; max=3", Some(2)),
            ("amz-sdk-request", "attempt=0", None),
            ("amz-sdk-request", "max=3", None),
            ("x-stainless-retry-count", "-1", None),
            ("x-stainless-retry-count", "99999999", None),
            ("x-stainless-retry-count", "two", None),
            ("x-retry", "2", None),
        ] {
            assert_eq!(retries(name.as_bytes(), value.as_bytes()), count, "{name}: {value}");
        }
        assert_eq!(retries(b"x-stainless-retry-count", b"\xff"), None);
    }
}
