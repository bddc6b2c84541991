//! Owns the worst case: what a request, a user and everyone together can cost at most under a policy, by tier, from its
//! limits and the prices. Called by `tokenstile check`, which can fail a build by it.
//!
//! Only budgets that are enforced, refuse, and are met by every call of the user count. Tokens cost as in the dearest
//! service tier that callers can choose, or that routes choose for them; what no tokens bound, as web searches, is told
//! and left out. A month has 31 days; a
//! calendar month touches six weeks at most, and is counted so. Accounts of `overrides` and `exempt` have rows of their
//! own. What calls in flight use beyond their holds comes on top: ARCHITECTURE.md says how much that is.

mod accounts;
mod assumed;
mod dearest;
mod request;
mod table;

pub use accounts::AccountCost;
pub use assumed::not_known;
pub use dearest::NotCounted;
pub use request::PerRequest;
pub use table::SmallTable;

use super::{Sound, models};
use accounts::{Known, budgets};
use dearest::Comes;
use request::Whose;
use tokenstile_engine::policy::{Action, Budget, CalendarUnit, Condition, Policy, Scope, Source, Window};
use tokenstile_engine::price::Quote;
use tokenstile_engine::units::{Amount, EpochMs, Meter, NanoUsd};

/// What is assumed beside the policy.
#[derive(Debug, Clone, Default)]
pub struct Assumed {
    /// The models that users call; empty: any, and the dearest counts.
    pub models: Vec<String>,
    /// How many users there are: by tier, or of all under the empty name.
    pub users: Vec<(String, u64)>,
}

/// The worst case.
#[derive(Debug, Clone)]
pub struct Economics {
    /// The model by which tokens are priced: the dearest that may be called.
    pub dearest: String,
    /// How its calls are served that cost so much: a service tier, a place; empty as by default.
    pub served: String,
    /// One call, for each model that was named, and for each tier whose calls are bounded otherwise than others.
    pub per_request: Vec<PerRequest>,
    /// By tier; one row without a name where the policy has none.
    pub tiers: Vec<TierCost>,
    /// Accounts with limits of their own, and those without any.
    pub accounts: Vec<AccountCost>,
    /// Everyone together in a month, if the number of users is known or a budget is for all.
    pub month: Option<NanoUsd>,
    /// The budgets that bound it.
    pub month_rules: Vec<String>,
    /// What may be charged beside all this.
    pub not_counted: Vec<NotCounted>,
    /// The ledger's table, if it is too small for the users: who finds no room there is bounded by nothing.
    pub small_table: Option<SmallTable>,
}

impl Economics {
    /// Whether some budget of these bounds nothing but tokens or calls, so that what is not counted comes on top.
    #[must_use]
    pub fn leaves_out(&self, sound: &Sound, rules: &[String]) -> bool {
        let of = |rule: &String| sound.policy.declared().iter().find(|budget| budget.name == *rule);
        !self.not_counted.is_empty() && rules.iter().filter_map(of).any(|one| one.meter != Meter::Usd)
    }
}

/// One tier.
#[derive(Debug, Clone)]
pub struct TierCost {
    /// Its name; empty where the policy has none, or for all that it does not name.
    pub tier: String,
    /// A user in a month; `None`: nothing bounds it.
    pub user_month: Option<NanoUsd>,
    /// The budgets that bound it.
    pub rules: Vec<String>,
}

const DAY_MS: i64 = 86_400_000;
const MONTH_MS: i64 = 31 * DAY_MS;
/// Dimensions of which a user has one value at a time. Others (features, traces) multiply.
const OF_A_USER: [&str; 8] = ["user", "tier", "tenant", "org", "organization", "team", "account", "customer"];

