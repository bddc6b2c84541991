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

/// What stands behind the digits that are kept may make a bound of any size.
#[test]
fn a_bound_whose_exponent_is_out_of_sight_is_opaque() {
    for (written, is_read) in [("1.5e9", true), (&format!("1.{}e9", "0".repeat(40)), false)] {
        for name in ["max_tokens", "n"] {
            let body = format!(r#"{{"model":"a","{name}":{written}}}"#);
            assert_eq!(chat().read(body.as_bytes()).is_ok(), is_read, "{body}");
        }
    }
}

/// Every API's own name for the bound, put in where there is none, in the place of what stands there else.
#[test]
fn the_output_bound_is_set_by_the_names_of_each_api() {
    let openai = ("api.openai.com", "/v1/chat/completions");
    let groq = ("api.groq.com", "/openai/v1/chat/completions");
    let gemini = ("generativelanguage.googleapis.com", "/v1beta/models/gemini-2.5-flash:generateContent");
    let converse =
        ("bedrock-runtime.us-east-1.amazonaws.com", "/model/meta.llama3-8b-instruct-v1:0/converse");
    let llama = ("bedrock-runtime.us-east-1.amazonaws.com", "/model/meta.llama3-8b-instruct-v1:0/invoke");
    let titan = ("bedrock-runtime.us-east-1.amazonaws.com", "/model/amazon.titan-text-lite-v1/invoke");
    let unknown = ("bedrock-runtime.us-east-1.amazonaws.com", "/model/arn%3Aaws%3Abedrock%3Ax/invoke");
    let claude = ("api.anthropic.com", "/v1/messages");
    let ollama = ("localhost:11434", "/api/chat");
    let cases = [
        (openai, r#"{"model":"a"}"#, Some(r#"{"max_completion_tokens":7,"model":"a"}"#)),
        (groq, r#"{"model":"a"}"#, Some(r#"{"max_tokens":7,"model":"a"}"#)),
        (openai, r#"{"model":"a","max_tokens":null}"#, Some(r#"{"model":"a","max_tokens":7}"#)),
        (openai, r#"{"model":"a","max_tokens":"9"}"#, Some(r#"{"model":"a","max_tokens":7}"#)),
        (
            openai,
            r#"{"max_tokens":1e3 ,"model":"a","max_completion_tokens":2}"#,
            Some(r#"{"max_tokens":7 ,"model":"a","max_completion_tokens":7}"#),
        ),
        (openai, r#"{"model":"a","max_tokens":{"max_tokens":5}}"#, None),
        (claude, r#"{"model":"a"}"#, Some(r#"{"max_tokens":7,"model":"a"}"#)),
        (gemini, "{}", Some(r#"{"generationConfig":{"maxOutputTokens":7}}"#)),
        (
            gemini,
            r#"{"contents":[],"generation_config":{"top_k":1}}"#,
            Some(r#"{"contents":[],"generation_config":{"maxOutputTokens":7,"top_k":1}}"#),
        ),
        (
            gemini,
            r#"{"generation_config":{"max_output_tokens":1}}"#,
            Some(r#"{"generation_config":{"max_output_tokens":7}}"#),
        ),
        (gemini, r#"{"generationConfig":null}"#, Some(r#"{"generationConfig":{"maxOutputTokens":7}}"#)),
        (gemini, r#"{"generationConfig":[]}"#, None),
        (gemini, r#"{"generationConfig":"x"}"#, None),
        (converse, r#"{"messages":[]}"#, Some(r#"{"inferenceConfig":{"maxTokens":7},"messages":[]}"#)),
        (llama, r#"{"prompt":""}"#, Some(r#"{"max_gen_len":7,"prompt":""}"#)),
        (titan, r#"{"textGenerationConfig":{}}"#, Some(r#"{"textGenerationConfig":{"maxTokenCount":7}}"#)),
        (unknown, r#"{"prompt":""}"#, None),
        (ollama, r#"{"model":"a"}"#, Some(r#"{"options":{"num_predict":7},"model":"a"}"#)),
        (
            ollama,
            r#"{"model":"a","options":{"num_predict":-1}}"#,
            Some(r#"{"model":"a","options":{"num_predict":7}}"#),
        ),
    ];
    for ((host, path), body, expected) in cases {
        let route = recognise(b"POST", host.as_bytes(), path.as_bytes()).metered().unwrap();
        let mut edits = Edits::default();
        let is_set = route.read(body.as_bytes()).unwrap().set_output_bound(7, &mut edits);
        assert_eq!(is_set, expected.is_some(), "{path} {body}");
        let edited = splice(body.as_bytes(), &edits.body);
        assert_eq!(String::from_utf8_lossy(&edited), expected.unwrap_or(body), "{path}");
        let bound = route.read(&edited).unwrap().output_bound;
        assert!(!is_set || bound == Some(7), "{path} {body}: {bound:?}");
    }
}

/// `[` alone was replaced once, and what followed it was left over.
#[test]
fn stream_options_that_are_no_object_are_left_alone() {
    for (options, asks) in [("[1]", false), ("\"x\"", false), ("7", false), ("null", true), ("{}", true)] {
        let body = format!(r#"{{"model":"a","stream":true,"stream_options":{options}}}"#);
        let mut edits = Edits::default();
        let asked = chat().read(body.as_bytes()).unwrap().ask_for_usage(&mut edits);
        assert_eq!(asked, asks, "{options}");
        let edited = splice(body.as_bytes(), &edits.body);
        assert!(serde_json::from_slice::<serde_json::Value>(&edited).is_ok(), "{options}");
    }
}

/// Found by fuzzing: one that was a number stood twice after the edit.
#[test]
fn an_include_usage_that_is_no_truth_value_is_left_alone() {
    for include in ["7", "\"true\"", "{}", "[true]"] {
        let body = format!(r#"{{"model":"a","stream":true,"stream_options":{{"include_usage":{include}}}}}"#);
        let facts = chat().read(body.as_bytes()).unwrap();
        assert!(!facts.ask_for_usage(&mut Edits::default()), "{include}");
    }
}

/// The model's field of a form: read, written again, and never from what one parser takes for content.
#[test]
fn a_form_has_one_model() {
    let form = route("POST", "/v1/audio/transcriptions").unwrap();
    let part = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let (file, model) = (part("file", "abc"), part("model", "whisper-1"));
    let body = format!("{file}{model}--b--\r\n");
    let mut edits = Edits::default();
    let facts = form.read(body.as_bytes()).unwrap();
    assert!(facts.model == "whisper-1" && facts.set_model("other", &mut edits));
    let edited = splice(body.as_bytes(), &edits.body);
    assert_eq!(String::from_utf8(edited).unwrap(), body.replace("whisper-1", "other"));
    assert!(!facts.set_model("a\r\n--b", &mut Edits::default()), "a line end would end the field");
    for opaque in [
        format!("{file}{model}{model}--b--"),
        format!("{file}{model}"),
        format!("{file}--b--\r\n{model}--b--"),
        format!("{}{model}--b--", part("file", &format!("x\r\n--bb\r\n{}", part("model", "cheap")))),
    ] {
        assert!(form.read(opaque.as_bytes()).is_err(), "{opaque}");
    }
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
