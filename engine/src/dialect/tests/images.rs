//! What counts as an image, and what does not.

use super::*;

const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// A PDF that shows no page, `ftypisom`, `ftypheic`, and WebM.
const PDF: &str = "JVBERi0xLjcgY29tcHJlc3NlZA==";
const MP4: &str = "AAAAIGZ0eXBpc29tAAACAGlzb20=";
const HEIC: &str = "AAAAIGZ0eXBoZWljAAACAGhlaWM=";
const WEBM: &str = "GkXfo59ChoEBQveBAULygQRC";

/// The images of a request, and whether it uses vision.
fn images(path: &str, body: &str) -> (u64, bool) {
    let route = route("POST", path).unwrap();
    let facts = route.read(body.as_bytes()).unwrap_or_else(|why| panic!("{}: {body}", why.0));
    let sent = route.count_prompt(body.as_bytes(), &facts).images;
    (sent.saturating_add(facts.images), facts.features.meets(Features::VISION))
}

fn chat(parts: &str) -> (&'static str, String) {
    ("/v1/chat/completions", format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{parts}]}}]}}"#))
}

fn claude(blocks: &str) -> (&'static str, String) {
    ("/v1/messages", format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{blocks}]}}]}}"#))
}

fn responses(items: &str) -> (&'static str, String) {
    ("/v1/responses", format!(r#"{{"model":"m","input":[{items}]}}"#))
}

fn gemini(parts: &str) -> (&'static str, String) {
    ("/v1beta/models/gemini-2.5-flash:generateContent", format!(r#"{{"contents":[{{"parts":[{parts}]}}]}}"#))
}

fn interactions(contents: &str) -> (&'static str, String) {
    ("/v1beta/interactions", format!(r#"{{"model":"gemini-3.8-flash","input":{contents}}}"#))
}

fn converse(blocks: &str) -> (&'static str, String) {
    (
        "/model/anthropic.claude-3-haiku-20240307-v1:0/converse",
        format!(r#"{{"messages":[{{"role":"user","content":[{blocks}]}}]}}"#),
    )
}

#[test]
fn images_are_found_wherever_an_api_takes_them_and_are_vision() {
    for (path, body) in [
        chat(r#"{"type":"image_url","image_url":"https://x/a"}"#),
        chat(r#"{"type":"image_url","image_url":{"url":"https://x/a"}}"#),
        chat(&format!(r#"{{"type":"image_url","image_url":"data:image/png;base64,{PNG}"}}"#)),
        responses(r#"{"role":"user","content":[{"type":"input_image","image_url":"https://x/a"}]}"#),
        responses(
            r#"{"type":"function_call_output","output":[{"type":"input_image","image_url":"https://x/a"}]}"#,
        ),
        responses(
            r#"{"type":"computer_call_output","output":{"type":"computer_screenshot","image_url":"https://x/a"}}"#,
        ),
        responses(
            r#"{"type":"computer_call_output","output":{"type":"computer_screenshot","file_id":"file-6F2ksmvXxt4VdoqmHRw6kL"}}"#,
        ),
        claude(r#"{"type":"image","source":{"type":"url","url":"https://x/a"}}"#),
        claude(r#"{"type":"image","source":{"type":"url","url":"HTTPS://x.example/a.png"}}"#),
        claude(r#"{"source":{"type":"file","file_id":"file_011CNha8iCJcU1wXNR6q4V8w"},"type":"image"}"#),
        claude(&format!(
            r#"{{"type":"tool_result","content":[{{"type":"image","source":{{"data":"{PNG}"}}}}]}}"#
        )),
        claude(
            r#"{"source":{"content":[{"type":"image","source":{"url":"https://x/a"}}]},"type":"document"}"#,
        ),
        gemini(&format!(r#"{{"inlineData":{{"data":"{HEIC}"}}}}"#)),
        gemini(r#"{"fileData":{"fileUri":"gs://bucket/a.png"}}"#),
        gemini(r#"{"file_data":{"file_uri":"https://x/a","mime_type":"image/png"}}"#),
        interactions(&format!(r#"[{{"type":"image","data":"{PNG}","mime_type":"image/png"}}]"#)),
        interactions(r#"{"uri":"https://x/a","type":"image"}"#),
        interactions(
            r#"[{"type":"image","uri":"https://x/a"},{"type":"document","uri":"https://x/b"},{"type":"text","text":"hi"}]"#,
        ),
        interactions(r#"[{"type":"user_input","content":[{"type":"image","uri":"https://x/a"}]}]"#),
        interactions(r#"[{"role":"user","content":{"type":"image","uri":"https://x/a"}}]"#),
        interactions(&format!(
            r#"[{{"type":"function_result","call_id":"1","result":[{{"type":"image","data":"{PNG}"}}]}}]"#
        )),
        converse(&format!(r#"{{"image":{{"format":"png","source":{{"bytes":"{PNG}"}}}}}}"#)),
        converse(r#"{"image":{"format":"png","source":{"s3Location":{"uri":"s3://b/a.png"}}}}"#),
        converse(&format!(r#"{{"guardContent":{{"image":{{"source":{{"bytes":"{PNG}"}}}}}}}}"#)),
        converse(&format!(
            r#"{{"toolResult":{{"content":[{{"image":{{"source":{{"bytes":"{PNG}"}}}}}}]}}}}"#
        )),
        (
            "/v2/embed",
            r#"{"model":"m","inputs":[{"content":[{"image_url":{"url":"https://x/a"}}]}]}"#.to_owned(),
        ),
        ("/v2/embed", format!(r#"{{"model":"m","images":["data:image/png;base64,{PNG}"]}}"#)),
        ("/api/chat", format!(r#"{{"model":"m","messages":[{{"content":"hi","images":["{PNG}"]}}]}}"#)),
    ] {
        assert_eq!(images(path, &body), (1, true), "{path} {body}");
    }
}

/// A file's id is an image where its block says so, before or behind it.
#[test]
fn an_id_of_a_file_is_what_its_block_says() {
    for (block, expected) in [
        (r#"{"type":"input_image","file_id":"file-6F2ksmvXxt4VdoqmHRw6kL"}"#, 1),
        (r#"{"file_id":"file-6F2ksmvXxt4VdoqmHRw6kL","type":"input_image"}"#, 1),
        (r#"{"type":"input_file","file_id":"file-6F2ksmvXxt4VdoqmHRw6kL"}"#, 0),
        (r#"{"file_id":"file-6F2ksmvXxt4VdoqmHRw6kL"}"#, 0),
        (
            r#"{"type":"input_image","file_id":"file-6F2ksmvXxt4VdoqmHRw6kL"},{"type":"input_file","file_id":"file-7F2ksmvXxt4VdoqmHRw6kL"}"#,
            1,
        ),
    ] {
        let (path, body) = responses(&format!(r#"{{"role":"user","content":[{block}]}}"#));
        assert_eq!(images(path, &body).0, expected, "{block}");
    }
}

#[test]
fn what_is_no_image_is_not_counted_as_one() {
    for (path, body) in [
        claude(&format!(r#"{{"type":"document","source":{{"type":"base64","data":"{PDF}"}}}}"#)),
        claude(r#"{"type":"document","source":{"type":"url","url":"https://x/a.pdf"}}"#),
        claude(r#"{"source":{"type":"url","url":"https://x/a.pdf"},"type":"document"}"#),
        claude(r#"{"type":"document","source":{"type":"file","file_id":"file-6F2ksmvXxt4VdoqmHRw6kL"}}"#),
        gemini(&format!(r#"{{"inlineData":{{"mimeType":"video/mp4","data":"{MP4}"}}}}"#)),
        gemini(&format!(r#"{{"inlineData":{{"mimeType":"video/webm","data":"{WEBM}"}}}}"#)),
        gemini(r#"{"fileData":{"mimeType":"video/mp4","fileUri":"https://x/a"}}"#),
        gemini(r#"{"fileData":{"fileUri":"https://x/a","mimeType":"application/pdf"}}"#),
        interactions(&format!(r#"[{{"type":"video","data":"{MP4}"}}]"#)),
        interactions(&format!(r#"[{{"type":"document","data":"{PDF}","mime_type":"application/pdf"}}]"#)),
        interactions(r#"[{"type":"audio","uri":"https://x/a"},{"uri":"https://x/a","type":"document"}]"#),
    ] {
        assert_eq!(images(path, &body).0, 0, "{path} {body}");
    }
    let (path, body) = chat(r#"{"type":"text","text":"an image_url"}"#);
    assert_eq!(images(path, &body), (0, false));
}

#[test]
fn an_edit_has_the_images_it_is_given_and_those_it_asks_for() {
    let field = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let form = format!("{}{}--b--\r\n", field("image[]", "png").repeat(5), field("n", "2"));
    assert_eq!(images("/v1/images/edits", &form).0, 7);
    let json =
        r#"{"prompt":"a","images":[{"image_url":"https://x/a"},{"file_id":"file-6F2ksmvXxt4VdoqmHRw6kL"}]}"#;
    assert_eq!(images("/v1/images/edits", json), (3, true));
}

/// It may begin as a link does, or as a data URL.
#[test]
fn a_document_that_is_a_text_counts_as_one() {
    for opening in ["how to ", "do this: ", "data: ", "Hello: ", "s3: "] {
        let text = format!("{opening}{}", "word and word, ".repeat(300));
        let (path, body) =
            claude(&format!(r#"{{"type":"document","source":{{"type":"text","data":"{text}"}}}}"#));
        let tokens = part(&route("POST", path).unwrap(), &body, "text");
        assert!(tokens >= 900, "{opening}: {tokens}");
    }
    for opening in ["https://", "data:"] {
        let long = format!("{opening}{}", "a ".repeat(10_000));
        let (path, body) =
            claude(&format!(r#"{{"type":"document","source":{{"type":"text","data":"{long}"}}}}"#));
        assert!(part(&route("POST", path).unwrap(), &body, "text") >= 4_900, "{opening}");
    }
}

#[test]
fn claude_sees_images_in_patches_and_newer_models_larger_ones() {
    let tokens = |model: &str, size: (u32, u32)| (anthropic::COUNTING.image)(model, Some(size), false);
    for (model, most) in [("claude-opus-4-6", 1_568), ("claude-opus-4-7", 4_784), ("claude-sonnet-5", 4_784)]
    {
        assert_eq!(tokens(model, (200, 100)), 32, "{model}: 8 by 4 patches");
        assert_eq!(tokens(model, (2_576, 1_449)), most, "{model}");
        assert_eq!(tokens(model, (8_000, 28)), if most > 2_000 { 92 } else { 56 }, "{model}: a line");
        assert_eq!(tokens(model, (0, 0)), 0, "{model}");
    }
}
