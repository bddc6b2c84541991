//! Owns one call of each API, as it is documented, and an answer that streams where its stream takes an error.

use serde_json::{Value, json};

/// One API's calls.
pub(crate) struct Sample {
    pub(crate) dialect: &'static str,
    host: &'static str,
    path: &'static str,
    /// Where it streams by another path.
    stream_path: Option<&'static str>,
    body: Value,
    /// The member of the body that bounds the output, if there is one.
    bound: Option<Value>,
    /// The member that says how hard the model shall think.
    effort: Option<Value>,
    /// One event of a streamed answer, with `TEXT` in the place of what the model says.
    event: Option<&'static str>,
}

const TRANSCRIPTION: &str = "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--x\r\n\
    Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--x--\r\n";

impl Sample {
    const fn new(dialect: &'static str, host: &'static str, path: &'static str, body: Value) -> Self {
        Self { dialect, host, path, stream_path: None, body, bound: None, effort: None, event: None }
    }

    fn bounded(mut self, bound: Value) -> Self {
        self.bound = Some(bound);
        self
    }

    fn thinking(mut self, effort: Value) -> Self {
        self.effort = Some(effort);
        self
    }

    fn streams_by(mut self, path: &'static str) -> Self {
        self.stream_path = Some(path);
        self
    }

    fn streaming(mut self, event: &'static str) -> Self {
        self.event = Some(event);
        self
    }

