use super::{alone, hash};
use crate::dialect::{Facts, Route, recognise};
use serde_json::{Value, json};

fn route(path: &str) -> Route {
    let route = recognise(b"POST", b"", path.as_bytes()).metered().unwrap();
    Route { wants_prefix: true, ..route }
}

fn read(path: &str, body: &str) -> (Route, Facts) {
    let route = route(path);
    let facts = route.read(body.as_bytes()).unwrap();
    (route, facts)
}

/// The prefix by itself, as JSON.
fn prefix(path: &str, body: &Value) -> Value {
    let body = body.to_string();
    let (_, facts) = read(path, &body);
    serde_json::from_slice(&alone(&facts.prefix, body.as_bytes())).unwrap()
}

#[test]
fn in_every_dialect_it_is_what_stands_before_the_conversation() {
    let system = json!({"role": "system", "content": "Be brief."});
    let developer = json!({"content": [{"type": "text", "text": "Answer in French."}], "role": "developer"});
    let user = json!({"role": "user", "content": "Hello"});
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let parts = json!({"parts": [{"text": "Be brief."}]});
    for (path, body, expected) in [
        (
            "/v1/chat/completions",
            json!({"model": "m", "messages": [system, developer, user, system], "tools": tools}),
            json!({"tools": tools, "messages": [system, developer]}),
        ),
        ("/v1/chat/completions", json!({"model": "m", "messages": [user, system]}), json!({})),
        ("/v1/chat/completions", json!({"model": "m", "messages": []}), json!({})),
        (
            "/v1/responses",
            json!({"model": "m", "input": [developer, user], "instructions": "Be brief.", "tools": tools}),
            json!({"tools": tools, "instructions": "Be brief.", "input": [developer]}),
        ),
        (
            "/v1/responses",
            json!({"model": "m", "instructions": "Be brief.", "input": "Hello"}),
            json!({"instructions": "Be brief."}),
        ),
        (
            "/v1/messages",
            json!({"model": "m", "max_tokens": 9, "messages": [user], "system": "Be brief.", "tools": tools}),
            json!({"tools": tools, "system": "Be brief."}),
        ),
        (
            "/v1beta/models/m:generateContent",
            json!({"contents": [{"role": "user", "parts": [{"text": "Hello"}]}], "system_instruction": parts}),
            json!({"system_instruction": parts}),
        ),
        (
            "/model/m/converse",
            json!({"system": [{"text": "Be brief."}], "messages": [user], "toolConfig": {"tools": []}}),
            json!({"toolConfig": {"tools": []}, "system": [{"text": "Be brief."}]}),
        ),
        ("/v2/chat", json!({"model": "m", "messages": [system, user]}), json!({"messages": [system]})),
        (
            "/api/generate",
            json!({"model": "m", "prompt": "Hello", "system": "Be brief."}),
            json!({"system": "Be brief."}),
        ),
    ] {
        assert_eq!(prefix(path, &body), expected, "{path}: {body}");
    }
}

#[test]
fn the_same_prefix_has_one_hash_and_another_has_another() {
    let hash_of = |body: &str, seed| {
        let (_, facts) = read("/v1/messages", body);
        hash(&facts.prefix, body.as_bytes(), seed)
    };
    let one = hash_of(r#"{"model":"m","system":"Be brief.","messages":[{"role":"user","content":"a"}]}"#, 1);
    let same = r#"{"messages":[{"role":"user","content":"another"}],"max_tokens":5,"model":"n","system":"Be brief."}"#;
    assert_eq!(hash_of(same, 1), one, "the conversation and the model are no part of it");
    assert_ne!(hash_of(same, 2), one, "the seed is");
    for other in [
        r#"{"model":"m","system":"Be brief!","messages":[]}"#,
        r#"{"model":"m","system":"Be brief.","tools":[],"messages":[]}"#,
        r#"{"model":"m","tools":"Be brief.","messages":[]}"#,
    ] {
        assert_ne!(hash_of(other, 1), one, "{other}");
    }
}

#[test]
fn it_is_not_looked_for_where_nobody_asks() {
    let body = br#"{"model":"m","system":"Be brief.","messages":[]}"#;
    let route = Route { wants_prefix: false, ..route("/v1/messages") };
    assert!(route.read(body).unwrap().prefix.is_empty());
}

/// Somebody sends a conversation of system messages alone: what is kept of it is bounded.
#[test]
fn as_many_parts_are_kept_as_real_requests_have() {
    let message = json!({"role": "system", "content": "x"});
    let body = json!({"model": "m", "messages": vec![message; 5_000]}).to_string();
    let (_, facts) = read("/v1/chat/completions", &body);
    assert_eq!(facts.prefix.len(), super::PARTS_MAX);
}

#[test]
fn its_tokens_are_those_that_the_prompt_loses_without_it() {
    let system = "You answer questions about invoices. ".repeat(50);
    let with = json!({"model": "gpt-4o", "messages": [{"role": "system", "content": system}, {"role": "user", "content": "Hello"}]});
    let without = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]});
    let count = |body: &Value| {
        let (route, facts) = read("/v1/chat/completions", &body.to_string());
        let body = body.to_string();
        (route.count_prompt(body.as_bytes(), &facts).tokens, route.count_prefix(body.as_bytes(), &facts))
    };
    let ((all, prefix), (rest, _)) = (count(&with), count(&without));
    // What begins an answer counts in both.
    assert!(prefix.abs_diff(all - rest) <= 4, "{prefix} of {all}, {rest} without");
    assert!(prefix > 300, "{prefix}");
}
