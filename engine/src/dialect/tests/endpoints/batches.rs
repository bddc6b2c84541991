//! Batches that have their calls inside.

use super::*;

const ANTHROPIC: &str = "api.anthropic.com";
const GOOGLE: &str = "generativelanguage.googleapis.com";

#[test]
fn a_batch_that_has_its_calls_inside_is_metered_and_not_read() {
    for (host, path, name, provider) in [
        (ANTHROPIC, "/v1/messages/batches", "anthropic-batch", "anthropic"),
        (ANTHROPIC, "/v1/messages/batches?beta=true", "anthropic-batch", "anthropic"),
        (ANTHROPIC, "/v1/messages%2Fbatches/", "anthropic-batch", "anthropic"),
        (GOOGLE, "/v1beta/models/gemini-2.5-flash:batchGenerateContent", "gemini-batch", "google"),
        (GOOGLE, "/v1beta/models/gemini-embedding-001:asyncBatchEmbedContent", "gemini-batch", "google"),
        (
            GOOGLE,
            "/google.ai.generativelanguage.v1beta.BatchService/BatchGenerateContent",
            "gemini-batch",
            "google",
        ),
    ] {
        let route = metered(host, path);
        assert_eq!((route.dialect.name, route.provider), (name, Some(provider)), "{path}");
        for body in [r#"{"requests":[]}"#, r#"{"model":"m","max_tokens":1}"#, "{}"] {
            assert_eq!(route.read(body.as_bytes()), Err(Opaque(Opaque::BATCH.to_owned())), "{path}");
        }
    }
    let asked = metered(GOOGLE, "/v1beta/models/gemini-embedding-001:batchEmbedContents");
    assert_eq!(asked.dialect.name, "gemini-embed", "which is answered at once");
}

#[test]
fn what_is_asked_of_a_batch_is_no_inference() {
    for (method, host, path) in [
        ("GET", ANTHROPIC, "/v1/messages/batches"),
        ("GET", ANTHROPIC, "/v1/messages/batches/msgbatch_1"),
        ("GET", ANTHROPIC, "/v1/messages/batches/msgbatch_1/results"),
        ("POST", ANTHROPIC, "/v1/messages/batches/msgbatch_1/cancel"),
        ("DELETE", ANTHROPIC, "/v1/messages/batches/msgbatch_1"),
        ("GET", GOOGLE, "/v1beta/batches/1"),
        ("POST", GOOGLE, "/v1beta/batches/1:cancel"),
        ("DELETE", GOOGLE, "/v1beta/batches/1"),
    ] {
        assert!(is_unknown(method, host, path), "{method} {path}");
    }
}

#[test]
fn their_answers_state_nothing() {
    let batch = metered(ANTHROPIC, "/v1/messages/batches");
    let made = r#"{"id":"msgbatch_1","type":"message_batch","processing_status":"in_progress","request_counts":{"processing":2,"succeeded":0}}"#;
    assert_eq!(stated(&batch, JSON, made), None);
    let batch = metered(GOOGLE, "/v1beta/models/gemini-2.5-flash:batchGenerateContent");
    let made = r#"{"name":"batches/1","metadata":{"state":"BATCH_STATE_PENDING","batchStats":{"requestCount":"2"}}}"#;
    assert_eq!(stated(&batch, JSON, made), None);
}