/// Works out the worst case.
#[must_use]
pub fn economics(sound: &Sound, assumed: &Assumed, now: EpochMs) -> Economics {
    let worst = Worst::of(&sound.policy, assumed, now);
    let place = sound.policy.identity.iter().position(|dimension| dimension.name == "tier");
    let mut names: Vec<String> = budgets(sound).flat_map(|budget| tiers_of(budget, place)).collect();
    names.extend(assumed.users.iter().map(|(tier, _)| tier.clone()).filter(|tier| !tier.is_empty()));
    names.sort();
    names.dedup();
    names.push(String::new());
    let row = |tier: &String| {
        let known: Known =
            place.filter(|_| !tier.is_empty()).map(|at| (at, tier.clone())).into_iter().collect();
        let (user_month, rules) = worst.for_tier(place, tier).of_known(sound, &known);
        TierCost { tier: tier.clone(), user_month, rules }
    };
    let per_request = worst.by_tier(place, &names);
    let tiers: Vec<TierCost> = names.iter().map(row).collect();
    let accounts = accounts::accounts(sound, &worst, place, &names);
    let everyone = budgets(sound).filter(|budget| budget.per.is_empty() && budget.matches.is_empty());
    let (of_all, by_all) = worst.least(everyone.map(|budget| accounts::highest(sound, budget, now)));
    // Who is exempt is not stopped by what is for all.
    let of_all = of_all.filter(|_| !accounts.iter().any(|account| account.exempt));
    let by_users = accounts::by_users(&tiers, &accounts, &assumed.users);
    let month = [of_all, by_users].into_iter().flatten().min();
    let by_one = tiers.iter().flat_map(|row| &row.rules).chain(accounts.iter().flat_map(|row| &row.rules));
    let month_rules = if month == of_all { by_all } else { by_one.cloned().collect() };
    let by_one = tiers.iter().flat_map(|row| &row.rules).chain(accounts.iter().flat_map(|row| &row.rules));
    let bounding: Vec<&Budget> = budgets(sound)
        .filter(|budget| by_one.clone().chain(&month_rules).any(|name| *name == budget.name))
        .collect();
    let bounds_calls = per_request.iter().any(|call| call.usd.is_some());
    let not_counted = dearest::not_counted(&sound.policy, &worst.prices(), (bounds_calls, &bounding));
    let small_table = table::too_small(sound, &assumed.users, place);
    let (dearest, served) = (worst.dearest.clone(), worst.served.clone());
    Economics { dearest, served, per_request, tiers, accounts, month, month_rules, not_counted, small_table }
}

fn tiers_of(budget: &Budget, place: Option<usize>) -> Vec<String> {
    let matched = budget.matches.iter().filter_map(|condition| match condition {
        Condition::Dimension(at, value) if Some(*at) == place => Some(value.clone()),
        _ => None,
    });
    let limits = budget.alternatives.iter().filter_map(|other| match other.who.as_slice() {
        [(at, value)] if Some(*at) == place => Some(value.clone()),
        _ => None,
    });
    matched.chain(limits).collect()
}

fn is_of_a_user(policy: &Policy, scope: Scope) -> bool {
    let Scope::Dimension(place) = scope else { return false };
    policy.identity.get(place).is_some_and(|dimension| OF_A_USER.contains(&dimension.name.as_str()))
}

/// Dimensions that many users share.
const OF_MANY: [&str; 5] = ["tier", "tenant", "org", "organization", "team"];

/// Whether each user is a subject of this budget, and not one with others.
fn is_user_alone(policy: &Policy, budget: &Budget) -> bool {
    budget.per.iter().any(|scope| {
        let name = match scope {
            Scope::Dimension(place) => policy.identity.get(*place).map(|dimension| dimension.name.as_str()),
            _ => None,
        };
        is_of_a_user(policy, *scope) && name.is_some_and(|name| !OF_MANY.contains(&name))
    })
}

/// The dimensions of these budgets whose values clients write themselves, each with the budgets that it multiplies.
#[must_use]
pub fn of_clients<'s>(sound: &'s Sound, rules: &[String]) -> Vec<(&'s str, Vec<&'s str>)> {
    let theirs = |source: &Source| {
        matches!(
            source,
            Source::Header(_)
                | Source::JwtUnverified { .. }
                | Source::PathSegment(_)
                | Source::Query(_)
                | Source::Cookie(_)
                | Source::TraceId
                | Source::Body(_)
        )
    };
    let identity = sound.policy.identity.iter().enumerate();
    let found =
        identity.filter(|(_, dimension)| dimension.sources.iter().any(theirs)).map(|(at, dimension)| {
            let has = |budget: &&Budget| {
                rules.contains(&budget.name)
                    && budget.per.iter().any(|scope| matches!(scope, Scope::Dimension(place) if *place == at))
            };
            let budgets = sound.policy.declared().iter().filter(has).map(|budget| budget.name.as_str());
            (dimension.name.as_str(), budgets.collect::<Vec<_>>())
        });
    found.filter(|(_, budgets)| !budgets.is_empty()).collect()
}

/// What bounds one side of calls, and by which budget.
type Half = Option<(NanoUsd, String)>;

/// The dearest that tokens and calls can be.
struct Worst<'p> {
    policy: &'p Policy,
    dearest: String,
    /// How it is served that costs so much.
    served: String,
    /// Pico-dollars a token.
    token: u64,
    /// The models that were named, and dearer ones that routes put in their place.
    models: Vec<(String, Comes)>,
    /// One call to each of them.
    requests: Vec<PerRequest>,
    now: EpochMs,
}

