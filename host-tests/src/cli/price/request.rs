//! What a request would cost: its dialect, model, prompt and bounds as the filter reads them.

use super::{Answer, Asked, dollars, model, source, source_json, table};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokenstile_engine::dialect::{Facts, ModelAt, Recognised, Route, recognise};
use tokenstile_engine::policy::Verdict;
use tokenstile_engine::price::{PriceQuery, Quote, ServiceTier, UnknownPrice, models_like};
use tokenstile_engine::units::{NanoUsd, grouped};
use tokenstile_engine::usage::Usage;
use tokenstile_host::records::money;

/// One line of recorded traffic, as far as it is a request.
#[derive(Deserialize)]
struct Exchange {
    method: String,
    url_host: String,
    url_path: String,
    request_body: String,
    #[serde(default)]
    request_body_encoding: String,
}

/// A request, wherever it came from.
struct Request {
    method: String,
    host: String,
    path: String,
    body: Vec<u8>,
}

pub(super) fn answer(
    bytes: &[u8],
    path: Option<&str>,
    host: Option<&str>,
    asked: &Asked<'_>,
) -> Result<Answer, String> {
    let request = request(bytes, path, host)?;
    let Request { method, host, path, body } = &request;
    match recognise(method.as_bytes(), host.as_bytes(), path.as_bytes()) {
        Recognised::Metered(route) => Ok(match route.read(body) {
            Ok(facts) => metered(&route, &facts, body, asked),
            Err(opaque) => {
                let rule = match asked.policy.opaque {
                    Verdict::Allow => "holds an estimate and charges by the answer",
                    Verdict::Deny => "refuses it",
                };
                wrong(
                    format!(
                        "{method} {path} is {}, and cannot be read: {}. The policy {rule}.\n",
                        route.dialect.name, opaque.0
                    ),
                    json!({ "dialect": route.dialect.name, "opaque": opaque.0, "known": false }),
                )
            }
        }),
        Recognised::Free(name) => Ok(Answer {
            text: format!("{method} {path} is a call to an LLM API that costs nothing ({name}).\n"),
            json: json!({ "dialect": name, "free": true, "prices": source_json() }),
            right: true,
        }),
        Recognised::Unknown => {
            let rule = match asked.policy.unknown {
                Verdict::Allow => "lets it pass unmetered",
                Verdict::Deny => "refuses it",
            };
            Ok(wrong(
                format!("{method} {path} speaks no dialect that is known. The policy {rule}.\n"),
                json!({ "dialect": null, "known": false }),
            ))
        }
    }
}

fn wrong(text: String, json: Value) -> Answer {
    Answer { text, json, right: false }
}

/// A body, or a line of recorded traffic that has one.
fn request(bytes: &[u8], path: Option<&str>, host: Option<&str>) -> Result<Request, String> {
    let recorded = serde_json::from_slice::<Exchange>(bytes).ok();
    let (mut request, known) = match recorded {
        Some(recorded) => (recorded.request()?, true),
        None => {
            let (method, host) = ("POST".to_owned(), String::new());
            let path = "/v1/chat/completions".to_owned();
            (Request { method, host, path, body: bytes.to_vec() }, false)
        }
    };
    if let Some(path) = path {
        path.clone_into(&mut request.path);
    }
    if let Some(host) = host {
        host.clone_into(&mut request.host);
    }
    if !known && request.body.iter().all(u8::is_ascii_whitespace) {
        return Err("the request is empty".to_owned());
    }
    Ok(request)
}

impl Exchange {
    fn request(self) -> Result<Request, String> {
        let body = match self.request_body_encoding.as_str() {
            "base64" => base64::engine::general_purpose::STANDARD
                .decode(self.request_body)
                .map_err(|error| format!("`request_body` is no base64: {error}"))?,
            _ => self.request_body.into_bytes(),
        };
        Ok(Request { method: self.method, host: self.url_host, path: self.url_path, body })
    }
}

/// The three amounts that matter before a call.
struct Costs {
    prompt: NanoUsd,
    expected: NanoUsd,
    /// At the request's own bound, if it has one.
    bound: Option<NanoUsd>,
}

