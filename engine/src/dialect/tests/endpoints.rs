//! Endpoints that are told by their host, or lie under paths of their own: which are recognised, what their bodies and
//! answers say.

use super::*;
use crate::usage::AnswerReader;

/// What a POST there is.
fn at(host: &str, path: &str) -> Recognised {
    recognise(b"POST", host.as_bytes(), path.as_bytes())
}

fn metered(host: &str, path: &str) -> Route {
    at(host, path).metered().unwrap_or_else(|| panic!("{host}{path}"))
}

fn is_unknown(method: &str, host: &str, path: &str) -> bool {
    matches!(recognise(method.as_bytes(), host.as_bytes(), path.as_bytes()), Recognised::Unknown)
}

/// The body with a bound of 7 tokens; nothing if there is no place for one.
fn bounded(route: &Route, body: &str) -> Option<String> {
    let mut edits = Edits::default();
    let is_set = route.read(body.as_bytes()).unwrap().set_output_bound(7, &mut edits);
    is_set.then(|| String::from_utf8(splice(body.as_bytes(), &edits.body)).unwrap())
}

/// An answer of this kind, cut into pieces.
fn read_answer(route: &Route, kind: &str, answer: &str) -> AnswerReader {
    let mut reader = AnswerReader::new(route.dialect, kind.as_bytes(), false, "m");
    for piece in answer.as_bytes().chunks(7) {
        reader.feed(piece);
    }
    reader
}

const JSON: &str = "application/json";
const SSE: &str = "text/event-stream";

/// Input and output as an answer states them.
fn stated(route: &Route, kind: &str, answer: &str) -> Option<(u64, u64)> {
    read_answer(route, kind, answer).stated().map(|usage| (usage.input, usage.output))
}

mod mistral_conversations {
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
            (
                r#"{"model":"m","completion_args":null}"#,
                r#"{"model":"m","completion_args":{"max_tokens":7}}"#,
            ),
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
}

mod cohere_v1 {
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
        let named =
            |events: &[&str]| events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>();
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
}

mod chat_elsewhere {
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
        for body in [
            r#"{"input":["hi","hi"]}"#,
            r#"{"dataframe_split":{"columns":["a"],"data":[[1]]}}"#,
            r#"{"inputs":{"messages":[]}}"#,
        ] {
            assert_eq!(bounded(&route, body), None, "{body}");
            assert_eq!(route.read(body.as_bytes()).unwrap().output_bound, Some(0), "{body}");
        }
        assert_eq!(part(&route, r#"{"input":["hi","hi"]}"#, "text"), 2);
        let embedded = r#"{"object":"list","data":[],"usage":{"prompt_tokens":6,"total_tokens":6}}"#;
        assert_eq!(stated(&route, JSON, embedded), Some((6, 0)));
        assert_eq!(
            bounded(&route, r#"{"prompt":"hi"}"#).as_deref(),
            Some(r#"{"max_tokens":7,"prompt":"hi"}"#)
        );
        assert!(route.read(br#"{"Messages":[]}"#).is_err(), "some servers would take it for messages");
    }
}

mod vertex {
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
        let stream =
            format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}]}}\n\ndata: {last}\n\n");
        assert_eq!(stated(&route, SSE, &stream), Some((7, 4)));
        // Reading documents knows no bound.
        let document =
            r#"{"model":"mistral-ocr-2505","document":{"type":"document_url","document_url":"x"}}"#;
        assert_eq!(bounded(&route, document), None);
        assert_eq!(route.read(document.as_bytes()).unwrap().output_bound, Some(0));
    }

