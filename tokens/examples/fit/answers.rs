//! Reads the answers that are text alone, with the provider's count of their tokens.

use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};

/// An answer of a model.
pub(crate) struct Answer {
    pub(crate) repository: String,
    pub(crate) model: String,
    pub(crate) text: String,
    pub(crate) tokens: u64,
}

/// The answers in a file of recorded exchanges.
pub(crate) fn read(path: &std::path::Path) -> Vec<Answer> {
    let file = std::fs::File::open(path).expect("the corpus has its exchanges");
    let decoder = ruzstd::decoding::StreamingDecoder::new(BufReader::new(file)).expect("they are compressed");
    let mut seen = BTreeSet::new();
    let lines = BufReader::new(decoder).lines().map(|line| line.expect("lines are UTF-8"));
    lines
        .filter_map(|line| answer(&serde_json::from_str(&line).expect("a line is an object")))
        .filter(|answer| seen.insert((answer.model.clone(), answer.text.clone())))
        .collect()
}

fn answer(exchange: &Value) -> Option<Answer> {
    if exchange["framing"] != "json" || exchange["response_body_encoding"] != "utf-8" {
        return None;
    }
    let body: Value = serde_json::from_str(exchange["response_body"].as_str()?).ok()?;
    let (text, tokens) = match exchange["dialect"].as_str()? {
        "anthropic-messages" => (texts(&body["content"])?, &body["usage"]["output_tokens"]),
        "openai-chat" => (openai_text(&body)?, &body["usage"]["completion_tokens"]),
        "gemini-generate" => (gemini_text(&body)?, &body["usageMetadata"]["candidatesTokenCount"]),
        "bedrock-converse" => (texts(&body["output"]["message"]["content"])?, &body["usage"]["outputTokens"]),
        "cohere-v2-chat" => (texts(&body["message"]["content"])?, &body["usage"]["tokens"]["output_tokens"]),
        _ => return None,
    };
    let tokens = tokens.as_u64().filter(|tokens| *tokens > 0)?;
    let model = ["model_responded", "model_requested"].iter().find_map(|key| exchange[*key].as_str())?;
    let repository = exchange["source_repo"].as_str()?.to_owned();
    (text.chars().count() >= 80).then(|| Answer { repository, model: model.to_owned(), text, tokens })
}

/// The text of parts that have text and nothing else that costs tokens.
fn texts(parts: &Value) -> Option<String> {
    parts.as_array()?.iter().map(|part| part.as_object()?.iter().try_fold("", only_text)).collect()
}

fn only_text<'v>(text: &'v str, (key, value): (&String, &'v Value)) -> Option<&'v str> {
    match key.as_str() {
        "text" => value.as_str(),
        "type" if value == "text" => Some(text),
        "citations" if value.is_null() => Some(text),
        _ => None,
    }
}

fn openai_text(body: &Value) -> Option<String> {
    let [choice] = body["choices"].as_array()?.as_slice() else { return None };
    let message = &choice["message"];
    let more =
        ["tool_calls", "reasoning", "reasoning_content", "audio", "refusal", "function_call", "images"];
    let is_nothing =
        |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty) || value == "";
    let reasoned = body["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap_or(0) > 0;
    let text = message["content"].as_str()?;
    (!reasoned && more.iter().all(|key| is_nothing(&message[*key]))).then(|| text.to_owned())
}

fn gemini_text(body: &Value) -> Option<String> {
    let [candidate] = body["candidates"].as_array()?.as_slice() else { return None };
    texts(&candidate["content"]["parts"])
}
