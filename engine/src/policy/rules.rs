//! Rules on a single request, from as written to as they run: `blocks`, which stop calls whatever is left of any
//! budget, and `request_limits`, which say how much one call may need. What they mean for a call stands in
//! `exchange/rules.rs`.

use super::PolicyErrors;
use super::compile::{Compiler, is_name};
use super::condition::{Asker, Condition, Wanted};
use super::confirm::{Confirm, WireConfirm};
use super::deny::WireDeny;
use super::identity::Dimension;
use super::language::{Message, Messages};
use super::limits::Term;
use super::named::Named;
use super::wire::Mode;
use crate::units::{Amount, NanoUsd, grouped};
use deserr::Deserr;

/// Calls that are stopped.
#[derive(Debug, Clone)]
pub struct Block {
    /// Unique among the policy's rules; the `rule` in answers and records.
    pub name: String,
    /// Decides, but is not carried out.
    pub shadow: bool,
    /// Which calls: those that fulfil all of these.
    pub matches: Vec<Condition>,
    /// The sentence for people.
    pub message: Messages,
    /// When it is in force.
    pub term: Term,
}

/// How much one call may need.
#[derive(Debug, Clone)]
pub struct RequestLimit {
    /// Unique among the policy's rules; the `rule` in answers and records.
    pub name: String,
    /// Decides, but is not carried out.
    pub shadow: bool,
    /// Which calls: those that fulfil all of these.
    pub matches: Vec<Condition>,
    /// What is limited.
    pub measure: Measure,
    /// The most that passes: tokens, images, or nano-dollars.
    pub limit: u64,
    /// What happens beyond.
    pub over: Over,
}

/// What one call needs, and a request limit limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The tokens of its prompt.
    PromptTokens,
    /// Its own bound for an answer.
    OutputTokens,
    /// How many answers it asks for at once: choices, candidates.
    Answers,
    /// The images that come with it, and those that an API of images is asked for.
    Images,
    /// What it may cost.
    Usd,
}

/// What happens to a call beyond a limit.
#[derive(Debug, Clone)]
pub enum Over {
    /// It is refused.
    Deny {
        /// The sentence for people.
        message: Messages,
        /// Where more can be bought.
        upgrade_url: Option<String>,
    },
    /// It goes on when its caller confirms it.
    Confirm(Confirm),
    /// Its answer is bound to the limit.
    Clamp,
}

impl Measure {
    /// The name, in the policy and in machine fields.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::PromptTokens => "prompt_tokens",
            Self::OutputTokens => "output_tokens",
            Self::Answers => "answers",
            Self::Images => "images",
            Self::Usd => "usd",
        }
    }

    /// What follows an amount in a sentence.
    #[must_use]
    pub const fn unit_text(self) -> &'static str {
        match self {
            Self::PromptTokens | Self::OutputTokens => " tokens",
            Self::Answers => " answers",
            Self::Images => " images",
            Self::Usd => "",
        }
    }

    /// An amount as people read it.
    #[must_use]
    pub fn display(self, amount: u64) -> String {
        match self {
            Self::Usd => NanoUsd(Amount::try_from(amount).unwrap_or(Amount::MAX)).to_string(),
            _ => grouped(amount),
        }
    }

    /// What a request needs, as people read it: of money no billionths, rounded up.
    #[must_use]
    pub fn display_needed(self, amount: u64) -> String {
        match self {
            Self::Usd => NanoUsd(Amount::try_from(amount).unwrap_or(Amount::MAX)).rounded_up().to_string(),
            _ => self.display(amount),
        }
    }
}

const BLOCKED: &str = "Requests like this one are stopped here for now, by the rule `{rule}`. Ask the operator of this service.";
const LONG_PROMPT: &str = "This request needs about {needed}{unit}, and a request may have at most {limit}{unit}. \
                           Shorten it, or split it up.";
const LONG_ANSWER: &str = "This request asks for an answer of up to {needed}{unit}, and a request may \
                           ask for at most {limit}{unit}. Ask for a shorter one.";
const MANY_ANSWERS: &str = "This request asks for {needed}{unit} at once, and a request may ask for at most {limit}. \
                            Ask for fewer.";
const MANY_IMAGES: &str = "Images in this request: {needed}, and a request may have at most {limit}. Use fewer, or \
                           split it up.";
const DEAR: &str = "This request may cost about {needed}, and a request may cost at most {limit}. Shorten it, \
                    or ask for a shorter answer.";

