//! One exchange through the engine, as a proxy would show it, and what the oracle says of it.

use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use tokenstile_corpus::recording::{self, Exchange, Oracle, header};
use tokenstile_engine::dialect::{Edits, Facts, ModelAt, PromptPart, Recognised, Route, recognise, splice};
use tokenstile_engine::price::{PriceQuery, Prices, ServiceTier};
use tokenstile_engine::units::EpochMs;
use tokenstile_engine::usage::{AnswerReader, Usage};

/// What came out for one exchange.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) dialect: String,
    pub(crate) provider: String,
    pub(crate) repo: String,
    /// The recording's file in it: calls of one file are much alike.
    #[serde(skip)]
    pub(crate) file: String,
    pub(crate) verbatim: bool,
    /// It posts something: what only reads is no inference, whatever the recording calls it.
    pub(crate) posts: bool,
    pub(crate) status: u16,
    /// Our dialect; `free`, or empty if we let it pass unseen.
    pub(crate) recognised: String,
    pub(crate) model: String,
    /// Whether the model asked for is right; none if the recording does not know it.
    pub(crate) model_right: Option<bool>,
    pub(crate) model_recorded: Option<String>,
    /// Why the body was not read.
    pub(crate) opaque: Option<String>,
    /// Why an edit changed more or less than it should.
    pub(crate) edit_fault: Option<String>,
    pub(crate) usage: Option<String>,
    /// What differs from the oracle's usage.
    pub(crate) usage_differs: Option<String>,
    pub(crate) has_oracle: bool,
    /// Whether the price is the oracle's; none if the oracle has none.
    pub(crate) price_right: Option<bool>,
    /// How it differs.
    pub(crate) price_differs: Option<String>,
    /// Estimated prompt tokens.
    pub(crate) estimate: Option<u64>,
    /// What the estimate is made of.
    pub(crate) parts: BTreeMap<&'static str, u64>,
    /// What its weights go by.
    pub(crate) style: &'static str,
    /// The same.
    pub(crate) family: &'static str,
    /// The provider as the engine knows it by the host.
    pub(crate) host: Option<&'static str>,
    /// More belongs to the prompt than stands in the request.
    pub(crate) is_partial: bool,
    /// The provider's own prompt tokens.
    pub(crate) truth: Option<u64>,
}

/// Runs one exchange through the engine.
pub(crate) fn measure(exchange: &Exchange, oracle: Option<&Oracle>) -> Result<Row> {
    let (method, path) = (exchange.method.as_bytes(), exchange.url_path.as_bytes());
    let recognised = recognise(method, exchange.url_host.as_bytes(), path);
    let mut row = row_of(exchange, oracle);
    let route = match recognised {
        Recognised::Unknown => return Ok(row),
        Recognised::Free(name) => {
            row.recognised = format!("free ({name})");
            return Ok(row);
        }
        Recognised::Metered(route) => route,
    };
    row.recognised = route.dialect.name.to_owned();
    let body = exchange.request().map_err(anyhow::Error::msg)?;
    let facts = route.read(&body);
    match &facts {
        Err(opaque) => row.opaque = Some(opaque.0.clone()),
        Ok(facts) => read(&mut row, exchange, &route, &body, facts),
    }
    let model = facts.map(|facts| facts.model).unwrap_or_default();
    answered(&mut row, exchange, oracle, &route, &model)?;
    Ok(row)
}

fn row_of(exchange: &Exchange, oracle: Option<&Oracle>) -> Row {
    Row {
        id: exchange.id.clone(),
        dialect: exchange.dialect.clone(),
        provider: exchange.provider.clone(),
        repo: exchange.source_repo.clone(),
        file: exchange.source_path.clone(),
        verbatim: exchange.fidelity_request == "verbatim",
        posts: exchange.method == "POST",
        status: exchange.response_status,
        recognised: String::new(),
        model: String::new(),
        model_right: None,
        model_recorded: exchange.model_requested.clone(),
        opaque: None,
        edit_fault: None,
        usage: None,
        usage_differs: None,
        has_oracle: oracle.is_some_and(|oracle| oracle.usage.is_some()),
        price_right: None,
        price_differs: None,
        estimate: None,
        parts: BTreeMap::new(),
        style: "",
        family: "",
        host: None,
        is_partial: false,
        truth: None,
    }
}

fn read(row: &mut Row, exchange: &Exchange, route: &Route, body: &[u8], facts: &Facts) {
    row.model.clone_from(&facts.model);
    // Some recorders kept what stands before a model in Gemini's paths.
    let recorded = exchange.model_requested.as_deref();
    let recorded = recorded.map(|recorded| recorded.strip_prefix("models/").unwrap_or(recorded));
    // Azure takes the deployment of the path, whatever the body names; the recordings know the body's.
    let is_deployment = route.provider == Some("azure") && matches!(facts.model_at, ModelAt::Path(_));
    row.model_right = recorded.map(|recorded| recorded == facts.model || is_deployment);
    let count = route.count_prompt(body, facts);
    row.estimate = Some(count.tokens);
    let parts = PromptPart::ALL.iter().map(|part| (part.name(), count.parts.get(*part)));
    row.parts = parts.filter(|(_, count)| *count > 0).collect();
    row.style = count.style;
    row.family = count.family;
    row.host = route.provider;
    row.is_partial = count.is_partial;
    row.edit_fault = edit_fault(exchange, route, body, facts);
}

