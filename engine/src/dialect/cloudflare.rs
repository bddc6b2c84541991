//! Cloudflare's Workers AI: `POST /client/v4/accounts/A/ai/run/@cf/AUTHOR/MODEL`. The model stands in the path, in
//! several segments; the body is asked by `messages` or a `prompt`, as in chat.
//!
//! Shapes: <https://developers.cloudflare.com/workers-ai/get-started/rest-api/>, the models' own under
//! <https://developers.cloudflare.com/workers-ai/models/>, and for many requests in one
//! <https://developers.cloudflare.com/workers-ai/features/batch-api/rest-api/>.

use super::prompt::{Adds, count};
use super::{
    Dialect, Facts, Found, Opaque, PathModel, Route, Shape, Target, openai_chat, read_json, top_keys,
};
use crate::json::{Event, Key as K};
use crate::usage::Answer;

pub(super) static RUN: Dialect = Dialect {
    name: "cloudflare-run",
    recognises,
    read,
    count_prompt: |prompt| count(prompt, super::prompt::Counting { adds, ..openai_chat::COUNTING }),
    observe,
    events: super::Events::Closed,
    ..openai_chat::BASE
};

/// Models are called `@cf/…`, some `@hf/…`.
fn recognises(target: &Target) -> Option<Found> {
    let is_ours = target.posts() && target.path.contains("/client/v4/accounts/");
    let mut segments = target.segments_behind(&["ai", "run"])?.iter().filter(|_| is_ours);
    let first = segments.next().filter(|first| first.text.starts_with('@'))?;
    let (mut name, mut span) = (first.text.clone(), first.span.clone());
    for segment in segments {
        name = name + "/" + &segment.text;
        span.end = segment.span.end;
    }
    let model = Some(PathModel { name, span });
    Some(Found { provider: Some("cloudflare"), model, ..Found::default() })
}

// --- the request ---

fn read(body: &[u8], route: &Route) -> Result<Facts, Opaque> {
    let facts = read_json(body, route, Shape { adds, bound: |_, _| &[K::MaxTokens], ..openai_chat::SHAPE })?;
    match top_keys(body, [K::Requests, K::Messages, K::Prompt, K::Input]) {
        [true, ..] => Err(Opaque(Opaque::BATCH.to_owned())),
        [_, true, ..] => Ok(facts),
        // Models that make images are asked by a prompt, too, and know no bound for it.
        [_, _, true, _] => Ok(Facts { output_bound_room: None, ..facts }),
        [.., by_input] => Ok(openai_chat::asked_otherwise(facts, by_input)),
    }
}

fn adds(path: &[K]) -> Option<Adds> {
    Some(match path {
        // What is embedded.
        [K::Text] | [K::Text, K::Item] => Adds::Text,
        // Older models take tools without the object around them.
        [K::Tools, K::Item, K::Name | K::Description] => Adds::ToolText,
        [K::Tools, K::Item, K::Parameters, rest @ ..] => Adds::Schema(rest.len()),
        _ => return openai_chat::adds(path),
    })
}

// --- the answer ---

/// The answer is in `result`: a `response` with its `usage`, or what the model's maker answers, such as `choices`. A
/// stream has the same without `result`; its last event has the whole usage, those before their own part of it.
fn observe(answer: &mut Answer, path: &[K], event: Event<'_>) {
    let path = path.strip_prefix(&[K::Result]).unwrap_or(path);
    match (path, event) {
        ([K::Response] | [K::ToolCalls, K::Item, K::Arguments, ..], Event::Text(piece)) => {
            answer.push_output(piece);
        }
        _ => openai_chat::observe(answer, path, event),
    }
}
