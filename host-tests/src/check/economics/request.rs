//! What one call can cost at most: it fills its model's context and asks for as many answers as its API gives, as far as
//! request limits and routes let it.
//!
//! Only what is enforced and refuses or shortens counts; a caller may confirm what is asked. Called by `mod.rs`.

use super::dearest::Dearest;
use super::pico;
use tokenstile_engine::dialect::Features;
use tokenstile_engine::policy::{
    Condition, Measure, NewModel, Over, Policy, RequestLimit, RouteRule, Setting, Term,
};
use tokenstile_engine::price::{Quote, Unit};
use tokenstile_engine::units::NanoUsd;

/// One call at most.
#[derive(Debug, Clone)]
pub struct PerRequest {
    /// The model.
    pub model: String,
    /// How it is served that costs so much: a service tier, a place; empty as by default.
    pub served: String,
    /// Whose call; empty for anybody's.
    pub tier: String,
    /// It is of somebody who is `exempt`, whom no request limit bounds.
    pub exempt: bool,
    /// Its cost; `None` if nothing bounds it, and nobody says how long the model's context is.
    pub usd: Option<NanoUsd>,
    /// The answers that it asks for at once.
    pub answers: u64,
    /// It is as long as its model's context lets it be.
    pub fills_context: bool,
    /// The request limits and routes that bound it.
    pub rules: Vec<String>,
}

/// The most answers that a call to this model may ask for at once.
///
/// `n` of OpenAI is 128 at most (<https://platform.openai.com/docs/api-reference/chat/create#chat-create-n>), and most
/// others speak its API; `candidateCount` of Google 8
/// (<https://ai.google.dev/api/generate-content#generationconfig>). Anthropic's has
/// nothing of the kind.
fn answers_max(quote: &Quote) -> u64 {
    match quote.entry.split_once('/').map_or("", |(provider, _)| provider) {
        "anthropic" => 1,
        "google" => 8,
        _ => 128,
    }
}

/// Whose call it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose<'a> {
    Anybody,
    /// The dimension of tiers, by its place, and the tier.
    Tier(usize, &'a str),
    /// Somebody whom no request limit bounds.
    Exempt,
}

