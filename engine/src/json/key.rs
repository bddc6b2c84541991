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

        impl Key {
            /// The key with this unescaped name.
            #[must_use]
            pub fn from_name(name: &[u8]) -> Self {
                match std::str::from_utf8(name) {
                    $(Ok($name) => Self::$variant,)*
                    _ => Self::Other,
                }
            }
        }
    };
}

keys! {
    Arguments = "arguments",
    CachedTokens = "cached_tokens",
    Choices = "choices",
    CompletionTokens = "completion_tokens",
    Content = "content",
    Delta = "delta",
    Description = "description",
    Detail = "detail",
    Enum = "enum",
    Error = "error",
    Function = "function",
    FunctionCall = "function_call",
    Functions = "functions",
    ImageUrl = "image_url",
    MaxCompletionTokens = "max_completion_tokens",
    MaxTokens = "max_tokens",
    Message = "message",
    Messages = "messages",
    Model = "model",
    N = "n",
    Name = "name",
    PromptTokens = "prompt_tokens",
    PromptTokensDetails = "prompt_tokens_details",
    Properties = "properties",
    Reasoning = "reasoning",
    ReasoningContent = "reasoning_content",
    Refusal = "refusal",
    ResponseFormat = "response_format",
    Role = "role",
    Stream = "stream",
    Text = "text",
    ToolCallId = "tool_call_id",
    ToolCalls = "tool_calls",
    Tools = "tools",
    Type = "type",
    Usage = "usage",
}
