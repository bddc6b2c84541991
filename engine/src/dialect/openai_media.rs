//! OpenAI's images, speech and transcription: JSON bodies, and forms (`multipart/form-data`) whose model is a
//! field. Metered by the usage where the answer states it.
//!
//! Shapes: <https://platform.openai.com/docs/api-reference/images>, `/audio`; RFC 7578 for forms.

use super::lenient::{is_true, number_in};
use super::prompt::{Adds, Counting, PromptCount, count, no_turns};
use super::{
    Dialect, Events, Facts, Features, Field, Found, ModelAt, NO_HEADERS, Opaque, Route, Shape, azure,
    no_header, openai, read_json,
};
use crate::json::{Event, Key as K};
use crate::usage::{Answer, Part, Usage};

const BASE: Dialect = Dialect {
    name: "",
    recognises: |_| None,
    read,
    count_prompt: |prompt| match prompt.body.first() {
        Some(b'-') => PromptCount::default(),
        _ => count(prompt, COUNTING),
    },
    observe,
    usage: openai::usage,
    answer_headers: NO_HEADERS,
    observe_header: no_header,
    events: Events::Closed,
    refusal: openai::refusal,
};

pub(super) static IMAGES: Dialect = Dialect {
    name: "openai-images",
    recognises: |target| {
        let verbs = ["/images/generations", "/images/edits", "/images/variations"];
        let ours = verbs.iter().any(|verb| target.posts_to(verb));
        // A default model serves where none is named.
        ours.then(|| Found { model_is_optional: true, ..azure::found(target) })
    },
    usage: |stated| {
        // "The number of image tokens in the output image", where no details follow (of streams):
        // <https://github.com/openai/openai-python/blob/main/src/openai/types/image_gen_completed_event.py>.
        let all_image = |usage: Usage| Usage { output_image: usage.output, ..usage };
        let is_told = stated.get(Part::OutputImage).is_some();
        openai::usage(stated).map(|usage| if is_told { usage } else { all_image(usage) })
    },
    read: |body, route| {
        read(body, route).map(|facts| Facts { images: facts.images.saturating_add(facts.choices), ..facts })
    },
    ..BASE
};

pub(super) static SPEECH: Dialect = Dialect {
    name: "openai-speech",
    recognises: |target| target.posts_to("/audio/speech").then(|| azure::found(target)),
    read: read_audio,
    ..BASE
};

pub(super) static TRANSCRIPTION: Dialect = Dialect {
    name: "openai-transcription",
    recognises: |target| {
        let ours = target.posts_to("/audio/transcriptions") || target.posts_to("/audio/translations");
        // Servers with one model ask for no name.
        ours.then(|| Found { model_is_optional: true, ..azure::found(target) })
    },
    read: read_audio,
    ..BASE
};

const SHAPE: Shape = Shape {
    field: |path| {
        Some(match path {
            [K::Model] => Field::Model,
            [K::N] => Field::Choices,
            [K::Stream] => Field::Stream,
            [K::User] => Field::EndUser,
            [K::Prompt | K::Input] => Field::Once,
            _ => return None,
        })
    },
    adds: COUNTING.adds,
    ..Shape::PLAIN
};

fn read(body: &[u8], route: &Route) -> Result<Facts, Opaque> {
    if body.starts_with(b"--") { read_form(body, route) } else { read_json(body, route, SHAPE) }
}

/// Whatever it says, it speaks or listens.
fn read_audio(body: &[u8], route: &Route) -> Result<Facts, Opaque> {
    read(body, route).map(|facts| Facts { features: facts.features.and(Features::AUDIO), ..facts })
}

/// Longest model name in a form.
const MODEL_MAX: usize = 256;

