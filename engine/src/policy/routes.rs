//! Routes, from as written to as they run: rules that choose a model, a bound or a header for a call, and experiments
//! that choose for some callers. What they mean for a call stands in `exchange/routing.rs`.

use super::PolicyErrors;
use super::amounts;
use super::compile::Compiler;
use super::condition::{Asker, Condition, Wanted};
use super::identity::{Dimension, check_header};
use super::limits::Term;
use super::named::Named;
use super::wire::Mode;
use super::{Downgrade, DowngradeList, NO_ROUTE};
use crate::secret::is_same;
use crate::split::{self, PER_MILLE};
use crate::units::EpochMs;
use deserr::Deserr;
use wildmatch::WildMatch;

/// A rule that chooses how a call goes on.
#[derive(Debug, Clone)]
pub struct RouteRule {
    /// Unique among the policy's rules; the `rule` in answers and records.
    pub name: String,
    /// Decides, but is not carried out.
    pub shadow: bool,
    /// Which calls: those that fulfil all of these.
    pub matches: Vec<Condition>,
    /// Models that nothing of ours may put in the place of another for such calls.
    pub forbid: Vec<WildMatch>,
    /// What it chooses for every such call.
    pub set: Setting,
    /// Or for some of the callers.
    pub split: Option<Split>,
    /// Or that conversations stay where their cache is.
    pub keep: Option<Keep>,
    /// When it is in force.
    pub term: Term,
}

/// What is chosen for a call.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// The model that serves.
    pub model: Option<NewModel>,
    /// The most tokens that one answer may have, beside the thinking that the request asks for.
    pub max_output_tokens: Option<u64>,
    /// The service tier, by the provider's word for it.
    pub service_tier: Option<&'static str>,
    /// Headers of the request, for the proxy's own routing.
    pub headers: Vec<(String, String)>,
}

/// The model that a route puts in place.
#[derive(Debug, Clone)]
pub enum NewModel {
    /// This one.
    Named(Downgrade),
    /// What a list of `downgrades` has for the one asked for: its place in [`super::Policy::downgrades`].
    Listed(usize),
}

/// Which conversations stay on the model that has them in its cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The dimension that names them: its place.
    pub by: usize,
    /// How long after their last call.
    pub for_ms: i64,
}

/// An experiment.
#[derive(Debug, Clone)]
pub struct Split {
    /// The dimension whose values are the subjects: its place.
    pub by: usize,
    /// What else the arm depends on, so that two experiments mix.
    pub salt: String,
    /// How many of a thousand subjects are in no arm of any experiment of this policy.
    pub holdout: u32,
    /// When the arms that change something begin to grow, and when they have their weight.
    pub ramp: Option<(EpochMs, EpochMs)>,
    /// Of a thousand subjects so many each; the rest is in none.
    pub arms: Vec<Arm>,
    /// Who knows this chooses an arm by a header.
    pub secret: Option<String>,
}

/// One arm of an experiment.
#[derive(Debug, Clone)]
pub struct Arm {
    /// Unique in its experiment; in records and in the answer's headers.
    pub name: String,
    /// Of a thousand subjects so many.
    pub weight: u32,
    /// What is chosen for them.
    pub set: Setting,
}

/// Which arm a subject is in.
#[derive(Debug, Clone, Copy)]
pub enum Assigned<'a> {
    /// This one.
    Arm(&'a Arm),
    /// None: it is held out of every experiment.
    HeldOut,
    /// None: the arms do not reach so far.
    Outside,
}

impl Setting {
    /// It chooses nothing.
    pub(crate) const fn is_empty(&self) -> bool {
        self.model.is_none()
            && self.max_output_tokens.is_none()
            && self.service_tier.is_none()
            && self.headers.is_empty()
    }
}

impl RouteRule {
    /// The budgets of which it asks how far they are used: their places among those that the policy names.
    pub fn budgets(&self) -> impl Iterator<Item = usize> {
        self.matches.iter().filter_map(|condition| match condition {
            Condition::BudgetUsed(place, _) => Some(*place),
            _ => None,
        })
    }

    /// Whether it may change requests.
    #[must_use]
    pub fn edits(&self) -> bool {
        let arms = self.split.iter().flat_map(|split| &split.arms);
        let chooses = !self.set.is_empty() || self.keep.is_some();
        !self.shadow && (chooses || arms.into_iter().any(|arm| !arm.set.is_empty()))
    }
}

