//! Facts, counts and splices of request bodies.

use super::*;
use proptest::prelude::*;

mod endpoints;
mod evasions;
mod features;
mod images;
mod interactions;
mod prompts;
mod usages;

fn route(method: &str, path: &str) -> Option<Route> {
    recognise(method.as_bytes(), b"api.openai.com", path.as_bytes()).metered()
}

fn chat() -> Route {
    route("POST", "/v1/chat/completions").unwrap()
}

/// The parts of a prompt that are not zero.
fn parts(route: &Route, body: &str) -> (Vec<(&'static str, u64)>, bool) {
    let facts = route.read(body.as_bytes()).unwrap();
    let count = route.count_prompt(body.as_bytes(), &facts);
    let parts = PromptPart::ALL.iter().map(|part| (part.name(), count.parts.get(*part)));
    (parts.filter(|(_, count)| *count > 0).collect(), count.is_partial)
}

fn part(route: &Route, body: &str, name: &str) -> u64 {
    parts(route, body).0.iter().find(|(part, _)| *part == name).map_or(0, |(_, count)| *count)
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
        // As some servers route them: Azure, IIS, Tomcat, Go, and chains that decode twice.
        "/V1/Chat/COMPLETIONS",
        "/v1/chat/completions;v=1",
        "/v1;a/chat;b/completions;c",
        "/v1/files/..;/chat/completions",
        "\\v1\\chat\\completions",
        "/v1%2fchat%2Fcompletions",
        "/v1%5Cchat/completions",
        "/v1/files%2f..%2Fchat/completions",
        "/v1/chat/%2563ompletions",
        "/v1/chat/completions%20",
        "/v1/chat/completions%00",
        "/v1/chat/completions.",
        "/v1/files#/../chat/completions",
        "/v1/chat/completions#x",
        "http://api.openai.com/v1/chat/completions",
    ] {
        assert!(route("POST", path).is_some(), "{path}");
    }
    for (method, path) in [
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/files/%2e%2e%2fchat%2fcompletionsx"),
        ("POST", "/v1/models"),
        ("POST", "/chat/completionsx"),
        ("POST", "/?/v1/chat/completions"),
        ("POST", "/v1/chat/completions/../models"),
    ] {
        assert!(route(method, path).is_none(), "{method} {path}");
    }
}