/// One call to a model.
pub(super) fn dearest_call(policy: &Policy, model: &str, dearest: Dearest, whose: Whose<'_>) -> PerRequest {
    let Dearest { quote, token, served } = dearest;
    // The call itself, where that is charged.
    let fee = i64::try_from(quote.price.rate(Unit::Requests, 0).unwrap_or(0) / 1_000).unwrap_or(i64::MAX);
    let met = |conditions: &[Condition]| {
        conditions.iter().all(|condition| match condition {
            Condition::Dimension(place, value) => {
                matches!(whose, Whose::Tier(at, tier) if at == *place && tier == value)
            }
            Condition::Model(pattern) => pattern.matches(model),
            _ => false,
        })
    };
    let exempt = matches!(whose, Whose::Exempt);
    let limits = policy.request_limits.iter().filter(|_| !exempt);
    let limits: Vec<&RequestLimit> = limits.filter(|limit| !limit.shadow && met(&limit.matches)).collect();
    let refuses = |measure: Measure| {
        let limits = limits.iter().filter(move |limit| limit.measure == measure);
        let limits = limits.filter(|limit| matches!(limit.over, Over::Deny { .. }));
        limits.map(|limit| (limit.limit, &limit.name)).min()
    };
    let prompt = refuses(Measure::PromptTokens);
    let shortened = shortened(policy, &quote, &limits, &met);
    let context = Some(quote.capability.context).filter(|context| *context > 0);
    let most = Some(quote.capability.max_output).filter(|most| *most > 0).or(context);
    let output = shortened.map(|(bound, _)| bound).into_iter().chain(most).min();
    let input = prompt.map(|(bound, _)| bound).into_iter().chain(context).min();
    let fewer = refuses(Measure::Answers);
    let answers = fewer.map_or(u64::MAX, |(most, _)| most.max(1)).min(answers_max(&quote));
    let filled = input.zip(output).map(|(input, output)| {
        let input = input.min(context.unwrap_or(u64::MAX).saturating_sub(output));
        let tokens = i128::from(input).saturating_add(i128::from(output).saturating_mul(answers.into()));
        NanoUsd(pico(token, tokens).0.saturating_add(fee))
    });
    // A request that states no bound is taken to come to `expected_output_tokens` an answer, and may come to more.
    let expected = policy.expected_output_tokens;
    let dear = refuses(Measure::Usd).zip(output).map(|((usd, name), output)| {
        let beyond = i128::from(output.saturating_sub(expected));
        let of_all = pico(token, beyond.saturating_mul(answers.into())).0;
        // It lets no more answers through than it pays for.
        let usd = i64::try_from(usd).unwrap_or(i64::MAX);
        let of_paid = i128::from(usd).saturating_mul(beyond).checked_div(expected.into());
        let of_paid = of_paid.and_then(|usd| i64::try_from(usd).ok()).unwrap_or(i64::MAX);
        (NanoUsd(usd.saturating_add(of_all.min(of_paid))), name)
    });
    let fills_context = input
        .zip(output)
        .is_none_or(|(input, output)| context.is_some_and(|context| input.saturating_add(output) >= context));
    let tier = if let Whose::Tier(_, tier) = whose { tier.to_owned() } else { String::new() };
    let model = model.to_owned();
    let one = |usd, rules| PerRequest { model, served, tier, exempt, usd, answers, fills_context, rules };
    if let Some((dear, name)) = dear.filter(|(dear, _)| filled.is_none_or(|filled| *dear < filled)) {
        return PerRequest { fills_context: false, ..one(Some(dear), vec![name.clone()]) };
    }
    let shorter = prompt.into_iter().chain(shortened).filter(|_| !fills_context);
    let fewer = fewer.filter(|(most, _)| *most < answers_max(&quote));
    let by = shorter.chain(fewer).map(|(_, name)| name.clone());
    one(filled, by.collect())
}

/// The bound that answers are shortened to. The thinking that a request asks for of Anthropic's and Google's models comes
/// on top of it, so that it bounds nothing there.
fn shortened<'p>(
    policy: &'p Policy,
    quote: &Quote,
    limits: &[&'p RequestLimit],
    met: &impl Fn(&[Condition]) -> bool,
) -> Option<(u64, &'p String)> {
    let never_thinks = quote.capability.lacks.contains(Features::REASONING);
    if !never_thinks && !quote.entry.starts_with("openai/") {
        return None;
    }
    let clamps =
        |limit: &&&RequestLimit| limit.measure == Measure::OutputTokens && matches!(limit.over, Over::Clamp);
    let by_limits = limits.iter().filter(clamps).map(|limit| (limit.limit, &limit.name));
    let lasts = |route: &&RouteRule| !route.shadow && route.term == Term::default() && met(&route.matches);
    let routes = policy.routes.iter().filter(lasts);
    let by_routes = routes.filter_map(|route| Some((route.set.max_output_tokens?, &route.name)));
    by_limits.chain(by_routes).min()
}

/// The models that routes and ladders put in the place of those that are asked for.
pub(super) fn put_in_place(policy: &Policy) -> Vec<String> {
    let routes = policy.routes.iter().filter(|route| !route.shadow);
    let settings = routes.flat_map(|route| {
        let arms = route.split.iter().flat_map(|split| &split.arms);
        std::iter::once(&route.set).chain(arms.map(|arm| &arm.set))
    });
    let models = |set: &Setting| match &set.model {
        Some(NewModel::Named(model)) => vec![model.to.clone()],
        Some(NewModel::Listed(list)) => {
            let list = policy.downgrades.get(*list);
            list.iter().flat_map(|list| list.serving()).map(str::to_owned).collect()
        }
        None => Vec::new(),
    };
    settings.flat_map(models).collect()
}
