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
        let known = name.first().and_then(|first| {
            let first = usize::from(*first);
            NAMES.get(*STARTS.get(first)?..*STARTS.get(first.checked_add(1)?)?)
        });
        let known = known.unwrap_or_default();
        // Most differ in their length already: that costs less than the steps of a search.
        let found = known.iter().find(|(known, _)| known.len() == name.len() && known.as_bytes() == name);
        found.map_or(Self::Other, |(_, key)| *key)
    }
}

/// Where the names begin whose first byte is this one, and behind the last byte, where all end: few names share
/// a first byte, so few are looked at.
const STARTS: [usize; 257] = starts();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "computed by the compiler, which would stop"
)]
const fn starts() -> [usize; 257] {
    let mut starts = [0; 257];
    let (mut byte, mut at) = (0, 0);
    while byte < starts.len() {
        while at < NAMES.len() && (NAMES[at].0.as_bytes()[0] as usize) < byte {
            at += 1;
        }
        starts[byte] = at;
        byte += 1;
    }
    starts
}

// In the order of their bytes (capitals first): they are searched by halves.
keys! {
    Defs = "$defs",
    Action = "action",
    AdditionalModelRequestFields = "additionalModelRequestFields",
    AdditionalProperties = "additionalProperties",
    AllOf = "allOf",
    AmazonBedrockInvocationMetrics = "amazon-bedrock-invocationMetrics",
    Any = "any",
    AnyOf = "anyOf",
    Args = "args",
    Arguments = "arguments",
    Audio = "audio",
    AudioTokens = "audio_tokens",
    BestOf = "best_of",
    BilledUnits = "billed_units",
    BudgetTokens = "budget_tokens",
    Bytes = "bytes",
    CacheDetails = "cacheDetails",
    CachePoint = "cachePoint",
    CacheReadInputTokenCount = "cacheReadInputTokenCount",
    CacheReadInputTokensCamel = "cacheReadInputTokens",
    CacheTokensDetails = "cacheTokensDetails",
    CacheWriteInputTokenCount = "cacheWriteInputTokenCount",
    CacheWriteInputTokens = "cacheWriteInputTokens",
    CacheCreation = "cache_creation",
    CacheCreationInputTokens = "cache_creation_input_tokens",
    CacheReadInputTokens = "cache_read_input_tokens",
    CacheWriteTokens = "cache_write_tokens",
    CachedContent = "cachedContent",
    CachedContentTokenCount = "cachedContentTokenCount",
    CachedContentSnake = "cached_content",
    CachedPromptTextTokens = "cached_prompt_text_tokens",
    CachedTokens = "cached_tokens",
    CallId = "call_id",
    CandidateCount = "candidateCount",
    CandidateCountSnake = "candidate_count",
    Candidates = "candidates",
    CandidatesTokenCount = "candidatesTokenCount",
    CandidatesTokensDetails = "candidatesTokensDetails",
    Choices = "choices",
    CitationTokens = "citation_tokens",
    Citations = "citations",
    CitationsContent = "citationsContent",
    Code = "code",
    CodeExecution = "codeExecution",
    CodeExecutionSnake = "code_execution",
    Completion = "completion",
    CompletionTokens = "completion_tokens",
    CompletionTokensDetails = "completion_tokens_details",
    ComputerUse = "computerUse",
    ComputerUseSnake = "computer_use",
    Const = "const",
    Container = "container",
    Content = "content",
    ContentBlockDelta = "contentBlockDelta",
    Contents = "contents",
    Context = "context",
    Conversation = "conversation",
    Custom = "custom",
    Data = "data",
    Definition = "definition",
    Definitions = "definitions",
    Delta = "delta",
    Description = "description",
    Detail = "detail",
    Document = "document",
    DocumentUrl = "document_url",
    Documents = "documents",
    Echo = "echo",
    Effort = "effort",
    Embeddings = "embeddings",
    Enabled = "enabled",
    EncryptedContent = "encrypted_content",
    Enum = "enum",
    Environment = "environment",
    Ephemeral1hInputTokens = "ephemeral_1h_input_tokens",
    Ephemeral5mInputTokens = "ephemeral_5m_input_tokens",
    Error = "error",
    EvalCount = "eval_count",
    File = "file",
    FileData = "fileData",
    FileUri = "fileUri",
    FileDataSnake = "file_data",
    FileId = "file_id",
    FileUriSnake = "file_uri",
    FileUrl = "file_url",
    Filename = "filename",
    Format = "format",
    Function = "function",
    FunctionCallCamel = "functionCall",
    FunctionCallingConfig = "functionCallingConfig",
    FunctionDeclarations = "functionDeclarations",
    FunctionResponse = "functionResponse",
    FunctionCall = "function_call",
    FunctionCallingConfigSnake = "function_calling_config",
    FunctionDeclarationsSnake = "function_declarations",
    FunctionResponseSnake = "function_response",
    Functions = "functions",
    Generation = "generation",
    GenerationConfig = "generationConfig",
    GenerationConfigSnake = "generation_config",
    GenerationTokenCount = "generation_token_count",
    Generations = "generations",
    GoogleSearch = "googleSearch",
    GoogleSearchRetrieval = "googleSearchRetrieval",
    GoogleSearchSnake = "google_search",
    GroundingMetadata = "groundingMetadata",
    GuardContent = "guardContent",
    Id = "id",
    Image = "image",
    ImageTokens = "image_tokens",
    ImageUrl = "image_url",
    Images = "images",
    Include = "include",
    IncludeUsage = "include_usage",
    InferenceConfig = "inferenceConfig",
    InferenceGeo = "inference_geo",
    InlineData = "inlineData",
    InlineDataSnake = "inline_data",
    Input = "input",
    InputSchemaCamel = "inputSchema",
    InputText = "inputText",
    InputTextTokenCount = "inputTextTokenCount",
    InputTokenCount = "inputTokenCount",
    InputTokensCamel = "inputTokens",
    InputAudio = "input_audio",
    InputImage = "input_image",
    InputSchema = "input_schema",
    InputTextSnake = "input_text",
    InputTokenDetails = "input_token_details",
    InputTokens = "input_tokens",
    InputTokensDetails = "input_tokens_details",
    Inputs = "inputs",
    Instructions = "instructions",
    Items = "items",
    Iterations = "iterations",
    Json = "json",
    JsonSchemaCamel = "jsonSchema",
    JsonSchema = "json_schema",
    Logprobs = "logprobs",
    MaxOutputTokens = "maxOutputTokens",
    MaxTokenCount = "maxTokenCount",
    MaxTokensCamel = "maxTokens",
    MaxCompletionTokens = "max_completion_tokens",
    MaxGenLen = "max_gen_len",
    MaxNewTokens = "max_new_tokens",
    MaxOutputTokensSnake = "max_output_tokens",
    MaxTokens = "max_tokens",
    MaxTokensToSample = "max_tokens_to_sample",
    McpServers = "mcp_servers",
    MediaType = "media_type",
    Message = "message",
    Messages = "messages",
    Meta = "meta",
    Metadata = "metadata",
    MimeType = "mimeType",
    MimeTypeSnake = "mime_type",
    Modalities = "modalities",
    Modality = "modality",
    Mode = "mode",
    Model = "model",
    ModelVersion = "modelVersion",
    N = "n",
    Name = "name",
    NumPredict = "num_predict",
    NumSearchQueries = "num_search_queries",
    NumTokens = "num_tokens",
    OneOf = "oneOf",
    Options = "options",
    Output = "output",
    OutputConfigCamel = "outputConfig",
    OutputText = "outputText",
    OutputTokenCount = "outputTokenCount",
    OutputTokensCamel = "outputTokens",
    OutputConfig = "output_config",
    OutputFormat = "output_format",
    OutputTextSnake = "output_text",
    OutputTokens = "output_tokens",
    OutputTokensDetails = "output_tokens_details",
    Outputs = "outputs",
    ParallelToolCalls = "parallel_tool_calls",
    Parameters = "parameters",
    ParametersJsonSchema = "parametersJsonSchema",
    ParametersJsonSchemaSnake = "parameters_json_schema",
    PartialJson = "partial_json",
    Parts = "parts",
    Plugins = "plugins",
    Prediction = "prediction",
    Predictions = "predictions",
    PreviousResponseId = "previous_response_id",
    Prompt = "prompt",
    PromptTokenCount = "promptTokenCount",
    PromptTokenDetails = "promptTokenDetails",
    PromptTokensDetailsCamel = "promptTokensDetails",
    PromptAudioSeconds = "prompt_audio_seconds",
    PromptCacheHitTokens = "prompt_cache_hit_tokens",
    PromptEvalCount = "prompt_eval_count",
    PromptTokenCountSnake = "prompt_token_count",
    PromptTokens = "prompt_tokens",
    PromptTokensDetails = "prompt_tokens_details",
    Properties = "properties",
    Quality = "quality",
    Query = "query",
    Reasoning = "reasoning",
    ReasoningConfig = "reasoningConfig",
    ReasoningContentCamel = "reasoningContent",
    ReasoningText = "reasoningText",
    ReasoningConfigSnake = "reasoning_config",
    ReasoningContent = "reasoning_content",
    ReasoningEffort = "reasoning_effort",
    ReasoningTokens = "reasoning_tokens",
    RedactedThinking = "redacted_thinking",
    Refusal = "refusal",
    Requests = "requests",
    Required = "required",
    Response = "response",
    ResponseJsonSchema = "responseJsonSchema",
    ResponseLogprobs = "responseLogprobs",
    ResponseModalities = "responseModalities",
    ResponseSchema = "responseSchema",
    ResponseFormat = "response_format",
    ResponseJsonSchemaSnake = "response_json_schema",
    ResponseLogprobsSnake = "response_logprobs",
    ResponseModalitiesSnake = "response_modalities",
    ResponseSchemaSnake = "response_schema",
    Results = "results",
    Role = "role",
    S3Location = "s3Location",
    SafetyIdentifier = "safety_identifier",
    Schema = "schema",
    SearchParameters = "search_parameters",
    SearchUnits = "search_units",
    Seconds = "seconds",
    ServerToolUse = "server_tool_use",
    ServiceTierCamel = "serviceTier",
    ServiceTier = "service_tier",
    Signature = "signature",
    SingleEmbeddingParams = "singleEmbeddingParams",
    Size = "size",
    Source = "source",
    SpeechConfig = "speechConfig",
    SpeechConfigSnake = "speech_config",
    Speed = "speed",
    Statistics = "statistics",
    Stream = "stream",
    StreamOptions = "stream_options",
    Structure = "structure",
    Suffix = "suffix",
    Summary = "summary",
    System = "system",
    SystemInstruction = "systemInstruction",
    SystemTool = "systemTool",
    SystemInstructionSnake = "system_instruction",
    TaskBudget = "task_budget",
    Text = "text",
    TextFormat = "textFormat",
    TextGenerationConfig = "textGenerationConfig",
    TextFormatSnake = "text_format",
    TextTokens = "text_tokens",
    Texts = "texts",
    Think = "think",
    Thinking = "thinking",
    ThinkingBudget = "thinkingBudget",
    ThinkingConfig = "thinkingConfig",
    ThinkingBudgetSnake = "thinking_budget",
    ThinkingConfigSnake = "thinking_config",
    ThinkingTokens = "thinking_tokens",
    Thought = "thought",
    ThoughtSignature = "thoughtSignature",
    ThoughtSignatureSnake = "thought_signature",
    ThoughtsTokenCount = "thoughtsTokenCount",
    Title = "title",
    TokenCount = "tokenCount",
    TokenBudget = "token_budget",
    TokenCountSnake = "token_count",
    Tokens = "tokens",
    Tool = "tool",
    ToolChoiceCamel = "toolChoice",
    ToolConfig = "toolConfig",
    ToolResult = "toolResult",
    ToolSpec = "toolSpec",
    ToolUse = "toolUse",
    ToolUsePromptTokenCount = "toolUsePromptTokenCount",
    ToolUsePromptTokensDetails = "toolUsePromptTokensDetails",
    ToolCallId = "tool_call_id",
    ToolCalls = "tool_calls",
    ToolChoice = "tool_choice",
    ToolConfigSnake = "tool_config",
    ToolUseId = "tool_use_id",
    Tools = "tools",
    TopLogprobs = "top_logprobs",
    TotalOutputTextTokenCount = "totalOutputTextTokenCount",
    TotalTokenCount = "totalTokenCount",
    TotalTokensCamel = "totalTokens",
    TotalTokens = "total_tokens",
    TrafficType = "trafficType",
    Type = "type",
    Uri = "uri",
    Url = "url",
    UrlContext = "urlContext",
    UrlContextSnake = "url_context",
    Usage = "usage",
    UsageMetadata = "usageMetadata",
    User = "user",
    UserId = "user_id",
    Value = "value",
    Video = "video",
    WebSearchQueries = "webSearchQueries",
    WebSearchOptions = "web_search_options",
    WebSearchRequests = "web_search_requests",
    XGroq = "x_groq",
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
