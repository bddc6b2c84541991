//! The quota endpoint in a real Envoy: it tells the caller what the ledger of all workers says, by HTTP/1.1 and
//! HTTP/2, fulfils its own schema, and no request to it reaches the provider.

use crate::client::{Answer, Call, Client};
use crate::setup::{Setup, hello, policy};
use hyper::Method;
use serde_json::{Value, json};

const PATH: &str = "/.well-known/llm-quota";

pub(crate) async fn a_caller_is_told_what_it_has_left(held: bool) {
    let mut policy = policy(held);
    policy["quota_path"] = PATH.into();
    let budgets = policy["budgets"].as_array_mut().unwrap();
    budgets.push(json!({"name": "money", "per": [], "limit": {"usd": "10"}, "window": {"rolling": "24h"},
        "ladder": [{"at": "100%", "deny": {}}]}));
    budgets.push(json!({"name": "by-model", "match": {"provider": "openai"}, "per": ["user", "model"],
        "bucket": {"requests": 100, "refill": {"requests": 1, "every": "1h"}},
        "ladder": [{"at": "100%", "deny": {}}]}));
    let setup = &Setup::new(&policy, |_| {});
    let schema = ask(&setup.http1(), Method::GET, &format!("{PATH}?schema"), "ana").await;
    assert_eq!(schema.header("content-type"), Some("application/schema+json"));
    let validator = jsonschema::validator_for(&schema.json()).unwrap();
    let told = |answer: &Answer| {
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
        let body = answer.json();
        let wrong: Vec<_> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:?}: {body:#}");
        body
    };
    let fresh = told(&ask(&setup.http1(), Method::GET, PATH, "ana").await);
    assert_eq!(used(&fresh), [json!(0), json!("0.00"), Value::Null], "{fresh:#}");
    let call = Call::chat(hello("gpt-4o")).header("x-user-id", "ana");
    assert_eq!(setup.http1().send(call).await.status, 200);
    let cost = setup.record()["cost_nano_usd"].as_u64().unwrap();
    let sent = setup.upstream.ledger().requests();
    let tokens = setup.billed().total_tokens();
    for client in [setup.http1(), setup.http2()] {
        let of_ana = told(&ask(&client, Method::GET, &format!("{PATH}?model=gpt-4o"), "ana").await);
        let money = used(&of_ana)[1].as_str().unwrap().parse::<f64>().unwrap();
        assert!((money * 1e9 - cost as f64).abs() < 1.0, "{cost}: {of_ana:#}");
        assert_eq!((&used(&of_ana)[0], &used(&of_ana)[2]), (&json!(tokens), &json!(1)), "{of_ana:#}");
        // Of others nothing but what all share.
        let of_ben = told(&ask(&client, Method::GET, &format!("{PATH}?model=gpt-4o"), "ben").await);
        assert_eq!((&used(&of_ben)[0], &used(&of_ben)[2]), (&json!(0), &json!(0)), "{of_ben:#}");
        assert_eq!(used(&of_ben)[1], used(&of_ana)[1], "{of_ben:#}");
        let head = ask(&client, Method::HEAD, PATH, "ana").await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{head:?}");
        let refused = ask(&client, Method::DELETE, PATH, "ana").await;
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")), "{refused:?}");
    }
    assert_eq!(setup.upstream.ledger().requests(), sent, "the provider saw a question about quotas");
    setup.records(1);
}

fn used(body: &Value) -> Vec<Value> {
    body["budgets"].as_array().unwrap().iter().map(|budget| budget["used"].clone()).collect()
}

async fn ask(client: &Client, method: Method, path: &str, user: &str) -> Answer {
    client.send(Call::new(method, path).header("x-user-id", user)).await
}
