//! How long a prompt is, as exactly as the decision needs.

use super::{Exchange, Next, State};
use crate::dialect::{Facts, Features};
use crate::policy::CountRule;
use crate::units::EpochMs;

/// Prompts shorter than this many bytes are counted at once: that costs less than asking twice.
const COUNTED_BELOW: usize = 512;

/// More than any provider adds to a prompt unseen (Anthropic's system prompt for tools has up to 804
/// tokens: <https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing>).
const ADDED_TOKENS_MAX: u64 = 1024;

/// Four bytes a token is the usual mean; the settlement will know better.
pub(super) const fn by_length(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

impl Exchange {
    /// The certain bound of a prompt, if it may be enough for the decision.
    pub(super) fn bound(&self, body: &[u8], facts: &Facts) -> Option<u64> {
        // Media have no bound by their bytes. A stream that is cut is paid by the count of its prompt.
        const UNBOUNDED: Features =
            Features::VISION.and(Features::AUDIO).and(Features::VIDEO).and(Features::FILES);
        let is_bounded = !facts.features.meets(UNBOUNDED) && !facts.stream;
        let wanted = self.policy.count == CountRule::AsNeeded && body.len() >= COUNTED_BELOW;
        (is_bounded && wanted)
            .then(|| tokenstile_tokens::upper_bound(body.len() as u64).saturating_add(ADDED_TOKENS_MAX))
    }

    pub(super) fn counted(&mut self, body: &[u8], facts: &Facts) -> u64 {
        let count = self.route.count_prompt(body, facts);
        self.prompt_is_partial = count.is_partial;
        self.prompt_images = count.images;
        count.tokens
    }

    /// The body once more, after [`Next::Count`].
    pub fn count(&mut self, body: &[u8], now: EpochMs) -> Next {
        if self.state != State::Reserving {
            return Next::Nothing;
        }
        let Some(facts) = self.facts.take() else { return Next::Nothing };
        self.prompt_tokens = self.counted(body, &facts);
        self.facts = Some(facts);
        self.prompt_bound = None;
        self.plan(now);
        Next::Reserve
    }
}
