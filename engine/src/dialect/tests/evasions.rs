//! Prompts, streams and numbers that stand where few look.

use super::*;

#[test]
fn a_number_in_a_text_that_is_not_seen_whole_is_opaque() {
    for (padding, is_read) in [(100, true), (300, false)] {
        for filler in [" ", "0"] {
            for name in ["max_tokens", "n"] {
                let body = format!(r#"{{"model":"a","{name}":"{}10"}}"#, filler.repeat(padding));
                assert_eq!(chat().read(body.as_bytes()).is_ok(), is_read, "{body}");
            }
        }
    }
}

/// As pydantic has it: <https://docs.pydantic.dev/latest/concepts/conversion_table/>.
#[test]
fn a_stream_may_be_asked_for_by_other_than_true() {
    for (written, streams) in [
        ("true", true),
        ("1", true),
        ("1.0", true),
        ("\"true\"", true),
        ("\"YES\"", true),
        ("\"t\"", true),
        ("\"On\"", true),
        ("\"1\"", true),
        ("\"false\"", false),
        ("\"\"", false),
        ("0", false),
        ("null", false),
    ] {
        let facts = chat().read(format!(r#"{{"model":"a","stream":{written}}}"#).as_bytes()).unwrap();
        assert_eq!(facts.stream, streams, "{written}");
    }
}

/// One reader of texts for both kinds of body.
#[test]
fn a_form_says_numbers_and_truth_as_json_does() {
    let edits = route("POST", "/v1/images/edits").unwrap();
    for (n, stream, expected) in [
        ("3", "true", (3, true)),
        ("10.0", "1", (10, true)),
        ("1_0", "True", (10, true)),
        ("x", "false", (1, false)),
    ] {
        let field = |name: &str, value: &str| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = format!("{}{}--b--\r\n", field("n", n), field("stream", stream));
        let facts = edits.read(body.as_bytes()).unwrap();
        assert_eq!((facts.choices, facts.stream), expected, "{n} {stream}");
    }
}

#[test]
fn a_document_of_blocks_counts_as_its_blocks() {
    let messages = route("POST", "/v1/messages").unwrap();
    let body = |content: &str| {
        format!(
            r#"{{"model":"claude-sonnet-4-5","messages":[{{"role":"user","content":[{{"type":"document","source":{{"type":"content","content":{content}}}}}]}}]}}"#
        )
    };
    let words = "word ".repeat(3000);
    let image = r#"{"type":"image","source":{"type":"url","url":"https://x/a.png"}}"#;
    assert!(part(&messages, &body(&format!("\"{words}\"")), "text") >= 3000);
    let blocks = body(&format!(r#"[{{"type":"text","text":"{words}"}},{image},{image}]"#));
    assert!(part(&messages, &blocks, "text") >= 3000);
    assert_eq!(part(&messages, &blocks, "unseen_images"), 2);
}

/// Gemini's API takes an object where it documents a list of them.
#[test]
fn one_object_counts_as_a_list_of_it() {
    let gemini = route("POST", "/v1beta/models/gemini-2.5-flash:generateContent").unwrap();
    let count = |contents: &str, functions: &str| {
        let tools = format!(r#"[{{"functionDeclarations":{functions}}}]"#);
        let body = |tools: &str| {
            format!(
                r#"{{"contents":{contents},"systemInstruction":{{"parts":[{{"text":"hi"}}]}},"tools":{tools}}}"#
            )
        };
        let inner = tools.trim_matches(['[', ']']).to_owned();
        let both = [tools, inner].map(|tools| parts(&gemini, &body(&tools)));
        assert_eq!(both[0], both[1], "{functions}");
        both[0].clone()
    };
    let text = r#"{"text":"Some words that are said, and sent."}"#;
    let tool = r#"{"name":"find","parameters":{"type":"object","properties":{"what":{"type":"string"}}}}"#;
    let listed = count(&format!(r#"[{{"role":"user","parts":[{text}]}}]"#), &format!("[{tool}]"));
    for expected in [("messages", 1), ("text", 11), ("named_tools", 1), ("properties", 1)] {
        assert!(listed.0.contains(&expected), "{expected:?} {listed:?}");
    }
    for contents in [
        format!(r#"[{{"role":"user","parts":{text}}}]"#),
        format!(r#"{{"role":"user","parts":[{text}]}}"#),
        format!(r#"{{"role":"user","parts":{text}}}"#),
    ] {
        assert_eq!(count(&contents, tool), listed, "{contents}");
    }
    for parts in [r#"{"inlineData":{"data":"iVBORw0KGgo="}}"#, r#"[{"fileData":{"fileUri":"https://x/y"}}]"#]
    {
        for contents in [format!(r#"[{{"parts":{parts}}}]"#), format!(r#"{{"parts":{parts}}}"#)] {
            let facts = gemini.read(format!(r#"{{"contents":{contents}}}"#).as_bytes()).unwrap();
            assert!(facts.features.meets(Features::VISION), "{contents}");
        }
    }
}
