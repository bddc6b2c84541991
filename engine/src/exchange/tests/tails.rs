//! What the filter puts into a stream and takes out of it, where the host fails in between.

use super::*;

const SSE: &[u8] = b"text/event-stream";

/// A call that streams, under a budget of so many tokens that stops streams, and its first answer's headers.
fn streaming(limit: u64) -> Exchange {
    let mut shop = Shop::new(|policy| {
        policy["expected_output_tokens"] = 1.into();
        policy["budgets"] = json!([{"name": "daily", "per": [], "limit": {"tokens": limit},
            "window": {"calendar": "day"}, "ladder": [{"at": "100%", "deny": {"streams": "stop"}}]}]);
    });
    let mut call = shop.call();
    let mut body: Value = serde_json::from_str(&body("gpt-4o")).unwrap();
    body["stream"] = true.into();
    assert_eq!(call.body(body.to_string().as_bytes(), false, NOON), Next::Reserve);
    assert!(matches!(shop.reserve(&mut call), Next::Forward(_)));
    call.answer_head(200, SSE, false, &[], NOON);
    assert!(call.changes_answer());
    call
}

fn event(text: &str) -> Vec<u8> {
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]})).into_bytes()
}

const USAGE: &[u8] = b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":9}}\n\n";

/// Feeds texts until the stream is due to be stopped.
fn run_out(call: &mut Exchange) {
    while !call.is_stopping() {
        call.answer_chunk(&event(" one two three four five six"), false);
    }
}

/// Edits that go by what was not seen would cut the provider's events.
#[test]
fn behind_a_chunk_that_could_not_be_read_nothing_is_taken_out_or_put_in() {
    let mut call = streaming(60);
    let first = event(" hi");
    let (begins, ends) = first.split_at(20);
    assert_eq!(call.answer_chunk(begins, false), Some(Vec::new()), "an event is held back until it is whole");
    assert_eq!(
        call.answer_chunk_lost().as_deref(),
        Some(begins),
        "and belongs before the chunk that passes unseen"
    );
    for chunk in [ends, USAGE, b"data: [DONE]"] {
        assert_eq!(call.answer_chunk(chunk, false), None);
    }
    for _ in 0..40 {
        assert_eq!(call.answer_chunk(&event(" one two three four five six"), false), None);
        assert!(!call.is_stopping());
    }
    assert_eq!(call.end(true, NOON).unwrap().record.ending, "complete");
}

/// Nobody would know why the rest of the answer is missing.
#[test]
fn where_the_error_did_not_reach_the_client_the_rest_of_the_answer_does() {
    let mut call = streaming(60);
    run_out(&mut call);
    assert!(!call.stop(NOON).is_empty());
    call.answer_is_read_only();
    assert_eq!(call.answer_chunk(&event(" seven"), false), None);
    assert_eq!(call.end(true, NOON).unwrap().record.ending, "complete");
}

/// What fails later changes nothing of that.
#[test]
fn behind_an_error_that_reached_the_client_nothing_comes() {
    for lost in [false, true] {
        let mut call = streaming(60);
        run_out(&mut call);
        assert!(!call.stop(NOON).is_empty());
        if lost {
            assert_eq!(call.answer_chunk_lost(), None, "the chunk itself must not reach it");
        } else {
            assert_eq!(call.answer_chunk(&event(" seven"), false), Some(Vec::new()));
            call.answer_is_read_only();
        }
        assert_eq!(call.answer_chunk(&event(" eight"), false), Some(Vec::new()));
        let record = call.end(true, NOON).unwrap().record;
        assert_eq!((record.ending, record.stopped_by.as_deref()), ("stopped", Some("daily")));
    }
}

/// A stream of Anthropic under a budget of money: how many of its words came before it was stopped, if it was.
fn words_for_money(fresh: u64, cache_read: u64) -> Option<usize> {
    words_with(&json!({"input_tokens": fresh, "cache_read_input_tokens": cache_read, "output_tokens": 1}))
}

fn words_with(usage: &Value) -> Option<usize> {
    let mut shop = Shop::new(|policy| {
        policy["expected_output_tokens"] = 1.into();
        policy["prices"] = json!({"overrides": [{"model": "*", "usd": {"input": "3", "cache_read": "0.3", "output": "15"}}]});
        policy["budgets"] = json!([{"name": "daily", "per": [], "limit": {"usd": "0.02"},
            "window": {"calendar": "day"}, "ladder": [{"at": "100%", "deny": {"streams": "stop"}}]}]);
    });
    let route = recognise(b"POST", b"api.anthropic.com", b"/v1/messages").metered().unwrap();
    let identity = Identity::of(&shop.policy, Head::default());
    let mut call = Exchange::new(shop.policy.clone(), route, identity, NOON);
    let body = json!({"model": "claude-sonnet-4-5", "max_tokens": 9000, "stream": true,
        "messages": [{"role": "user", "content": "word ".repeat(4000)}]});
    let mut next = call.body(body.to_string().as_bytes(), false, NOON);
    while !matches!(next, Next::Forward(_)) {
        next = match next {
            Next::Reserve => shop.reserve(&mut call),
            Next::Count => call.count(body.to_string().as_bytes(), NOON),
            other => panic!("{other:?}"),
        };
    }
    call.answer_head(200, SSE, false, &[], NOON);
    let start = json!({"type": "message_start", "message": {"model": "claude-sonnet-4-5", "usage": usage}});
    call.answer_chunk(format!("event: message_start\ndata: {start}\n\n").as_bytes(), false);
    (0..1000).find(|_| {
        let delta = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " word"}});
        call.answer_chunk(format!("event: content_block_delta\ndata: {delta}\n\n").as_bytes(), false);
        call.is_stopping()
    })
}

/// What came from a cache is ten times cheaper: the money lasts for more.
#[test]
fn a_stream_is_stopped_by_what_its_prompt_has_cost_as_it_says_itself() {
    let words = words_for_money(4000, 0).unwrap();
    assert!((480..=560).contains(&words), "0.02 less 4,000 tokens at 3 dollars is 533 tokens at 15: {words}");
    assert_eq!(words_for_money(100, 3900), None, "1,235 tokens are paid for, and 1,000 come");
    let words = words_for_money(6000, 0).unwrap();
    assert!((100..=160).contains(&words), "0.02 less 6,000 tokens at 3 dollars is 133 tokens at 15: {words}");
    let words = words_with(&json!({"input_tokens": 0, "output_tokens": 0})).unwrap();
    assert!((400..=533).contains(&words), "who states no prompt has the one that we know: {words}");
}
