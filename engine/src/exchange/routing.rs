//! Routes of a call: the model, the bound and the headers that rules choose for it before any budget is asked, and the
//! arms of experiments that its caller is in.

use super::climb::Serve;
use super::keeping::Kept;
use super::shadowed::Would;
use super::{Decision, Exchange};
use crate::dialect::{Edits, ModelAt};
use crate::policy::{
    Assigned, Cheaper, HOLDOUT, Header, NewModel, Policy, RouteRule, Setting, Split, Subject,
    knows_service_tier,
};
use crate::units::EpochMs;
use crate::usage::Served;
use wildmatch::WildMatch;

/// What routes chose for a call.
#[derive(Debug, Default)]
pub(super) struct Routing {
    /// It is chosen once.
    is_done: bool,
    /// The first rule that changed something, or in whose experiment the caller has an arm.
    pub(super) rule: Option<String>,
    /// The model that serves, if it is another.
    pub(super) model: Option<String>,
    /// The service tier that is put in place of the request's.
    pub(super) service_tier: Option<&'static str>,
    /// Headers of the request, for the proxy's own routing.
    pub(super) headers: Vec<(String, String)>,
    /// Experiments, and the arm of each that the caller is in.
    pub(super) arms: Vec<(String, String)>,
    /// Those of them that the caller chose.
    pub(super) arms_chosen: Vec<String>,
    /// The first rule that changed something, and the sentence that says so.
    pub(super) told: Option<(String, String)>,
    /// What must not serve.
    forbidden: Vec<WildMatch>,
    /// The key of the call's conversation, where one is to be kept on a model.
    pub(super) conversation: Option<u64>,
    /// The model that has it in its cache, as long as that one serves.
    pub(super) kept: Option<Kept>,
    /// Whether it serves whatever model routes choose.
    pub(super) stays: bool,
    /// The rule in shadow mode that would keep it on another model than the one asked for.
    pub(super) shadow_kept: Option<String>,
}

impl Routing {
    /// What was chosen could not be put in place.
    pub(super) fn undo(&mut self) {
        self.model = None;
        self.service_tier = None;
        self.headers.clear();
        self.told = None;
        self.kept = None;
    }
}

