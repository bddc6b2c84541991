//! The object keys that have a meaning in some dialect, as small values to match paths with.

macro_rules! keys {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// One step of a path: a known object key, an array element, or any other key.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Key {
            /// An element of an array.
            Item,
            /// A key that no dialect asks for.
            Other,
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        /// Every known key by its name, in the order of bytes.
        const NAMES: &[(&str, Key)] = &[$(($name, Key::$variant)),*];

        impl Key {
            /// The key as written.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    Self::Item => "[]",
                    Self::Other => "*",
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

impl Key {
    /// The key with this unescaped name.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Self {
        let found = NAMES.binary_search_by(|(known, _)| known.as_bytes().cmp(name));
        found.ok().and_then(|at| NAMES.get(at)).map_or(Self::Other, |(_, key)| *key)
    }
}

// In the order of their bytes (capitals first): they are searched by halves.
keys! {
    Arguments = "arguments",
    AudioTokens = "audio_tokens",
    Bytes = "bytes",
    CacheWriteTokens = "cache_write_tokens",
    CachedTokens = "cached_tokens",
    Choices = "choices",
    CompletionTokens = "completion_tokens",
    CompletionTokensDetails = "completion_tokens_details",
    Content = "content",
    Delta = "delta",
    Description = "description",
    Detail = "detail",
    Enum = "enum",
    Error = "error",
    File = "file",
    Function = "function",
    FunctionCall = "function_call",
    Functions = "functions",
    ImageUrl = "image_url",
    IncludeUsage = "include_usage",
    InputAudio = "input_audio",
    JsonSchema = "json_schema",
    Logprobs = "logprobs",
    MaxCompletionTokens = "max_completion_tokens",
    MaxTokens = "max_tokens",
    Message = "message",
    Messages = "messages",
    Metadata = "metadata",
    Model = "model",
    N = "n",
    Name = "name",
    PromptTokens = "prompt_tokens",
    PromptTokensDetails = "prompt_tokens_details",
    Properties = "properties",
    Reasoning = "reasoning",
    ReasoningContent = "reasoning_content",
    ReasoningEffort = "reasoning_effort",
    ReasoningTokens = "reasoning_tokens",
    Refusal = "refusal",
    ResponseFormat = "response_format",
    Role = "role",
    SafetyIdentifier = "safety_identifier",
    ServiceTier = "service_tier",
    Stream = "stream",
    StreamOptions = "stream_options",
    Text = "text",
    ToolCallId = "tool_call_id",
    ToolCalls = "tool_calls",
    Tools = "tools",
    TotalTokens = "total_tokens",
    Type = "type",
    Usage = "usage",
    User = "user",
    UserId = "user_id",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_in_order_and_each_is_found() {
        assert!(NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(
            NAMES.iter().all(|(name, key)| Key::from_name(name.as_bytes()) == *key && key.name() == *name)
        );
        assert_eq!(Key::from_name(b"nothing"), Key::Other);
    }
}
