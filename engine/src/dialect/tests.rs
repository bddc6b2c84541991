//! Facts, counts and splices of request bodies.

use super::*;
use proptest::prelude::*;

fn route(method: &str, path: &str) -> Option<Route> {
    recognise(method.as_bytes(), b"api.openai.com", path.as_bytes()).metered()
}

fn chat() -> Route {
    route("POST", "/v1/chat/completions").unwrap()
}

#[test]
fn paths_are_recognised_as_servers_route_them() {
    for path in [
        "/v1/chat/completions",
        "/v1/chat/completions?x=1",
        "/v1//chat/complet%69ons/",
        "/api/v1/./chat/completions",
        "/v1/chat/x/../completions",
        "/../v1/chat/x/%2e%2E/completions",
    ] {
        assert!(route("POST", path).is_some(), "{path}");
    }
    for (method, path) in [
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/models"),
        ("POST", "/chat/completionsx"),
        ("POST", "/?/v1/chat/completions"),
        ("POST", "/v1/chat/completions/../models"),
    ] {
        assert!(route(method, path).is_none(), "{method} {path}");
    }
}

#[test]
fn facts_are_found_wherever_they_stand() {
    let body = br#" {"messages":[{"role":"user","content":"model"}],"x":{"model":"no"},"mod\u0065l" : "gpt-4o","max_tokens":1e2,"n":2,"stream":true}"#;
    let facts = chat().read(body).unwrap();
    assert_eq!(
        (facts.model.as_str(), facts.output_bound, facts.choices, facts.stream),
        ("gpt-4o", Some(100), 2, true)
    );
    let ModelAt::Body(span) = &facts.model_at else { panic!("the model stands in the body") };
    assert_eq!(&body[span.clone()], br#""gpt-4o""#);
    let mut edits = Edits::default();
    assert!(facts.set_model("gpt-4o-mini", &mut edits) && edits.path.is_empty());
    let edited = splice(body, &edits.body);
    assert_eq!(
        String::from_utf8(edited).unwrap(),
        String::from_utf8_lossy(body).replace("\"gpt-4o\"", "\"gpt-4o-mini\"")
    );
}

#[test]
fn a_body_that_two_parsers_read_differently_is_opaque() {
    let cases: &[&[u8]] = &[
        br#"{"model":"a","model":"b"}"#,
        br#"{"model":"a","m\u006fdel":"b"}"#,
        br#"{"model":"a","max_tokens":1,"max_tokens":100000}"#,
        b"\xef\xbb\xbf{\"model\":\"a\"}",
        b"{\"model\":\"a\xff\"}",
        br#"{"model":"a"} {"model":"b"}"#,
        br#"{"model":"a","max_tokens":NaN}"#,
        br#"{"messages":[]}"#,
        b"",
        b"[]",
        b"\x1f\x8b\x08",
    ];
    let long = format!(r#"{{"model":"{}"}}"#, "m".repeat(1_000_000));
    assert!(chat().read(long.as_bytes()).is_err(), "a model's name goes into headers");
    for body in cases {
        assert!(chat().read(body).is_err(), "{}", body.escape_ascii());
    }
}

#[test]
fn hostile_bounds_are_read_as_counts() {
    for (written, bound) in
        [("-5", None), ("1e3", Some(1000)), ("1.5", None), ("null", None), ("\"7\"", None)]
    {
        let body = format!(r#"{{"model":"a","max_tokens":{written}}}"#);
        assert_eq!(chat().read(body.as_bytes()).unwrap().output_bound, bound, "{written}");
    }
    let body = format!(r#"{{"model":"a","max_tokens":{}}}"#, "9".repeat(400));
    assert_eq!(chat().read(body.as_bytes()).unwrap().output_bound, Some(u64::MAX));
}

/// The example of OpenAI's cookbook, "How to count tokens with tiktoken", section 6: 124 tokens for
/// gpt-4o by the API's own usage.
#[test]
fn the_cookbooks_example_counts_as_the_api_does() {
    let message = |name: &str, content: &str| {
        if name.is_empty() {
            serde_json::json!({"role": "system", "content": content})
        } else {
            serde_json::json!({"role": "system", "name": name, "content": content})
        }
    };
    let mut messages = vec![
        message(
            "",
            "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
        ),
        message("example_user", "New synergies will help drive top-line growth."),
        message("example_assistant", "Things working well together will increase revenue."),
        message(
            "example_user",
            "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
        ),
        message("example_assistant", "Let's talk later when we're less busy about how to do better."),
    ];
    messages.push(serde_json::json!({"role": "user", "content": "This late pivot means we don't have time to boil the ocean for the client deliverable."}));
    let body = serde_json::json!({"model": "gpt-4o", "messages": messages}).to_string();
    for (model, expected) in [("gpt-4o", 124), ("gpt-4", 129)] {
        let facts = chat().read(body.replace("gpt-4o", model).as_bytes()).unwrap();
        assert_eq!(chat().count_prompt(body.as_bytes(), &facts).tokens, expected, "{model}");
    }
}

proptest! {
    #[test]
    fn any_body_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = chat().read(&bytes);
        let _ = chat().count_prompt(&bytes, &Facts::default());
    }

    #[test]
    fn no_splice_changes_no_byte(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(splice(&bytes, &[]), bytes);
    }
}
