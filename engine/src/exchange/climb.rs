//! What one ladder says of a call: which of its steps apply, and whether they can be carried out.
//!
//! [`super::conclude`] asks for every budget and makes one outcome of the answers; nothing is changed here.

use super::{Decision, Exchange};
use crate::dialect::{Edits, ModelAt};
use crate::policy::{Action, Budget, Cheaper, Policy};
use crate::units::Amount;

/// What one ladder says of a call.
pub(super) struct Climb<'p> {
    pub(super) decision: Decision,
    pub(super) warn: Option<&'p Action>,
    pub(super) clamp: Option<u64>,
    pub(super) serve: Option<String>,
    pub(super) deny: Option<&'p Action>,
    pub(super) skipped: Option<String>,
}

impl Exchange {
    /// Which steps of a ladder apply with `after` used. A step that cannot be carried out makes the
    /// next one apply; a refusal only once the limit is passed.
    ///
    /// `warned`: which of the warnings that are given once were given, a bit each.
    pub(super) fn climb<'p>(
        &self,
        policy: &'p Policy,
        budget: &'p Budget,
        after: Amount,
        warned: u8,
    ) -> Climb<'p> {
        let mut climb = Climb {
            decision: Decision::Allow,
            warn: None,
            clamp: None,
            serve: None,
            deny: None,
            skipped: None,
        };
        let mut fell = false;
        let mut once = 0_u32;
        let steps = budget.ladder.iter().filter(|step| !matches!(step.action, Action::Alert));
        for step in steps {
            // A warning comes as soon as the threshold is reached; what restricts, only beyond it.
            let reached =
                if matches!(step.action, Action::Warn { .. }) { after >= step.at } else { after > step.at };
            // In the place of a step that cannot be carried out, nothing is refused that still has a budget.
            let replaces = fell && (after > budget.limit || !matches!(step.action, Action::Deny { .. }));
            if !reached && !replaces {
                break;
            }
            fell = false;
            match &step.action {
                Action::Warn { once: true, .. } => {
                    let is_told = warned.checked_shr(once).unwrap_or(0) & 1 == 1;
                    once = once.saturating_add(1);
                    if !is_told {
                        climb.warn = Some(&step.action);
                    }
                }
                Action::Warn { .. } => climb.warn = Some(&step.action),
                Action::Clamp { max_output_tokens } => match self.shorter(*max_output_tokens) {
                    Ok(bound) => climb.clamp = bound,
                    Err(why) => fell = self.skip(&mut climb, budget, &why),
                },
                Action::Downgrade { list } => match self.cheaper(policy, *list) {
                    Ok(model) => climb.serve = model,
                    Err(why) => fell = self.skip(&mut climb, budget, &why),
                },
                Action::Deny { .. } => climb.deny = Some(&step.action),
                // Operators are told when it is settled.
                Action::Alert => {}
            }
        }
        climb.decision = match () {
            () if climb.deny.is_some() => Decision::Deny,
            () if climb.serve.is_some() => Decision::Downgrade,
            () if climb.clamp.is_some() => Decision::Clamp,
            () if climb.warn.is_some() => Decision::Warn,
            () => Decision::Allow,
        };
        climb
    }

    /// Notes a step that cannot be carried out; whether the next one applies in its place.
    fn skip(&self, climb: &mut Climb<'_>, budget: &Budget, why: &str) -> bool {
        climb.skipped = Some(format!("{}: {why}", budget.name));
        // A body that was not seen says nothing against its sender: only what refuses does.
        !self.unseen
    }

    /// The output bound that `max_output_tokens` puts in place; `Ok(None)` if the call's own is no higher.
    ///
    /// A bound must leave room for the thinking that the request asks for, or Anthropic refuses it:
    /// <https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size>.
    fn shorter(&self, max_output_tokens: u64) -> Result<Option<u64>, String> {
        let Some(facts) = &self.facts else {
            return Err("the body could not be read, so its output bound cannot be lowered".to_owned());
        };
        let bound = max_output_tokens.saturating_add(facts.thinking_budget.unwrap_or(0));
        if facts.output_bound.is_some_and(|asked| asked <= bound) {
            return Ok(None);
        }
        if !self.body_editable {
            return Err("this proxy cannot change request bodies".to_owned());
        }
        if !facts.set_output_bound(bound, &mut Edits::default()) {
            return Err("this request has no place for an output bound".to_owned());
        }
        Ok(Some(bound))
    }

    /// The model that a downgrade list puts in place; `Ok(None)` if the call has it already.
    fn cheaper(&self, policy: &Policy, list: usize) -> Result<Option<String>, String> {
        let why_not = match self.facts.as_ref().map(|facts| &facts.model_at) {
            None => Some("the body could not be read, so its model cannot be changed"),
            Some(ModelAt::Nowhere) => Some("this request names no model that could be changed"),
            Some(ModelAt::Body(_) | ModelAt::Form(_)) if !self.body_editable => {
                Some("this proxy cannot change request bodies")
            }
            Some(ModelAt::Path(_)) if !self.path_editable => {
                Some("the path has left already; `hold_headers` keeps it until the decision")
            }
            Some(_) => None,
        };
        if let Some(why) = why_not {
            return Err(why.to_owned());
        }
        let list = policy.downgrades.get(list).ok_or("no such list")?;
        match list.cheaper(self.served_model()) {
            Cheaper::Use(model) => Ok(Some(model.to_owned())),
            Cheaper::Already => Ok(None),
            Cheaper::Unlisted => {
                Err(format!("`{}` names nothing cheaper than `{}`", list.name, self.served_model()))
            }
        }
    }
}
