//! What Google's APIs share: gRPC services, the tier in a header, kinds of tokens, images, and the form of errors.

use crate::refusal::{Refusal, RefusalKind, Written, put};
use crate::units::EpochMs;
use crate::usage::Part;
use serde_json::{Map, Value, json};

/// <https://ai.google.dev/gemini-api/docs/priority-inference>
pub(super) const TIER_HEADERS: &[&str] = &["x-gemini-service-tier"];

/// `google.ai.generativelanguage.v1beta.GenerativeService`, `google.cloud.aiplatform.v1.PredictionService`:
/// <https://github.com/googleapis/googleapis/tree/master/google/ai/generativelanguage>.
pub(super) fn is_service(segment: &str) -> bool {
    let name = segment.to_ascii_lowercase();
    name.starts_with("google.") && name.ends_with("service")
}

/// Gemini 3 spends 1,120 tokens an image at most (<https://ai.google.dev/gemini-api/docs/media-resolution>), and 1,088
/// to 1,102 as recorded; Gemini 2 spends 258 (<https://ai.google.dev/gemini-api/docs/tokens#multimodal-tokens>). The
/// tiles of which that page speaks were not charged for in any recording, up to 400 x 301 pixels.
pub(super) fn image(model: &str, _: Option<(u32, u32)>, _: bool) -> u64 {
    if model.contains("gemini-2") || model.contains("gemini-1") || model.contains("embedding") {
        258
    } else {
        1_100
    }
}

/// What the tokens of a list by modality are of.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Input,
    Cache,
    Output,
}

/// The number that a modality is on this side: `AUDIO`, or `audio` in Interactions. Text is what the others leave.
pub(super) fn modality(side: Side, name: &[u8]) -> Option<Part> {
    let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
    Some(match side {
        Side::Input if is(b"AUDIO") => Part::InputAudio,
        Side::Input if is(b"IMAGE") || is(b"DOCUMENT") => Part::InputImage,
        Side::Input if is(b"VIDEO") => Part::InputVideo,
        Side::Cache if is(b"AUDIO") => Part::CacheReadAudio,
        Side::Cache if is(b"IMAGE") => Part::CacheReadImage,
        Side::Output if is(b"AUDIO") => Part::OutputAudio,
        Side::Output if is(b"IMAGE") => Part::OutputImage,
        _ => return None,
    })
}

/// Google's error model: <https://cloud.google.com/apis/design/errors>. The SDK shows code, status, message.
pub(super) fn refusal(refusal: &Refusal, now: EpochMs) -> Written {
    let (code, status) = match refusal.kind {
        RefusalKind::Quota | RefusalKind::Rate => (429, "RESOURCE_EXHAUSTED"),
        RefusalKind::Unreadable | RefusalKind::OverRequestLimit => (400, "INVALID_ARGUMENT"),
        RefusalKind::Confirm => (402, "FAILED_PRECONDITION"),
        RefusalKind::TooLarge => (413, "INVALID_ARGUMENT"),
        RefusalKind::Unavailable => (503, "UNAVAILABLE"),
        RefusalKind::UnknownEndpoint | RefusalKind::UnknownModel | RefusalKind::Blocked => {
            (403, "PERMISSION_DENIED")
        }
    };
    let mut error = json!({ "code": code, "message": refusal.message, "status": status });
    if let Some(fields) = error.as_object_mut().filter(|_| refusal.rule_name().is_some()) {
        fields.insert("details".to_owned(), details(refusal, now));
    }
    Written::body(&json!({ "error": error }))
}

/// Machine fields where Google puts its own, in typed details, of which a map has texts alone:
/// <https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>.
fn details(refusal: &Refusal, now: EpochMs) -> Value {
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let fields = refusal.machine_fields().into_iter().filter(|(_, value)| !value.is_null());
    let metadata: Map<_, _> = fields.map(|(name, value)| (name, text(value).into())).collect();
    let reason = match refusal.kind {
        RefusalKind::Rate => "RATE_LIMIT_EXCEEDED",
        RefusalKind::Blocked => "REQUEST_BLOCKED",
        RefusalKind::OverRequestLimit => "REQUEST_LIMIT_EXCEEDED",
        RefusalKind::Confirm => "CONFIRMATION_REQUIRED",
        _ => "QUOTA_EXCEEDED",
    };
    let mut info = typed("ErrorInfo", "metadata", Value::Object(metadata));
    put(&mut info, "reason", reason.into());
    put(&mut info, "domain", "tokenstile".into());
    let mut details = vec![Value::Object(info)];
    let mut detail = |kind: &str, name: &str, value: Value| {
        details.push(Value::Object(typed(kind, name, value)));
    };
    let Some(state) = refusal.budget.as_ref().filter(|_| refusal.kind != RefusalKind::Confirm) else {
        return details.into();
    };
    detail("QuotaFailure", "violations", pair(("subject", &state.rule), ("description", &refusal.message)));
    if let Some(at) = state.resets_at {
        detail("RetryInfo", "retryDelay", format!("{}s", now.seconds_until(at).max(1)).into());
    }
    if let Some(url) = &state.upgrade_url {
        detail("Help", "links", pair(("description", "More quota"), ("url", url)));
    }
    details.into()
}

/// An object with its type, and one field.
fn typed(kind: &str, name: &str, value: Value) -> Map<String, Value> {
    let mut fields = Map::new();
    put(&mut fields, "@type", format!("type.googleapis.com/google.rpc.{kind}").into());
    put(&mut fields, name, value);
    fields
}

/// A list of one object with two texts.
fn pair(one: (&str, &str), other: (&str, &str)) -> Value {
    let mut fields = Map::new();
    put(&mut fields, one.0, one.1.into());
    put(&mut fields, other.0, other.1.into());
    Value::Array(vec![Value::Object(fields)])
}
