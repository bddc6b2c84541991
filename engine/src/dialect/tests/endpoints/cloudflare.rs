//! Cloudflare's Workers AI.

use super::*;

const HOST: &str = "api.cloudflare.com";
const LLAMA: &str = "/client/v4/accounts/a/ai/run/@cf/meta/llama-3.1-8b-instruct";

#[test]
fn a_model_is_several_segments_of_the_path() {
    let of = |path: &str| metered(HOST, path).model.unwrap();
    for path in [
        LLAMA,
        "/client/v4/accounts/a/ai/run//@cf/meta/llama-3.1-8b-instruct/?x=1",
        "/client/v4/accounts/a/ai/run/%40cf/meta/llama-3.1-8b-instruct",
        "/client/v4/accounts/a/ai/run/@cf%2Fmeta%2Fllama-3.1-8b-instruct",
        "/CLIENT/v4/accounts/a/AI/Run/@cf/meta/llama-3.1-8b-instruct",
    ] {
        let route = metered(HOST, path);
        assert_eq!((route.dialect.name, route.provider), ("cloudflare-run", Some("cloudflare")), "{path}");
        assert_eq!(of(path).name, "@cf/meta/llama-3.1-8b-instruct", "{path}");
        let span = of(path).span;
        assert!(path[span.clone()].ends_with("instruct") && path[..span.start].ends_with('/'), "{path}");
    }
    for (method, path) in [
        ("GET", LLAMA),
        ("POST", "/client/v4/accounts/a/ai/run"),
        ("POST", "/client/v4/accounts/a/ai/run/x"),
        ("POST", "/client/v4/accounts/a/ai/models/@cf/meta/x"),
        ("POST", "/client/v4/accounts/a/ai/@cf/run/x"),
        ("POST", "/v1/ai/run/@cf/meta/x"),
    ] {
        assert!(is_unknown(method, HOST, path), "{method} {path}");
    }
}

/// Its slashes part the path: they are not escaped.
#[test]
fn another_model_is_written_in_segments() {
    let facts = metered(HOST, LLAMA).read(br#"{"prompt":"hi"}"#).unwrap();
    assert_eq!(facts.model, "@cf/meta/llama-3.1-8b-instruct");
    let mut edits = Edits::default();
    assert!(facts.set_model("@cf/openai/gpt-oss-20b", &mut edits) && edits.body.is_empty());
    let path = splice(LLAMA.as_bytes(), &edits.path);
    assert_eq!(path, b"/client/v4/accounts/a/ai/run/@cf/openai/gpt-oss-20b");
    // Where they are escaped, and in the paths of others, they stay so.
    for (host, path, with) in [
        (
            HOST,
            "/client/v4/accounts/a/ai/run/@cf%2Fmeta%2Fx",
            "/client/v4/accounts/a/ai/run/@cf%2Fopenai%2Fgpt-oss-20b",
        ),
        (
            "bedrock-runtime.us-east-1.amazonaws.com",
            "/model/arn%3Aaws%3Ab%2Fx/converse",
            "/model/@cf%2Fopenai%2Fgpt-oss-20b/converse",
        ),
    ] {
        let mut edits = Edits::default();
        assert!(metered(host, path).read(b"{}").unwrap().set_model("@cf/openai/gpt-oss-20b", &mut edits));
        assert_eq!(splice(path.as_bytes(), &edits.path), with.as_bytes());
    }
}

#[test]
fn only_what_is_asked_by_messages_is_bounded() {
    let route = metered(HOST, LLAMA);
    for (body, with, output) in [
        (r#"{"messages":[]}"#, Some(r#"{"max_tokens":7,"messages":[]}"#), None),
        (r#"{"messages":[],"max_tokens":9}"#, Some(r#"{"messages":[],"max_tokens":7}"#), Some(9)),
        (r#"{"prompt":"p","max_tokens":9}"#, Some(r#"{"prompt":"p","max_tokens":7}"#), Some(9)),
        // Or an image of it.
        (r#"{"prompt":"a cat"}"#, None, None),
        (r#"{"text":["hi"]}"#, None, Some(0)),
        (r#"{"source_lang":"en","target_lang":"de","text":"hi"}"#, None, Some(0)),
    ] {
        assert_eq!(bounded(&route, body).as_deref(), with, "{body}");
        assert_eq!(route.read(body.as_bytes()).unwrap().output_bound, output, "{body}");
    }
    for body in [r#"{"prompt":"hi"}"#, r#"{"text":"hi"}"#, r#"{"text":["hi"]}"#] {
        assert!(part(&route, body, "text") > 0, "{body}");
    }
    let batch = r#"{"requests":[{"prompt":"hi"},{"prompt":"hi"}]}"#;
    assert_eq!(route.read(batch.as_bytes()), Err(Opaque(Opaque::BATCH.to_owned())));
}

#[test]
fn its_answers_state_usage_in_the_result() {
    let route = metered(HOST, LLAMA);
    let usage = r#""usage":{"prompt_tokens":169,"completion_tokens":48,"total_tokens":217}"#;
    for result in [r#""response":"hi""#, r#""model":"m","choices":[{"message":{"content":"hi"}}]"#] {
        let whole = format!(r#"{{"result":{{{result},{usage}}},"success":true,"errors":[],"messages":[]}}"#);
        assert_eq!(stated(&route, JSON, &whole), Some((169, 48)));
    }
    let begun = "data: {\"response\":\"one two\",\"p\":\"abc\"}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\" three\"}}],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":1,\"total_tokens\":1}}\n\n";
    let stream = format!("{begun}data: {{\"response\":\"\",{usage}}}\n\ndata: [DONE]\n\n");
    assert_eq!(stated(&route, SSE, &stream), Some((169, 48)));
    assert!(read_answer(&route, SSE, begun).counted_output() >= 3);
    let embedded = r#"{"result":{"shape":[1,768],"data":[[0.1]]},"success":true}"#;
    assert_eq!(stated(&route, JSON, embedded), None);
}
