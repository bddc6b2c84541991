//! Chat and responses under the names that some give them.

use super::*;

const DATABRICKS: &str = "dbc-1.cloud.databricks.com";
const SERVED: &str = "/serving-endpoints/databricks-meta-llama-3-3-70b-instruct/invocations";
const USAGE: &str = r#"{"model":"m","choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":7,"completion_tokens":4,"total_tokens":11}}"#;

#[test]
fn chat_is_recognised_under_other_names() {
    for (host, path, provider, bound) in [
        ("api.minimax.io", "/v1/text/chatcompletion_v2", Some("minimax"), "max_completion_tokens"),
        ("llm.test", "/v1/text/chatcompletion_v2", None, "max_completion_tokens"),
        ("api.perplexity.ai", "/v1/sonar", Some("perplexity"), "max_tokens"),
    ] {
        let route = metered(host, path);
        assert_eq!((route.dialect.name, route.provider), ("openai-chat", provider), "{host}{path}");
        let body = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}"#;
        assert_eq!(route.read(body.as_bytes()).unwrap().model, "gpt-4o");
        assert_eq!((part(&route, body, "text"), part(&route, body, "messages")), (1, 1));
        let with = body.replacen('{', &format!(r#"{{"{bound}":7,"#), 1);
        assert_eq!(bounded(&route, body), Some(with));
        assert_eq!(stated(&route, JSON, USAGE), Some((7, 4)));
        let stream =
            format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}]}}\n\ndata: {USAGE}\n\n");
        assert_eq!(stated(&route, SSE, &stream), Some((7, 4)));
    }
    for (method, host, path) in [
        ("GET", "api.minimax.io", "/v1/text/chatcompletion_v2"),
        ("POST", "api.minimax.io", "/v1/text/chatcompletion_v2/x"),
        ("POST", "sonar.test", "/v1/sonar"),
        ("GET", "api.perplexity.ai", "/v1/async/sonar/1"),
        ("POST", "agents.test", "/v1/agent"),
        ("POST", DATABRICKS, "/serving-endpoints/x"),
        ("GET", DATABRICKS, SERVED),
        ("POST", "runtime.sagemaker.us-east-1.amazonaws.com", "/endpoints/x/invocations"),
    ] {
        assert!(is_unknown(method, host, path), "{method} {host}{path}");
    }
}

#[test]
fn an_answer_of_perplexitys_that_is_fetched_later_is_left_to_the_rule_for_opaque_bodies() {
    let route = metered("api.perplexity.ai", "/v1/async/sonar");
    assert!(route.read(br#"{"request":{"model":"sonar-deep-research","messages":[]}}"#).is_err());
}

#[test]
fn perplexitys_agent_speaks_as_responses_do() {
    let route = metered("api.perplexity.ai", "/v1/agent");
    assert_eq!((route.dialect.name, route.provider), ("openai-responses", Some("perplexity")));
    let preset = r#"{"preset":"fast","input":"hi"}"#;
    assert_eq!(route.read(preset.as_bytes()).unwrap().model_at, ModelAt::Nowhere);
    assert_eq!(
        bounded(&route, preset).as_deref(),
        Some(r#"{"max_output_tokens":7,"preset":"fast","input":"hi"}"#)
    );
    let answer =
        r#"{"model":"openai/gpt-5.4","usage":{"input_tokens":5,"output_tokens":6,"total_tokens":11}}"#;
    assert_eq!(stated(&route, JSON, answer), Some((5, 6)));
    let stream = format!(
        "event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{answer}}}\n\n"
    );
    assert_eq!(stated(&route, SSE, &stream), Some((5, 6)));
}

#[test]
fn a_serving_endpoint_is_its_model() {
    let route = metered(DATABRICKS, SERVED);
    assert_eq!(route.provider, Some("databricks"));
    assert_eq!(metered("llm.test", SERVED).provider, Some("databricks"));
    let body = r#"{"messages":[{"role":"user","content":"hi"}],"max_tokens":9}"#;
    let facts = route.read(body.as_bytes()).unwrap();
    assert_eq!(facts.model, "databricks-meta-llama-3-3-70b-instruct");
    assert_eq!(bounded(&route, body).unwrap(), body.replace('9', "7"));
    let mut edits = Edits::default();
    assert!(facts.set_model("databricks-gemma-3-12b", &mut edits) && edits.body.is_empty());
    let path = splice(SERVED.as_bytes(), &edits.path);
    assert_eq!(path, b"/serving-endpoints/databricks-gemma-3-12b/invocations");
    assert_eq!(stated(&route, JSON, USAGE), Some((7, 4)));
}

/// What is asked neither by messages nor by a prompt knows no `max_tokens`, and would be refused with one.
#[test]
fn a_serving_endpoint_that_writes_nothing_is_not_bounded() {
    let route = metered(DATABRICKS, "/serving-endpoints/gpt-4o/invocations");
    for body in [r#"{"dataframe_split":{"columns":["a"],"data":[[1]]}}"#, r#"{"inputs":{"messages":[]}}"#] {
        assert_eq!(bounded(&route, body), None, "{body}");
        assert_eq!(route.read(body.as_bytes()).unwrap().output_bound, Some(0), "{body}");
    }
    // An agent is asked by `input`, and writes; what embeds is known by its name.
    let input = r#"{"input":["hi","hi"]}"#;
    assert_eq!((bounded(&route, input), route.read(input.as_bytes()).unwrap().output_bound), (None, None));
    let embeds = metered(DATABRICKS, "/serving-endpoints/databricks-gte-large-en/invocations");
    assert_eq!(embeds.read(input.as_bytes()).unwrap().output_bound, Some(0));
    assert_eq!(part(&route, input, "text"), 2);
    let embedded = r#"{"object":"list","data":[],"usage":{"prompt_tokens":6,"total_tokens":6}}"#;
    assert_eq!(stated(&route, JSON, embedded), Some((6, 0)));
    assert_eq!(bounded(&route, r#"{"prompt":"hi"}"#).as_deref(), Some(r#"{"max_tokens":7,"prompt":"hi"}"#));
    assert!(route.read(br#"{"Messages":[]}"#).is_err(), "some servers would take it for messages");
}

/// An agent's stream has the form of Responses, and states no usage where it is cut.
#[test]
fn what_an_agent_writes_is_counted() {
    let route = metered(DATABRICKS, "/serving-endpoints/my-agent/invocations");
    let events: String =
        (0..200).map(|_| "data: {\"type\":\"response.output_text.delta\",\"delta\":\" word\"}\n\n").collect();
    // Each a token, by an estimate that says a little more.
    assert_eq!(read_answer(&route, SSE, &events).counted_output(), 205);
    let whole =
        r#"{"output":[{"type":"message","content":[{"type":"output_text","text":"one two three"}]}]}"#;
    assert!(read_answer(&route, JSON, whole).counted_output() > 0);
}

/// Whatever stands beside the call inside: that is another one's.
#[test]
fn a_call_that_is_fetched_later_is_not_read() {
    let route = metered("api.perplexity.ai", "/v1/async/sonar");
    let body = r#"{"model":"sonar","max_tokens":1,"request":{"model":"sonar-deep-research","messages":[]}}"#;
    let opaque = route.read(body.as_bytes()).unwrap_err();
    assert_eq!((opaque.0.as_str(), opaque.advice()), (Opaque::LATER, "Send it to be answered at once."));
    assert!(metered("api.perplexity.ai", "/v1/sonar").read(body.as_bytes()).is_ok());
}
