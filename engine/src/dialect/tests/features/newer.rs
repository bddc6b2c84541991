//! What the APIs use that came later, and those of single providers.

use super::*;

pub(super) const INTERACTIONS: Api = Api {
    names: &["gemini-interactions"],
    host: "generativelanguage.googleapis.com",
    path: "/v1beta/interactions",
    base: r#""model":"gemini-3.8-flash""#,
    rows: &[
        (
            "tools",
            &[
                r#""tools":[{"type":"function","name":"f","parameters":{}}]"#,
                r#""tools":[{"type":"computer_use","environment":"browser"}]"#,
            ],
            &[r#""tools":[]"#, r#""generation_config":{"tool_choice":"auto"}"#],
        ),
        (
            "tools, server_tools",
            &[
                r#""tools":[{"type":"google_search"}]"#,
                r#""tools":[{"type":"function","name":"f"},{"type":"code_execution"}]"#,
                r#""tools":[{"type":"mcp_server","name":"s","url":"https://x/y"}]"#,
            ],
            &[r#""tools":[{"type":"function","name":"google_search"}]"#],
        ),
        (
            "vision",
            &[
                r#""input":{"type":"image","uri":"https://x/y"}"#,
                r#""input":[{"type":"image","data":"x","mime_type":"image/png"}]"#,
                r#""input":[{"type":"user_input","content":[{"type":"image","data":"x"}]}]"#,
                r#""input":[{"type":"function_result","call_id":"1","result":[{"type":"image","data":"x"}]}]"#,
            ],
            &[
                r#""input":"image""#,
                r#""input":[{"type":"function_call","id":"1","name":"f","arguments":{"type":"image"}}]"#,
            ],
        ),
        (
            "audio",
            &[
                r#""input":[{"type":"audio","uri":"https://x/y","mime_type":"audio/mp3"}]"#,
                r#""response_modalities":["audio"]"#,
                r#""response_format":{"type":"audio","mime_type":"audio/l16"}"#,
                r#""generation_config":{"speech_config":[{"voice":"Leda"}]}"#,
            ],
            &[r#""response_modalities":["text","image"]"#],
        ),
        ("files", &[r#""input":[{"type":"document","uri":"https://x/y"}]"#], &[r#""input":"document""#]),
        ("video", &[r#""input":[{"type":"video","uri":"https://youtu.be/x"}]"#], &[r#""input":"video""#]),
        (
            "json_schema",
            &[
                r#""response_format":{"type":"text","mime_type":"application/json","schema":{"type":"object"}}"#,
                r#""response_format":[{"type":"text","schema":{}}]"#,
            ],
            &[r#""response_format":{"type":"text","mime_type":"text/plain"}"#],
        ),
        (
            "reasoning",
            &[
                r#""generation_config":{"thinking_level":"low"}"#,
                r#""generation_config":{"thinking_summaries":"auto"}"#,
                r#""generationConfig":{"thinkingLevel":"high"}"#,
            ],
            &[r#""generation_config":{"thinking_summaries":"none"}"#],
        ),
    ],
};

pub(super) const PREDICT: Api = Api {
    names: &["gemini-embed", "vertex-predict"],
    host: "aiplatform.googleapis.com",
    path: "/v1/projects/p/locations/l/publishers/google/models/multimodalembedding@001:predict",
    base: r#""x":0"#,
    rows: &[(
        "vision",
        &[
            r#""instances":[{"image":{"bytesBase64Encoded":"x"}}]"#,
            r#""instances":[{"image":{"gcsUri":"gs://x"}}]"#,
        ],
        &[r#""instances":[{"text":"image"}]"#],
    )],
};

pub(super) const VOYAGE: Api = Api {
    names: &["openai-embeddings", "rerank"],
    host: "api.voyageai.com",
    path: "/v1/multimodalembeddings",
    base: r#""model":"m""#,
    rows: &[
        (
            "vision",
            &[
                r#""inputs":[{"content":[{"type":"image_url","image_url":"https://x/y"}]}]"#,
                r#""inputs":[{"content":[{"type":"image_base64","image_base64":"data:image/png;base64,x"}]}]"#,
            ],
            &[r#""inputs":[{"content":[{"type":"text","text":"image_url"}]}]"#],
        ),
        (
            "video",
            &[r#""inputs":[{"content":[{"type":"video_url","video_url":"https://x/y"}]}]"#],
            &[r#""inputs":[["video_url"]]"#],
        ),
    ],
};

pub(super) const COHERE_V1: Api = Api {
    names: &["cohere-chat", "cohere-generate"],
    host: "api.cohere.com",
    path: "/v1/chat",
    base: r#""message":"m""#,
    rows: &[
        ("tools", &[r#""tools":[{"name":"f","parameter_definitions":{}}]"#], &[r#""tool_results":[]"#]),
        ("server_tools", &[r#""connectors":[{"id":"web-search"}]"#], &[r#""connectors":[]"#]),
        (
            "json_schema",
            &[r#""response_format":{"type":"json_object","schema":{}}"#],
            &[r#""response_format":{"type":"json_object"}"#],
        ),
    ],
};

pub(super) const MISTRAL: Api = Api {
    names: &["mistral-conversations"],
    host: "api.mistral.ai",
    path: "/v1/conversations",
    base: r#""model":"m""#,
    rows: &[
        (
            "tools",
            &[r#""tools":[{"type":"function","function":{"name":"f"}}]"#],
            &[r#""tools":[]"#, r#""completion_args":{"tool_choice":"none"}"#],
        ),
        (
            "tools, server_tools",
            &[
                r#""tools":[{"type":"web_search"}]"#,
                r#""tools":[{"type":"document_library","library_ids":["x"]}]"#,
            ],
            &[r#""tools":null"#],
        ),
        (
            "vision",
            &[
                r#""inputs":[{"role":"user","content":[{"type":"image_url","image_url":"https://x/y"}]}]"#,
                r#""inputs":[{"content":[{"image_url":{"url":"https://x/y"}}]}]"#,
            ],
            &[r#""inputs":"image_url""#],
        ),
        (
            "files",
            &[
                r#""inputs":[{"content":[{"type":"document_url","document_url":"https://x/y"}]}]"#,
                r#""inputs":[{"content":[{"type":"tool_file","tool":"code_interpreter","file_id":"x"}]}]"#,
            ],
            &[r#""inputs":[{"content":"document_url"}]"#],
        ),
        (
            "json_schema",
            &[r#""completion_args":{"response_format":{"type":"json_schema","json_schema":{}}}"#],
            &[r#""completion_args":{"response_format":{"type":"json_object"}}"#],
        ),
    ],
};

pub(super) const CLOUDFLARE: Api = Api {
    names: &["cloudflare-run"],
    host: "api.cloudflare.com",
    path: "/client/v4/accounts/a/ai/run/@cf/meta/llama-3.1-8b-instruct",
    base: r#""x":0"#,
    rows: &[
        ("tools", &[r#""tools":[{"name":"f","description":"d","parameters":{}}]"#], &[r#""tools":[]"#]),
        (
            "vision",
            &[r#""messages":[{"content":[{"type":"image_url","image_url":{"url":"https://x/y"}}]}]"#],
            &[r#""prompt":"image_url""#],
        ),
        (
            "json_schema",
            &[r#""response_format":{"type":"json_schema","json_schema":{}}"#],
            &[r#""response_format":{"type":"json_object"}"#],
        ),
    ],
};