impl Split {
    /// The arm of a subject. `policy`: the policy's name, by which all its experiments hold out the same subjects.
    #[must_use]
    pub fn assign(&self, policy: &str, subject: &str, now: EpochMs) -> Assigned<'_> {
        if split::is_held_out(policy, subject, self.holdout) {
            return Assigned::HeldOut;
        }
        let arms = self.arms.iter().map(|arm| (arm.name.as_str(), arm.weight));
        let arm = split::arm(&self.salt, subject, arms).and_then(|place| self.arms.get(place));
        let arm = arm.filter(|arm| {
            arm.set.is_empty() || split::is_in_by_now(&self.salt, &arm.name, subject, self.grown(now))
        });
        arm.map_or(Assigned::Outside, Assigned::Arm)
    }

    /// How much the arms that change something have grown by now, in thousandths. One that changes nothing is there from
    /// the beginning.
    fn grown(&self, now: EpochMs) -> u32 {
        let Some((from, to)) = self.ramp else { return PER_MILLE };
        let passed = i128::from(now.0.saturating_sub(from.0).max(0));
        let whole = i128::from(to.0.saturating_sub(from.0).max(1));
        let grown = passed.saturating_mul(i128::from(PER_MILLE)).checked_div(whole).unwrap_or(0);
        u32::try_from(grown).unwrap_or(PER_MILLE).min(PER_MILLE)
    }

    /// What a header chooses: the name of an arm, or [`HOLDOUT`], a space, and the secret.
    #[must_use]
    pub fn forced(&self, header: &str) -> Option<Assigned<'_>> {
        let (name, secret) = header.trim().split_once(' ')?;
        if !is_same(secret.trim().as_bytes(), self.secret.as_ref()?.as_bytes()) {
            return None;
        }
        if name == HOLDOUT {
            return Some(Assigned::HeldOut);
        }
        self.arms.iter().find(|arm| arm.name == name).map(Assigned::Arm)
    }
}

/// How long a conversation is kept where nothing else is said: providers keep a prompt for five minutes after it was last
/// used (<https://platform.claude.com/docs/en/build-with-claude/prompt-caching>), or longer.
const KEEP_MS: i64 = 5 * 60 * 1000;
/// The longest that any says it keeps one (<https://platform.openai.com/docs/guides/prompt-caching>).
const KEEP_MS_MAX: i64 = 24 * 60 * 60 * 1000;
const SECRET_BYTES_MIN: usize = 16;

/// A route as written.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct WireRoute {
    pub(super) name: String,
    #[deserr(default = true)]
    pub(super) enabled: bool,
    #[deserr(default)]
    pub(super) mode: Option<Mode>,
    #[deserr(rename = "match", default)]
    pub(super) matches: Named<Wanted>,
    #[deserr(default)]
    pub(super) forbid: Vec<String>,
    #[deserr(default)]
    pub(super) set: Option<WireSetting>,
    #[deserr(default)]
    pub(super) split: Option<WireSplit>,
    #[deserr(default)]
    pub(super) keep: Option<WireKeep>,
    #[deserr(default)]
    pub(super) since: Option<String>,
    #[deserr(default)]
    pub(super) until: Option<String>,
}

/// What is chosen, as written.
#[derive(Debug, Default, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct WireSetting {
    #[deserr(default)]
    pub(super) model: Option<String>,
    #[deserr(default)]
    pub(super) downgrade: Option<String>,
    #[deserr(default)]
    pub(super) max_output_tokens: Option<u64>,
    #[deserr(default)]
    pub(super) service_tier: Option<String>,
    #[deserr(default)]
    pub(super) headers: Named<String>,
}

/// Which conversations stay, as written.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct WireKeep {
    pub(super) by: String,
    #[deserr(rename = "for", default)]
    pub(super) lasts: Option<String>,
}

/// An experiment as written.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct WireSplit {
    pub(super) by: String,
    #[deserr(default)]
    pub(super) salt: Option<String>,
    #[deserr(default)]
    pub(super) holdout: u32,
    #[deserr(default)]
    pub(super) ramp: Option<WireRamp>,
    pub(super) arms: Vec<WireArm>,
    #[deserr(default)]
    pub(super) secret: Option<String>,
}

/// A ramp as written.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct WireRamp {
    pub(super) from: String,
    pub(super) to: String,
}

