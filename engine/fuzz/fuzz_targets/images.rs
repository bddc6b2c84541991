//! Pictures, whole or broken, in every way in which an API takes them: no panic, and the same count if each sign of
//! the base64 is escaped, which cuts it into pieces of one byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenstile_engine::dialect::recognise;

/// Host, path, and the body before and behind the picture's base64.
const PLACES: &[(&str, &str, &str, &str)] = &[
    (
        "api.openai.com",
        "/v1/chat/completions",
        r#"{"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,"#,
        r#""}}]}]}"#,
    ),
    (
        "api.openai.com",
        "/v1/responses",
        r#"{"model":"gpt-4.1-mini","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/jpeg;base64,"#,
        r#""}]}]}"#,
    ),
    (
        "api.anthropic.com",
        "/v1/messages",
        r#"{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":""#,
        r#""}}]}]}"#,
    ),
    (
        "generativelanguage.googleapis.com",
        "/v1beta/models/gemini-2.5-flash:generateContent",
        r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"image/webp","data":""#,
        r#""}}]}]}"#,
    ),
    (
        "bedrock-runtime.us-east-1.amazonaws.com",
        "/model/us.amazon.nova-lite-v1:0/converse",
        r#"{"messages":[{"role":"user","content":[{"image":{"format":"gif","source":{"bytes":""#,
        r#""}}}]}]}"#,
    ),
    ("localhost", "/api/chat", r#"{"model":"llava","messages":[{"role":"user","images":[""#, r#""]}]}"#),
];

fuzz_target!(|bytes: &[u8]| {
    let Some((number, picture)) = bytes.split_first() else { return };
    let (host, path, before, behind) = PLACES[usize::from(*number) % PLACES.len()];
    let route = recognise(b"POST", host.as_bytes(), path.as_bytes()).metered().expect("it is metered");
    let plain = base64(picture);
    let escaped: String = plain.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let count = |text: &str| {
        let body = format!("{before}{text}{behind}");
        let facts = route.read(body.as_bytes()).expect("the body is JSON");
        route.count_prompt(body.as_bytes(), &facts)
    };
    assert_eq!(count(&plain), count(&escaped), "{plain}");
});

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let three = bytes.chunks(3).flat_map(|three| {
        let bits =
            three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        (0..=three.len()).map(move |i| char::from(DIGITS[(bits >> (18 - 6 * i) & 63) as usize]))
    });
    three.collect()
}
