//! A downgrade changes the model's name in the body and nothing else, and the next request stays whole.

use crate::client::{Answer, Call};
use crate::setup::{Setup, assert_free, policy, total};
use serde_json::{Value, json};
use tokenstile_host::upstream::Seen;

/// How often Envoy tries a failed call again.
pub(crate) const RETRIES: u32 = 2;

/// Asked and served: a longer name, a shorter one, and one for which no list has anything cheaper.
const MODELS: [(&str, &str); 3] =
    [("gpt-4o", "gpt-4o-mini"), ("gpt-4.1-long-name", "o"), ("unlisted", "unlisted")];

/// A body that only a splice leaves as it is: order, spaces, an escape, a number too big for a float.
fn body(model: &str) -> String {
    format!(
        "{{\"seed\": 12345678901234567890,\n  \"messages\":[{{\"content\":\"Say \\u0068ello, \\\"model\\\":\\\"{model}\\\"\",\"role\":\"user\"}}],\
         \t\"model\" : \"{model}\" , \"x-unknown\":[1.50,1e2,null] }}\n"
    )
}

/// [`body`] as it must arrive: another model, every other byte the same.
fn body_served_by(asked: &str, served: &str) -> String {
    body(asked).replace(&format!("\"model\" : \"{asked}\""), &format!("\"model\" : \"{served}\""))
}

/// Downgrades at once: a limit of one token, and no refusal.
pub(crate) fn downgrading(held: bool) -> Value {
    let mut policy = policy(held);
    policy["downgrades"] = json!({"economy": [
        {"from": "gpt-4o", "to": "gpt-4o-mini"}, {"from": "gpt-4.1-long-name", "to": "o"}]});
    policy["budgets"][0]["limit"]["tokens"] = json!(1);
    policy["budgets"][0]["ladder"] = json!([{"at": "100%", "downgrade": "economy"}]);
    policy
}

pub(crate) async fn every_framing_arrives_whole(setup: &Setup) {
    setup.case("framings");
    // One after the other on one connection: a wrong length would eat into the next request.
    let (http1, http2) = (setup.http1(), setup.http2());
    let mut calls = 0;
    for (asked, served) in MODELS {
        for (client, pieces) in [(&http1, false), (&http1, true), (&http2, false), (&http2, true)] {
            let call = Call::chat(body(asked));
            let call = if pieces { call.pieces(body(asked).as_bytes(), 20, &[]) } else { call };
            let answer = client.send(call).await;
            calls += 1;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let seen = setup.upstream.ledger().last().unwrap();
            assert_eq!(String::from_utf8_lossy(&seen.body), body_served_by(asked, served));
            assert_framing(&seen);
            assert_eq!(setup.upstream.ledger().requests(), calls as u64);
            assert_told(&answer, &setup.newest(calls), asked, served);
        }
    }
    // What each model was billed is what the records say.
    let records = setup.records(calls);
    let by_model = setup.upstream.ledger().by_model();
    assert_eq!(by_model.len(), MODELS.len(), "{by_model:?}");
    for (model, bill) in by_model {
        let served = records.iter().filter(|record| record["model_served"] == model);
        assert_eq!(bill.total_tokens(), served.map(total).sum::<u64>(), "{model}");
    }
}

pub(crate) async fn a_request_with_trailers_arrives_whole(setup: &Setup) {
    setup.case("trailers");
    let call = Call::chat("").pieces(body("gpt-4o").as_bytes(), 20, &[("x-checksum", "abc")]);
    let answer = setup.http2().send(call).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = setup.upstream.ledger().last().unwrap();
    assert_eq!(String::from_utf8_lossy(&seen.body), body_served_by("gpt-4o", "gpt-4o-mini"));
    assert_framing(&seen);
    assert_told(&answer, &setup.record(), "gpt-4o", "gpt-4o-mini");
}

/// Some gateways count an attempt that the proxy repeats as another call.
pub(crate) async fn what_envoy_tries_again_arrives_whole_and_is_one_call(setup: &Setup) {
    setup.case("tried again");
    let answer = setup.http1().send(Call::chat(body("gpt-4o")).header("x-sim-status", "503")).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    let seen = setup.upstream.ledger().last_requests();
    assert_eq!(seen.len(), 1 + RETRIES as usize);
    for seen in &seen {
        assert_eq!(String::from_utf8_lossy(&seen.body), body_served_by("gpt-4o", "gpt-4o-mini"));
        assert_framing(seen);
    }
    assert_free(&setup.record(), setup.billed());
}

/// No model is exchanged silently.
fn assert_told(answer: &Answer, record: &Value, asked: &str, served: &str) {
    assert_eq!((&record["model_requested"], &record["model_served"]), (&json!(asked), &json!(served)));
    if asked == served {
        assert_eq!(answer.header("x-tokenstile-model-served"), None);
        return;
    }
    assert_eq!(record["decision"], "downgrade");
    assert_eq!(answer.header("x-tokenstile-decision"), Some("downgrade"));
    assert_eq!(answer.header("x-tokenstile-rule"), Some("daily"));
    assert_eq!(answer.header("x-tokenstile-model-requested"), Some(asked));
    assert_eq!(answer.header("x-tokenstile-model-served"), Some(served));
}

/// Exactly one of a true length and chunks.
fn assert_framing(seen: &Seen) {
    let length = seen.header("content-length");
    let chunked = seen.header("transfer-encoding");
    match (length, chunked) {
        (Some(length), None) => assert_eq!(length, seen.body.len().to_string()),
        (None, Some(chunked)) => assert_eq!(chunked, "chunked"),
        other => panic!("{other:?}"),
    }
}