const ASK_PROMPT: &str =
    "This request needs about {needed}{unit}, and your confirmation is needed beyond {limit}{unit}.";
const ASK_ANSWER: &str = "This request asks for an answer of up to {needed}{unit}, and your confirmation is needed beyond {limit}{unit}.";
const ASK_ANSWERS: &str =
    "This request asks for {needed}{unit} at once, and your confirmation is needed beyond {limit}.";
const ASK_IMAGES: &str = "Images in this request: {needed}, and your confirmation is needed beyond {limit}.";
const ASK_DEAR: &str =
    "This request may cost about {needed}, and your confirmation is needed beyond {limit}.";

/// A block as written.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct WireBlock {
    pub(super) name: String,
    #[deserr(default = true)]
    pub(super) enabled: bool,
    #[deserr(default)]
    pub(super) mode: Option<Mode>,
    #[deserr(rename = "match", default)]
    pub(super) matches: Named<Wanted>,
    #[deserr(default)]
    pub(super) message: Option<Message>,
    #[deserr(default)]
    pub(super) since: Option<String>,
    #[deserr(default)]
    pub(super) until: Option<String>,
}

/// A request limit as written.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct WireLimit {
    pub(super) name: String,
    #[deserr(default)]
    pub(super) mode: Option<Mode>,
    #[deserr(rename = "match", default)]
    pub(super) matches: Named<Wanted>,
    pub(super) limit: Named<Wanted>,
    pub(super) over: WireOver,
}

/// What happens beyond a request limit.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct WireOver {
    #[deserr(default)]
    pub(super) deny: Option<WireDeny>,
    #[deserr(default)]
    pub(super) confirm: Option<WireConfirm>,
    #[deserr(default)]
    pub(super) clamp: Option<Named<Wanted>>,
}