fn metered(route: &Route, facts: &Facts, body: &[u8], asked: &Asked<'_>) -> Answer {
    let count = route.count_prompt(body, facts);
    let exact = route.counts_exactly(facts, &count);
    let provider = asked.provider.or(route.provider);
    let asked = &Asked { provider, policy: asked.policy, usage: asked.usage, ..*asked };
    let stated = if facts.fast { "fast" } else { &facts.service_tier };
    let tier = asked.tier.unwrap_or_else(|| ServiceTier::named(stated));
    let places = [asked.place, &facts.place, route.place];
    let quote = asked.policy.prices.quote(&PriceQuery {
        provider,
        requested: &facts.model,
        answered: "",
        tier,
        place: places.into_iter().find(|place| !place.is_empty()).unwrap_or(""),
        at: asked.at,
    });
    let expected = asked.policy.expected_output_tokens;
    let expected = facts.output_bound.map_or(expected, |bound| bound.min(expected));
    let usage = |each: u64| Usage {
        input: count.tokens,
        output: each.saturating_mul(facts.choices),
        ..Usage::default()
    };
    let costs = Costs {
        prompt: quote.price.cost(usage(0)),
        expected: quote.price.cost(usage(expected)),
        bound: facts.output_bound.map(|bound| quote.price.cost(usage(bound))),
    };
    let near = if quote.known { Vec::new() } else { models_like(&facts.model, provider) };
    let refused = !quote.known && asked.policy.prices.unknown == UnknownPrice::Deny;
    let json = json!({
        "dialect": route.dialect.name,
        "provider": provider,
        "model": facts.model,
        "model_at": place(facts),
        "stream": facts.stream,
        "tier": tier.name(),
        "price_tier": quote.tier.name(),
        "prompt_tokens": count.tokens,
        "prompt_count": if exact { "exact" } else { "estimate" },
        "output_bound": facts.output_bound,
        "choices": facts.choices,
        "output_expected": expected,
        "known": quote.known,
        "entry": quote.entry,
        "near": near,
        "cost_usd": if refused { Value::Null } else { json!({
            "prompt": dollars(costs.prompt.0),
            "expected": dollars(costs.expected.0),
            "bound": costs.bound.map(|NanoUsd(nano)| dollars(nano)),
        }) },
        "prices": source_json(),
    });
    let mut text = head(route, facts, asked, &quote, tier);
    text += &model::unknown(&quote, &near, asked);
    text += &model::untiered(&quote, tier);
    text += &format!("\n{}", amounts(facts, count.tokens, exact, expected, (!refused).then_some(&costs)));
    text += &format!("\n{}", source());
    Answer { text, json, right: quote.known }
}

fn head(route: &Route, facts: &Facts, asked: &Asked<'_>, quote: &Quote, tier: ServiceTier) -> String {
    let whom = asked.provider.map(|provider| format!(" to {provider}")).unwrap_or_default();
    let stream = if facts.stream { ", streamed" } else { "" };
    let named = if facts.model.is_empty() {
        "The request names no model.".to_owned()
    } else {
        format!("{} The model stands in the {}.", model::found(&facts.model, quote, asked), place(facts))
    };
    format!("{}{whom}{stream}, {} tier. {named}\n", route.dialect.name, tier.name())
}

const fn place(facts: &Facts) -> &'static str {
    match facts.model_at {
        ModelAt::Nowhere => "nowhere",
        ModelAt::Body(_) => "body",
        ModelAt::Path(_) => "path",
        ModelAt::Form(_) => "form",
    }
}

fn amounts(facts: &Facts, prompt: u64, exact: bool, expected: u64, costs: Option<&Costs>) -> String {
    let times = if facts.choices == 1 { String::new() } else { format!(" × {}", grouped(facts.choices)) };
    let usd = |cost: Option<NanoUsd>| cost.map(money::sum).unwrap_or_default();
    let how = if exact { "exact" } else { "estimate" };
    let bound = facts.output_bound.map_or_else(
        || "no bound".to_owned(),
        |bound| {
            format!(
                "{}{times}",
                if bound == u64::MAX { "beyond counting".to_owned() } else { grouped(bound) }
            )
        },
    );
    let row = |what: &str, tokens: String, note: &str, cost: Option<NanoUsd>| {
        vec![what.to_owned(), tokens, note.to_owned(), usd(cost)]
    };
    let header = ["", "tokens", "", "cost"].map(str::to_owned).to_vec();
    table(
        header,
        vec![
            row("prompt", grouped(prompt), how, costs.map(|costs| costs.prompt)),
            row(
                "output expected",
                format!("{}{times}", grouped(expected)),
                "with the prompt",
                costs.map(|costs| costs.expected),
            ),
            row("output at most", bound, "with the prompt", costs.and_then(|costs| costs.bound)),
        ],
    )
}
