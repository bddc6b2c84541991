//! A downgrade changes the model's name in the body and nothing else, and the next request stays whole.

use crate::client::Call;
use crate::setup::{Setup, policy};
use serde_json::{Value, json};
use tokenstile_host::upstream::Seen;

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
fn downgrading(held: bool) -> Value {
    let mut policy = policy(held);
    policy["downgrades"] = json!({"economy": [
        {"from": "gpt-4o", "to": "gpt-4o-mini"}, {"from": "gpt-4.1-long-name", "to": "o"}]});
    policy["budgets"][0]["limit"]["tokens"] = json!(1);
    policy["budgets"][0]["ladder"] = json!([{"at": "100%", "downgrade": "economy"}]);
    policy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_downgrade_changes_the_model_and_not_a_byte_more() {
    for held in [true, false] {
        let setup = Setup::with(&downgrading(held), |options| options.upstream_http2 = false);
        // One after the other on one connection: a wrong length would eat into the next request.
        let (http1, http2) = (setup.http1(), setup.http2());
        let mut calls = 0;
        for (asked, served) in
            [("gpt-4o", "gpt-4o-mini"), ("gpt-4.1-long-name", "o"), ("unlisted", "unlisted")]
        {
            for (client, pieces) in [(&http1, false), (&http1, true), (&http2, false), (&http2, true)] {
                let mut call = Call::chat(body(asked));
                if pieces {
                    call = call.pieces(body(asked).as_bytes(), 20, &[]);
                }
                let answer = client.send(call).await;
                assert_eq!(answer.status, 200, "held {held}: {}", answer.text());
                let seen = setup.upstream.ledger().last().unwrap();
                assert_eq!(String::from_utf8_lossy(&seen.body), body_served_by(asked, served), "held {held}");
                assert_framing(&seen);
                calls += 1;
                assert_eq!(setup.upstream.ledger().requests(), calls);
                let record = setup.records(usize::try_from(calls).unwrap()).pop().unwrap();
                assert_eq!(record["model_requested"], asked);
                assert_eq!(record["model_served"], served);
                if asked == served {
                    assert_eq!(answer.header("x-tokenstile-model-served"), None);
                    continue;
                }
                assert_eq!(answer.header("x-tokenstile-decision"), Some("downgrade"));
                assert_eq!(answer.header("x-tokenstile-rule"), Some("daily"));
                assert_eq!(answer.header("x-tokenstile-model-requested"), Some(asked));
                assert_eq!(answer.header("x-tokenstile-model-served"), Some(served));
                assert_eq!(record["decision"], "downgrade");
            }
        }
        // What each model was billed is what the records say.
        let served_tokens = |model: &str| -> u64 {
            let records = setup.envoy.log().records();
            let of_model = records.iter().filter(|record| record["model_served"] == model);
            of_model
                .map(|record| {
                    record["usage"]["input"].as_u64().unwrap() + record["usage"]["output"].as_u64().unwrap()
                })
                .sum()
        };
        let by_model = setup.upstream.ledger().by_model();
        assert_eq!(by_model.len(), 3, "{by_model:?}");
        for (model, bill) in by_model {
            assert_eq!(bill.total_tokens(), served_tokens(&model), "{model}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_downgrade_of_a_request_with_trailers_arrives_whole() {
    for held in [true, false] {
        let setup = Setup::with(&downgrading(held), |options| options.upstream_http2 = true);
        let call = Call::chat("").pieces(body("gpt-4o").as_bytes(), 20, &[("x-checksum", "abc")]);
        let answer = setup.http2().send(call).await;
        assert_eq!(answer.status, 200, "held {held}: {}", answer.text());
        let seen = setup.upstream.ledger().last().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&seen.body),
            body_served_by("gpt-4o", "gpt-4o-mini"),
            "held {held}"
        );
        assert_eq!(seen.trailers, [("x-checksum".to_owned(), "abc".to_owned())]);
        assert_eq!(answer.header("x-tokenstile-model-served"), Some("gpt-4o-mini"));
    }
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