/// Finds the field `model`. Its boundary is the body's first line (RFC 2046, section 5.1.1).
fn read_form(body: &[u8], route: &Route) -> Result<Facts, Opaque> {
    let first =
        memchr::memmem::find(body, b"\r\n").ok_or_else(|| Opaque("the form has no line".to_owned()))?;
    let boundary = body.get(..first).unwrap_or_default();
    if boundary.len() < 3 || boundary.len() > 72 {
        return Err(Opaque("the form's boundary is too short or too long".to_owned()));
    }
    let mut delimiter = b"\r\n".to_vec();
    delimiter.extend_from_slice(boundary);
    let mut facts = Facts { choices: 1, ..Facts::default() };
    let mut at = first;
    let (mut models, mut named) = (0_u32, 0_usize);
    let mut is_closed = false;
    for end in memchr::memmem::find_iter(body, &delimiter) {
        let part = body.get(at..end).unwrap_or_default();
        named = named.saturating_add(usize::from(field(part).is_some()));
        match field(part) {
            Some((b"model", value)) => {
                models = models.saturating_add(1);
                facts.model = std::str::from_utf8(value).unwrap_or_default().to_owned();
                facts.model_at = ModelAt::Form(end.saturating_sub(value.len())..end);
            }
            // One, or a list of them (`image[]`).
            Some((name, _)) if name == b"image" || name.starts_with(b"image[") => {
                facts.images = facts.images.saturating_add(1);
                facts.features = facts.features.and(Features::VISION);
            }
            Some((b"stream", value)) => facts.stream |= is_true(value),
            Some((b"n", value)) => facts.choices = facts.choices.max(number_in(value).unwrap_or(1)),
            _ => {}
        }
        at = end.saturating_add(delimiter.len());
        // A longer line is content for some parsers and a boundary for others.
        let behind = body.get(at..).unwrap_or_default();
        if is_closed || !(behind.starts_with(b"\r\n") || behind.starts_with(b"--")) {
            return Err(Opaque("a line of the form begins like its boundary".to_owned()));
        }
        is_closed = behind.starts_with(b"--");
    }
    if !is_closed {
        return Err(Opaque("the form does not end".to_owned()));
    }
    // Parts that stand between other boundaries, or whose name is written in another way, are someone else's to
    // read: the header may name another boundary than the first line, and what precedes it is no part then.
    if dispositions(body) != named {
        return Err(Opaque("the form has parts that can be read in two ways".to_owned()));
    }
    if models > 1 {
        return Err(Opaque("the field `model` stands twice".to_owned()));
    }
    if let Some(model) = &route.model {
        facts.model.clone_from(&model.name);
        facts.model_at = ModelAt::Path(model.span.clone());
    }
    if (facts.model.is_empty() && !route.model_is_optional) || facts.model.len() > MODEL_MAX {
        return Err(Opaque("the form names no model".to_owned()));
    }
    Ok(facts)
}

/// How many headers there are that could begin a part.
fn dispositions(body: &[u8]) -> usize {
    const NAME: &[u8] = b"content-disposition";
    // Searched by a letter that is rare, for audio is long.
    let starts = memchr::memchr2_iter(b'C', b'c', body);
    starts
        .filter(|at| {
            body.get(*at..at.saturating_add(NAME.len())).is_some_and(|s| s.eq_ignore_ascii_case(NAME))
        })
        .count()
}

/// Name and value of a form's part: `\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1`.
fn field(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let split = memchr::memmem::find(part, b"\r\n\r\n")?;
    let (head, value) = (part.get(..split)?, part.get(split.checked_add(4)?..)?);
    let lower = head.to_ascii_lowercase();
    let line = memchr::memmem::find(&lower, b"content-disposition")?;
    let at = memchr::memmem::find(lower.get(line..)?, b" name=")?.checked_add(line)?.checked_add(6)?;
    let name = head.get(at..)?;
    let name = match name.strip_prefix(b"\"") {
        Some(quoted) => quoted.get(..memchr::memchr(b'"', quoted)?)?,
        None => name.split(|b| matches!(b, b';' | b'\r' | b' ')).next()?,
    };
    Some((name, value))
}

const COUNTING: Counting = Counting {
    adds: |path| match path {
        [K::Prompt | K::Input | K::Instructions] => Some(Adds::Text),
        [K::Images, K::Item, K::ImageUrl] => Some(Adds::Image),
        [K::Images, K::Item, K::FileId] => Some(Adds::ImageLink),
        _ => None,
    },
    turn: no_turns,
    image: openai::image,
    style: "text",
};

fn observe(answer: &mut Answer, path: &[K], event: Event<'_>) {
    match (path, event) {
        ([K::Model], _) => answer.model_event(event),
        ([K::Usage, rest @ ..], _) => openai::observe_usage(answer, rest, event),
        ([K::Error], Event::Begin(_)) => answer.failed = true,
        ([K::Text], Event::Text(piece)) => answer.push_output(piece),
        _ => {}
    }
}