/// Another model, put in and read back: that value changes and nothing else.
fn edit_fault(exchange: &Exchange, route: &Route, body: &[u8], facts: &Facts) -> Option<String> {
    const OTHER: &str = "other model/1.0";
    if splice(body, &[]) != body {
        return Some("no edit changed the body".to_owned());
    }
    let mut edits = Edits::default();
    let placed = facts.set_model(OTHER, &mut edits);
    if placed == (facts.model_at == ModelAt::Nowhere) {
        return Some("the model's place is contradictory".to_owned());
    }
    let path = splice(&route.path, &edits.path);
    let again = recognise(exchange.method.as_bytes(), exchange.url_host.as_bytes(), &path).metered();
    let edited = splice(body, &edits.body);
    let read_back = again.as_ref().and_then(|route| route.read(&edited).ok());
    match read_back {
        Some(read) if !placed || read.model == OTHER => {
            let mut edits = Edits::default();
            let asked = facts.ask_for_usage(&mut edits);
            let edited = splice(body, &edits.body);
            let again = route.read(&edited).ok()?;
            let kept = (again.model == facts.model, again.output_bound == facts.output_bound);
            (asked && kept != (true, true)).then(|| "asking for usage spoiled the body".to_owned())
        }
        Some(read) => Some(format!("the edited model reads `{}`", read.model)),
        // Bedrock's bodies follow the model: another family's name makes another dialect.
        None if !edits.path.is_empty() => None,
        None => Some("the edited request is not read any more".to_owned()),
    }
}

fn answered(
    row: &mut Row,
    exchange: &Exchange,
    oracle: Option<&Oracle>,
    route: &Route,
    model: &str,
) -> Result<()> {
    let kind = header(&exchange.response_headers, "content-type").unwrap_or_default();
    let mut reader = AnswerReader::new(route.dialect, kind.as_bytes(), false, model);
    for name in route.dialect.answer_headers() {
        if let Some(value) = header(&exchange.response_headers, name) {
            reader.header(name, value.as_bytes());
        }
    }
    reader.feed(&exchange.response().map_err(anyhow::Error::msg)?);
    let usage = reader.stated();
    row.usage = usage.map(|usage| shown(&usage));
    let stated = oracle.and_then(|oracle| oracle.usage.as_ref());
    row.usage_differs = stated.and_then(|oracle| {
        let ours = usage.unwrap_or_default();
        let differing: Vec<String> = pairs(&ours)
            .into_iter()
            .filter_map(|(name, ours)| {
                let theirs = *oracle.get(name)?;
                (theirs != ours as f64).then(|| format!("{name} {ours} (oracle {theirs})"))
            })
            .collect();
        (!differing.is_empty()).then(|| differing.join(", "))
    });
    if let Some(price) = oracle.and_then(|oracle| oracle.price.as_ref()) {
        let mut usage = usage.unwrap_or_default();
        // The oracle prices only the searches that it read.
        let searches = oracle.and_then(|oracle| oracle.usage.as_ref()?.get("web_searches"));
        usage.web_searches = searches.map_or(0, |count| *count as u64);
        priced(row, price, route, model, &reader, usage)?;
    }
    let theirs = stated.and_then(|oracle| oracle.get("input_tokens")).map(|input| *input as u64);
    row.truth = usage.map(|usage| usage.input).or(theirs).filter(|input| *input > 0);
    row.truth = row.truth.filter(|_| exchange.response_status == 200);
    Ok(())
}

/// Our price at the oracle's time. It is equal within a millionth of a dollar or of itself.
fn priced(
    row: &mut Row,
    oracle: &recording::Price,
    route: &Route,
    model: &str,
    reader: &AnswerReader,
    usage: Usage,
) -> Result<()> {
    let at: jiff::Timestamp = oracle.priced_at.parse()?;
    let quote = Prices::default().quote(&PriceQuery {
        provider: route.provider,
        requested: model,
        answered: reader.model(),
        // The oracle knows the standard price only.
        tier: ServiceTier::Standard,
        place: "",
        at: EpochMs(at.as_millisecond()),
    });
    let ours = quote.price.cost(usage).0 as f64 / 1e9;
    let right = (ours - oracle.total).abs() <= 1e-6_f64.max(oracle.total * 1e-6);
    row.price_right = Some(right);
    row.price_differs = (!right).then(|| {
        format!(
            "${ours} by `{}` for `{}`, answered `{}` (oracle ${} by `{}`)",
            quote.entry,
            model,
            reader.model(),
            oracle.total,
            oracle.matched_model
        )
    });
    Ok(())
}

/// Our numbers by the oracle's names.
fn pairs(usage: &Usage) -> Vec<(&'static str, u64)> {
    vec![
        ("input_tokens", usage.input),
        ("output_tokens", usage.output),
        ("cache_read_tokens", usage.cache_read),
        ("cache_write_tokens", usage.cache_write),
        ("cache_write_1h_tokens", usage.cache_write_1h),
        ("output_reasoning_tokens", usage.reasoning),
        ("input_audio_tokens", usage.input_audio),
        ("input_image_tokens", usage.input_image),
        ("input_video_tokens", usage.input_video),
        ("cache_audio_read_tokens", usage.cache_read_audio),
        ("output_audio_tokens", usage.output_audio),
        ("output_image_tokens", usage.output_image),
        ("web_searches", usage.web_searches),
    ]
}

fn shown(usage: &Usage) -> String {
    let some = pairs(usage).into_iter().filter(|(_, count)| *count > 0);
    some.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}
