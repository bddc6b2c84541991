//! Mistral's conversations.

use super::*;

const HOST: &str = "api.mistral.ai";

fn start() -> Route {
    metered(HOST, "/v1/conversations")
}

#[test]
fn a_conversation_is_mistrals_on_its_host_where_it_runs() {
    for (path, partial) in [
        ("/v1/conversations", false),
        ("/v1/conversations#stream", false),
        ("/v1/conversations/", false),
        ("/v1/conversations/conv_1", true),
        ("/v1/conversations/conv_1#stream", true),
        ("/v1/conversations%2Fconv_1", true),
        ("/v1/conversations/conv_1/restart", true),
        ("/v1/conversations/conv_1/restart#stream", true),
    ] {
        let route = metered(HOST, path);
        assert_eq!(
            (route.dialect.name, route.provider),
            ("mistral-conversations", Some("mistral")),
            "{path}"
        );
        assert_eq!(parts(&route, r#"{"model":"m","inputs":"hi"}"#).1, partial, "{path}");
    }
    for (method, host, path) in [
        ("GET", HOST, "/v1/conversations"),
        ("GET", HOST, "/v1/conversations/conv_1/history"),
        ("DELETE", HOST, "/v1/conversations/conv_1"),
        ("POST", HOST, "/v1/conversations/conv_1/messages"),
        ("POST", HOST, "/v1/conversationsx"),
        // OpenAI keeps conversations there, which costs nothing.
        ("POST", "api.openai.com", "/v1/conversations"),
        ("POST", "api.openai.com", "/v1/conversations/conv_1"),
    ] {
        assert!(is_unknown(method, host, path), "{method} {host}{path}");
    }
}

#[test]
fn its_host_may_be_written_in_full() {
    for host in ["API.Mistral.AI", "api.mistral.ai:443", "api.mistral.ai.", "api.mistral.ai.:443"] {
        let route = metered(host, "/v1/conversations");
        assert_eq!(
            (route.dialect.name, route.provider),
            ("mistral-conversations", Some("mistral")),
            "{host}"
        );
    }
}

#[test]
fn its_model_may_be_an_agents() {
    let facts = start().read(br#"{"model":"mistral-small-latest","inputs":"hi","stream":true}"#).unwrap();
    assert_eq!((facts.model.as_str(), facts.stream), ("mistral-small-latest", true));
    let agent = r#"{"agent_id":"ag_1","inputs":"hi"}"#;
    let facts = start().read(agent.as_bytes()).unwrap();
    assert_eq!((facts.model.as_str(), facts.model_at), ("", ModelAt::Nowhere));
    assert!(parts(&start(), agent).1, "its instructions are not seen");
    assert!(start().read(br#"{"model":"a","inputs":"x","inputs":"y"}"#).is_err());
}

#[test]
fn its_entries_are_counted() {
    // A model whose encoding is public.
    let body = |members: &str| format!(r#"{{"model":"gpt-4o",{members}}}"#);
    let text = |members: &str| part(&start(), &body(members), "text");
    assert_eq!(
        parts(&start(), &body(r#""inputs":"hi""#)).0,
        [("base", 1), ("text", 1), ("messages", 1), ("no_system", 1)]
    );
    let more = r#""instructions":"hi","inputs":[{"role":"user","content":"hi"},{"role":"assistant","type":"message.output","content":[{"type":"text","text":"hi"}]}]"#;
    assert_eq!(parts(&start(), &body(more)).0, [("base", 1), ("text", 3), ("messages", 3)]);
    assert_eq!(text(r#""inputs":[{"type":"function.result","tool_call_id":"x","result":"hi"}]"#), 1);
    assert_eq!(text(r#""inputs":[{"type":"function.call","name":"hi","arguments":"hi"}]"#), 2);
    let tool = r#""inputs":"hi","tools":[{"type":"function","function":{"name":"f","parameters":{}}}]"#;
    assert_eq!(part(&start(), &body(tool), "named_tools"), 1);
    assert!(parts(&start(), &body(r#""inputs":"hi","tools":[{"type":"web_search"}]"#)).1);
}

#[test]
fn its_bound_stands_in_the_completion_args() {
    for (body, with) in [
        (r#"{"model":"m"}"#, r#"{"completion_args":{"max_tokens":7},"model":"m"}"#),
        (
            r#"{"model":"m","completion_args":{"temperature":0.3}}"#,
            r#"{"model":"m","completion_args":{"max_tokens":7,"temperature":0.3}}"#,
        ),
        (
            r#"{"model":"m","completion_args":{"max_tokens":900}}"#,
            r#"{"model":"m","completion_args":{"max_tokens":7}}"#,
        ),
        (r#"{"model":"m","completion_args":null}"#, r#"{"model":"m","completion_args":{"max_tokens":7}}"#),
    ] {
        assert_eq!(bounded(&start(), body).as_deref(), Some(with));
        assert_eq!(start().read(with.as_bytes()).unwrap().output_bound, Some(7));
    }
}

/// As <https://docs.mistral.ai/agents/connectors/document_library> shows it.
#[test]
fn what_connectors_put_in_is_input() {
    let whole = r#"{"conversation_id":"c","outputs":[{"type":"tool.execution","name":"document_library","arguments":"{}"},{"type":"message.output","content":[{"type":"text","text":"hi"}],"model":"mistral-medium-2505"}],"usage":{"prompt_tokens":196,"completion_tokens":485,"total_tokens":3846,"connector_tokens":3165,"connectors":{"document_library":1}}}"#;
    let reader = read_answer(&start(), JSON, whole);
    assert_eq!(reader.model(), "mistral-medium-2505");
    let usage = reader.stated().unwrap();
    assert_eq!((usage.input, usage.output, usage.web_searches), (3_361, 485, 0));
    for (total, input) in [("120", 100), ("170", 150)] {
        let answer = format!(
            r#"{{"usage":{{"prompt_tokens":100,"completion_tokens":20,"total_tokens":{total},"connector_tokens":50,"connectors":{{"web_search":2,"web_search_premium":1}}}}}}"#
        );
        let usage = read_answer(&start(), JSON, &answer).stated().unwrap();
        assert_eq!((usage.input, usage.output, usage.web_searches), (input, 20, 3), "{total}");
    }
    let none = r#"{"outputs":[],"usage":{"prompt_tokens":8,"completion_tokens":370,"total_tokens":378,"connector_tokens":null,"connectors":null}}"#;
    assert_eq!(stated(&start(), JSON, none), Some((8, 370)));
}

#[test]
fn its_stream_states_usage_at_its_end() {
    let begun = "event: conversation.response.started\ndata: {\"type\":\"conversation.response.started\",\"conversation_id\":\"c\"}\n\nevent: message.output.delta\ndata: {\"type\":\"message.output.delta\",\"content\":\"one two\",\"model\":\"mistral-small-2506\",\"role\":\"assistant\"}\n\nevent: message.output.delta\ndata: {\"type\":\"message.output.delta\",\"content\":{\"type\":\"text\",\"text\":\" three\"}}\n\nevent: function.call.delta\ndata: {\"type\":\"function.call.delta\",\"name\":\"f\",\"tool_call_id\":\"t\",\"arguments\":\"{}\"}\n\n";
    let done = "event: conversation.response.done\ndata: {\"type\":\"conversation.response.done\",\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":4,\"total_tokens\":11}}\n\n";
    assert_eq!(stated(&start(), SSE, &format!("{begun}{done}")), Some((7, 4)));
    let cut = read_answer(&start(), SSE, begun);
    assert_eq!((cut.model(), cut.stated()), ("mistral-small-2506", None));
    assert!((4..=5).contains(&cut.counted_output()), "what was written is counted");
    let failed = "event: conversation.response.error\ndata: {\"type\":\"conversation.response.error\",\"message\":\"m\",\"code\":3000}\n\n";
    assert!(read_answer(&start(), SSE, failed).failed());
}
