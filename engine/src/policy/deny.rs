//! The `deny` step, from as written to as it runs. What it means for a call stands in `exchange/conclude.rs`, and for
//! an answer that streams already in `exchange/tail.rs`.

use super::compile::Compiler;
use super::language::Message;
use super::{Action, PolicyErrors};
use crate::units::Meter;
use deserr::Deserr;

pub(super) const EXHAUSTED: &str =
    "You've used {percent} of {period}AI quota ({used} of {limit}{unit}). It resets {resets_at}.";
const SHORT: &str = "This request needs about {needed}{unit}, but {remaining} of {period}{limit}{unit} remain. \
                     Your AI quota resets {resets_at}.";
/// Behind these, where there is a way.
const UPGRADE: &str = " Or upgrade: {upgrade_url}";
const TOO_MANY: &str = "You have {used} of at most {limit}{unit}. Try again {resets_at}.";

/// The `deny` action.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct WireDeny {
    #[deserr(default)]
    pub(super) message: Option<Message>,
    #[deserr(default)]
    pub(super) upgrade_url: Option<String>,
    #[deserr(default)]
    pub(super) streams: Option<Streams>,
}

/// What happens to an answer that streams already when its budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserr)]
#[deserr(error = PolicyErrors, rename_all = lowercase)]
pub(super) enum Streams {
    /// It goes on to its end, and what it uses too much is a debt.
    Finish,
    /// It ends in an error.
    Stop,
}

impl Compiler<'_> {
    pub(super) fn deny(&mut self, path: &str, wire: WireDeny, meter: Meter) -> Action {
        let (short, exhausted) = match meter {
            Meter::RequestsInFlight => (TOO_MANY, TOO_MANY),
            // One call needs one: what is left is always less than that.
            Meter::Requests => (EXHAUSTED, EXHAUSTED),
            _ => (SHORT, EXHAUSTED),
        };
        let stops_streams = wire.streams == Some(Streams::Stop);
        if stops_streams && !matches!(meter, Meter::Tokens | Meter::OutputTokens | Meter::Usd) {
            let wrong = format!("an answer that runs uses no more `{}`; leave it out", meter.unit());
            self.errors.add(format!("{path}.streams"), wrong);
        }
        let at = format!("{path}.message");
        let upgrade = if wire.upgrade_url.is_some() { UPGRADE } else { "" };
        let (short, exhausted) = ([short, upgrade].concat(), [exhausted, upgrade].concat());
        let exhausted = self.messages(&at, wire.message.as_ref(), &exhausted);
        Action::Deny {
            short: exhausted.or_else(wire.message.as_ref(), &short),
            exhausted,
            has_own_words: wire.message.is_some(),
            upgrade_url: wire.upgrade_url,
            stops_streams,
        }
    }
}
