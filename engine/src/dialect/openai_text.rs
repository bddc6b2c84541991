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
    recognises: |target| {
        // Voyage's of images and of chunks of documents, the latter Perplexity's, too:
        // <https://docs.voyageai.com/reference/multimodal-embeddings-api>, `/contextualized-embeddings-api`,
        // <https://docs.perplexity.ai/api-reference/contextualized-embeddings-post>.
        let verbs = ["/embeddings", "/multimodalembeddings", "/contextualizedembeddings"];
        let ours = verbs.iter().any(|verb| target.posts_to(verb));
        ours.then(|| azure::found(target))
    },
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
            [K::Input | K::Inputs | K::Query | K::Documents] => Field::Once,
            _ => return None,
        })
    },
    says: |path| match path {
        [K::Inputs, K::Item, K::Content, K::Item, K::Type] => Some(|kind| match kind {
            b"video_url" | b"video_base64" => Some(Features::VIDEO),
            _ => None,
        }),
        _ => None,
    },
    adds,
    outputs: false,
    ..Shape::PLAIN
};

const PLAIN: Counting = Counting { adds, turn: no_turns, image, style: "text" };

/// With Voyage a token stands for 560 pixels: <https://docs.voyageai.com/docs/multimodal-embeddings>.
fn image(model: &str, size: Option<(u32, u32)>, low: bool) -> u64 {
    if !super::prompt::bare_model(model).starts_with("voyage") {
        return openai::image(model, size, low);
    }
    let (width, height) = size.unwrap_or((1024, 1024));
    u64::from(width).saturating_mul(u64::from(height)).div_ceil(560)
}

fn adds(path: &[K]) -> Option<Adds> {
    match path {
        // A number is a token already.
        [K::Prompt | K::Input | K::Inputs, K::Item, K::Item]
        | [K::Prompt | K::Input | K::Inputs, K::Item] => Some(Adds::Text),
        [K::Inputs, K::Item, K::Content, K::Item, K::Text] => Some(Adds::Text),
        [K::Inputs, K::Item, K::Content, K::Item, K::ImageUrl | K::ImageBase64] => Some(Adds::Image),
        [K::Inputs, K::Item, K::Content, K::Item, K::VideoUrl | K::VideoBase64] => Some(Adds::File),
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
