//! What a request uses, by dialect: of each feature that an API has a body that uses it, and what looks like it and is
//! not. A flag that no dialect sets would make rules pass that ask for it.

mod newer;

use super::*;

struct Api {
    names: &'static [&'static str],
    host: &'static str,
    path: &'static str,
    /// What stands in every body, but for its braces.
    base: &'static str,
    /// A feature, members of a body that use it and nothing else, and members that do not.
    rows: &'static [(&'static str, &'static [&'static str], &'static [&'static str])],
}

/// What every request to this path uses.
fn always(path: &str) -> &'static str {
    if path.contains("/audio/") { "audio" } else { "" }
}

const CHAT: Api = Api {
    names: &["openai-chat"],
    host: "api.openai.com",
    path: "/v1/chat/completions",
    base: r#""model":"m""#,
    rows: &[
        (
            "tools",
            &[
                r#""tools":[{"type":"function","function":{"name":"f"}}]"#,
                r#""tools":[{"type":"custom","custom":{"name":"f"}}]"#,
                r#""functions":[{"name":"f"}]"#,
            ],
            &[r#""tools":null"#, r#""tools":[]"#, r#""functions":[]"#],
        ),
        (
            "vision",
            &[r#""messages":[{"content":[{"type":"image_url","image_url":{"url":"https://x/y"}}]}]"#],
            &[r#""messages":[{"content":[{"type":"text","text":"image_url"}]}]"#],
        ),
        (
            "audio",
            &[
                r#""messages":[{"content":[{"type":"input_audio","input_audio":{"data":"x","format":"wav"}}]}]"#,
                r#""modalities":["text","audio"]"#,
                r#""audio":{"voice":"ash","format":"wav"}"#,
            ],
            &[r#""modalities":["text"]"#, r#""audio":null"#],
        ),
        (
            "files",
            &[r#""messages":[{"content":[{"type":"file","file":{"file_id":"f"}}]}]"#],
            &[r#""messages":[{"content":[{"type":"text","text":"file"}]}]"#],
        ),
        (
            "json_schema",
            &[
                r#""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}"#,
                r#""response_format":{"type":"json_object","schema":{}}"#,
            ],
            &[r#""response_format":{"type":"json_object"}"#],
        ),
        (
            "reasoning",
            &[
                r#""reasoning_effort":"low""#,
                r#""reasoning":{"max_tokens":9}"#,
                r#""thinking":{"type":"enabled"}"#,
            ],
            &[r#""thinking":{"type":"disabled"}"#],
        ),
        (
            "logprobs",
            &[r#""logprobs":true,"top_logprobs":2"#],
            &[r#""logprobs":false"#, r#""top_logprobs":0"#],
        ),
        (
            "server_tools",
            &[
                r#""web_search_options":{}"#,
                r#""plugins":[{"id":"web"}]"#,
                r#""search_parameters":{"mode":"auto"}"#,
                r#""search_parameters":{}"#,
            ],
            &[r#""plugins":[{"id":"response-healing"}]"#, r#""search_parameters":{"mode":"off"}"#],
        ),
        ("tools, server_tools", &[r#""tools":[{"type":"browser_search"}]"#], &[]),
        (
            "video",
            &[r#""messages":[{"content":[{"type":"video_url","video_url":{"url":"https://x/y"}}]}]"#],
            &[r#""messages":[{"content":[{"type":"text","text":"video_url"}]}]"#],
        ),
    ],
};

const RESPONSES: Api = Api {
    names: &["openai-responses"],
    host: "api.openai.com",
    path: "/v1/responses",
    base: r#""model":"m""#,
    rows: &[
        (
            "tools",
            &[
                r#""tools":[{"type":"function","name":"f"}]"#,
                r#""tools":[{"type":"local_shell"}]"#,
                r#""tools":[{"type":"shell","environment":{"type":"local"}}]"#,
                r#""tools":[{"type":"computer_use_preview","environment":"browser"}]"#,
            ],
            &[r#""tool_choice":"auto""#],
        ),
        (
            "tools, server_tools",
            &[
                r#""tools":[{"type":"web_search"}]"#,
                r#""tools":[{"type":"function","name":"f"},{"type":"file_search","vector_store_ids":["v"]}]"#,
                r#""tools":[{"type":"code_interpreter","container":{"type":"auto"}}]"#,
                r#""tools":[{"type":"mcp","server_label":"s","server_url":"https://x/y"}]"#,
                r#""tools":[{"type":"image_generation"}]"#,
                r#""tools":[{"type":"web\u005fsearch_preview"}]"#,
                r#""tools":[{"type":"shell","environment":{"type":"container_auto"}}]"#,
            ],
            &[r#""tools":[{"type":"function","name":"web_search"}]"#],
        ),
        (
            "vision",
            &[r#""input":[{"role":"user","content":[{"type":"input_image","image_url":"https://x/y"}]}]"#],
            &[r#""input":"input_image""#],
        ),
        (
            "audio",
            &[r#""input":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"x"}}]}]"#],
            &[r#""input":"input_audio""#],
        ),
        (
            "files",
            &[r#""input":[{"role":"user","content":[{"type":"input_file","file_id":"f"}]}]"#],
            &[r#""input":"input_file""#],
        ),
        (
            "json_schema",
            &[r#""text":{"format":{"type":"json_schema","name":"n","schema":{}}}"#],
            &[r#""text":{"format":{"type":"text"}}"#],
        ),
        ("reasoning", &[r#""reasoning":{"effort":"low"}"#], &[r#""reasoning":null"#]),
        (
            "logprobs",
            &[r#""top_logprobs":2"#, r#""include":["message.output_text.logprobs"]"#],
            &[r#""top_logprobs":0"#, r#""include":["reasoning.encrypted_content"]"#],
        ),
    ],
};

const COMPLETIONS: Api = Api {
    names: &["openai-completions"],
    host: "api.openai.com",
    path: "/v1/completions",
    base: r#""model":"m","prompt":"p""#,
    rows: &[("logprobs", &[r#""logprobs":2"#, r#""logprobs":0"#], &[r#""logprobs":null"#])],
};

const CLAUDE: Api = Api {
    names: &["anthropic-messages", "vertex-anthropic"],
    host: "api.anthropic.com",
    path: "/v1/messages",
    base: r#""model":"m","max_tokens":9"#,
    rows: &[
        (
            "tools",
            &[
                r#""tools":[{"name":"f","input_schema":{}}]"#,
                r#""tools":[{"type":"custom","name":"f","input_schema":{}}]"#,
                r#""tools":[{"type":"bash_20250124","name":"bash"},{"type":"memory_20250818","name":"m"}]"#,
                r#""tools":[{"type":"computer_20250124","name":"computer"}]"#,
            ],
            &[r#""messages":[{"role":"user","content":"tools"}]"#, r#""tools":[]"#],
        ),
        (
            "tools, server_tools",
            &[
                r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#,
                r#""tools":[{"type":"web_fetch_20250910","name":"web_fetch"}]"#,
                r#""tools":[{"name":"f","input_schema":{}},{"type":"code_execution_20250825","name":"c"}]"#,
            ],
            &[r#""tools":[{"name":"web_search_20250305","input_schema":{}}]"#],
        ),
        (
            "server_tools",
            &[r#""mcp_servers":[{"type":"url","url":"https://x/y","name":"n"}]"#],
            &[r#""mcp_servers":[]"#],
        ),
        (
            "vision",
            &[
                r#""messages":[{"content":[{"type":"image","source":{"type":"base64","data":"x"}}]}]"#,
                r#""messages":[{"content":[{"type":"tool_result","content":[{"type":"image","source":{}}]}]}]"#,
            ],
            &[r#""messages":[{"content":[{"type":"tool_use","input":{"a":[{"type":"image"}]}}]}]"#],
        ),
        (
            "files",
            &[
                r#""messages":[{"content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}]"#,
                r#""messages":[{"content":[{"type":"container_upload","file_id":"f"}]}]"#,
            ],
            &[r#""messages":[{"content":[{"type":"text","text":"document"}]}]"#],
        ),
        (
            "json_schema",
            &[
                r#""output_format":{"type":"json_schema","schema":{}}"#,
                r#""output_config":{"format":{"type":"json_schema","schema":{}}}"#,
            ],
            &[r#""output_config":{}"#],
        ),
        (
            "reasoning",
            &[r#""thinking":{"type":"enabled","budget_tokens":1024}"#, r#""thinking":{"type":"adaptive"}"#],
            &[r#""thinking":{"type":"disabled"}"#],
        ),
        ("effort", &[r#""output_config":{"effort":"low"}"#], &[r#""output_config":{}"#]),
    ],
};

const GEMINI: Api = Api {
    names: &["gemini-generate"],
    host: "generativelanguage.googleapis.com",
    path: "/v1beta/models/gemini-2.5-flash:generateContent",
    base: r#""safetySettings":[]"#,
    rows: &[
        (
            "tools",
            &[
                r#""tools":[{"functionDeclarations":[{"name":"f"}]}]"#,
                r#""tools":{"function_declarations":[{"name":"google_search"}]}"#,
                r#""tools":[{"computerUse":{"environment":"ENVIRONMENT_BROWSER"}}]"#,
            ],
            &[r#""toolConfig":{}"#, r#""tools":[]"#],
        ),
        (
            "tools, server_tools",
            &[
                r#""tools":[{"google_search":{}}]"#,
                r#""tools":{"googleSearch":{}}"#,
                r#""tools":[{"url_context":{}}]"#,
                r#""tools":[{"functionDeclarations":[]},{"codeExecution":{}}]"#,
                r#""tools":[{"googleMaps":{}}]"#,
            ],
            &[r#""tools":[{"functionDeclarations":[{"name":"codeExecution"}]}]"#],
        ),
        (
            "vision",
            &[
                r#""contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"x"}}]}]"#,
                r#""contents":{"parts":{"file_data":{"file_uri":"https://x/y","mime_type":"image/webp"}}}"#,
            ],
            &[r#""contents":[{"parts":[{"text":"image/png"}]}]"#],
        ),
        (
            "audio",
            &[
                r#""contents":[{"parts":[{"inline_data":{"mime_type":"audio/wav","data":"x"}}]}]"#,
                r#""generationConfig":{"responseModalities":["AUDIO"]}"#,
                r#""generation_config":{"response_modalities":["text","Audio"]}"#,
                r#""generationConfig":{"speechConfig":{"voiceConfig":{}}}"#,
            ],
            &[r#""generationConfig":{"responseModalities":["TEXT","IMAGE"]}"#],
        ),
        (
            "files",
            &[
                r#""contents":[{"parts":[{"inlineData":{"data":"x","mimeType":"application/pdf"}}]}]"#,
                r#""contents":[{"parts":[{"fileData":{"mimeType":"text/plain","fileUri":"https://x/y"}}]}]"#,
            ],
            &[r#""contents":[{"parts":[{"text":"application/pdf"}]}]"#],
        ),
        (
            "video",
            &[
                r#""contents":[{"parts":[{"inlineData":{"mimeType":"video/mp4","data":"x"}}]}]"#,
                r#""contents":[{"parts":[{"fileData":{"mimeType":"VIDEO/mp4","fileUri":"https://x/y"}}]}]"#,
                r#""contents":[{"parts":[{"fileData":{"fileUri":"https://www.youtube.com/watch?v=9hE5-98ZeCg"}}]}]"#,
            ],
            &[r#""contents":[{"parts":[{"text":"https://youtu.be/9hE5-98ZeCg"}]}]"#],
        ),
        (
            "json_schema",
            &[
                r#""generationConfig":{"responseSchema":{"type":"OBJECT"}}"#,
                r#""generation_config":{"response_json_schema":{}}"#,
            ],
            &[r#""generationConfig":{"responseMimeType":"application/json"}"#],
        ),
        (
            "reasoning",
            &[
                r#""generationConfig":{"thinkingConfig":{"thinkingBudget":-1}}"#,
                r#""generationConfig":{"thinkingConfig":{"thinkingLevel":"low"}}"#,
                r#""generationConfig":{"thinkingConfig":{"includeThoughts":true}}"#,
            ],
            &[
                r#""generationConfig":{"thinkingConfig":{"thinkingBudget":0}}"#,
                r#""generationConfig":{"thinkingConfig":{"includeThoughts":false}}"#,
            ],
        ),
        (
            "logprobs",
            &[r#""generationConfig":{"responseLogprobs":true}"#],
            &[r#""generationConfig":{"responseLogprobs":false}"#],
        ),
    ],
};

const CONVERSE: Api = Api {
    names: &["bedrock-converse"],
    host: "bedrock-runtime.us-east-1.amazonaws.com",
    path: "/model/amazon.nova-pro-v1:0/converse",
    base: r#""inferenceConfig":{}"#,
    rows: &[
        (
            "tools",
            &[r#""toolConfig":{"tools":[{"toolSpec":{"name":"f"}}]}"#],
            &[r#""messages":[{"content":[{"text":"toolConfig"}]}]"#, r#""toolConfig":{"tools":[]}"#],
        ),
        (
            "tools, server_tools",
            &[r#""toolConfig":{"tools":[{"systemTool":{"name":"nova_grounding"}}]}"#],
            &[r#""toolConfig":{"tools":[{"toolSpec":{"name":"nova_grounding"}}]}"#],
        ),
        (
            "vision",
            &[r#""messages":[{"content":[{"image":{"format":"png","source":{"bytes":"x"}}}]}]"#],
            &[r#""messages":[{"content":[{"text":"image"}]}]"#],
        ),
        (
            "audio",
            &[r#""messages":[{"content":[{"audio":{"format":"wav","source":{"bytes":"x"}}}]}]"#],
            &[r#""messages":[{"content":[{"text":"audio"}]}]"#],
        ),
        (
            "files",
            &[
                r#""messages":[{"content":[{"document":{"name":"n","format":"pdf","source":{"bytes":"x"}}}]}]"#,
            ],
            &[r#""messages":[{"content":[{"text":"document"}]}]"#],
        ),
        (
            "video",
            &[r#""messages":[{"content":[{"video":{"format":"mp4","source":{"bytes":"x"}}}]}]"#],
            &[r#""messages":[{"content":[{"text":"video"}]}]"#],
        ),
        (
            "json_schema",
            &[r#""outputConfig":{"textFormat":{"type":"json_schema","structure":{}}}"#],
            &[r#""messages":[{"content":[{"text":"outputConfig"}]}]"#],
        ),
        (
            "reasoning",
            &[
                r#""additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}"#,
                r#""additionalModelRequestFields":{"reasoning_config":{"type":"enabled"}}"#,
                r#""additionalModelRequestFields":{"reasoningConfig":{"maxReasoningEffort":"low"}}"#,
                r#""additionalModelRequestFields":{"reasoning_effort":"low"}"#,
            ],
            &[
                r#""additionalModelRequestFields":{"top_k":9}"#,
                r#""additionalModelRequestFields":{"reasoningConfig":{"type":"disabled"}}"#,
            ],
        ),
        (
            "effort",
            &[r#""additionalModelRequestFields":{"output_config":{"effort":"low"}}"#],
            &[r#""additionalModelRequestFields":{"output_config":{}}"#],
        ),
    ],
};

const INVOKE: Api = Api {
    names: &["bedrock-invoke"],
    host: "bedrock-runtime.us-east-1.amazonaws.com",
    path: "/model/anthropic.claude-3-haiku-20240307-v1:0/invoke",
    base: r#""anthropic_version":"bedrock-2023-05-31""#,
    rows: CLAUDE_ON_BEDROCK,
};

const CLAUDE_ON_BEDROCK: &[(&str, &[&str], &[&str])] = &[
    ("tools", &[r#""tools":[{"type":"bash_20250124","name":"bash"}]"#], &[]),
    ("tools, server_tools", &[r#""tools":[{"type":"web_search_20250305","name":"w"}]"#], &[]),
    ("vision", &[r#""messages":[{"content":[{"type":"image","source":{"data":"x"}}]}]"#], &[]),
    ("audio", &[r#""messages":[{"content":[{"audio":{"source":{"bytes":"x"}}}]}]"#], &[]),
    ("files", &[r#""messages":[{"content":[{"type":"document","source":{"data":"x"}}]}]"#], &[]),
    ("video", &[r#""messages":[{"content":[{"video":{"source":{"bytes":"x"}}}]}]"#], &[]),
    ("json_schema", &[r#""output_config":{"format":{"type":"json_schema"}}"#], &[]),
    ("reasoning", &[r#""thinking":{"type":"enabled"}"#], &[r#""thinking":{"type":"disabled"}"#]),
    ("effort", &[r#""output_config":{"effort":"low"}"#], &[]),
];

const COHERE: Api = Api {
    names: &["cohere-chat"],
    host: "api.cohere.com",
    path: "/v2/chat",
    base: r#""model":"m""#,
    rows: &[
        (
            "tools",
            &[r#""tools":[{"type":"function","function":{"name":"f"}}]"#],
            &[r#""tool_choice":"NONE""#],
        ),
        (
            "vision",
            &[r#""messages":[{"content":[{"type":"image_url","image_url":{"url":"https://x/y"}}]}]"#],
            &[r#""messages":[{"content":"image_url"}]"#],
        ),
        (
            "json_schema",
            &[r#""response_format":{"type":"json_object","json_schema":{}}"#],
            &[r#""response_format":{"type":"text"}"#],
        ),
        (
            "reasoning",
            &[r#""thinking":{"type":"enabled","token_budget":9}"#, r#""thinking":{"token_budget":9}"#],
            &[r#""thinking":{"type":"disabled"}"#],
        ),
        ("logprobs", &[r#""logprobs":true"#], &[r#""logprobs":false"#]),
    ],
};

const OLLAMA: Api = Api {
    names: &["ollama"],
    host: "localhost",
    path: "/api/chat",
    base: r#""model":"m""#,
    rows: &[
        (
            "tools",
            &[r#""tools":[{"type":"function","function":{"name":"f"}}]"#],
            &[r#""tools":null"#, r#""tools":[]"#],
        ),
        ("vision", &[r#""messages":[{"content":"c","images":["x"]}]"#], &[r#""messages":[{"images":[]}]"#]),
        ("json_schema", &[r#""format":{"type":"object"}"#], &[r#""format":"json""#]),
        ("reasoning", &[r#""think":true"#, r#""think":"low""#], &[r#""think":false"#]),
        ("logprobs", &[r#""logprobs":true"#], &[r#""logprobs":false"#]),
    ],
};

const SPEECH: Api = Api {
    names: &["openai-speech", "openai-transcription"],
    host: "api.openai.com",
    path: "/v1/audio/speech",
    base: r#""model":"m","input":"i""#,
    rows: &[("audio", &[r#""voice":"ash""#], &[])],
};

const IMAGES: Api = Api {
    names: &["openai-images"],
    host: "api.openai.com",
    path: "/v1/images/edits",
    base: r#""model":"m","prompt":"p""#,
    rows: &[("vision", &[r#""images":[{"image_url":"https://x/y"}]"#], &[r#""n":2"#])],
};

use newer::{CLOUDFLARE, COHERE_V1, INTERACTIONS, MISTRAL, PREDICT, VOYAGE};

const APIS: &[Api] = &[
    CHAT,
    RESPONSES,
    COMPLETIONS,
    CLAUDE,
    GEMINI,
    INTERACTIONS,
    PREDICT,
    VOYAGE,
    CONVERSE,
    INVOKE,
    COHERE,
    COHERE_V1,
    MISTRAL,
    CLOUDFLARE,
    OLLAMA,
    SPEECH,
    IMAGES,
];

/// No API of these has anything of it.
const PLAIN: &str = "anthropic-batch, gemini-batch, anthropic-complete, cohere-embed, ollama-embed, free";

fn used(api: &Api, members: &str) -> String {
    let route = recognise(b"POST", api.host.as_bytes(), api.path.as_bytes()).metered().unwrap();
    let body = format!("{{{},{members}}}", api.base);
    let facts = route.read(body.as_bytes()).unwrap_or_else(|why| panic!("{}: {body}", why.0));
    facts.features.names().collect::<Vec<_>>().join(", ")
}

#[test]
fn every_feature_is_seen_in_every_api_that_has_it_and_nowhere_else() {
    for api in APIS {
        for (feature, uses, does_not) in api.rows {
            for members in *uses {
                assert_eq!(used(api, members), *feature, "{}: {members}", api.path);
            }
            for members in *does_not {
                let others = used(api, members);
                let last = feature.rsplit(", ").next().unwrap();
                let is_used = others.split(", ").any(|other| other == last);
                assert!(!is_used || always(api.path) == last, "{}: {members}: {others}", api.path);
            }
        }
        assert_eq!(used(api, r#""x":1"#), always(api.path), "{}", api.path);
    }
    for feature in Features::NAMES {
        let rows = APIS.iter().flat_map(|api| api.rows);
        let rows = rows.filter(|(names, ..)| names.split(", ").any(|name| name == feature));
        assert!(rows.count() > 0, "no API is known to have `{feature}`");
    }
    for dialect in DIALECTS {
        let is_listed = APIS.iter().any(|api| api.names.contains(&dialect.name));
        let is_plain =
            PLAIN.split(", ").any(|name| name == dialect.name) || dialect.name.ends_with("count-tokens");
        assert!(is_listed != is_plain, "{}", dialect.name);
    }
}

#[test]
fn models_that_search_by_themselves_use_the_providers_tools() {
    for (model, searches) in [
        ("gpt-4o-search-preview", true),
        ("gpt-4o-mini-search-preview-2025-03-11", true),
        ("gpt-5-search-api", true),
        ("openai/gpt-5.2:online", true),
        ("openai/GPT-5.2:Online", true),
        ("gpt-4o", false),
        ("openai/gpt-5.2:free", false),
    ] {
        let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#);
        let facts = chat().read(body.as_bytes()).unwrap();
        let count = chat().count_prompt(body.as_bytes(), &facts);
        assert_eq!(
            (facts.features.meets(Features::SERVER_TOOLS), count.is_partial),
            (searches, searches),
            "{model}"
        );
    }
}
