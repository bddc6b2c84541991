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
    /// Documents and nothing else: Google. Its SDKs raise on a document with an `error`, and take comments for broken
    /// JSON (`_iter_response_stream` of google-genai, `processStreamResponse` of `@google/genai`).
    Documents,
}

impl Events {
    /// Whether clients are known to pass over comments, as the HTML standard has it (9.2.6).
    pub(crate) const fn take_comments(self) -> bool {
        matches!(self, Self::Chat | Self::Responses | Self::Named)
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
