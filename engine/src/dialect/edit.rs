//! Edits of a request: bytes of its body replaced, its path written again; every other byte stays.

use super::target::percent_encoded;
use super::{Facts, ModelAt, StreamUsage};
use crate::json::Key;
use crate::policy::Effort;
use std::ops::Range;

/// Bytes to replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// Which.
    pub range: Range<usize>,
    /// By what.
    pub with: Vec<u8>,
}

/// What changes in a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edits {
    /// In its body.
    pub body: Vec<Splice>,
    /// In its path, query included.
    pub path: Vec<Splice>,
    /// Headers that it gets, in the place of any of the same name.
    pub headers: Vec<(String, String)>,
}

impl Edits {
    /// Whether nothing changes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.body.is_empty() && self.path.is_empty() && self.headers.is_empty()
    }
}

/// The bytes with their splices, every other byte as it was. Splices must not overlap; one outside the
/// bytes is left out.
#[must_use]
pub fn splice(bytes: &[u8], splices: &[Splice]) -> Vec<u8> {
    let mut sorted: Vec<&Splice> = splices.iter().collect();
    sorted.sort_by_key(|splice| splice.range.start);
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for splice in sorted {
        if let Some(before) = bytes.get(at..splice.range.start).filter(|_| splice.range.end <= bytes.len()) {
            out.extend_from_slice(before);
            out.extend_from_slice(&splice.with);
            at = splice.range.end;
        }
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    out
}

fn json_text(text: &str) -> Vec<u8> {
    serde_json::Value::from(text).to_string().into_bytes()
}

impl Facts {
    /// Makes another model serve; `false` if the request has no place to say so.
    #[must_use]
    pub fn set_model(&self, model: &str, edits: &mut Edits) -> bool {
        match &self.model_at {
            ModelAt::Nowhere => return false,
            ModelAt::Body(range) => {
                edits.body.push(Splice { range: range.clone(), with: json_text(model) });
            }
            // A line end would end the field's value, and more may follow it.
            ModelAt::Form(_) if model.contains(char::is_control) => return false,
            ModelAt::Form(range) => {
                edits.body.push(Splice { range: range.clone(), with: model.as_bytes().to_vec() });
            }
            ModelAt::Path(range) => {
                let encoded = percent_encoded(model);
                let encoded = if self.model_is_segments { encoded.replace("%2F", "/") } else { encoded };
                let with = encoded.into_bytes();
                edits.path.push(Splice { range: range.clone(), with });
                let again = self.model_again.clone();
                edits.body.extend(again.map(|range| Splice { range, with: json_text(model) }));
            }
        }
        true
    }

    /// States another bound for the output of one choice, by every name by which the request states one, or by
    /// the API's own where it states none; `false` if there is no place for it.
    #[must_use]
    pub fn set_output_bound(&self, tokens: u64, edits: &mut Edits) -> bool {
        if self.output_bound_spans.is_empty() {
            let Some(room) = &self.output_bound_room else { return false };
            let with = format!("{}{tokens}{}", room.before, room.after).into_bytes();
            edits.body.push(Splice { range: room.range.clone(), with });
            return true;
        }
        let with = tokens.to_string().into_bytes();
        let spans = self.output_bound_spans.iter();
        edits.body.extend(spans.map(|range| Splice { range: range.clone(), with: with.clone() }));
        true
    }

    /// States the bound by the name that models take that refuse `max_tokens`.
    pub(crate) fn rename_bound(&self, edits: &mut Edits) {
        let with = format!("\"{}\"", Key::MaxCompletionTokens.name()).into_bytes();
        let range = self.max_tokens_at.clone();
        edits.body.extend(range.map(|range| Splice { range, with }));
    }

    /// States another service tier; `false` if this API has no place for one.
    #[must_use]
    pub fn set_service_tier(&self, tier: &str, edits: &mut Edits) -> bool {
        let Some(room) = &self.service_tier_at else { return false };
        let with = [&room.before, "\"", tier, "\"", &room.after].concat().into_bytes();
        edits.body.push(Splice { range: room.range.clone(), with });
        true
    }

    /// This effort, or the nearest that all models of the API know that take one. Of Anthropic's models some know neither `xhigh` nor `max`
    /// (<https://platform.claude.com/docs/en/build-with-claude/effort>): `high` is what all know that take one.
    #[must_use]
    pub fn known_effort(&self, effort: Effort) -> Effort {
        let anthropic = self.least_effort == Effort::Low;
        if anthropic && effort == Effort::Xhigh { Effort::High } else { effort.max(self.least_effort) }
    }

    /// Whether it states an effort that only some of the models know that take one.
    #[must_use]
    pub fn has_rare_effort(&self) -> bool {
        self.least_effort == Effort::Low && self.efforts.iter().any(|(effort, _)| *effort > Effort::High)
    }

    /// Lowers the efforts that the request states; `false` if none is higher.
    #[must_use]
    pub fn lower_effort(&self, effort: Effort, edits: &mut Edits) -> bool {
        let higher = || self.efforts.iter().filter(|(stated, _)| *stated > effort);
        let with = format!("\"{}\"", effort.name()).into_bytes();
        edits.body.extend(higher().map(|(_, range)| Splice { range: range.clone(), with: with.clone() }));
        higher().next().is_some()
    }

    /// Asks a stream to state its usage; `false` if it does so anyway or cannot be asked.
    #[must_use]
    pub fn ask_for_usage(&self, edits: &mut Edits) -> bool {
        let StreamUsage::Absent(range, with) = &self.stream_usage else { return false };
        edits.body.push(Splice { range: range.clone(), with: with.as_bytes().to_vec() });
        true
    }
}