/// An arm as written.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct WireArm {
    pub(super) name: String,
    pub(super) weight: u32,
    #[deserr(default)]
    pub(super) set: WireSetting,
}

impl Compiler<'_> {
    pub(super) fn routes(
        &mut self,
        wire: Vec<WireRoute>,
        mode: Mode,
        identity: &[Dimension],
        lists: &[DowngradeList],
    ) -> Vec<RouteRule> {
        let mut routes = Vec::with_capacity(wire.len());
        for (i, wire) in wire.into_iter().enumerate() {
            let path = format!("routes[{i}]");
            self.rule_name(&path, &wire.name);
            if wire.name == NO_ROUTE {
                let wrong = format!(
                    "`{NO_ROUTE}` is the route of calls for which no route chooses; choose another name"
                );
                self.errors.add(format!("{path}.name"), wrong);
            }
            let chosen = [wire.set.is_some(), wire.split.is_some(), wire.keep.is_some()];
            let chosen = chosen.into_iter().filter(|is| *is).count();
            if chosen > 1 || (chosen == 0 && wire.forbid.is_empty()) {
                self.errors.add(&path, "a route needs one of `set`, `split` and `keep`, or `forbid` alone");
            }
            let enabled = wire.enabled;
            let matches = self.conditions(&format!("{path}.match"), wire.matches, identity, Asker::Route);
            let set = wire.set.map(|set| {
                let set = self.setting(&format!("{path}.set"), set, lists);
                if set.is_empty() {
                    self.errors.add(format!("{path}.set"), "it chooses nothing");
                }
                set
            });
            let split = wire
                .split
                .and_then(|split| self.split(&format!("{path}.split"), split, &wire.name, identity, lists));
            let keep = wire.keep.and_then(|keep| self.keep(&format!("{path}.keep"), &keep, identity));
            let route = RouteRule {
                shadow: wire.mode.unwrap_or(mode) == Mode::Shadow || mode == Mode::Shadow,
                matches,
                forbid: wire.forbid.iter().map(|name| WildMatch::new_case_insensitive(name)).collect(),
                set: set.unwrap_or_default(),
                split,
                keep,
                term: self.term(&path, wire.since.as_deref(), wire.until.as_deref()),
                name: wire.name,
            };
            routes.extend(enabled.then_some(route));
        }
        routes
    }

    fn keep(&mut self, path: &str, wire: &WireKeep, identity: &[Dimension]) -> Option<Keep> {
        let by = self.dimension(path, &wire.by, identity);
        let for_path = format!("{path}.for");
        let lasts = wire.lasts.as_ref();
        let for_ms = lasts.map_or(Some(KEEP_MS), |text| amounts::duration(&for_path, text, self.errors))?;
        if for_ms > KEEP_MS_MAX {
            self.errors.add(for_path, "24 hours at most: no provider keeps a prompt in its cache for longer");
        }
        Some(Keep { by: by?, for_ms })
    }

    /// The dimension of this name that `by` wants: its place.
    fn dimension(&mut self, path: &str, name: &str, identity: &[Dimension]) -> Option<usize> {
        let by = identity.iter().position(|dimension| dimension.name == name);
        if by.is_none() {
            self.errors.add(format!("{path}.by"), format!("`{name}` is no dimension of `identity`"));
        }
        by
    }

    fn setting(&mut self, path: &str, wire: WireSetting, lists: &[DowngradeList]) -> Setting {
        let model = match (wire.model, wire.downgrade) {
            (Some(_), Some(_)) => {
                self.errors.add(path, "either a `model`, or a `downgrade` list that has one for each");
                None
            }
            (Some(model), None) => {
                if model.is_empty() || model.contains('*') {
                    self.errors.add(format!("{path}.model"), "one model is needed, not a pattern");
                }
                Some(NewModel::Named(Downgrade::to(model)))
            }
            (None, Some(name)) => self.list(&format!("{path}.downgrade"), &name, lists).map(NewModel::Listed),
            (None, None) => None,
        };
        if wire.max_output_tokens.is_some_and(|tokens| tokens < super::steps::OUTPUT_BOUND_MIN) {
            let least = format!("at least {}: some APIs refuse less", super::steps::OUTPUT_BOUND_MIN);
            self.errors.add(format!("{path}.max_output_tokens"), least);
        }
        let mut headers = Vec::with_capacity(wire.headers.len());
        for (name, value) in wire.headers {
            let at = format!("{path}.headers.{name}");
            match check_header(&name) {
                Err(message) => self.errors.add(at, message),
                Ok(_) if value.bytes().any(|b| b.is_ascii_control()) => {
                    self.errors.add(at, "a header's value is one line");
                }
                Ok(name) => headers.push((name, value)),
            }
        }
        let service_tier =
            wire.service_tier.and_then(|name| self.service_tier(&format!("{path}.service_tier"), &name));
        Setting { model, max_output_tokens: wire.max_output_tokens, service_tier, headers }
    }

    fn service_tier(&mut self, path: &str, name: &str) -> Option<&'static str> {
        let found = SERVICE_TIERS.iter().flat_map(|(_, tiers)| *tiers).find(|tier| **tier == name);
        if found.is_none() {
            let known = "`auto`, `default`, `flex`, `priority`, and Anthropic's `standard_only`";
            self.errors.add(path, format!("unknown service tier `{name}`; known are {known}"));
        }
        found.copied()
    }

    fn split(
        &mut self,
        path: &str,
        wire: WireSplit,
        route: &str,
        identity: &[Dimension],
        lists: &[DowngradeList],
    ) -> Option<Split> {
        let by = self.dimension(path, &wire.by, identity);
        if wire.holdout > PER_MILLE {
            self.errors.add(format!("{path}.holdout"), "at most 1000: it is in thousandths of the subjects");
        }
        if wire.secret.as_ref().is_some_and(|secret| secret.len() < SECRET_BYTES_MIN) {
            let wrong = format!("at least {SECRET_BYTES_MIN} characters, so that nobody guesses it");
            self.errors.add(format!("{path}.secret"), wrong);
        }
        let ramp = wire.ramp.and_then(|ramp| {
            let from = self.moment(format!("{path}.ramp.from"), &ramp.from, 0, "first")?;
            let to = self.moment(format!("{path}.ramp.to"), &ramp.to, 0, "first")?;
            if from >= to {
                self.errors.add(format!("{path}.ramp.to"), "it ends before it begins");
            }
            Some((from, to))
        });
        let arms = self.arms(path, wire.arms, lists);
        Some(Split {
            by: by?,
            salt: wire.salt.unwrap_or_else(|| route.to_owned()),
            holdout: wire.holdout,
            ramp,
            arms,
            secret: wire.secret,
        })
    }

    fn arms(&mut self, path: &str, wire: Vec<WireArm>, lists: &[DowngradeList]) -> Vec<Arm> {
        let sum = wire.iter().fold(0_u64, |sum, arm| sum.saturating_add(u64::from(arm.weight)));
        if sum == 0 || sum > u64::from(PER_MILLE) {
            let wrong = format!(
                "the weights are thousandths of the subjects and add up to {sum}; 1 to 1000 are right"
            );
            self.errors.add(format!("{path}.arms"), wrong);
        }
        let mut arms: Vec<Arm> = Vec::with_capacity(wire.len());
        for (i, arm) in wire.into_iter().enumerate() {
            let path = format!("{path}.arms[{i}]");
            if !super::compile::is_name(&arm.name) {
                let wrong = "a name of 1 to 64 letters, digits, `-`, `_` and `.` is needed";
                self.errors.add(format!("{path}.name"), wrong);
            }
            if arms.iter().any(|other| other.name == arm.name) || arm.name == HOLDOUT {
                self.errors.add(format!("{path}.name"), format!("`{}` names two arms", arm.name));
            }
            let set = self.setting(&format!("{path}.set"), arm.set, lists);
            arms.push(Arm { name: arm.name, weight: arm.weight, set });
        }
        arms
    }
}

/// The service tiers that a request may ask for, by dialect: of OpenAI
/// (<https://platform.openai.com/docs/api-reference/chat/create#chat-create-service_tier>) and of Anthropic
/// (<https://docs.claude.com/en/api/service-tiers>). Batches are sent to other paths.
const SERVICE_TIERS: [(&[&str], &[&str]); 2] = [
    (&["openai-chat", "openai-responses"], &["auto", "default", "flex", "priority"]),
    (&["anthropic-messages"], &["auto", "standard_only"]),
];

/// Whether an API knows a service tier.
pub fn knows_service_tier(dialect: &str, tier: &str) -> bool {
    SERVICE_TIERS.iter().any(|(dialects, tiers)| dialects.contains(&dialect) && tiers.contains(&tier))
}

/// What the record calls the arm of those who are held out.
pub const HOLDOUT: &str = "holdout";
