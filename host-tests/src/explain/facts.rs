//! What is known of a call before any budget: which API it is, what its body says, how it was counted, what it costs.
//! Called by `mod.rs`.

use super::{Request, Step};
use tokenstile_engine::dialect::{Facts, ModelAt, Recognised, Route, recognise};
use tokenstile_engine::policy::{HoldRule, Policy, Unread, Verdict};
use tokenstile_engine::price::{PriceQuery, ServiceTier, Unit};
use tokenstile_engine::units::{EpochMs, grouped};
use tokenstile_engine::usage::Usage;

pub(super) fn steps(policy: &Policy, request: &Request, now: EpochMs) -> Vec<Step> {
    let title = "Which API";
    let said = |line: String| vec![Step { title, lines: vec![line] }];
    let (method, path) = (&request.method, &request.path);
    match recognise(method.as_bytes(), request.host.as_bytes(), path.as_bytes()) {
        Recognised::Free(name) => said(format!("{method} {path} is `{name}`, which costs nothing")),
        Recognised::Unknown => {
            let rule = if policy.unknown == Verdict::Allow { "lets it pass" } else { "refuses it" };
            said(format!("{method} {path} is none that is known; the policy's `unknown` {rule}"))
        }
        Recognised::Metered(route) => {
            let provider = policy.serves(&route).unwrap_or("unknown");
            let mut steps =
                said(format!("{method} {path} speaks `{}`; the provider is {provider}", route.dialect.name));
            let (length, max) = (request.body.len(), policy.max_body_bytes);
            if length > max {
                let rule = match policy.unread {
                    Unread::Charge => "lets it go on, and it pays by what its answer states",
                    Unread::Deny => "refuses it",
                };
                let line = format!(
                    "it is not read: it has {} bytes, more than {} (`max_body_bytes`); the policy's `unread` {rule}",
                    grouped(length as u64),
                    grouped(max as u64)
                );
                steps.push(Step { title: "What the body says", lines: vec![line] });
                return steps;
            }
            match route.read(&request.body) {
                Ok(facts) => steps.extend([
                    body(&route, &facts, &request.body),
                    cost(policy, &route, &facts, request, now),
                ]),
                Err(opaque) => {
                    let rule =
                        if policy.opaque == Verdict::Allow { "holds an estimate" } else { "refuses it" };
                    let line = format!("it cannot be read: {}; the policy's `opaque` {rule}", opaque.0);
                    steps.push(Step { title: "What the body says", lines: vec![line] });
                }
            }
            steps
        }
    }
}

fn body(route: &Route, facts: &Facts, body: &[u8]) -> Step {
    let place = match facts.model_at {
        ModelAt::Nowhere => "nowhere",
        ModelAt::Body(_) => "in the body",
        ModelAt::Form(_) => "in the form",
        ModelAt::Path(_) => "in the path",
    };
    let bound =
        facts.output_bound.map_or("no bound".to_owned(), |bound| format!("at most {}", grouped(bound)));
    let mut lines = vec![
        format!("model `{}`, which stands {place}", facts.model),
        format!(
            "output: {bound}, {} answer(s){}",
            facts.choices,
            if facts.stream { ", streamed" } else { "" }
        ),
    ];
    let used: Vec<_> = facts.features.names().collect();
    if !used.is_empty() {
        lines.push(format!("it uses {}", used.join(", ")));
    }
    let count = route.count_prompt(body, facts);
    let how = match (route.counts_exactly(facts, &count), count.is_partial) {
        (_, true) => "of what is seen: more belongs to it".to_owned(),
        (true, _) => "exactly, by the model's own encoding".to_owned(),
        (false, _) => format!("estimated, as prompts of {} are", count.family),
    };
    lines.push(format!("prompt: {} tokens, {how}", grouped(count.tokens)));
    Step { title: "What the body says", lines }
}

fn cost(policy: &Policy, route: &Route, facts: &Facts, request: &Request, now: EpochMs) -> Step {
    let stated = if facts.fast { "fast" } else { &facts.service_tier };
    let tier = ServiceTier::named(stated);
    let quote = policy.prices.quote(&PriceQuery {
        provider: policy.serves(route),
        requested: &facts.model,
        answered: "",
        tier,
        place: if facts.place.is_empty() { route.place } else { &facts.place },
        at: now,
    });
    let rate = |unit: Unit| {
        quote.price.rate(unit, 0).map_or("nothing".to_owned(), |rate| format!("${}", unit.rate_text(rate)))
    };
    let whose = if quote.known {
        format!("`{}`", quote.entry)
    } else {
        "unknown: the policy's `prices.unknown` decides".to_owned()
    };
    let expected = policy.expected_output_tokens;
    let (output, why) = match (facts.output_bound, policy.hold) {
        (Some(bound), HoldRule::WorstCase) => (bound, "the request's bound, as `hold` is `worst_case`"),
        (Some(bound), HoldRule::Expected) if bound < expected => (bound, "the request's bound"),
        _ => (expected, "the policy's `expected_output_tokens`"),
    };
    let output = output.saturating_mul(facts.choices);
    let input = route.count_prompt(&request.body, facts).tokens;
    let usd = quote.price.cost(Usage { input, output, ..Usage::default() });
    Step {
        title: "What it costs",
        lines: vec![
            format!(
                "price {whose}, {}: {} in and {} out a million",
                tier.name(),
                rate(Unit::Input),
                rate(Unit::Output)
            ),
            format!("held: {} + {} tokens ({why}), {usd}", grouped(input), grouped(output)),
        ],
    }
}
