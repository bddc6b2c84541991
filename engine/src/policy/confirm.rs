//! What asks a caller to confirm: where the confirmation is expected, and what signs it. The tokens themselves are made
//! and checked in `exchange/confirm.rs`.

use super::PolicyErrors;
use super::compile::Compiler;
use super::identity::check_header;
use super::language::{Message, Messages};
use deserr::Deserr;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// How callers confirm under this policy.
#[derive(Debug, Clone)]
pub struct Confirmations {
    /// The key of all signatures, made of the policy's secret.
    pub key: (u64, u64),
    /// How long a token is good for.
    pub within_ms: i64,
    /// The headers, in lower case, that may have one.
    pub headers: Vec<String>,
}

/// A step or a limit beyond which a call must be confirmed.
#[derive(Debug, Clone)]
pub struct Confirm {
    /// The header, in lower case, that confirms.
    pub header: String,
    /// The sentence for people. How to confirm is added, unless it is in another language than English.
    pub message: Messages,
}

/// A confirmation as written.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct WireConfirm {
    #[deserr(default)]
    pub(super) header: Option<String>,
    #[deserr(default)]
    pub(super) message: Option<Message>,
}

/// What signs confirmations, as written.
#[derive(Debug, Default, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct WireConfirmations {
    #[deserr(default)]
    pub(super) secret: Option<String>,
    #[deserr(default)]
    pub(super) within: Option<String>,
}

/// Where a confirmation is expected that is not said elsewhere.
const HEADER: &str = "x-tokenstile-confirm";
/// Time enough to ask a person.
const WITHIN_MS: i64 = 5 * 60 * 1000;
const WITHIN_MS_MAX: i64 = 15 * 60 * 1000;
const SECRET_MIN: usize = 16;

impl Compiler<'_> {
    pub(super) fn confirm(
        &mut self,
        path: &str,
        wire: WireConfirm,
        default: &str,
        placeholders: Option<&[&str]>,
    ) -> Confirm {
        let header = wire.header.unwrap_or_else(|| HEADER.to_owned()).to_ascii_lowercase();
        if let Err(message) = check_header(&header) {
            self.errors.add(format!("{path}.header"), message);
        } else if !header.starts_with("x-") {
            let wrong = "it does not go upstream: choose a header of its own, such as `x-confirm-cost`";
            self.errors.add(format!("{path}.header"), wrong);
        }
        let (at, text) = (format!("{path}.message"), wire.message.as_ref());
        let message = match placeholders {
            Some(known) => self.rule_template(&at, text, default, known),
            None => self.messages(&at, text, default),
        };
        if !self.confirm_headers.contains(&header) {
            self.confirm_headers.push(header.clone());
        }
        Confirm { header, message }
    }

    /// What signs confirmations; `None` where nothing asks for any.
    pub(super) fn confirmations(&mut self, wire: WireConfirmations) -> Option<Confirmations> {
        let headers = std::mem::take(&mut self.confirm_headers);
        let within_ms = wire
            .within
            .map_or(Some(WITHIN_MS), |text| super::amounts::duration("confirm.within", &text, self.errors));
        if within_ms.is_some_and(|ms| ms > WITHIN_MS_MAX) {
            self.errors
                .add("confirm.within", "15 minutes at most: what is confirmed later is another decision");
        }
        let secret = wire.secret.unwrap_or_default();
        let is_missing = secret.is_empty() && !headers.is_empty();
        if is_missing || (!secret.is_empty() && secret.len() < SECRET_MIN) {
            let wrong = "a secret of at least 16 random characters is needed: it signs what `confirm` asks callers \
                         to send back, and whoever knows it confirms for others";
            self.errors.add("confirm.secret", wrong);
        }
        let mut hasher = SipHasher13::new();
        hasher.write(secret.as_bytes());
        let key = hasher.finish128();
        Some(Confirmations { key: (key.h1, key.h2), within_ms: within_ms?, headers })
            .filter(|c| !c.headers.is_empty())
    }
}