impl Compiler<'_> {
    /// Checks a rule's name, which no other rule may have.
    pub(super) fn rule_name(&mut self, path: &str, name: &str) {
        let path = format!("{path}.name");
        if !is_name(name) {
            let wrong = "a name of 1 to 64 letters, digits, `-`, `_` and `.` is needed: it stands in headers and metrics";
            self.errors.add(&path, wrong);
        }
        if self.rule_names.iter().any(|other| other == name) {
            self.errors.add(path, format!("`{name}` names two rules; names are unique"));
        }
        self.rule_names.push(name.to_owned());
    }

    pub(super) fn blocks(&mut self, wire: Vec<WireBlock>, mode: Mode, identity: &[Dimension]) -> Vec<Block> {
        let mut blocks = Vec::with_capacity(wire.len());
        for (i, wire) in wire.into_iter().enumerate() {
            let path = format!("blocks[{i}]");
            self.rule_name(&path, &wire.name);
            let matches = self.conditions(&format!("{path}.match"), wire.matches, identity, Asker::Rule);
            let text = wire.message.as_ref();
            let block = Block {
                message: self.rule_template(&format!("{path}.message"), text, BLOCKED, &["rule", "model"]),
                shadow: wire.mode.unwrap_or(mode) == Mode::Shadow || mode == Mode::Shadow,
                name: wire.name,
                matches,
                term: self.term(&path, wire.since.as_deref(), wire.until.as_deref()),
            };
            // What is switched off is checked all the same: it must work on the day when it is switched on.
            blocks.extend(wire.enabled.then_some(block));
        }
        blocks
    }

    pub(super) fn request_limits(
        &mut self,
        wire: Vec<WireLimit>,
        mode: Mode,
        identity: &[Dimension],
    ) -> Vec<RequestLimit> {
        let mut limits = Vec::with_capacity(wire.len());
        for (i, wire) in wire.into_iter().enumerate() {
            let path = format!("request_limits[{i}]");
            self.rule_name(&path, &wire.name);
            let matches = self.conditions(&format!("{path}.match"), wire.matches, identity, Asker::Rule);
            let Some((measure, limit)) = self.measure(&format!("{path}.limit"), &wire.limit) else {
                continue;
            };
            let Some(over) = self.over(&format!("{path}.over"), wire.over, measure, limit) else { continue };
            let shadow = wire.mode.unwrap_or(mode) == Mode::Shadow || mode == Mode::Shadow;
            limits.push(RequestLimit { name: wire.name, shadow, matches, measure, limit, over });
        }
        limits
    }

    fn measure(&mut self, path: &str, wire: &Named<Wanted>) -> Option<(Measure, u64)> {
        let mut given = wire.iter().map(|(key, value)| (key.as_str(), value));
        match (given.next(), given.next()) {
            (Some(("prompt_tokens", Wanted::Number(tokens))), None) => Some((Measure::PromptTokens, *tokens)),
            (Some(("output_tokens", Wanted::Number(tokens))), None) => Some((Measure::OutputTokens, *tokens)),
            (Some(("answers", Wanted::Number(answers))), None) => Some((Measure::Answers, *answers)),
            (Some(("images", Wanted::Number(images))), None) => Some((Measure::Images, *images)),
            (Some(("usd", Wanted::Text(text))), None) => {
                let money = NanoUsd::parse(text).and_then(|NanoUsd(nano)| u64::try_from(nano).ok());
                if money.is_none() {
                    let wrong = format!("`{text}` is no amount of dollars; write it like \"2\" or \"0.02\"");
                    self.errors.add(format!("{path}.usd"), wrong);
                }
                money.map(|nano| (Measure::Usd, nano))
            }
            _ => {
                let wrong = "exactly one of `prompt_tokens`, `output_tokens`, `answers`, `images` (numbers) and `usd` (a text) is \
                             needed; \
                             more limits are more entries";
                self.errors.add(path, wrong);
                None
            }
        }
    }

    fn over(&mut self, path: &str, wire: WireOver, measure: Measure, limit: u64) -> Option<Over> {
        match (wire.deny, wire.confirm, wire.clamp) {
            (None, Some(confirm), None) => {
                let default = match measure {
                    Measure::PromptTokens => ASK_PROMPT,
                    Measure::OutputTokens => ASK_ANSWER,
                    Measure::Answers => ASK_ANSWERS,
                    Measure::Images => ASK_IMAGES,
                    Measure::Usd => ASK_DEAR,
                };
                let path = format!("{path}.confirm");
                Some(Over::Confirm(self.confirm(&path, confirm, default, Some(&OF_LIMITS))))
            }
            (Some(deny), None, None) => {
                let default = match measure {
                    Measure::PromptTokens => LONG_PROMPT,
                    Measure::OutputTokens => LONG_ANSWER,
                    Measure::Answers => MANY_ANSWERS,
                    Measure::Images => MANY_IMAGES,
                    Measure::Usd => DEAR,
                };
                if deny.streams.is_some() {
                    let wrong = "no answer streams yet when a single request is refused; leave it out";
                    self.errors.add(format!("{path}.deny.streams"), wrong);
                }
                let at = format!("{path}.deny.message");
                let message = self.rule_template(&at, deny.message.as_ref(), default, &OF_LIMITS);
                Some(Over::Deny { message, upgrade_url: deny.upgrade_url })
            }
            (None, None, Some(clamp)) => {
                if let Some(key) = clamp.names().next() {
                    self.errors.add(format!("{path}.clamp"), format!("unknown field `{key}`; write {{}}"));
                }
                if measure != Measure::OutputTokens {
                    let wrong = "only `output_tokens` can be clamped: a prompt is not ours to shorten; write `deny` or `confirm`";
                    self.errors.add(format!("{path}.clamp"), wrong);
                } else if limit < super::steps::OUTPUT_BOUND_MIN {
                    let least = format!("at least {}: some APIs refuse less", super::steps::OUTPUT_BOUND_MIN);
                    self.errors.add(format!("{path}.clamp"), least);
                }
                Some(Over::Clamp)
            }
            _ => {
                self.errors.add(path, "exactly one of `deny`, `confirm` and `clamp` is needed");
                None
            }
        }
    }

    /// A message that may use these placeholders only: the others say something of a budget.
    pub(super) fn rule_template(
        &mut self,
        path: &str,
        text: Option<&Message>,
        default: &str,
        placeholders: &[&str],
    ) -> Messages {
        let messages = self.messages(path, text, default);
        if let Some(other) = messages.other_than(placeholders) {
            let wrong =
                format!("`{{{other}}}` says nothing here; known are {{{}}}", placeholders.join("}, {"));
            self.errors.add(path, wrong);
        }
        messages
    }
}

/// What a message of a request limit may say.
const OF_LIMITS: [&str; 6] = ["needed", "limit", "unit", "rule", "model", "upgrade_url"];