impl<'p> Worst<'p> {
    fn of(policy: &'p Policy, assumed: &Assumed, now: EpochMs) -> Self {
        let models = assumed.models.iter().map(|model| (model.clone(), Comes::Asked)).collect();
        let (dearest, served) = (String::new(), String::new());
        let mut worst = Self { policy, dearest, served, token: 0, models, requests: Vec::new(), now };
        if assumed.models.is_empty() {
            let whose = policy
                .provider
                .as_deref()
                .map_or("all models".to_owned(), |of| format!("the models of {of}"));
            worst.dearest = format!("the dearest of {whose}");
            worst.token = dearest::of_all(policy, now);
            return worst;
        }
        for model in &assumed.models {
            worst.may_be_called(model, Comes::Asked);
        }
        for model in request::put_in_place(policy) {
            let is_named = worst.models.iter().any(|(named, _)| *named == model);
            if worst.may_be_called(&model, Comes::InPlace) && !is_named {
                worst.models.push((model, Comes::InPlace));
            }
        }
        worst.for_tier(None, "")
    }

    /// Notes a model; whether it is the dearest so far.
    fn may_be_called(&mut self, model: &str, comes: Comes) -> bool {
        let dearest = dearest::dearest(self.policy, model, comes, self.now);
        let is_dearer = dearest.token > self.token || self.dearest.is_empty();
        if is_dearer {
            (self.token, self.served) = (dearest.token, dearest.served);
            model.clone_into(&mut self.dearest);
        }
        is_dearer
    }

    /// The same with what calls of a tier come to.
    fn for_tier(&self, place: Option<usize>, tier: &str) -> Self {
        let of_tier = place.filter(|_| !tier.is_empty()).map(|place| Whose::Tier(place, tier));
        let requests = self.requests_of(of_tier.unwrap_or(Whose::Anybody));
        let (dearest, served, models) = (self.dearest.clone(), self.served.clone(), self.models.clone());
        Self { policy: self.policy, dearest, served, token: self.token, models, requests, now: self.now }
    }

    fn requests_of(&self, whose: Whose<'_>) -> Vec<PerRequest> {
        let one = |(model, comes): &(String, Comes)| {
            let dearest = dearest::dearest(self.policy, model, *comes, self.now);
            request::dearest_call(self.policy, model, dearest, whose)
        };
        self.models.iter().map(one).collect()
    }

    /// What the models cost that may be called.
    fn prices(&self) -> Vec<(String, Quote)> {
        let quote =
            |(model, _): &(String, Comes)| (model.clone(), models::quote(self.policy, model, self.now));
        match self.models.as_slice() {
            [] => dearest::all_prices(self.policy, self.now),
            models => models.iter().map(quote).collect(),
        }
    }

    /// What calls come to: of anybody, and of tiers and of who is exempt, where theirs come to something else.
    fn by_tier(&self, place: Option<usize>, tiers: &[String]) -> Vec<PerRequest> {
        let of_tiers = tiers.iter().filter(|tier| !tier.is_empty());
        let other = of_tiers.flat_map(|tier| self.for_tier(place, tier).requests);
        let differs =
            |one: &PerRequest| !self.requests.iter().any(|any| any.model == one.model && any.usd == one.usd);
        let is_exempt = self.policy.exempt.iter().any(|one| accounts::lasts(one.until, self.now));
        let exempt = if is_exempt { self.requests_of(Whose::Exempt) } else { Vec::new() };
        self.requests.iter().cloned().chain(other.chain(exempt).filter(differs)).collect()
    }

