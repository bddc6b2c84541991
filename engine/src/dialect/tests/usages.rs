//! What answers state of their usage, in the words of many providers. Each is from the document that the dialect cites.

use super::*;
use crate::usage::{AnswerReader, Usage};

/// What is stated by an answer, whole or as a stream, of a call to this host and path.
fn stated(place: &str, answer: &str) -> Option<Usage> {
    let (host, path) = place.split_once('/').unwrap();
    let path = format!("/{path}");
    let route = recognise(b"POST", host.as_bytes(), path.as_bytes()).metered().expect(place);
    let kind = if answer.starts_with("data:") { "text/event-stream" } else { "application/json" };
    let mut reader = AnswerReader::new(route.dialect, kind.as_bytes(), false, "");
    for byte in answer.as_bytes() {
        reader.feed(std::slice::from_ref(byte));
    }
    reader.stated()
}

const CHAT: &str = "api.example.com/v1/chat/completions";

#[test]
fn openai_like_servers_have_many_words() {
    let chat = |usage: &str| stated(CHAT, &format!(r#"{{"usage":{usage}}}"#)).unwrap();
    let basic = Usage { input: 20, output: 30, ..Usage::default() };
    assert_eq!(chat(r#"{"prompt_tokens":20,"completion_tokens":30,"total_tokens":50}"#), basic);
    // A total above all that is told was thought; what the audio took is told, and so is what the cache gave.
    let thought = Usage { output: 2_030, reasoning: 2_000, ..basic };
    assert_eq!(chat(r#"{"prompt_tokens":20,"completion_tokens":30,"total_tokens":2050}"#), thought);
    let heard = Usage { input_audio: 375, ..basic };
    let audio = r#"{"prompt_tokens":20,"completion_tokens":30,"total_tokens":425,"prompt_tokens_details":{"audio_tokens":375}}"#;
    assert_eq!(chat(audio), heard);
    // Reasoning stands in the output, or beside it.
    let inside = r#"{"prompt_tokens":20,"completion_tokens":30,"total_tokens":50,"completion_tokens_details":{"reasoning_tokens":12}}"#;
    assert_eq!(chat(inside), Usage { reasoning: 12, ..basic });
    let beside = r#"{"prompt_tokens":20,"completion_tokens":30,"total_tokens":62,"completion_tokens_details":{"reasoning_tokens":12}}"#;
    assert_eq!(chat(beside), Usage { output: 42, reasoning: 12, ..basic });
    // What a cache gave stands in the input, or by the total beside it; it is no thought.
    let cached = Usage { input: 1_020, output: 30, cache_read: 1_000, ..Usage::default() };
    for usage in [
        r#"{"prompt_tokens":1020,"completion_tokens":30,"total_tokens":1050,"prompt_tokens_details":{"cached_tokens":1000}}"#,
        r#"{"prompt_tokens":20,"completion_tokens":30,"total_tokens":1050,"prompt_tokens_details":{"cached_tokens":1000}}"#,
        r#"{"prompt_tokens":20,"completion_tokens":30,"total_tokens":1050,"cache_read_input_tokens":1000,"cache_creation_input_tokens":0}"#,
    ] {
        assert_eq!(chat(usage), cached, "{usage}");
    }
    let beside_more = r#"{"prompt_tokens":2000,"completion_tokens":100,"total_tokens":3600,"cache_read_input_tokens":1500,"cache_creation_input_tokens":0}"#;
    assert_eq!(chat(beside_more), Usage { input: 3_500, output: 100, cache_read: 1_500, ..Usage::default() });
    // LiteLLM's words for a prompt that was written to the cache: inside the prompt, or in Anthropic's way.
    let written = Usage { input: 1_000, output: 10, cache_write: 900, ..Usage::default() };
    for usage in [
        r#"{"prompt_tokens":1000,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":0,"cache_creation_tokens":900}}"#,
        r#"{"prompt_tokens":1000,"completion_tokens":10,"cache_creation_input_tokens":900,"cache_read_input_tokens":0}"#,
        r#"{"prompt_tokens":100,"completion_tokens":10,"cache_creation_input_tokens":900,"cache_read_input_tokens":0}"#,
    ] {
        assert_eq!(chat(usage), written, "{usage}");
    }
    // More from the cache than there was, as Azure says of Grok: that is no reason to charge for it beside.
    let odd =
        chat(r#"{"prompt_tokens":100,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":150}}"#);
    assert_eq!(odd, Usage { input: 100, output: 10, cache_read: 150, ..Usage::default() });
}

#[test]
fn perplexitys_citations_are_read_and_its_thoughts_are_written() {
    let answer = r#"{"usage":{"prompt_tokens":33,"completion_tokens":7163,"total_tokens":7196,"citation_tokens":20016,"num_search_queries":18,"reasoning_tokens":73997}}"#;
    let usage = stated("api.perplexity.ai/chat/completions", answer).unwrap();
    let expected = Usage {
        input: 33 + 20_016,
        output: 7_163 + 73_997,
        reasoning: 73_997,
        web_searches: 18,
        ..Usage::default()
    };
    assert_eq!(usage, expected);
}

#[test]
fn usage_stands_in_many_places() {
    let moonshots = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\",\"usage\":{\"prompt_tokens\":20019,",
        "\"completion_tokens\":13,\"total_tokens\":20032,\"cached_tokens\":19968}}]}\n\ndata: [DONE]\n\n",
    );
    let expected = Usage { input: 20_019, output: 13, cache_read: 19_968, ..Usage::default() };
    assert_eq!(stated(CHAT, moonshots), Some(expected));
    let groqs =
        "data: {\"choices\":[],\"x_groq\":{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}}\n\n";
    assert_eq!(stated(CHAT, groqs), Some(Usage { input: 9, output: 3, ..Usage::default() }));
}

/// What the provider says that it charges, as it is read.
#[test]
fn bills_are_read_to_the_billionth_of_a_dollar() {
    let billed = |path: &str, usage: &str| {
        let route = recognise(b"POST", b"api.example.com", path.as_bytes()).metered().unwrap();
        let mut reader = AnswerReader::new(route.dialect, b"application/json", false, "");
        reader.feed(format!(r#"{{"usage":{usage}}}"#).as_bytes());
        reader.served().cost.map(|cost| cost.0)
    };
    for (usage, nano) in [
        (r#"{"cost":0.00338655}"#, Some(3_386_550)),
        (r#"{"cost":2e-7,"is_byok":false}"#, Some(200)),
        (
            r#"{"cost":{"input_tokens_cost":2e-05,"request_cost":0.005,"total_cost":0.00504}}"#,
            Some(5_040_000),
        ),
        (r#"{"cost_in_usd_ticks":215000000}"#, Some(21_500_000)),
        // The key's owner pays the maker of the model too.
        (r#"{"cost":0.0001,"is_byok":true}"#, None),
        (r#"{"is_byok":true,"cost":0.0001}"#, None),
        // Streams say nothing by this until they end.
        (r#"{"cost":0}"#, None),
        (r#"{"cost":-1}"#, None),
        (r#"{"cost":1e300}"#, None),
        (r#"{"cost":"0.1"}"#, None),
        (r#"{"cost":null}"#, None),
    ] {
        for path in ["/v1/chat/completions", "/v1/responses", "/v1/embeddings"] {
            assert_eq!(billed(path, usage), nano, "{path} {usage}");
        }
    }
}

#[test]
fn images_are_what_an_image_model_puts_out() {
    let place = "api.openai.com/v1/images/generations";
    let streamed = concat!(
        "data: {\"type\":\"image_generation.completed\",\"usage\":{\"total_tokens\":4210,\"input_tokens\":50,",
        "\"output_tokens\":4160,\"input_tokens_details\":{\"text_tokens\":50,\"image_tokens\":0}}}\n\n",
    );
    let all = Usage { input: 50, output: 4_160, output_image: 4_160, ..Usage::default() };
    assert_eq!(stated(place, streamed), Some(all));
    let whole = r#"{"usage":{"total_tokens":4210,"input_tokens":50,"output_tokens":4160,"output_tokens_details":{"image_tokens":4000,"text_tokens":160}}}"#;
    assert_eq!(stated(place, whole), Some(Usage { output_image: 4_000, ..all }));
}

#[test]
fn bedrock_says_for_how_long_it_keeps_a_prompt() {
    let converse =
        "bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1:0/converse";
    let kept = Usage {
        input: 150_010,
        output: 10,
        cache_write: 150_000,
        cache_write_1h: 100_000,
        ..Usage::default()
    };
    for details in [
        r#"[{"ttl":"1h","inputTokens":100000},{"ttl":"5m","inputTokens":50000}]"#,
        r#"[{"inputTokens":50000,"ttl":"5m"},{"inputTokens":100000,"ttl":"1h"}]"#,
    ] {
        let answer = format!(
            r#"{{"usage":{{"inputTokens":10,"outputTokens":10,"cacheWriteInputTokens":150000,"cacheDetails":{details}}}}}"#
        );
        assert_eq!(stated(converse, &answer), Some(kept), "{details}");
    }
}

#[test]
fn bedrock_invokes_models_in_their_own_words() {
    let invoke = |model: &str| format!("bedrock-runtime.us-east-1.amazonaws.com/model/{model}/invoke");
    let nova = r#"{"usage":{"inputTokens":10,"outputTokens":10,"cacheReadInputTokenCount":100000,"cacheWriteInputTokenCount":0}}"#;
    let cached = Usage { input: 100_010, output: 10, cache_read: 100_000, ..Usage::default() };
    assert_eq!(stated(&invoke("us.amazon.nova-pro-v1:0"), nova), Some(cached));
    let openai = r#"{"usage":{"prompt_tokens":1000,"completion_tokens":2000,"total_tokens":3000}}"#;
    let told = Usage { input: 1_000, output: 2_000, ..Usage::default() };
    assert_eq!(stated(&invoke("openai.gpt-oss-120b-1:0"), openai), Some(told));
}

#[test]
fn what_was_heard_is_no_thought() {
    let answer = r#"{"text":"x","usage":{"prompt_audio_seconds":203,"prompt_tokens":4,"total_tokens":3264,"completion_tokens":635}}"#;
    let usage = stated("api.mistral.ai/v1/audio/transcriptions", answer).unwrap();
    assert_eq!((usage.output, usage.reasoning), (635, 0));
}

/// What another model did for the answer is in the totals, and told apart.
#[test]
fn another_models_part_is_told_apart() {
    let read = |place: &str, answer: &str| {
        let (host, path) = place.split_once('/').unwrap();
        let path = format!("/{path}");
        let route = recognise(b"POST", host.as_bytes(), path.as_bytes()).metered().unwrap();
        let mut reader = AnswerReader::new(route.dialect, b"application/json", false, "");
        reader.feed(answer.as_bytes());
        (reader.stated().unwrap(), reader.served().other)
    };
    let claude = "api.anthropic.com/v1/messages";
    let asked = r#"{"model":"claude-sonnet-5","usage":{"input_tokens":20,"output_tokens":7,"iterations":[{"type":"message","input_tokens":20,"output_tokens":3},{"type":"advisor_message","model":"claude-opus-4-8","input_tokens":100,"output_tokens":9,"cache_read_input_tokens":50},{"type":"message","input_tokens":20,"output_tokens":4}]}}"#;
    let (usage, other) = read(claude, asked);
    let advice = Usage { input: 150, cache_read: 50, output: 9, ..Usage::default() };
    assert_eq!(usage, Usage { input: 170, cache_read: 50, output: 16, ..Usage::default() });
    assert_eq!(other, Some(crate::usage::Other { model: "claude-opus-4-8".to_owned(), usage: advice }));
    assert_eq!(usage.without(advice), Usage { input: 20, output: 7, ..Usage::default() });
    assert_eq!(usage.without(advice).with(advice), usage);
    // A summary that the same model made is no other's.
    let compacted = r#"{"model":"claude-sonnet-5","usage":{"input_tokens":20,"output_tokens":7,"iterations":[{"type":"compaction","input_tokens":100,"output_tokens":9},{"type":"message","input_tokens":20,"output_tokens":7}]}}"#;
    assert_eq!(read(claude, compacted), (Usage { input: 120, output: 16, ..Usage::default() }, None));
    // The answering model may be named behind, or in another spelling.
    let sorted = r#"{"usage":{"input_tokens":1000,"output_tokens":100,"iterations":[{"type":"message","model":"claude-opus-4-6","input_tokens":1000,"output_tokens":100}]},"model":"claude-opus-4-6"}"#;
    let spelled = r#"{"model":"anthropic.claude-opus-4-6","usage":{"input_tokens":1000,"output_tokens":100,"iterations":[{"type":"message","model":"claude-opus-4-6","input_tokens":1000,"output_tokens":100}]}}"#;
    for answer in [sorted, spelled] {
        assert_eq!(read(claude, answer), (Usage { input: 1_000, output: 100, ..Usage::default() }, None));
    }
    // What was declined without a word costs nothing.
    let fallback = |declined: u64| {
        format!(
            r#"{{"model":"claude-opus-4-8","usage":{{"input_tokens":1000,"output_tokens":1000,"iterations":[{{"type":"message","model":"claude-fable-5","input_tokens":1000,"output_tokens":{declined}}},{{"type":"fallback_message","model":"claude-opus-4-8","input_tokens":1000,"output_tokens":1000}}]}}}}"#
        )
    };
    let (usage, other) = read(claude, &fallback(2_000));
    let declined = Usage { input: 1_000, output: 2_000, ..Usage::default() };
    assert_eq!(usage, Usage { input: 2_000, output: 3_000, ..Usage::default() });
    assert_eq!(other, Some(crate::usage::Other { model: "claude-fable-5".to_owned(), usage: declined }));
    assert_eq!(read(claude, &fallback(0)), (Usage { input: 1_000, output: 1_000, ..Usage::default() }, None));
    let drawn = r#"{"model":"gpt-5.5","tools":[{"type":"image_generation","model":"gpt-image-2"}],"usage":{"input_tokens":1820,"output_tokens":210},"tool_usage":{"image_gen":{"input_tokens":100,"input_tokens_details":{"image_tokens":0,"text_tokens":100},"output_tokens":7024,"output_tokens_details":{"image_tokens":7024,"text_tokens":0}}}}"#;
    let (usage, other) = read("api.openai.com/v1/responses", drawn);
    let image = Usage { input: 100, output: 7_024, output_image: 7_024, ..Usage::default() };
    assert_eq!(usage, Usage { input: 1_920, output: 7_234, output_image: 7_024, ..Usage::default() });
    assert_eq!(other, Some(crate::usage::Other { model: "gpt-image-2".to_owned(), usage: image }));
    let none = drawn.replace("7024", "0").replace("100", "0");
    assert_eq!(read("api.openai.com/v1/responses", &none).1, None);
}

#[test]
fn a_stream_that_another_model_goes_on_with_is_that_models() {
    let events = [
        r#"{"type":"message_start","message":{"model":"claude-fable-5","usage":{"input_tokens":1000,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"fallback","from":{"model":"claude-fable-5"},"to":{"model":"claude-opus-4-8"}}}"#,
        r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":1000,"output_tokens":1000,"iterations":[{"type":"message","model":"claude-fable-5","input_tokens":1000,"output_tokens":0},{"type":"fallback_message","model":"claude-opus-4-8","input_tokens":1000,"output_tokens":1000}]}}"#,
    ];
    let stream: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let route = recognise(b"POST", b"api.anthropic.com", b"/v1/messages").metered().unwrap();
    let mut reader = AnswerReader::new(route.dialect, b"text/event-stream", false, "");
    stream.as_bytes().chunks(5).for_each(|piece| reader.feed(piece));
    assert_eq!(reader.stated(), Some(Usage { input: 1_000, output: 1_000, ..Usage::default() }));
    assert_eq!((reader.model(), reader.served().other), ("claude-opus-4-8", None));
}