    #[test]
    fn counting_tokens_is_free_and_no_model() {
        let path = at_publisher("anthropic", "count-tokens:rawPredict");
        assert!(matches!(at(HOST, &path), Recognised::Free("anthropic-count-tokens")));
        assert!(matches!(at(HOST, &path.replace("count", "Count")), Recognised::Free(_)));
        for model in
            ["count-tokens:streamRawPredict", "count-tokens@1:rawPredict", "x-count-tokens:rawPredict"]
        {
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
}

mod voyage {
    use super::*;

    const HOST: &str = "api.voyageai.com";

    #[test]
    fn its_other_embeddings_are_recognised() {
        for path in ["/v1/multimodalembeddings", "/v1/contextualizedembeddings"] {
            let route = metered(HOST, path);
            assert_eq!(
                (route.dialect.name, route.provider),
                ("openai-embeddings", Some("voyageai")),
                "{path}"
            );
            let facts = route.read(br#"{"model":"voyage-context-3","inputs":[]}"#).unwrap();
            assert_eq!((facts.model.as_str(), facts.output_bound), ("voyage-context-3", Some(0)));
            assert_eq!(bounded(&route, r#"{"model":"m","inputs":[]}"#), None);
            assert!(is_unknown("GET", HOST, path));
        }
        assert_eq!(metered("api.perplexity.ai", "/v1/contextualizedembeddings").provider, Some("perplexity"));
        assert!(is_unknown("POST", HOST, "/v1/xembeddings"));
    }

    #[test]
    fn chunks_and_images_are_counted() {
        let chunks = metered(HOST, "/v1/contextualizedembeddings");
        assert_eq!(part(&chunks, r#"{"model":"gpt-4o","inputs":[["hi","hi"],["hi"]]}"#, "text"), 3);
        assert_eq!(part(&chunks, r#"{"model":"gpt-4o","input":[["hi","hi"],["hi"]]}"#, "text"), 3);
        let images = metered(HOST, "/v1/multimodalembeddings");
        let body = |content: &str| {
            format!(r#"{{"model":"voyage-multimodal-3","inputs":[{{"content":[{content}]}}]}}"#)
        };
        let (found, is_partial) = parts(
            &images,
            &body(r#"{"type":"text","text":"hi"},{"type":"image_url","image_url":"https://x/y.png"}"#),
        );
        assert!(is_partial && found.contains(&("unseen_images", 1)), "{found:?}");
        // A PNG of 280 x 200 pixels: its signature, and the head that states them.
        let png = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAARgAAADICAIAAAA=";
        let text = body(&format!(r#"{{"type":"image_base64","image_base64":"{png}"}}"#));
        assert_eq!(part(&images, &text, "images"), 100);
    }

    #[test]
    fn their_total_is_input() {
        let images = metered(HOST, "/v1/multimodalembeddings");
        let answer = r#"{"object":"list","data":[],"model":"voyage-multimodal-3","usage":{"text_tokens":5,"image_pixels":2000000,"total_tokens":3576}}"#;
        assert_eq!(stated(&images, JSON, answer), Some((3_576, 0)));
        let chunks = r#"{"object":"list","data":[{"object":"list","data":[]}],"model":"voyage-context-3","usage":{"total_tokens":14}}"#;
        assert_eq!(stated(&metered(HOST, "/v1/contextualizedembeddings"), JSON, chunks), Some((14, 0)));
    }
}

mod cloudflare {
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
            assert_eq!(
                (route.dialect.name, route.provider),
                ("cloudflare-run", Some("cloudflare")),
                "{path}"
            );
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
            let whole =
                format!(r#"{{"result":{{{result},{usage}}},"success":true,"errors":[],"messages":[]}}"#);
            assert_eq!(stated(&route, JSON, &whole), Some((169, 48)));
        }
        let begun = "data: {\"response\":\"one two\",\"p\":\"abc\"}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\" three\"}}],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":1,\"total_tokens\":1}}\n\n";
        let stream = format!("{begun}data: {{\"response\":\"\",{usage}}}\n\ndata: [DONE]\n\n");
        assert_eq!(stated(&route, SSE, &stream), Some((169, 48)));
        assert!(read_answer(&route, SSE, begun).counted_output() >= 3);
        let embedded = r#"{"result":{"shape":[1,768],"data":[[0.1]]},"success":true}"#;
        assert_eq!(stated(&route, JSON, embedded), None);
    }
}

mod batches {
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
}
