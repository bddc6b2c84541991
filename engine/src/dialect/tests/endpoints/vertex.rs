//! Other makers' models on Vertex AI, and what its `:predict` does.

use super::*;

const HOST: &str = "us-central1-aiplatform.googleapis.com";

fn at_publisher(publisher: &str, model: &str) -> String {
    format!("/v1/projects/p/locations/us-central1/publishers/{publisher}/models/{model}")
}

#[test]
fn other_publishers_serve_chat_by_raw_predict() {
    for (verb, stream) in [("rawPredict", false), ("streamRawPredict", true), ("RawPredict", false)] {
        let path = at_publisher("mistralai", &format!("mistral-medium-3:{verb}"));
        let route = metered(HOST, &path);
        assert_eq!((route.dialect.name, route.provider), ("openai-chat", Some("google")), "{verb}");
        let facts = route.read(br#"{"model":"mistral-medium-3","messages":[]}"#).unwrap();
        assert_eq!((facts.model.as_str(), facts.stream), ("mistral-medium-3", stream), "{verb}");
    }
    assert!(metered(HOST, &at_publisher("ai21", "jamba-1.5-mini@001:rawPredict")).read(b"{}").is_ok());
    let own = metered(HOST, &at_publisher("anthropic", "claude-sonnet-4-5:rawPredict"));
    assert_eq!(own.dialect.name, "vertex-anthropic");
    for (method, model) in [
        ("GET", "mistral-medium-3:rawPredict"),
        ("POST", "mistral-medium-3"),
        ("POST", "mistral-medium-3:fetch"),
    ] {
        assert!(is_unknown(method, HOST, &at_publisher("mistralai", model)), "{method} {model}");
    }
    assert!(is_unknown("POST", HOST, "/v1/projects/p/locations/l/endpoints/1:rawPredict"));
}

/// The body names it once more, and would not say the same.
#[test]
fn another_model_is_named_in_the_path_and_in_the_body() {
    let path = at_publisher("mistralai", "mistral-medium-3:rawPredict");
    let body = r#"{"messages":[{"role":"user","content":"hi"}],"model":"mistral-medium-3"}"#;
    let route = metered(HOST, &path);
    let facts = route.read(body.as_bytes()).unwrap();
    let mut edits = Edits::default();
    assert!(facts.set_model("codestral-2", &mut edits));
    assert_eq!(
        splice(path.as_bytes(), &edits.path),
        at_publisher("mistralai", "codestral-2:rawPredict").as_bytes()
    );
    let edited = String::from_utf8(splice(body.as_bytes(), &edits.body)).unwrap();
    assert_eq!(edited, body.replace("mistral-medium-3", "codestral-2"));
    assert_eq!(bounded(&route, body).unwrap(), body.replacen('{', r#"{"max_tokens":7,"#, 1));
    let azure = metered("x.openai.azure.com", "/openai/deployments/d/chat/completions");
    assert_eq!(azure.read(br#"{"model":"d"}"#).unwrap().model_again, None);
}

#[test]
fn its_answers_are_those_of_chat() {
    let route = metered(HOST, &at_publisher("mistralai", "mistral-medium-3:streamRawPredict"));
    let last = r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":4,"total_tokens":11}}"#;
    assert_eq!(stated(&route, JSON, last), Some((7, 4)));
    let stream = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}]}}\n\ndata: {last}\n\n");
    assert_eq!(stated(&route, SSE, &stream), Some((7, 4)));
    // Reading documents knows no bound.
    let document = r#"{"model":"mistral-ocr-2505","document":{"type":"document_url","document_url":"x"}}"#;
    assert_eq!(bounded(&route, document), None);
    assert_eq!(route.read(document.as_bytes()).unwrap().output_bound, Some(0));
}

#[test]
fn counting_tokens_is_free_and_no_model() {
    let path = at_publisher("anthropic", "count-tokens:rawPredict");
    assert!(matches!(at(HOST, &path), Recognised::Free("anthropic-count-tokens")));
    assert!(matches!(at(HOST, &path.replace("count", "Count")), Recognised::Free(_)));
    for model in ["count-tokens:streamRawPredict", "count-tokens@1:rawPredict", "x-count-tokens:rawPredict"] {
        let route = metered(HOST, &at_publisher("anthropic", model));
        assert_eq!(route.dialect.name, "vertex-anthropic", "{model}");
    }
    assert!(is_unknown("GET", HOST, &path));
    let route = metered(HOST, &at_publisher("mistralai", "count-tokens:rawPredict"));
    assert_eq!(route.dialect.name, "openai-chat");
}

#[test]
fn embeddings_are_asked_by_predict() {
    for model in ["text-embedding-005", "gemini-embedding-001", "multimodalembedding@001"] {
        let route = metered(HOST, &at_publisher("google", &format!("{model}:predict")));
        assert_eq!((route.dialect.name, route.provider), ("gemini-embed", Some("google")), "{model}");
        let body = r#"{"instances":[{"content":"hi","task_type":"RETRIEVAL_QUERY","title":"hi"},{"content":"hi"}],"parameters":{"autoTruncate":true}}"#;
        let facts = route.read(body.as_bytes()).unwrap();
        assert_eq!((facts.model.as_str(), facts.output_bound, facts.stream), (model, Some(0), false));
        assert_eq!(bounded(&route, body), None);
        assert!(part(&route, body, "text") >= 3, "{model}");
        let answer = r#"{"predictions":[{"embeddings":{"values":[0.1],"statistics":{"token_count":4,"truncated":false}}},{"embeddings":{"statistics":{"token_count":5,"truncated":false}}}]}"#;
        assert_eq!(stated(&route, JSON, answer), Some((9, 0)));
    }
    let image = metered(HOST, &at_publisher("google", "multimodalembedding@001:predict"));
    assert!(parts(&image, r#"{"instances":[{"image":{"gcsUri":"gs://x/y.png"},"text":"hi"}]}"#).1);
}

/// Metered by the call: there are no tokens to bound, and no bound is put in.
#[test]
fn images_by_predict_are_left_as_they_are() {
    let path = at_publisher("google", "imagen-4.0-generate-001:predict");
    let route = metered(HOST, &path);
    assert_eq!(route.dialect.name, "vertex-predict");
    let body = r#"{"instances":[{"prompt":"a cat"}],"parameters":{"sampleCount":2}}"#;
    assert_eq!(bounded(&route, body), None);
    assert_eq!(route.read(body.as_bytes()).unwrap().output_bound, Some(0));
    assert_eq!(stated(&route, JSON, r#"{"predictions":[{"bytesBase64Encoded":"x"}]}"#), None);
    for (method, model) in [
        ("GET", "text-embedding-005:predict"),
        ("POST", "veo-3.0:predictLongRunning"),
        ("POST", "x:predict/y"),
    ] {
        assert!(is_unknown(method, HOST, &at_publisher("google", model)), "{method} {model}");
    }
    assert!(is_unknown("POST", HOST, "/v1/projects/p/locations/l/endpoints/1:predict"));
}
