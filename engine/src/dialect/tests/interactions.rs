//! Gemini's Interactions: where they go, what their prompts have, and what their answers state.

use super::*;
use crate::usage::{AnswerReader, Usage};

fn interactions() -> Route {
    route("POST", "/v1beta/interactions").unwrap()
}

#[test]
fn interactions_are_recognised_and_what_is_no_inference_is_not() {
    for (path, stream) in [
        ("/v1beta/interactions", None),
        ("/v1alpha/interactions/?alt=sse", None),
        ("/gemini/V1Beta/Interactions", None),
        ("/v1beta%2Finteractions", None),
        ("/v1beta1/projects/p/locations/global/interactions", None),
        ("/v1beta1/projects/p/locations/global/interactionsHttp", None),
        ("/v1beta1/projects/p/locations/us-central1/interactions:createStream", Some(true)),
        ("/v1beta1/projects/p/locations/global/interactions%3AcreateStream", Some(true)),
        ("/google.learning.vertex.api.interactions.v1beta1.InteractionsService/CreateInteraction", None),
        (
            "/google.learning.vertex.api.interactions.v1beta1.InteractionsService/CreateInteractionStream",
            Some(true),
        ),
    ] {
        let route = route("POST", path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!((route.dialect.name, route.stream), ("gemini-interactions", stream), "{path}");
    }
    let google = recognise(b"POST", b"generativelanguage.googleapis.com", b"/v1beta/interactions");
    assert_eq!(google.metered().unwrap().provider, Some("google"));
    let stable = recognise(b"POST", b"generativelanguage.googleapis.com", b"/v1/interactions?key=x");
    assert!(stable.metered().is_some());
    for (method, path) in [
        ("GET", "/v1beta/interactions"),
        ("GET", "/v1beta/interactions/v1_abc"),
        ("DELETE", "/v1beta/interactions/v1_abc"),
        ("POST", "/v1beta/interactions/v1_abc/cancel"),
        ("POST", "/v1beta1/projects/p/locations/l/interactions/v1_abc:cancel"),
        ("POST", "/google.learning.vertex.api.interactions.v1beta1.InteractionsService/CancelInteraction"),
        ("POST", "/interactions"),
        // Others count what their visitors do.
        ("POST", "/v1/interactions"),
        ("POST", "/v2/interactions"),
        ("POST", "/api/users/interactions"),
        ("POST", "/v1beta/interactionsx"),
    ] {
        assert!(route(method, path).is_none(), "{method} {path}");
    }
}

#[test]
fn its_facts_are_found() {
    let body = r#"{"model":"gemini-3.8-flash","input":"hi","stream":true,"service_tier":"Flex","generation_config":{"max_output_tokens":500,"thinking_level":"low"}}"#;
    let facts = interactions().read(body.as_bytes()).unwrap();
    assert_eq!(
        (facts.model.as_str(), facts.output_bound, facts.stream, facts.service_tier.as_str()),
        ("gemini-3.8-flash", Some(500), true, "flex")
    );
    let mut edits = Edits::default();
    assert!(facts.set_model("gemini-3.5-flash-lite", &mut edits) && facts.set_output_bound(64, &mut edits));
    assert_eq!(
        String::from_utf8(splice(body.as_bytes(), &edits.body)).unwrap(),
        body.replace("3.8-flash", "3.5-flash-lite").replace("500", "64")
    );
    let agent = r#"{"agent":"deep-research-pro-preview-12-2025","input":"hi","background":true}"#;
    let facts = interactions().read(agent.as_bytes()).unwrap();
    assert_eq!((facts.model.as_str(), &facts.model_at), ("", &ModelAt::Nowhere));
    assert!(interactions().read(br#"{"model":"a","input":"hi","input":"more"}"#).is_err());
}

#[test]
fn every_form_of_input_counts() {
    let with = |input: &str| format!(r#"{{"model":"gemini-3.8-flash","input":{input}}}"#);
    let text = r#"{"type":"text","text":"Some words that are said, and sent."}"#;
    for input in [
        r#""Some words that are said, and sent.""#.to_owned(),
        text.to_owned(),
        format!("[{text}]"),
        format!(r#"[{{"type":"user_input","content":[{text}]}}]"#),
        format!(r#"[{{"type":"user_input","content":{text}}}]"#),
        format!(r#"[{{"role":"user","content":[{text}]}}]"#),
        r#"[{"role":"user","content":"Some words that are said, and sent."}]"#.to_owned(),
    ] {
        let (parts, partial) = parts(&interactions(), &with(&input));
        assert_eq!(parts, [("base", 1), ("text", 10), ("messages", 1), ("no_system", 1)], "{input}");
        assert!(!partial, "{input}");
    }
    let body = with(r#""hi","system_instruction":"Be brief.""#);
    assert!(part(&interactions(), &body, "text") > 2);
    assert_eq!(part(&interactions(), &body, "no_system"), 0);
}

#[test]
fn tools_calls_and_results_count() {
    let body = r#"{"model":"gemini-3.8-flash","input":[
        {"type":"user_input","content":[{"type":"text","text":"Weather?"}]},
        {"type":"thought","signature":"abcd","summary":[{"type":"text","text":"not shown again"}]},
        {"type":"function_call","id":"fc_1","name":"weather","arguments":{"city":"Boston"},"signature":"efgh"},
        {"type":"function_result","call_id":"fc_1","name":"weather","result":{"celsius":20}}],
        "tools":[{"type":"function","name":"weather","description":"Tells it","parameters":{"type":"object","properties":{"city":{"type":"string"}}}},
        {"type":"google_search"},{"type":"url_context"},{"type":"code_execution"},{"type":"google_maps"},{"type":"file_search"}],
        "generation_config":{"tool_choice":{"allowed_tools":{"mode":"any","tools":["weather"]}}}}"#;
    for (name, count) in [
        ("must_tool", 1),
        ("named_tools", 1),
        ("properties", 1),
        ("search_tools", 1),
        ("fetch_tools", 1),
        ("code_tools", 1),
        ("server_tools", 2),
        ("tool_calls", 1),
        ("tool_results", 1),
        ("messages", 3),
        ("seals", 2),
        ("sealed_bytes", 8),
    ] {
        assert_eq!(part(&interactions(), body, name), count, "{name}");
    }
    assert!(part(&interactions(), body, "json_text") >= 4);
    let more = r#"},{"type":"user_input","content":[{"type":"text","text":"And now?"}]}],"#;
    let next = body.replacen("}],\n        \"tools\"", &format!("{more}\n        \"tools\""), 1);
    assert_eq!(part(&interactions(), &next, "sealed_bytes"), 0, "thoughts end with their turn");
    let text = r#"{"model":"a","input":[{"type":"function_result","call_id":"1","result":[{"type":"text","text":"some words"}]}]}"#;
    assert_eq!(part(&interactions(), text, "text"), 3);
    let written = r#"{"model":"a","input":[{"type":"function_result","call_id":"1","result":"some words"}]}"#;
    assert!(part(&interactions(), written, "json_text") >= 3);
}

#[test]
fn what_is_not_seen_is_told() {
    for (members, partial) in [
        (r#""model":"a""#, false),
        (r#""model":"a","previous_interaction_id":null"#, false),
        (r#""model":"a","previous_interaction_id":"v1_abc""#, true),
        (r#""model":"a","cached_content":"cachedContents/1""#, true),
        (r#""model":"a","tools":[{"type":"google_search"}]"#, true),
        (r#""agent":"deep-research-pro-preview-12-2025""#, true),
        (r#""interaction":{"stringContent":"hi"}"#, true),
    ] {
        let body = format!(r#"{{"input":"hi",{members}}}"#);
        assert_eq!(parts(&interactions(), &body).1, partial, "{body}");
    }
    let stored = r#"{"model":"a","input":"hi","previous_interaction_id":"v1_abc"}"#;
    assert_eq!(part(&interactions(), stored, "stored"), 1);
}

/// On Vertex prompts weigh as they do there.
#[test]
fn the_tables_are_those_of_gemini() {
    let body = r#"{"model":"gemini-3.8-flash","input":"hi"}"#;
    for (path, style) in
        [("/v1beta/interactions", "gemini"), ("/v1beta1/projects/p/locations/global/interactions", "vertex")]
    {
        let route = route("POST", path).unwrap();
        let count = route.count_prompt(body.as_bytes(), &route.read(body.as_bytes()).unwrap());
        assert_eq!((count.style, count.family), (style, "gemini-3"), "{path}");
    }
}

fn read(kind: &str, answer: &str, size: usize) -> AnswerReader {
    let mut reader = AnswerReader::new(interactions().dialect, kind.as_bytes(), false, "gemini-3.8-flash");
    answer.as_bytes().chunks(size).for_each(|piece| reader.feed(piece));
    reader
}

const USAGE: &str = r#"{"total_tokens":1759,"total_input_tokens":9,"input_tokens_by_modality":[{"modality":"text","tokens":4},{"tokens":5,"modality":"AUDIO"}],"total_cached_tokens":3,"total_output_tokens":779,"output_tokens_by_modality":[{"modality":"image","tokens":7}],"total_tool_use_tokens":59,"total_thought_tokens":912,"grounding_tool_count":[{"type":"google_search","count":2},{"type":"google_maps","count":5}]}"#;

const STATED: Usage = Usage {
    input: 68,
    cache_read: 3,
    cache_write: 0,
    cache_write_1h: 0,
    input_audio: 5,
    input_image: 0,
    input_video: 0,
    cache_read_audio: 0,
    cache_read_image: 0,
    output: 1691,
    reasoning: 912,
    output_audio: 0,
    output_image: 7,
    web_searches: 2,
};

#[test]
fn a_whole_answer_states_its_usage_however_it_is_cut() {
    let answer = format!(
        r#"{{"id":"v1_abc","status":"completed","object":"interaction","usage":{USAGE},"steps":[{{"type":"thought","signature":"EsQc"}},{{"type":"model_output","content":[{{"type":"text","text":"Hello! I am."}}]}},{{"type":"function_call","id":"1","name":"f","arguments":{{"city":"Boston"}}}}],"service_tier":"priority","model":"gemini-3.8-flash"}}"#
    );
    for size in 1..=answer.len() {
        let reader = read("application/json", &answer, size);
        assert_eq!(reader.stated(), Some(STATED), "{size}");
        assert_eq!((reader.model(), reader.text_bytes(), reader.failed()), ("gemini-3.8-flash", 18, false));
        assert_eq!(reader.served().service_tier, "priority");
    }
    let older = answer.replace("gemini-3.8-flash", "models/gemini-2.5-flash");
    assert_eq!(read("application/json", &older, 7).stated().unwrap().web_searches, 1, "by prompt");
    let alone = r#"{"model":"gemini-3.8-flash","usage":{"total_tokens":197}}"#;
    assert_eq!(read("application/json", alone, 7).stated(), None, "a sum tells neither part");
    let error = r#"{"error":{"message":"no","code":"invalid_request"}}"#;
    assert!(read("application/json", error, 7).failed());
}

fn stream() -> String {
    [
        ("interaction.created", r#"{"interaction":{"id":"v1_abc","status":"in_progress","object":"interaction","model":"gemini-3.8-flash"},"event_type":"interaction.created"}"#),
        ("step.start", r#"{"index":0,"step":{"type":"thought","summary":[{"type":"text","text":"Hm"}]},"event_type":"step.start"}"#),
        ("step.delta", r#"{"index":0,"delta":{"type":"thought_summary","content":{"type":"text","text":"m"}},"event_type":"step.delta"}"#),
        ("step.delta", r#"{"index":0,"delta":{"signature":"EpoG","type":"thought_signature"},"event_type":"step.delta"}"#),
        ("step.stop", r#"{"index":0,"event_type":"step.stop","usage":{"total_input_tokens":9,"total_output_tokens":0,"total_thought_tokens":912},"step_usage":{"total_output_tokens":5}}"#),
        ("step.start", r#"{"index":1,"step":{"content":[{"text":"Hello","type":"text"}],"type":"model_output"},"event_type":"step.start"}"#),
        ("step.delta", r#"{"index":1,"delta":{"text":" there","type":"text"},"event_type":"step.delta"}"#),
        ("step.start", r#"{"index":2,"step":{"type":"function_call","id":"1","name":"f"},"event_type":"step.start"}"#),
        ("step.delta", r#"{"index":2,"delta":{"type":"arguments_delta","arguments":"{\"a\":1}"},"event_type":"step.delta"}"#),
        ("interaction.completed", &format!(r#"{{"interaction":{{"id":"v1_abc","status":"completed","usage":{USAGE},"service_tier":"flex"}},"event_type":"interaction.completed"}}"#)),
        ("done", "[DONE]"),
    ]
    .iter()
    .map(|(event, data)| format!("event: {event}\ndata: {data}\n\n"))
    .collect()
}

#[test]
fn a_stream_states_its_usage_in_its_last_event_however_it_is_cut() {
    let stream = stream();
    for size in 1..=stream.len() {
        let reader = read("text/event-stream", &stream, size);
        assert_eq!(reader.stated(), Some(STATED), "{size}");
        assert_eq!((reader.model(), reader.text_bytes(), reader.failed()), ("gemini-3.8-flash", 21, false));
        assert_eq!(reader.served().service_tier, "flex");
        assert!(!reader.wrote_on());
    }
}

/// What a stream that breaks off has stated and written by then.
#[test]
fn a_stream_may_end_at_every_byte() {
    let stream = stream();
    let last = stream.find("event: interaction.completed").unwrap();
    let mut before = 0;
    for end in 0..stream.len() {
        let reader = read("text/event-stream", &stream[..end], 7);
        assert!(!reader.failed() && reader.text_bytes() >= before, "{end}");
        before = reader.text_bytes();
        let Some(stated) = reader.stated() else { continue };
        assert!(stated.input >= 9 && stated.output <= STATED.output, "{end}: {stated:?}");
        assert!(end >= last || stated.web_searches == 0, "{end}");
    }
    let cut = read("text/event-stream", &stream[..last], 7);
    assert_eq!(cut.stated().map(|usage| (usage.input, usage.output)), Some((9, 912)));
    assert!(cut.wrote_on(), "what came behind the last number is counted");
}

#[test]
fn an_error_in_a_stream_is_seen_and_told_as_documented() {
    let theirs = r#"{"error":{"message":"Deadline expired before operation could complete.","code":"gateway_timeout"},"event_type":"error"}"#;
    assert!(read("text/event-stream", &format!("event: error\ndata: {theirs}\n\n"), 5).failed());
    let body = br#"{"error":{"code":429,"message":"No more.","status":"RESOURCE_EXHAUSTED"}}"#;
    let ours = interactions().dialect.events.error(body, 3).unwrap();
    let ours = String::from_utf8(ours).unwrap();
    let data = ours.strip_prefix("event: error\ndata: ").unwrap();
    let data = data.strip_suffix("\n\nevent: done\ndata: [DONE]\n\n").unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(data).unwrap(),
        serde_json::json!({"event_type": "error", "error": {"code": "resource_exhausted", "message": "No more."}})
    );
    assert!(read("text/event-stream", &ours, 5).failed());
}
