//! What stands before a call's conversation, by a keyed hash and its length: what the record says of it.

use super::Exchange;
use crate::dialect::{Facts, prefix_hash};
use serde::Serialize;

/// What stands before a conversation.
#[derive(Debug, Clone, Serialize)]
pub struct PromptPrefix {
    /// A keyed hash of it, as 16 hexadecimal digits: the same for the same text under the same `hash_seed`.
    pub hash: String,
    /// Its tokens, as prompts are counted before a call.
    pub tokens: u64,
}

impl Exchange {
    /// Names what stands before the conversation, if the policy wants that. Its tokens are counted where they are not
    /// known from an earlier call.
    pub(super) fn name_prefix(&mut self, body: &[u8], facts: &Facts) {
        if facts.prefix.is_empty() {
            return;
        }
        let hash = prefix_hash(&facts.prefix, body, self.policy.hash_seed());
        let count = || self.route.count_prefix(body, facts);
        let learned = self.learned.as_ref().and_then(|learned| learned.try_borrow_mut().ok());
        let tokens = match learned {
            Some(mut learned) => learned.prefix_tokens(self.policy.prefix_key(hash, &facts.model), count),
            None => count(),
        };
        self.prompt_prefix = Some(PromptPrefix { hash: format!("{hash:016x}"), tokens });
    }
}
