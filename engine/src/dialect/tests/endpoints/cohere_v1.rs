//! Cohere's first version.

use super::*;

const HOST: &str = "api.cohere.com";

fn v1_chat() -> Route {
    metered(HOST, "/v1/chat")
}

#[test]
fn the_first_version_is_coheres_on_its_hosts() {
    for (host, path, name) in [
        (HOST, "/v1/chat", "cohere-chat"),
        ("api.cohere.ai", "/v1/chat", "cohere-chat"),
        ("api.cohere.ai", "/v1/generate", "cohere-generate"),
        (HOST, "/v1/embed", "cohere-embed"),
    ] {
        let route = metered(host, path);
        assert_eq!((route.dialect.name, route.provider), (name, Some("cohere")), "{path}");
        assert_eq!(route.read(b"{}").unwrap().model, "", "a default model serves");
    }
    assert_eq!(metered("api.writer.com", "/v1/chat").dialect.name, "openai-chat");
    for (method, host, path) in [
        ("POST", "example.com", "/v1/chat"),
        ("POST", "example.com", "/v1/generate"),
        ("POST", "example.com", "/v1/embed"),
        ("GET", HOST, "/v1/chat"),
        ("POST", HOST, "/v1/tokenize"),
        ("POST", HOST, "/v1/embed-jobs"),
    ] {
        assert!(is_unknown(method, host, path), "{method} {host}{path}");
    }
}

#[test]
fn its_prompt_is_in_many_places() {
    let body = r#"{"model":"gpt-4o","preamble":"hi","message":"hi","chat_history":[{"role":"USER","message":"hi"},{"role":"CHATBOT","message":"hi","tool_calls":[{"name":"f","parameters":{}}]}]}"#;
    let (found, is_partial) = parts(&v1_chat(), body);
    assert!(!is_partial);
    for part in [("text", 5), ("messages", 4), ("tool_calls", 1)] {
        assert!(found.contains(&part), "{part:?}: {found:?}");
    }
    let more = r#"{"model":"gpt-4o","message":"hi","documents":[{"title":"a","text":"b"}],"tools":[{"name":"f","description":"d","parameter_definitions":{"x":{"type":"str"}}}],"tool_results":[{"call":{"name":"f","parameters":{"x":"y"}},"outputs":[{"z":1}]}]}"#;
    let (found, _) = parts(&v1_chat(), more);
    for name in ["tool_results", "tool_calls", "json_text", "tools", "tool_text"] {
        assert!(found.iter().any(|(part, _)| *part == name), "{name}: {found:?}");
    }
    for elsewhere in [r#""conversation_id":"c""#, r#""connectors":[{"id":"web-search"}]"#] {
        assert!(parts(&v1_chat(), &format!(r#"{{"message":"hi",{elsewhere}}}"#)).1, "{elsewhere}");
    }
    assert_eq!(part(&metered(HOST, "/v1/generate"), r#"{"model":"gpt-4o","prompt":"hi"}"#, "text"), 1);
    let embed = metered(HOST, "/v1/embed");
    let texts = r#"{"model":"gpt-4o","texts":["hi","hi"]}"#;
    assert_eq!(
        (part(&embed, texts, "text"), embed.read(texts.as_bytes()).unwrap().output_bound),
        (2, Some(0))
    );
}

#[test]
fn its_bound_is_max_tokens() {
    for (path, body, with) in [
        ("/v1/chat", r#"{"message":"m"}"#, r#"{"max_tokens":7,"message":"m"}"#),
        ("/v1/chat", r#"{"max_tokens":9,"message":"m"}"#, r#"{"max_tokens":7,"message":"m"}"#),
        ("/v1/generate", r#"{"prompt":"p"}"#, r#"{"max_tokens":7,"prompt":"p"}"#),
    ] {
        assert_eq!(bounded(&metered(HOST, path), body).as_deref(), Some(with));
    }
    let many = metered(HOST, "/v1/generate").read(br#"{"prompt":"p","num_generations":3}"#).unwrap();
    assert_eq!(many.choices, 3);
}

#[test]
fn its_usage_is_in_the_meta_data() {
    let both = r#"{"response_id":"x","text":"hi","meta":{"api_version":{"version":"1"},"billed_units":{"input_tokens":5,"output_tokens":9},"tokens":{"input_tokens":71,"output_tokens":10}}}"#;
    assert_eq!(stated(&v1_chat(), JSON, both), Some((5, 9)));
    let billed = r#"{"id":"x","generations":[{"id":"y","text":"hi"}],"meta":{"billed_units":{"input_tokens":4,"output_tokens":202}}}"#;
    assert_eq!(stated(&metered(HOST, "/v1/generate"), JSON, billed), Some((4, 202)));
    let embedded =
        r#"{"id":"x","embeddings":[[0.1]],"texts":["hi"],"meta":{"billed_units":{"input_tokens":2}}}"#;
    assert_eq!(stated(&metered(HOST, "/v1/embed"), JSON, embedded), Some((2, 0)));
}

/// One event a line, which is the default, or server-sent events.
#[test]
fn its_streams_end_with_the_usage() {
    let events = [
        r#"{"is_finished":false,"event_type":"stream-start","generation_id":"g"}"#,
        r#"{"is_finished":false,"event_type":"text-generation","text":"one two"}"#,
        r#"{"is_finished":false,"event_type":"tool-calls-chunk","tool_call_delta":{"index":0,"parameters":" three"}}"#,
        r#"{"is_finished":true,"event_type":"stream-end","finish_reason":"COMPLETE","response":{"text":"one two","meta":{"billed_units":{"input_tokens":1,"output_tokens":2},"tokens":{"input_tokens":67,"output_tokens":3}}}}"#,
    ];
    let lines = |events: &[&str]| events.iter().map(|event| format!("{event}\n")).collect::<String>();
    let named = |events: &[&str]| events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>();
    for (kind, whole, cut) in [
        ("application/stream+json", lines(&events), lines(&events[..3])),
        (SSE, named(&events), named(&events[..3])),
    ] {
        assert_eq!(stated(&v1_chat(), kind, &whole), Some((1, 2)), "{kind}");
        let cut = read_answer(&v1_chat(), kind, &cut);
        assert_eq!(cut.stated(), None);
        let counted = read_answer(&v1_chat(), kind, &whole).counted_output();
        assert!(counted > 0, "{kind}");
        assert_eq!(cut.counted_output(), counted, "{kind}: the last event has the text once more");
    }
}