    fn call_to(&self, path: &str, more: &[&Value]) -> Value {
        let mut call = json!({"host": self.host, "path": path});
        if self.body.is_string() {
            call["headers"] = json!({"content-type": "multipart/form-data; boundary=x"});
            call["body"] = json!({"text": self.body});
            return call;
        }
        let mut body = self.body.clone();
        for more in more {
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        call["headers"] = json!({"content-type": "application/json"});
        call["body"] = json!({"json": body});
        call
    }

    /// As plain as can be.
    pub(crate) fn call(&self) -> Value {
        self.call_to(self.path, &[])
    }

    /// The same that states a bound.
    pub(crate) fn bounded_call(&self) -> Option<Value> {
        Some(self.call_to(self.path, &[self.bound.as_ref()?]))
    }

    /// The same that states an effort.
    pub(crate) fn thinking_call(&self) -> Option<Value> {
        Some(self.call_to(self.path, &[self.effort.as_ref()?]))
    }

    /// The same that streams, and its answer, whose text is more than a hundred tokens.
    pub(crate) fn stream(&self) -> Option<(Value, Value)> {
        let event = self.event?;
        let call = match self.stream_path {
            Some(path) => self.call_to(path, &[]),
            None => self.call_to(self.path, &[&json!({"stream": true})]),
        };
        let text = event.replace("TEXT", " one two three four five six").repeat(20);
        Some((
            call,
            json!({"headers": {"content-type": "text/event-stream"}, "body": {"text": text}, "piece_bytes": 200}),
        ))
    }
}

/// Of every API that is metered.
pub(crate) fn all() -> Vec<Sample> {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let chat = |model: &str| json!({"model": model, "messages": messages.clone()});
    let chat_event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"TEXT\"}}]}\n\n";
    let anthropic_event = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
        \"delta\":{\"type\":\"text_delta\",\"text\":\"TEXT\"}}\n\n";
    let (openai, anthropic, google) =
        ("api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com");
    let (bedrock, cohere, ollama) = ("bedrock-runtime.us-east-1.amazonaws.com", "api.cohere.com", "llm.test");
    let max_tokens = json!({"max_tokens": 900});
    vec![
        Sample::new("openai-chat", openai, "/v1/chat/completions", chat("gpt-4o"))
            .bounded(json!({"max_completion_tokens": 900}))
            .thinking(json!({"reasoning_effort": "high"}))
            .streaming(chat_event),
        Sample::new("openai-responses", openai, "/v1/responses", json!({"model": "gpt-4o", "input": "hi"}))
            .bounded(json!({"max_output_tokens": 900}))
            .thinking(json!({"reasoning": {"effort": "high"}}))
            .streaming(
                "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\
                 \"output_index\":0,\"content_index\":0,\"delta\":\"TEXT\"}\n\n",
            ),
        Sample::new(
            "openai-completions",
            openai,
            "/v1/completions",
            json!({"model": "gpt-3.5-turbo-instruct", "prompt": "hi"}),
        )
        .bounded(max_tokens.clone())
        .streaming("data: {\"choices\":[{\"index\":0,\"text\":\"TEXT\"}]}\n\n"),
        Sample::new(
            "openai-embeddings",
            openai,
            "/v1/embeddings",
            json!({"model": "text-embedding-3-small", "input": "hi"}),
        ),
        Sample::new(
            "rerank",
            cohere,
            "/v2/rerank",
            json!({"model": "rerank-v3.5", "query": "hi", "documents": ["hi"]}),
        ),
        Sample::new(
            "openai-images",
            openai,
            "/v1/images/generations",
            json!({"model": "gpt-image-1", "prompt": "a cat"}),
        ),
        Sample::new(
            "openai-speech",
            openai,
            "/v1/audio/speech",
            json!({"model": "tts-1", "input": "hi", "voice": "alloy"}),
        ),
        Sample::new("openai-transcription", openai, "/v1/audio/transcriptions", TRANSCRIPTION.into()),
        Sample::new("anthropic-messages", anthropic, "/v1/messages", chat("claude-opus-4-5"))
            .bounded(max_tokens.clone())
            .thinking(json!({"output_config": {"effort": "high"}}))
            .streaming(anthropic_event),
        Sample::new(
            "vertex-anthropic",
            "aiplatform.googleapis.com",
            "/v1/projects/p/locations/global/publishers/anthropic/models/claude-sonnet-4-5:rawPredict",
            json!({"anthropic_version": "vertex-2023-10-16", "messages": messages}),
        )
        .bounded(max_tokens.clone())
        .thinking(json!({"output_config": {"effort": "high"}}))
        .streams_by(
            "/v1/projects/p/locations/global/publishers/anthropic/models/claude-sonnet-4-5:streamRawPredict",
        )
        .streaming(anthropic_event),
        Sample::new(
            "anthropic-complete",
            anthropic,
            "/v1/complete",
            json!({"model": "claude-2.1", "prompt": "\n\nHuman: hi\n\nAssistant:"}),
        )
        .bounded(json!({"max_tokens_to_sample": 900}))
        .streaming("event: completion\ndata: {\"type\":\"completion\",\"completion\":\"TEXT\"}\n\n"),
        Sample::new(
            "anthropic-batch",
            anthropic,
            "/v1/messages/batches",
            json!({"requests": [{"custom_id": "a", "params": chat("claude-opus-4-5")}]}),
        ),
        Sample::new(
            "gemini-generate",
            google,
            "/v1beta/models/gemini-2.5-flash:generateContent",
            json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
        )
        .bounded(json!({"generationConfig": {"maxOutputTokens": 900}}))
        .streams_by("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
        .streaming(
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"TEXT\"}],\"role\":\"model\"}}]}\r\n\r\n",
        ),
        Sample::new(
            "gemini-embed",
            google,
            "/v1beta/models/gemini-embedding-001:embedContent",
            json!({"content": {"parts": [{"text": "hi"}]}}),
        ),
        Sample::new(
            "gemini-interactions",
            google,
            "/v1beta/interactions",
            json!({"model": "gemini-2.5-flash", "input": "hi"}),
        )
        .bounded(json!({"generation_config": {"max_output_tokens": 900}}))
        .streaming(
            "event: step.delta\ndata: {\"index\":0,\"delta\":{\"text\":\"TEXT\",\"type\":\"text\"},\
             \"event_type\":\"step.delta\"}\n\n",
        ),
        Sample::new(
            "gemini-batch",
            google,
            "/v1beta/models/gemini-2.5-flash:batchGenerateContent",
            json!({"batch": {"display_name": "a", "input_config": {"requests": {"requests": []}}}}),
        ),
        Sample::new(
            "vertex-predict",
            "aiplatform.googleapis.com",
            "/v1/projects/p/locations/us-central1/publishers/google/models/imagen-4.0-generate-001:predict",
            json!({"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 1}}),
        ),
        Sample::new(
            "bedrock-converse",
            bedrock,
            "/model/amazon.nova-lite-v1:0/converse",
            json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]}),
        )
        .bounded(json!({"inferenceConfig": {"maxTokens": 900}})),
        Sample::new(
            "bedrock-invoke",
            bedrock,
            "/model/anthropic.claude-3-haiku-20240307-v1:0/invoke",
            json!({"anthropic_version": "bedrock-2023-05-31", "messages": messages}),
        )
        .bounded(max_tokens.clone())
        .thinking(json!({"output_config": {"effort": "high"}})),
        Sample::new("cohere-chat", cohere, "/v2/chat", chat("command-r-plus"))
            .bounded(max_tokens.clone())
            .streaming(
                "event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":\
                 {\"content\":{\"text\":\"TEXT\"}}}}\n\n",
            ),
        Sample::new(
            "cohere-embed",
            cohere,
            "/v2/embed",
            json!({"model": "embed-v4.0", "texts": ["hi"], "input_type": "search_query"}),
        ),
        Sample::new(
            "cohere-generate",
            cohere,
            "/v1/generate",
            json!({"model": "command", "prompt": "hi"}),
        )
        .bounded(max_tokens)
        .streaming("data: {\"is_finished\":false,\"event_type\":\"text-generation\",\"text\":\"TEXT\"}\n\n"),
        Sample::new(
            "mistral-conversations",
            "api.mistral.ai",
            "/v1/conversations",
            json!({"model": "mistral-small-latest", "inputs": "hi"}),
        )
        .bounded(json!({"completion_args": {"max_tokens": 900}}))
        .streaming(
            "event: message.output.delta\ndata: {\"type\":\"message.output.delta\",\"output_index\":0,\
             \"content\":\"TEXT\"}\n\n",
        ),
        Sample::new(
            "cloudflare-run",
            "api.cloudflare.com",
            "/client/v4/accounts/a/ai/run/@cf/meta/llama-3.1-8b-instruct",
            json!({"messages": messages}),
        )
        .bounded(json!({"max_tokens": 900}))
        .streaming("data: {\"response\":\"TEXT\"}\n\n"),
        Sample::new("ollama", ollama, "/api/chat", chat("llama3.1"))
            .bounded(json!({"options": {"num_predict": 900}})),
        Sample::new(
            "ollama-embed",
            ollama,
            "/api/embed",
            json!({"model": "nomic-embed-text", "input": "hi"}),
        ),
    ]
}
