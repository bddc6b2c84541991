//! OpenAI's older and simpler APIs: completions (`POST …/completions`), embeddings (`POST …/embeddings`),
//! rerank (`POST …/rerank`, Cohere's and Voyage's) and what costs nothing (moderations, model lists).
//!
//! Shapes: <https://platform.openai.com/docs/api-reference/completions>, `/embeddings`,
//! <https://docs.cohere.com/reference/rerank>.

use super::prompt::{Adds, Counting, count, no_turns};
use super::{
    Dialect, Events, Features, Field, Found, NO_HEADERS, Shape, Target, azure, no_header, openai, read_json,
};
use crate::json::{Event, Key as K};
use crate::usage::{Answer, Part};

const BASE: Dialect = Dialect {
    name: "",
    recognises: |_| None,
    read: |body, route| read_json(body, route, EMBEDDINGS_SHAPE),
    count_prompt: |prompt| count(prompt, PLAIN),
    observe,
    usage: openai::usage,
    answer_headers: NO_HEADERS,
    observe_header: no_header,
    events: Events::Closed,
    refusal: openai::refusal,
};

pub(super) static COMPLETIONS: Dialect = Dialect {
    name: "openai-completions",
    events: Events::Chat,
    recognises: |target| target.posts_to("/completions").then(|| azure::found(target)),
    read: |body, route| read_json(body, route, COMPLETIONS_SHAPE),
    ..BASE
};

pub(super) static EMBEDDINGS: Dialect = Dialect {
    name: "openai-embeddings",
    recognises: |target| target.posts_to("/embeddings").then(|| azure::found(target)),
    ..BASE
};

pub(super) static RERANK: Dialect =
    Dialect { name: "rerank", recognises: |target| target.posts_to("/rerank").then(Found::default), ..BASE };

/// Lists of models, and moderations, which OpenAI does not charge for.
pub(super) static FREE: Dialect = Dialect {
    name: "free",
    recognises: |target| is_free(target).then(|| Found { is_free: true, ..Found::default() }),
    ..BASE
};

fn is_free(target: &Target) -> bool {
    let lists =
        target.method == b"GET" && (target.path.ends_with("/models") || target.path.contains("/v1/models/"));
    lists || target.posts_to("/v1/moderations") || target.posts_to("/responses/input_tokens")
}

const COMPLETIONS_SHAPE: Shape = Shape {
    field: completions_field,
    stream_options: true,
    uses: |path| if matches!(path, [K::Logprobs]) { Features::LOGPROBS } else { Features::default() },
    prompts: &[K::Prompt],
    bound: |_, _| &[K::MaxTokens],
    ..Shape::PLAIN
};

fn completions_field(path: &[K]) -> Option<Field> {
    Some(match path {
        [K::Model] => Field::Model,
        [K::MaxTokens] => Field::OutputBound,
        [K::N | K::BestOf] => Field::Choices,
        [K::Stream] => Field::Stream,
        [K::User] => Field::EndUser,
        [K::StreamOptions] => Field::StreamOptions,
        [K::StreamOptions, K::IncludeUsage] => Field::IncludeUsage,
        [K::Prompt] => Field::Once,
        _ => return None,
    })
}

const EMBEDDINGS_SHAPE: Shape = Shape {
    field: |path| {
        Some(match path {
            [K::Model] => Field::Model,
            [K::User] => Field::EndUser,
            [K::Input | K::Query | K::Documents] => Field::Once,
            _ => return None,
        })
    },
    outputs: false,
    ..Shape::PLAIN
};

const PLAIN: Counting = Counting { adds, turn: no_turns, image: openai::image, style: "text" };

fn adds(path: &[K]) -> Option<Adds> {
    match path {
        // A number is a token already.
        [K::Prompt | K::Input, K::Item, K::Item] | [K::Prompt | K::Input, K::Item] => Some(Adds::Text),
        [K::Prompt | K::Input | K::Suffix | K::Query]
        | [K::Documents, K::Item]
        | [K::Documents, K::Item, K::Text]
        | [K::Input, K::Item, K::Text] => Some(Adds::Text),
        _ => None,
    }
}

fn observe(answer: &mut Answer, path: &[K], event: Event<'_>) {
    match (path, event) {
        ([K::Model], _) => answer.model_event(event),
        ([K::Usage, rest @ ..], _) => openai::observe_usage(answer, rest, event),
        ([K::Meta, K::BilledUnits, K::InputTokens], Event::Number(n)) => answer.state(Part::Input, n),
        ([K::Error], Event::Begin(_) | Event::TextBegin { .. }) => answer.failed = true,
        ([K::Choices, K::Item, K::Text], Event::Text(piece)) => answer.push_output(piece),
        _ => {}
    }
}