/// A model in the path stands where the dialect finds it, however the path is spelled.
#[test]
fn models_in_paths_are_recognised_as_servers_route_them() {
    for (path, model) in [
        ("/v1beta/models/gemini-2.5-flash:generateContent", "gemini-2.5-flash"),
        ("/v1beta/models/x/../gemini-2.5-flash:generateContent", "gemini-2.5-flash"),
        ("/v1beta/models//gemini-2.5-flash:generateContent/", "gemini-2.5-flash"),
        ("/v1beta/models/./gemini-2.5-flash:generateContent", "gemini-2.5-flash"),
        ("/V1BETA/Models/gemini-2.5-flash:GenerateContent", "gemini-2.5-flash"),
        ("/v1beta/models%2Fgemini-2.5-flash:streamGenerateContent", "gemini-2.5-flash"),
        ("/v1beta/files/..%2fmodels/gemini-2.5-flash%3AgenerateContent", "gemini-2.5-flash"),
        ("/model/x/y/../converse", "x"),
        ("/model/arn%3Aaws%3Ab%2Fx/Converse", "arn:aws:b/x"),
        ("/model/x/invoke/../invoke-with-response-stream", "x"),
        ("/openai/Deployments/d1/chat/x/../completions", "d1"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/y/../claude-x:RAWPREDICT", "claude-x"),
    ] {
        let route = route("POST", path).unwrap_or_else(|| panic!("{path}"));
        let found = route.model.unwrap();
        assert_eq!(found.name, model, "{path}");
        let written = path[found.span].replace("%3A", ":").replace("%2F", "/");
        assert_eq!(written, model, "{path}");
    }
}

/// Google serves its methods by gRPC at the same hosts: recognised, and left to the rule for what cannot be read.
#[test]
fn gemini_by_grpc_is_not_a_way_around_the_meter() {
    for (method, name) in [
        ("GenerateContent", "gemini-generate"),
        ("StreamGenerateContent", "gemini-generate"),
        ("EmbedContent", "gemini-embed"),
    ] {
        for service in [
            "google.ai.generativelanguage.v1beta.GenerativeService",
            "google.cloud.aiplatform.v1.PredictionService",
        ] {
            let route = route("POST", &format!("/{service}/{method}")).unwrap();
            assert_eq!(route.dialect.name, name);
            assert!(route.read(b"\0\0\0\0\x05\x0a\x03abc").is_err());
        }
    }
    assert!(route("POST", "/google.longrunning.Operations/GetOperation").is_none());
    assert!(route("POST", "/google.ai.generativelanguage.v1beta.GenerativeService/CountTokens").is_none());
}

/// Methods are words of upper case; some servers do not mind, and some let a header say another.
#[test]
fn no_method_goes_around_the_meter() {
    for method in ["post", "PUT", "PATCH", "Post", "QUERY"] {
        assert!(route(method, "/v1/chat/completions").is_some(), "{method}");
    }
    let overridden = |method: &'static str, said: &'static str| {
        let header = move |name: &str| (name == "x-http-method-override").then_some(said.as_bytes());
        String::from_utf8(effective_method(method.as_bytes(), header).to_vec()).unwrap()
    };
    assert_eq!(overridden("GET", "POST"), "POST");
    assert_eq!(overridden("POST", "GET"), "POST");
    assert_eq!(overridden("GET", ""), "GET");
    assert_eq!(effective_method(b"GET", |_| None), b"GET");
}

#[test]
fn each_prompt_of_a_list_has_answers_of_its_own() {
    let route = recognise(b"POST", b"", b"/v1/completions").metered().unwrap();
    for (body, choices) in [
        (r#"{"model":"m","prompt":"a","n":3}"#, 3),
        (r#"{"model":"m","prompt":["a","b"],"n":3}"#, 6),
        (r#"{"model":"m","best_of":2,"prompt":["a","b","c"]}"#, 6),
        (r#"{"model":"m","prompt":[1,2,3]}"#, 1),
        (r#"{"model":"m","prompt":[[1,2],[3]]}"#, 2),
        (r#"{"model":"m","prompt":[]}"#, 1),
    ] {
        assert_eq!(route.read(body.as_bytes()).unwrap().choices, choices, "{body}");
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
        // Servers written in Go compare keys without regard to case, by Unicode's rules.
        br#"{"model":"a","Model":"b"}"#,
        br#"{"model":"a","MESSAGES":[]}"#,
        "{\"model\":\"a\",\"me\u{17f}\u{17f}ages\":[]}".as_bytes(),
        br#"{"model":"a","\u017ftream":true}"#,
        b"{\0\"\0m\0o\0d\0e\0l\0\"\0:\0\"\0a\0\"\0}\0",
        b"\xff\xfe{\0}\0",
        b"(\xb5/\xfd",
        b"{\"model\":\"a\"\x0c}",
        b"{'model':'a'}",
        br#"{"model":"a",}"#,
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
    for (written, bound) in [
        ("-5", None),
        ("1e3", Some(1000)),
        ("1.5", None),
        ("null", None),
        ("\"7\"", Some(7)),
        ("\" +1_0.0 \"", Some(10)),
        ("\"inf\"", None),
        ("\"1e3\"", None),
        ("\"\"", None),
        ("\"seven\"", None),
        ("\"+000000000000000000000000000000000000000000000010.0\"", Some(10)),
        ("\"1.5\"", None),
    ] {
        let body = format!(r#"{{"model":"a","max_tokens":{written}}}"#);
        assert_eq!(chat().read(body.as_bytes()).unwrap().output_bound, bound, "{written}");
    }
    for long in ["9".repeat(400), "1e400".to_owned()] {
        let body = format!(r#"{{"model":"a","max_tokens":{long}}}"#);
        assert_eq!(chat().read(body.as_bytes()).unwrap().output_bound, Some(u64::MAX), "{long}");
    }
    // 1,000 and 1, written so that a short look sees 0 and 1e38.
    let zeros = "0".repeat(60);
    for cut in [format!("0.{zeros}1e64"), format!("1{zeros}e-60")] {
        assert!(chat().read(format!(r#"{{"model":"a","max_tokens":{cut}}}"#).as_bytes()).is_err(), "{cut}");
    }
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
    let interactions = ("generativelanguage.googleapis.com", "/v1beta/interactions");
    let converse =
        ("bedrock-runtime.us-east-1.amazonaws.com", "/model/meta.llama3-8b-instruct-v1:0/converse");
    let llama = ("bedrock-runtime.us-east-1.amazonaws.com", "/model/meta.llama3-8b-instruct-v1:0/invoke");
    let titan = ("bedrock-runtime.us-east-1.amazonaws.com", "/model/amazon.titan-text-lite-v1/invoke");
    let invoke = |path| ("bedrock-runtime.us-east-1.amazonaws.com", path);
    let unknown = invoke("/model/arn%3Aaws%3Abedrock%3Ax/invoke");
    let gpt_oss = invoke("/model/openai.gpt-oss-120b-1%3A0/invoke");
    let titan_embed = invoke("/model/amazon.titan-embed-text-v2%3A0/invoke");
    let cohere_embed = invoke("/model/us.cohere.embed-v4%3A0/invoke");
    let rerank = invoke("/model/cohere.rerank-v3-5%3A0/invoke");
    let canvas = invoke("/model/amazon.nova-canvas-v1%3A0/invoke");
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
        (
            interactions,
            r#"{"model":"gemini-3.8-flash","input":"hi"}"#,
            Some(r#"{"generation_config":{"max_output_tokens":7},"model":"gemini-3.8-flash","input":"hi"}"#),
        ),
        (
            interactions,
            r#"{"model":"a","generation_config":{"temperature":0.7,"max_output_tokens": 500}}"#,
            Some(r#"{"model":"a","generation_config":{"temperature":0.7,"max_output_tokens": 7}}"#),
        ),
        (
            interactions,
            r#"{"model":"a","generationConfig":{"topP":1}}"#,
            Some(r#"{"model":"a","generationConfig":{"max_output_tokens":7,"topP":1}}"#),
        ),
        (
            interactions,
            r#"{"generation_config":null,"model":"a"}"#,
            Some(r#"{"generation_config":{"max_output_tokens":7},"model":"a"}"#),
        ),
        (interactions, r#"{"agent":"deep-research-pro-preview-12-2025","input":"hi"}"#, None),
        (converse, r#"{"messages":[]}"#, Some(r#"{"inferenceConfig":{"maxTokens":7},"messages":[]}"#)),
        (llama, r#"{"prompt":""}"#, Some(r#"{"max_gen_len":7,"prompt":""}"#)),
        (titan, r#"{"textGenerationConfig":{}}"#, Some(r#"{"textGenerationConfig":{"maxTokenCount":7}}"#)),
        (unknown, r#"{"prompt":""}"#, None),
        (
            gpt_oss,
            r#"{"messages":[],"max_completion_tokens":100000}"#,
            Some(r#"{"messages":[],"max_completion_tokens":7}"#),
        ),
        // What embeds, ranks or draws has no bound of this kind, and some refuse it.
        (titan_embed, r#"{"inputText":"hi"}"#, None),
        (cohere_embed, r#"{"max_tokens":5000,"texts":["hi"]}"#, None),
        (rerank, r#"{"query":"hi","documents":["a"]}"#, None),
        (canvas, r#"{"taskType":"TEXT_IMAGE"}"#, None),
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

fn form(parts: &str) -> Result<Facts, Opaque> {
    let route = route("POST", "/v1/audio/transcriptions").unwrap();
    route.read(parts.replace('|', "\r\n").as_bytes())
}

#[test]
fn a_form_is_read_as_its_server_reads_it() {
    let file = "--b|Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"||RIFF|";
    let model = "--b|content-disposition: form-data; name=\"model\"||whisper-1|";
    assert_eq!(form(&format!("{file}{model}--b--|")).unwrap().model, "whisper-1");
    assert_eq!(
        form(&format!("{file}--b|Content-Disposition: form-data; name=model||whisper-1|--b--|"))
            .unwrap()
            .model,
        "whisper-1"
    );
    for (what, body) in [
        ("two models", format!("{model}{model}--b--|")),
        (
            "a part before the first of the boundary that the header names",
            format!("--x|Content-Disposition: form-data; name=\"model\"||cheap|{model}--b--|"),
        ),
        (
            "a name in another way",
            format!("{model}--b|Content-Disposition: form-data; name*=utf-8''model||dear|--b--|"),
        ),
        (
            "a name without a space",
            format!("{model}--b|Content-Disposition: form-data;name=\"model\"||dear|--b--|"),
        ),
        (
            "a part that ends its lines otherwise",
            format!("{model}--b\nContent-Disposition: form-data; name=\"model\"\n\ndear\n--b--|"),
        ),
        ("text before the first boundary", format!("hello|{model}--b--|")),
        ("no boundary", "--|Content-Disposition: form-data; name=\"model\"||a|".to_owned()),
    ] {
        assert!(form(&body).is_err(), "{what}");
    }
}

/// What the policy wants to know of a body beside the facts changes none of them.
#[test]
fn pointers_change_no_fact() {
    let bodies: [&str; 5] = [
        r#"{"model":"gpt-4o","max_tokens":5,"stream":true,"user":"ana","messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"messages":[],"metadata":{"user":"x","a":{"b":1}},"model":"gpt-4o","stream_options":{}}"#,
        r#"{"model":"gpt-4o","model":"x"}"#,
        r#"{"model":"gpt-4o""#,
        "[]",
    ];
    let pointers = ["/user", "/metadata/a/b", "/model"].map(|text| Pointer::parse(text).unwrap());
    let mut pointed = chat();
    pointed.pointers = pointers.into();
    for body in bodies {
        let plain = chat().read(body.as_bytes());
        let with = pointed.read(body.as_bytes()).map(|facts| Facts { pointed: Vec::new(), ..facts });
        assert_eq!(plain.is_ok(), with.is_ok(), "{body}");
        assert_eq!(plain.ok(), with.ok(), "{body}");
    }
    let found = pointed.read(bodies[0].as_bytes()).unwrap().pointed;
    assert_eq!(found, [Some("ana".to_owned()), None, Some("gpt-4o".to_owned())]);
}
