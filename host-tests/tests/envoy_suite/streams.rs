//! Answers that stream: billed to the end, to the word where they broke off, or counted when nobody says.

use crate::client::{Answer, Call};
use crate::setup::{LIMIT, Setup, assert_free, assert_usage, hello, hello_streamed, policy, words};
use http_body_util::BodyExt;
use std::time::Duration;

const BOTH: [bool; 2] = [true, false];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_passes_unchanged_and_is_billed_as_stated() {
    for held in BOTH {
        let setup = Setup::new(&policy(held));
        // Cut anywhere: events must not have to arrive whole.
        let call = || Call::chat(hello_streamed(true)).header("x-sim-split", "7").header("x-user-id", "ann");
        let answer = setup.http1().send(call()).await;
        assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
        assert_usage(&setup.record(), "reported", setup.billed());
        assert_eq!(setup.record()["usage"]["output"], words(&answer));
        assert_eq!(setup.remaining_before_probe("ann").await, LIMIT - setup.record_total(0));
        assert_eq!(without_ids(&answer), without_ids(&setup.direct().send(call()).await));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_over_http2_is_billed() {
    for held in BOTH {
        let setup = Setup::new(&policy(held));
        let answer = setup.http2().send(Call::chat(hello_streamed(true))).await;
        assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
        assert_usage(&setup.record(), "reported", setup.billed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_usage_is_counted() {
    for held in BOTH {
        let setup = Setup::new(&policy(held));
        let answer = setup.http1().send(Call::chat(hello_streamed(true)).header("x-sim-no-usage", "1")).await;
        assert_eq!(words(&answer), 24);
        // Prompt and answer as the provider bills them, though it said nothing.
        assert_usage(&setup.record(), "counted", setup.billed());

        let answer = setup.http1().send(Call::chat(hello("gpt-4o")).header("x-sim-no-usage", "1")).await;
        assert_eq!(answer.status, 200);
        let record = setup.records(2).remove(1);
        assert_eq!(record["usage"]["source"], "counted", "{record}");
        // A whole document is only measured: four bytes are a token.
        let bytes = answer.json()["choices"][0]["message"]["content"].as_str().unwrap().len() as u64;
        assert_eq!(record["usage"]["output"], bytes.div_ceil(4), "{record}");
        assert_eq!(record["usage"]["input"], setup.billed().prompt_tokens / 2, "{record}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_up_pays_for_what_was_streamed() {
    for (held, http2) in [(true, false), (true, true), (false, false), (false, true)] {
        let setup = Setup::new(&policy(held));
        let client = if http2 { setup.http2() } else { setup.http1() };
        let call = Call::chat(hello_streamed(true)).header("x-user-id", "ann");
        let call = call.header("x-sim-output-tokens", "1000").header("x-sim-chunk-delay-ms", "20");
        let mut answer = client.start(call).await.into_body();
        let mut read = String::new();
        while read.matches("\"content\":\" ").count() < 5 {
            let frame = answer.frame().await.expect("the stream goes on").expect("the connection holds");
            read.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
        }
        let words_read = read.matches("\"content\":\" ").count() as u64;
        drop((answer, client));

        let record = setup.record();
        assert_eq!(record["ending"], "cut", "{record}");
        assert_eq!(record["usage"]["source"], "counted", "{record}");
        let output = record["usage"]["output"].as_u64().unwrap();
        // What had left Envoy is paid; what the provider had not sent is not.
        let sent = setup.billed().completion_tokens;
        assert!(words_read <= output && output <= sent && sent < 1000, "{words_read} {output} {sent}");
        assert_eq!(record["usage"]["input"], setup.billed().prompt_tokens, "{record}");
        assert_eq!(setup.remaining_before_probe("ann").await, LIMIT - setup.record_total(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_up_before_the_answer_pays_for_the_prompt() {
    let setup = Setup::new(&policy(true));
    let call = Call::chat(hello("gpt-4o")).header("x-user-id", "ann").header("x-sim-delay-ms", "20000");
    let client = setup.http1();
    assert!(tokio::time::timeout(Duration::from_secs(2), client.start(call)).await.is_err());
    drop(client);
    let record = setup.record();
    assert_eq!(record["ending"], "cut", "{record}");
    assert_eq!(record["usage"]["source"], "counted", "{record}");
    assert_eq!(record["usage"]["output"], 0, "{record}");
    assert_eq!(setup.remaining_before_probe("ann").await, LIMIT - setup.record_total(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_the_upstream_breaks_off_pays_for_what_came() {
    for held in BOTH {
        let setup = Setup::new(&policy(held));
        let call = Call::chat(hello_streamed(true)).header("x-user-id", "ann");
        let answer = setup.http1().start(call.header("x-sim-cut-after", "9")).await;
        assert!(answer.into_body().collect().await.is_err(), "the client must see that it broke");
        let record = setup.record();
        assert_eq!(record["ending"], "cut", "{record}");
        assert_usage(&record, "counted", setup.billed());
        assert_eq!(setup.billed().completion_tokens, 9);
        assert_eq!(setup.remaining_before_probe("ann").await, LIMIT - setup.record_total(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_the_provider_pass_unchanged_and_cost_nothing() {
    for held in BOTH {
        let setup = Setup::new(&policy(held));
        for (place, status) in ["500", "503", "429", "400"].into_iter().enumerate() {
            let call =
                || Call::chat(hello("gpt-4o")).header("x-user-id", "ann").header("x-sim-status", status);
            let direct = setup.direct().send(call()).await;
            let answer = setup.http1().send(call()).await;
            assert_eq!(answer.status.to_string(), status);
            assert_eq!(answer.body, direct.body);
            // Whether to retry is the provider's word.
            for name in ["content-type", "x-should-retry", "retry-after"] {
                assert_eq!(answer.header(name), direct.header(name), "{name}");
            }
            let record = setup.records(place + 1).pop().unwrap();
            assert_eq!(record["ending"], "error", "{record}");
            assert_free(&record, setup.billed());
        }
        assert_eq!(setup.remaining_before_probe("ann").await, LIMIT);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_not_there_costs_nothing() {
    let policy = policy(true);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let setup = Setup::with(&policy, |options| options.upstream = nobody);
    let answer = setup.http1().send(Call::chat(hello("gpt-4o"))).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_free(&setup.record(), setup.billed());
}

/// Events without the number of the call, which the provider counts up.
fn without_ids(answer: &Answer) -> String {
    let text = answer.text();
    let mut parts = text.split("chatcmpl-sim");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut all, part| {
        all.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
        all
    })
}
