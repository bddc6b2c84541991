//! What Google's other models do on Vertex AI, by `…/publishers/google/models/M:predict`: embeddings, images. The model stands in
//! the path, and nothing is written.

use super::gemini::{BASE, COUNTING, found};
use super::prompt::{Adds, Counting, count};
use super::{Dialect, Field, Found, Shape, Target, read_json};
use crate::json::Key as K;

/// Embeddings on Vertex AI: `…/publishers/google/models/M:predict`.
/// <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>,
/// `/multimodal-embeddings-api`.
pub(super) static EMBED: Dialect =
    Dialect { name: "gemini-embed", recognises: |target| predicts(target).filter(embeds), ..OTHER };

/// What else is asked there, such as images: it writes nothing, and its answers state no tokens.
/// <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api>.
pub(super) static OTHER: Dialect = Dialect {
    name: "vertex-predict",
    recognises: |target| predicts(target).filter(|found| !embeds(found)),
    read: |body, route| read_json(body, route, SHAPE),
    count_prompt: |prompt| count(prompt, Counting { adds: instance, style: "text", ..COUNTING }),
    ..BASE
};

fn predicts(target: &Target) -> Option<Found> {
    found(target, &["predict"]).filter(|_| target.path.contains("/publishers/google/models/"))
}

/// Whether the model makes embeddings, by its name: `gemini-embedding-001`, `textembedding-gecko@003`,
/// `multimodalembedding@001`.
fn embeds(found: &Found) -> bool {
    found.model.as_ref().is_some_and(|model| model.name.to_ascii_lowercase().contains("embedding"))
}

const SHAPE: Shape = Shape {
    field: |path| matches!(path, [K::Instances]).then_some(Field::Once),
    adds: instance,
    outputs: false,
    ..Shape::PLAIN
};

/// What a model is asked by `:predict`.
fn instance(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::Instances, K::Item, K::Content | K::Title | K::Text | K::Prompt] => Adds::Text,
        [K::Instances, K::Item, K::Image, K::BytesBase64Encoded] => Adds::Image,
        [K::Instances, K::Item, K::Image, K::GcsUri] => Adds::ImageLink,
        _ => return None,
    })
}
