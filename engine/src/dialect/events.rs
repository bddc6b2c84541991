//! How an API's stream of server-sent events takes what the model did not say: an error, a comment.

use serde_json::{Value, json};

/// A kind of such streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Events {
    /// None that is known to take anything.
    Closed,
    /// Documents without names, `[DONE]` behind them: OpenAI's chat and those who speak as it does. Its SDKs raise on
    /// a document with an `error`.
    Chat,
    /// OpenAI's responses.
    Responses,
    /// Named events: Anthropic.
    Named,
    /// Named events, `[DONE]` behind them: Google's Interactions. Its SDKs pass over comments (`_parse_event` of google-genai,
    /// `SSEDecoder` of `@google/genai`) and give an event of an error to their caller as any other.
    Interactions,
    /// Documents and nothing else: Google. Its SDKs raise on a document with an `error`, and take comments for broken
    /// JSON (`_iter_response_stream` of google-genai, `processStreamResponse` of `@google/genai`).
    Documents,
}

impl Events {
    /// Whether clients are known to pass over comments, as the HTML standard has it (9.2.6).
    pub(crate) const fn take_comments(self) -> bool {
        matches!(self, Self::Chat | Self::Responses | Self::Named | Self::Interactions)
    }

    /// The event that ends a stream by an error, whose `body` is what a refusal has. `number`: so many came before it.
    pub(crate) fn error(self, body: &[u8], number: u64) -> Option<Vec<u8>> {
        let text = || String::from_utf8_lossy(body);
        let event = match self {
            Self::Closed => return None,
            Self::Chat => format!("data: {}\n\ndata: [DONE]\n\n", text()),
            Self::Documents => format!("data: {}\r\n\r\n", text()),
            // <https://docs.claude.com/en/docs/build-with-claude/streaming#error-events>
            Self::Named => format!("event: error\ndata: {}\n\n", text()),
            Self::Interactions => {
                format!("event: error\ndata: {}\n\nevent: done\ndata: [DONE]\n\n", of_interactions(body)?)
            }
            Self::Responses => format!("event: error\ndata: {}\n\n", of_responses(body, number)?),
        };
        Some(event.into_bytes())
    }
}

/// As <https://platform.openai.com/docs/api-reference/responses-streaming/error> has it, and with the object that
/// stands there in fact (openai-dotnet#881), on which SDKs raise.
fn of_responses(body: &[u8], number: u64) -> Option<Value> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = body.get("error")?;
    let (code, message) = (error.get("code")?, error.get("message")?);
    Some(json!({
        "type": "error", "code": code, "message": message, "param": null, "sequence_number": number, "error": error
    }))
}

/// As <https://ai.google.dev/gemini-api/docs/streaming> has it, where a code is a word in lower case.
fn of_interactions(body: &[u8]) -> Option<Value> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let mut error = body.get("error")?.as_object()?.clone();
    let code = error.remove("status")?.as_str()?.to_ascii_lowercase();
    error.insert("code".to_owned(), code.into());
    Some(json!({ "event_type": "error", "error": error }))
}