    /// The least of what these budgets let through in a month, and which of them bounds it.
    fn least<'b>(&self, budgets: impl Iterator<Item = &'b Budget>) -> (Option<NanoUsd>, Vec<String>) {
        let mut bounds: Vec<(NanoUsd, Vec<String>)> = Vec::new();
        // Input and output bound money only together.
        let (mut input, mut output): (Half, Half) = (None, None);
        for budget in budgets {
            let Some(month) = self.month(budget) else { continue };
            let name = budget.name.clone();
            let half = match budget.meter {
                Meter::InputTokens => &mut input,
                Meter::OutputTokens => &mut output,
                _ => {
                    bounds.push((month, vec![name]));
                    continue;
                }
            };
            if half.as_ref().is_none_or(|(least, _)| month < *least) {
                *half = Some((month, name));
            }
        }
        if let (Some((input, by_input)), Some((output, by_output))) = (input, output) {
            bounds.push((NanoUsd(input.0.saturating_add(output.0)), vec![by_input, by_output]));
        }
        let least = bounds.into_iter().min_by_key(|(usd, _)| *usd);
        least.map_or((None, Vec::new()), |(usd, rules)| (Some(usd), rules))
    }

    /// What a caller of whom this is known can cost in a month, and which budgets bound it.
    fn of_known(&self, sound: &Sound, known: &Known) -> (Option<NanoUsd>, Vec<String>) {
        let met = budgets(sound).filter_map(|budget| accounts::limited(sound, budget, known, self.now));
        self.least(met.filter(|budget| budget.per.iter().all(|scope| is_of_a_user(self.policy, *scope))))
    }

    /// What one subject of a budget can cost in a month.
    fn month(&self, budget: &Budget) -> Option<NanoUsd> {
        let cap = budget.cap()?;
        let (windows, amount) = match &budget.window {
            Window::Calendar { unit, .. } => (touched(*unit), cap),
            Window::Rolling { period_ms } => {
                (MONTH_MS.unsigned_abs().div_ceil(period_ms.unsigned_abs().max(1)), cap)
            }
            Window::Bucket { refill, every_ms } => {
                let refills = MONTH_MS / (*every_ms).max(1);
                (1, cap.saturating_add(refill.saturating_mul(refills)))
            }
            Window::InFlight => return None,
        };
        let once = self.once(budget, amount)?;
        Some(NanoUsd(once.0.saturating_mul(i64::try_from(windows).unwrap_or(i64::MAX))))
    }

    /// What so much of a budget costs at most.
    fn once(&self, budget: &Budget, amount: Amount) -> Option<NanoUsd> {
        match budget.meter {
            Meter::Usd => Some(NanoUsd(amount)),
            Meter::Tokens | Meter::InputTokens | Meter::OutputTokens => {
                let (dear, cheap) = self.split(budget, amount);
                let usd = |token: u64, amount: Amount| pico(token, i128::from(budget.meter.count(amount)));
                let cheaper = if cheap > 0 { self.cheaper(budget) } else { 0 };
                Some(NanoUsd(usd(self.token, dear).0.saturating_add(usd(cheaper, cheap).0)))
            }
            Meter::Requests => {
                let each: Option<Vec<NanoUsd>> = self.requests.iter().map(|request| request.usd).collect();
                let dearest = each?.into_iter().max()?;
                let calls = i64::try_from(budget.meter.count(amount)).unwrap_or(i64::MAX);
                Some(NanoUsd(dearest.0.saturating_mul(calls)))
            }
            Meter::RequestsInFlight => None,
        }
    }

    /// How much is used before a cheaper model serves, and after. It counts only where the next step refuses: then a
    /// call that cannot be downgraded is refused.
    fn split(&self, budget: &Budget, amount: Amount) -> (Amount, Amount) {
        let mut pairs = budget.ladder.windows(2);
        let from = pairs.find_map(|pair| match pair {
            [step, next] if matches!(step.action, Action::Downgrade { .. }) => {
                matches!(next.action, Action::Deny { .. }).then_some(step.at)
            }
            _ => None,
        });
        let dear = from.unwrap_or(amount).min(amount);
        (dear, amount.saturating_sub(dear))
    }

    /// The dearest token of the models that a budget downgrades to.
    fn cheaper(&self, budget: &Budget) -> u64 {
        let lists = budget.ladder.iter().filter_map(|step| match &step.action {
            Action::Downgrade { list } => self.policy.downgrades.get(*list),
            _ => None,
        });
        let tokens = lists
            .flat_map(tokenstile_engine::policy::DowngradeList::serving)
            .map(|model| dearest::dearest(self.policy, model, Comes::InPlace, self.now).token);
        tokens.max().unwrap_or(self.token)
    }
}

/// The most windows of a kind that a month touches.
const fn touched(unit: CalendarUnit) -> u64 {
    match unit {
        // With the hour that comes twice.
        CalendarUnit::Hour => 31 * 24 + 1,
        CalendarUnit::Day => 31,
        CalendarUnit::Week => 6,
        CalendarUnit::Month | CalendarUnit::BillingMonth { .. } => 1,
    }
}

fn pico(token: u64, tokens: i128) -> NanoUsd {
    NanoUsd(i64::try_from(i128::from(token).saturating_mul(tokens) / 1_000).unwrap_or(i64::MAX))
}
