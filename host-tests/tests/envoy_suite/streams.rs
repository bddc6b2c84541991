//! Answers that stream: billed to the end, to the word where they broke off, or counted when nobody says.

use crate::LIMIT;
use crate::client::{Answer, Call};
use crate::setup::{Setup, assert_free, assert_usage, hello, hello_streamed, policy, total, until, words};
use http_body_util::BodyExt;

pub(crate) async fn a_stream_passes_unchanged_and_is_billed_as_stated(setup: &Setup) {
    let user = setup.case("stream");
    // Cut anywhere: events must not have to arrive whole.
    let call = || Call::chat(hello_streamed(true)).header("x-sim-split", "7").header("x-user-id", user);
    let answer = setup.http1().send(call()).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let record = setup.record();
    assert_usage(&record, "reported", setup.billed());
    assert_eq!(record["usage"]["output"], words(&answer.text()));
    assert_eq!(setup.remaining_before_probe(user).await, LIMIT - total(&record));
    assert_eq!(without_ids(&answer), without_ids(&setup.direct().send(call()).await));
}

pub(crate) async fn a_stream_over_http2_is_billed(setup: &Setup) {
    setup.case("stream over http2");
    let answer = setup.http2().send(Call::chat(hello_streamed(true))).await;
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    assert_usage(&setup.record(), "reported", setup.billed());
}

pub(crate) async fn an_answer_without_usage_is_counted(setup: &Setup) {
    setup.case("no usage");
    let answer = setup.http1().send(Call::chat(hello_streamed(true)).header("x-sim-no-usage", "1")).await;
    assert_eq!(words(&answer.text()), 24);
    // Prompt and answer as the provider bills them, though it said nothing.
    assert_usage(&setup.record(), "counted", setup.billed());

    setup.case("no usage in a document");
    let answer = setup.http1().send(Call::chat(hello("gpt-4o")).header("x-sim-no-usage", "1")).await;
    let record = setup.record();
    assert_eq!(record["usage"]["source"], "estimated", "{record}");
    // A whole document is only measured: four bytes are a token.
    let bytes = answer.json()["choices"][0]["message"]["content"].as_str().unwrap().len() as u64;
    assert_eq!(record["usage"]["output"], bytes.div_ceil(4), "{record}");
    assert_eq!(record["usage"]["input"], setup.billed().prompt_tokens, "{record}");
}

pub(crate) async fn a_hang_up_pays_for_what_was_streamed(setup: &Setup) {
    for (name, client) in [("hang-up", setup.http1()), ("hang-up over http2", setup.http2())] {
        let user = setup.case(name);
        let call = Call::chat(hello_streamed(true)).header("x-user-id", user);
        let call = call.header("x-sim-output-tokens", "1000").header("x-sim-chunk-delay-ms", "20");
        let mut answer = client.start(call).await.into_body();
        let mut read = String::new();
        while words(&read) < 5 {
            let frame = answer.frame().await.expect("the stream goes on").expect("the connection holds");
            read.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
        }
        drop((answer, client));

        let record = setup.record();
        assert_eq!(record["ending"], "cut", "{record}");
        assert_eq!(record["usage"]["source"], "counted", "{record}");
        until(|| setup.upstream.ledger().hang_ups() == 1).await;
        // What had come to Envoy is paid; what the provider had not sent is not.
        let (output, sent) = (record["usage"]["output"].as_u64().unwrap(), setup.billed().completion_tokens);
        assert!(words(&read) <= output && output <= sent && sent < 1000, "{read} {output} {sent}");
        assert_eq!(record["usage"]["input"], setup.billed().prompt_tokens, "{record}");
        assert_eq!(setup.remaining_before_probe(user).await, LIMIT - total(&record));
    }
}

pub(crate) async fn a_hang_up_before_the_answer_pays_for_the_prompt(setup: &Setup) {
    let user = setup.case("hang-up before the answer");
    let call = Call::chat(hello("gpt-4o")).header("x-user-id", user).header("x-sim-delay-ms", "600000");
    let client = setup.http1();
    let waiting = tokio::spawn(async move { client.start(call).await });
    until(|| setup.upstream.ledger().requests() == 1).await;
    waiting.abort();
    let record = setup.record();
    assert_eq!(record["ending"], "cut", "{record}");
    assert_eq!(record["usage"]["source"], "counted", "{record}");
    assert_eq!(record["usage"]["output"], 0, "{record}");
    assert_eq!(setup.remaining_before_probe(user).await, LIMIT - total(&record));
    assert_eq!(record["usage"]["input"], setup.billed().prompt_tokens, "the probe has the same prompt");
}

pub(crate) async fn a_stream_that_the_upstream_breaks_off_pays_for_what_came(setup: &Setup) {
    let user = setup.case("broken off");
    let call = Call::chat(hello_streamed(true)).header("x-user-id", user);
    let answer = setup.http1().start(call.header("x-sim-cut-after", "9")).await;
    assert!(answer.into_body().collect().await.is_err(), "the client must see that it broke");
    let record = setup.record();
    assert_eq!(record["ending"], "cut", "{record}");
    assert_usage(&record, "counted", setup.billed());
    assert_eq!(setup.billed().completion_tokens, 9);
    assert_eq!(setup.remaining_before_probe(user).await, LIMIT - total(&record));
}

pub(crate) async fn errors_of_the_provider_pass_unchanged_and_cost_nothing(setup: &Setup) {
    for status in ["500", "503", "429", "400"] {
        let user = setup.case(status);
        let call = || Call::chat(hello("gpt-4o")).header("x-user-id", user).header("x-sim-status", status);
        let direct = setup.direct().send(call()).await;
        let answer = setup.http1().send(call()).await;
        assert_eq!(answer.status.to_string(), status);
        assert_eq!(answer.body, direct.body);
        // Whether to retry is the provider's word.
        for name in ["content-type", "x-should-retry", "retry-after"] {
            assert_eq!(answer.header(name), direct.header(name), "{name}");
        }
        let record = setup.record();
        assert_eq!(record["ending"], "error", "{record}");
        assert_free(&record, setup.billed());
        assert_eq!(setup.remaining_before_probe(user).await, LIMIT);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_not_there_costs_nothing() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let setup = Setup::new(&policy(true), |options| options.upstream = nobody);
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