impl Exchange {
    /// The caller's `x-tokenstile-arm`: it chooses an arm if it knows the secret.
    pub(super) fn wants_arm(&mut self, headers: &[Header<'_>]) {
        if !self.policy.lets_choose_arms() {
            return;
        }
        let wanted = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"x-tokenstile-arm"));
        self.wanted_arm =
            wanted.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default();
    }

    /// Chooses, when all that is to be known of the call is known.
    pub(super) fn choose_route(&mut self, policy: &Policy, now: EpochMs) {
        if policy.routes.is_empty() || std::mem::replace(&mut self.routing.is_done, true) {
            return;
        }
        let call = self.call_of(self.subject(), now);
        let met = |route: &&RouteRule| route.term.lasts(now) && call.meets(&route.matches) == Some(true);
        let met: Vec<&RouteRule> = policy.routes.iter().filter(met).collect();
        let forbid = met.iter().filter(|route| !route.shadow).flat_map(|route| &route.forbid);
        let forbidden = forbid.cloned().collect();
        self.routing.forbidden = forbidden;
        self.find_kept(&met, now);
        self.settle_kept(policy, &met, now);
        for route in met {
            self.follow(policy, route, now);
        }
        if let Some(kept) = self.routing.kept.as_ref().filter(|_| self.routing.model.is_some()) {
            self.routing.rule.get_or_insert_with(|| kept.rule.clone());
        }
        if self.routing.model.is_some() || self.routing.service_tier.is_some() {
            // Holds are of what will serve.
            self.quote = std::cell::OnceCell::new();
        }
    }

    /// The model that routes put in place, and the first that does.
    pub(super) fn chosen_model(
        &self,
        policy: &Policy,
        met: &[&RouteRule],
        now: EpochMs,
    ) -> Option<(String, String)> {
        met.iter().filter(|route| !route.shadow).find_map(|route| {
            let set = match &route.split {
                None => &route.set,
                Some(split) => self.arm_of(policy, split, now).1?,
            };
            let serve = self.new_model(policy, set.model.as_ref()?).ok()??;
            Some((route.name.clone(), serve.model))
        })
    }

    /// Whether the caller is in an arm of an experiment.
    pub(super) fn is_compared(&self, policy: &Policy, met: &[&RouteRule], now: EpochMs) -> bool {
        let mut splits = met.iter().filter(|route| !route.shadow).filter_map(|route| route.split.as_ref());
        splits.any(|split| self.arm_of(policy, split, now).0.is_some())
    }

    fn follow(&mut self, policy: &Policy, route: &RouteRule, now: EpochMs) {
        let arm = route.split.as_ref().map(|split| self.arm_of(policy, split, now));
        let set = match &arm {
            None => Some(&route.set),
            Some((name, set)) => {
                if let Some(name) = name.filter(|_| !route.shadow) {
                    self.routing.arms.push((route.name.clone(), name.to_owned()));
                    let forced = route.split.as_ref().and_then(|split| split.forced(&self.wanted_arm));
                    self.routing.arms_chosen.extend(forced.map(|_| route.name.clone()));
                }
                *set
            }
        };
        let Some(set) = set else { return };
        if route.shadow {
            self.follow_in_shadow(policy, route, set);
            return;
        }
        // An arm that changes nothing, or could not, is one of those that are compared.
        let chooses = self.apply_setting(policy, route, set) || arm.is_some();
        if chooses {
            self.routing.rule.get_or_insert_with(|| route.name.clone());
        }
    }

    /// What a route in shadow mode would have changed.
    fn follow_in_shadow(&mut self, policy: &Policy, route: &RouteRule, set: &Setting) {
        let keeps = self.routing.shadow_kept.as_ref() == Some(&route.name);
        if keeps || self.would_change(policy, set) {
            self.outcome.shadow.push((route.name.clone(), Decision::Route));
            let model = self.free_model(set).and_then(|model| self.new_model(policy, model).ok()?);
            let would = Would { model: model.map(|serve| serve.model), bound: set.max_output_tokens };
            self.outcome.would.push((route.name.clone(), would));
        }
    }

    /// The name of the caller's arm, and what is chosen there.
    fn arm_of<'p>(
        &self,
        policy: &Policy,
        split: &'p Split,
        now: EpochMs,
    ) -> (Option<&'p str>, Option<&'p Setting>) {
        let by_subject = || split.assign(&policy.name, self.identity.value(split.by), now);
        match split.forced(&self.wanted_arm).unwrap_or_else(by_subject) {
            Assigned::Arm(arm) => (Some(&arm.name), Some(&arm.set)),
            Assigned::HeldOut => (Some(HOLDOUT), None),
            Assigned::Outside => (None, None),
        }
    }

    /// The model that a route chooses, where no earlier one has.
    fn free_model<'a>(&self, set: &'a Setting) -> Option<&'a NewModel> {
        set.model.as_ref().filter(|_| self.routing.model.is_none() && !self.routing.stays)
    }

    fn would_change(&self, policy: &Policy, set: &Setting) -> bool {
        let model = self.free_model(set).and_then(|model| self.new_model(policy, model).ok().flatten());
        let bound = set.max_output_tokens.and_then(|tokens| self.bound_answer(tokens).ok().flatten());
        let tier = set.service_tier.is_some_and(|tier| self.can_change_tier(tier) == Ok(true));
        model.is_some() || bound.is_some() || tier || !set.headers.is_empty()
    }

    /// Puts in place what no earlier rule chose; whether that changes anything.
    fn apply_setting(&mut self, policy: &Policy, route: &RouteRule, set: &Setting) -> bool {
        let rule = route.name.as_str();
        let parts = [
            self.apply_model(policy, rule, set),
            self.apply_bound(rule, set),
            self.apply_tier(rule, set),
            self.apply_headers(rule, set),
        ];
        self.tell_of_route();
        let mut chooses = false;
        for part in parts {
            match part {
                Ok(changes) => chooses |= changes,
                Err(why) => self.outcome.skipped.push(format!("{rule}: {why}")),
            }
        }
        chooses
    }

    fn apply_model(&mut self, policy: &Policy, rule: &str, set: &Setting) -> Result<bool, String> {
        let Some(model) = set.model.as_ref().filter(|_| !self.routing.stays) else { return Ok(false) };
        if let Some(serving) = &self.routing.model {
            let wants = self.wanted_model(policy, model);
            return if wants.is_none_or(|wants| wants == serving) {
                Ok(false)
            } else {
                Err(format!("an earlier route has put `{serving}` in place"))
            };
        }
        let serve = self.new_model(policy, model)?;
        let changes = serve.is_some();
        if let Some(serve) = serve {
            self.put_in_place(rule, serve);
        }
        Ok(changes)
    }

    fn apply_bound(&mut self, rule: &str, set: &Setting) -> Result<bool, String> {
        let bound = set.max_output_tokens.map_or(Ok(None), |tokens| self.bound_answer(tokens))?;
        if let Some(tokens) = set.max_output_tokens.filter(|_| bound.is_none()) {
            self.hold_unstated(tokens);
        }
        let lower = bound.filter(|bound| self.outcome.output_bound.is_none_or(|other| *bound < other));
        if let Some(bound) = lower {
            self.outcome.clamp(rule, bound);
            self.output_limit = self.outcome.output_bound;
        }
        Ok(lower.is_some())
    }

    fn apply_tier(&mut self, rule: &str, set: &Setting) -> Result<bool, String> {
        let Some(tier) = set.service_tier else { return Ok(false) };
        match self.routing.service_tier {
            Some(other) if other == tier => return Ok(false),
            Some(other) => return Err(format!("an earlier route has chosen the service tier `{other}`")),
            None => {}
        }
        let changes = self.can_change_tier(tier)?;
        if changes {
            self.routing.service_tier = Some(tier);
            self.routing.told.get_or_insert((rule.to_owned(), String::new()));
        }
        Ok(changes)
    }

    /// Of a header that two routes set, the first one's value stays.
    fn apply_headers(&mut self, rule: &str, set: &Setting) -> Result<bool, String> {
        if set.headers.is_empty() {
            return Ok(false);
        }
        if !self.path_editable {
            let why = "the headers have left already; `hold_headers` keeps them until the decision";
            return Err(why.to_owned());
        }
        let mut changes = false;
        for (name, value) in &set.headers {
            match self.routing.headers.iter().find(|(other, _)| other == name) {
                None => {
                    self.routing.headers.push((name.clone(), value.clone()));
                    changes = true;
                }
                Some((_, other)) if other == value => {}
                Some(_) => {
                    let why = format!("{rule}: an earlier route has set the header `{name}`");
                    self.outcome.skipped.push(why);
                }
            }
        }
        if changes {
            self.routing.told.get_or_insert((rule.to_owned(), String::new()));
        }
        Ok(changes)
    }

    pub(super) fn tell_of_route(&mut self) {
        self.outcome.routed.clone_from(&self.routing.told);
        self.outcome.settle_decision();
    }

    /// Whether this service tier is another than the one asked for.
    fn can_change_tier(&self, tier: &str) -> Result<bool, String> {
        let facts =
            self.facts.as_ref().ok_or("the body could not be read, so its service tier cannot be changed")?;
        if facts.service_tier == tier {
            return Ok(false);
        }
        if !self.body_editable {
            return Err("this proxy cannot change request bodies".to_owned());
        }
        let has_place = facts.set_service_tier(tier, &mut Edits::default());
        if !has_place || !knows_service_tier(self.route.dialect.name, tier) {
            return Err(format!("this API has no service tier `{tier}`"));
        }
        Ok(true)
    }

    /// The model that a route wants to serve this call; `None` if its list has none for it.
    fn wanted_model<'a>(&self, policy: &'a Policy, model: &'a NewModel) -> Option<&'a str> {
        match model {
            NewModel::Named(rule) => Some(&rule.to),
            NewModel::Listed(list) => {
                let list = policy.downgrades.get(*list)?;
                match list.cheaper(self.asked_model(), |model| self.entry_of(model)) {
                    Cheaper::Use(rule) => Some(&rule.to),
                    Cheaper::Already | Cheaper::Unlisted => None,
                }
            }
        }
    }

    /// The model that is to serve; `Ok(None)` if it is the one asked for.
    fn new_model(&self, policy: &Policy, model: &NewModel) -> Result<Option<Serve>, String> {
        let asked = self.asked_model();
        let rule = match model {
            NewModel::Named(rule) if rule.to == asked => return Ok(None),
            NewModel::Named(rule) => rule,
            NewModel::Listed(list) => {
                let list = policy.downgrades.get(*list).ok_or("no such list")?;
                match list.cheaper(asked, |model| self.entry_of(model)) {
                    Cheaper::Use(rule) => rule,
                    Cheaper::Already => return Ok(None),
                    Cheaper::Unlisted => return Err(format!("`{}` names nothing for `{asked}`", list.name)),
                }
            }
        };
        self.can_change_model()?;
        self.serve(rule).map(Some)
    }

    /// Whether the request's model can be changed at all.
    pub(super) fn can_change_model(&self) -> Result<(), String> {
        let why_not = match self.facts.as_ref().map(|facts| &facts.model_at) {
            None => "the body could not be read, so its model cannot be changed",
            Some(ModelAt::Nowhere) => "this request names no model that could be changed",
            Some(ModelAt::Body(_) | ModelAt::Form(_)) if !self.body_editable => {
                "this proxy cannot change request bodies"
            }
            Some(ModelAt::Path(_)) if !self.path_editable => {
                "the path has left already; `hold_headers` keeps it until the decision"
            }
            Some(_) => return Ok(()),
        };
        Err(why_not.to_owned())
    }

    /// Whether no route forbids this model to serve such calls, whatever spelling of its name either has.
    pub(super) fn is_allowed(&self, model: &str) -> Result<(), String> {
        let priced_as = &self.quote_for(model, &Served::default()).entry;
        let subject = Subject { asked: model, priced_as, ..self.subject_of_head() };
        if self.routing.forbidden.iter().any(|pattern| subject.is_of_model(pattern)) {
            return Err(format!("a route forbids `{model}` for such calls"));
        }
        Ok(())
    }

    /// The model that the call goes out with unless a budget decides otherwise.
    pub(super) fn routed_model(&self) -> &str {
        self.routing.model.as_deref().unwrap_or_else(|| self.asked_model())
    }
}
