//! What is read of a request's headers, and what is taken out of them.

use crate::host::{self, Map};
use crate::pairs::{self, Pairs};
use std::borrow::Cow;
use tokenstile_engine::dialect;
use tokenstile_engine::policy::Policy;

/// What tells where a request goes.
pub(super) struct Line<'h> {
    pub(super) method: Cow<'h, [u8]>,
    pub(super) host: &'h [u8],
    pub(super) path: Cow<'h, [u8]>,
}

/// Method, host and path: among all headers, or each by itself where the host gives only that.
pub(super) fn request_line<'h>(headers: Option<&Pairs<'h>>) -> Result<Line<'h>, host::Status> {
    let find = |name: &str| headers.and_then(|all| pairs::find(all, name));
    let one = |name: &str| match find(name) {
        Some(value) => Ok(Cow::Borrowed(value)),
        None => host::header(Map::RequestHeaders, name).map(Cow::Owned),
    };
    let (method, path) = (one(":method")?, one(":path")?);
    let method = match dialect::effective_method(&method, |name| find(name)) {
        said if said == &*method => method,
        said => Cow::Owned(said.to_vec()),
    };
    // The path tells most dialects; the host only names the provider.
    let host = find(":authority").or_else(|| find("host")).unwrap_or_default();
    Ok(Line { method, host, path })
}

pub(super) fn is_encoded(headers: &Pairs<'_>) -> bool {
    pairs::find(headers, "content-encoding").is_some_and(encodes)
}

/// Whether a body with this `content-encoding` cannot be read as it is.
pub(super) fn encodes(encoding: &[u8]) -> bool {
    !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity")
}

/// Takes out of the request what must not go upstream.
pub(super) fn strip(policy: &Policy, headers: &Pairs<'_>) -> Result<(), String> {
    let mut removed: Vec<&[u8]> = Vec::new();
    for (name, _) in headers.iter().filter(|(name, _)| policy.strips(name)) {
        let Ok(text) = std::str::from_utf8(name) else { continue };
        if removed.contains(name) {
            continue;
        }
        let remove = || host::remove_header(Map::RequestHeaders, text);
        remove()
            .or_else(|_| remove())
            .map_err(|status| format!("removing `{text}` from the request answered status {status}"))?;
        removed.push(name);
    }
    Ok(())
}

/// Text from outside as far as it may stand in a record.
pub(super) fn short_text(bytes: &[u8]) -> String {
    const LONGEST: usize = 128;
    String::from_utf8_lossy(bytes).chars().take(LONGEST).collect()
}

pub(super) fn remove_length() -> Result<(), host::Status> {
    let remove = || host::remove_header(Map::RequestHeaders, "content-length");
    remove().or_else(|_| remove())
}
