//! Meters, windows and scopes in whole calls.

use super::*;

/// A shop with these budgets.
pub(super) fn shop_of(budgets: &Value) -> Shop {
    Shop::new(|policy| policy["budgets"] = budgets.clone())
}

pub(super) fn deny() -> Value {
    json!([{"at": "100%", "deny": {}}])
}

pub(super) fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
}

/// What a call for `model` is answered, and what it used if it was let through.
pub(super) fn ask(shop: &mut Shop, model: &str, answer: &str) -> Option<Reply> {
    let mut call = shop.call();
    call.body(body(model).as_bytes(), false, NOON);
    let next = shop.reserve(&mut call);
    if let Next::Reply(reply) = next {
        shop.book(&mut call);
        return Some(reply);
    }
    call.answer_head(if answer == "error" { 500 } else { 200 }, JSON, false, &[], NOON);
    call.answer_chunk(answer.as_bytes(), false);
    call.end(true, NOON).unwrap();
    shop.book(&mut call);
    None
}

const USED: &str = r#"{"usage":{"prompt_tokens":8,"completion_tokens":12}}"#;

#[test]
fn every_meter_counts_its_own_and_says_so() {
    let day = json!({"calendar": "day"});
    let cases = [
        (json!({"tokens": 150}), 3, "90 of today's 150 tokens remain", "tokens", json!(60), "tokens"),
        (
            json!({"input_tokens": 20}),
            2,
            "4 of today's 20 input tokens remain",
            "input_tokens",
            json!(16),
            "input_tokens",
        ),
        (
            json!({"output_tokens": 120}),
            2,
            "96 of today's 120 output tokens remain",
            "output_tokens",
            json!(24),
            "output_tokens",
        ),
        (
            json!({"requests": 3}),
            3,
            "100% of today's AI quota (3 of 3 requests). It resets at midnight UTC.",
            "requests",
            json!(3),
            "requests",
        ),
        (
            json!({"usd": "0.0012"}),
            2,
            "$0.00092 of today's $0.0012 remain",
            "usd",
            json!("0.00028"),
            "usd-micros",
        ),
    ];
    for (limit, fit, said, unit, used, quota_unit) in cases {
        let mut shop =
            shop_of(&json!([{"name": "m", "per": [], "limit": limit, "window": day, "ladder": deny()}]));
        let refused =
            (0..9).map(|n| (n, ask(&mut shop, "gpt-4o", USED))).find_map(|(n, reply)| Some((n, reply?)));
        let (n, reply) = refused.unwrap();
        let error: Value = serde_json::from_slice::<Value>(&reply.body).unwrap()["error"].clone();
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(said), "{unit}: {message}");
        assert_eq!((n, error["unit"].as_str(), &error["used"]), (fit, Some(unit), &used), "{message}");
        let policy = header(&reply, "ratelimit-policy").unwrap();
        assert!(policy.contains(&format!(";qu=\"{quota_unit}\";w=86400")), "{policy}");
        assert_eq!(header(&reply, "x-should-retry"), Some("false"), "{unit}");
    }
}

/// A call that is refused for a part of one has none left, and is told so.
#[test]
fn a_bucket_of_requests_never_tells_of_parts() {
    let mut shop = shop_of(&json!([{"name": "pace", "per": [], "ladder": deny(),
        "bucket": {"requests": 2, "refill": {"requests": 1, "every": "10s"}}}]));
    assert_eq!((ask(&mut shop, "gpt-4o", USED), ask(&mut shop, "gpt-4o", USED)), (None, None));
    let mut call = shop.call();
    let later = NOON.plus_ms(100);
    call.body(body("gpt-4o").as_bytes(), false, later);
    let answer = reserve_all(&mut shop.store, &call.holds(), later, true, &mut Vec::new()).unwrap();
    let Next::Reply(reply) = call.reserved(&answer, later) else { panic!() };
    let error: Value = serde_json::from_slice::<Value>(&reply.body).unwrap()["error"].clone();
    let said = "You've used 100% of your AI quota (2 of 2 requests). It resets in 10 seconds.";
    assert_eq!(
        (&error["message"], &error["used"], &error["remaining"]),
        (&json!(said), &json!(2), &json!(0))
    );
    assert_eq!((header(&reply, "retry-after"), header(&reply, "x-should-retry")), (Some("10"), None));
}

/// A bucket that has room resets when it is full again, and not in no time.
#[test]
fn a_warning_of_a_bucket_says_when_it_is_full_again() {
    let mut shop = shop_of(&json!([{"name": "pace", "per": [], "ladder": [{"at": "10%", "warn": {}}],
        "bucket": {"requests": 4, "refill": {"requests": 1, "every": "10s"}}}]));
    let mut call = shop.call();
    call.body(body("gpt-4o").as_bytes(), false, NOON);
    let answer = reserve_all(&mut shop.store, &call.holds(), NOON, true, &mut Vec::new()).unwrap();
    assert!(matches!(call.reserved(&answer, NOON), Next::Forward { .. }));
    let told = call.answer_head(200, b"application/json", false, &[], NOON);
    let warning = told.iter().find(|(name, _)| *name == "x-tokenstile-warning").unwrap();
    assert_eq!(warning.1, "You've used 25% of your AI quota (1 of 4 requests). It resets in 10 seconds.");
}

/// Where a budget is of less than a cent, headers say so, and not that there is none of it.
#[test]
fn headers_tell_budgets_of_less_than_a_cent() {
    for (limit, told) in [
        ("0.0012", Some(";q=1200;qu=\"usd-micros\"")),
        ("500", Some(";q=500000000;qu=\"usd-micros\"")),
        ("9000000000", Some(";q=999999999999999;qu=\"usd-micros\"")),
        ("0.000000999", None),
        ("0", Some(";q=0;qu=\"usd-micros\"")),
    ] {
        let window = json!({"calendar": "day"});
        let ladder = json!([{"at": "100%", "warn": {}}]);
        let mut shop = shop_of(
            &json!([{"name": "m", "per": [], "limit": {"usd": limit}, "window": window, "ladder": ladder}]),
        );
        let mut call = shop.call();
        call.body(body("gpt-4o").as_bytes(), false, NOON);
        let answer = reserve_all(&mut shop.store, &call.holds(), NOON, true, &mut Vec::new()).unwrap();
        let _ = call.reserved(&answer, NOON);
        let headers = call.answer_head(200, b"application/json", false, &[], NOON);
        let policy =
            headers.iter().find(|(name, _)| *name == "ratelimit-policy").map(|(_, text)| text.as_str());
        assert_eq!(policy.is_some(), told.is_some(), "{limit}: {policy:?}");
        assert!(
            told.is_none_or(|told| policy.is_some_and(|policy| policy.contains(told))),
            "{limit}: {policy:?}"
        );
    }
}

/// No charge without usage: a provider's error is no request; an explicit usage of zero is one, of no tokens.
#[test]
fn requests_count_when_something_came_of_them() {
    let budgets = json!([
        {"name": "calls", "per": [], "limit": {"requests": 2}, "window": {"calendar": "day"}, "ladder": deny()},
        {"name": "words", "per": [], "limit": {"output_tokens": 101}, "window": {"calendar": "day"}, "ladder": deny()}]);
    let mut shop = shop_of(&budgets);
    for _ in 0..5 {
        assert_eq!(ask(&mut shop, "gpt-4o", "error"), None);
    }
    let zero = r#"{"usage":{"prompt_tokens":0,"completion_tokens":0}}"#;
    assert_eq!(ask(&mut shop, "gpt-4o", zero), None);
    assert_eq!(ask(&mut shop, "gpt-4o", zero), None);
    assert_eq!(header(&ask(&mut shop, "gpt-4o", zero).unwrap(), "x-tokenstile-rule"), Some("calls"));
}

/// Too many at once is a rate: clients wait a moment, and are never told to give up.
#[test]
fn requests_in_flight_are_refused_for_a_moment() {
    for limit in [1, 3] {
        let mut shop =
            shop_of(&json!([{"name": "at-once", "per": [], "limit": {"requests_in_flight": limit},
            "ladder": [{"at": "1%", "warn": {}}, {"at": "100%", "deny": {}}]}]));
        let mut running = Vec::new();
        for _ in 0..limit {
            let mut call = shop.call();
            call.body(body("gpt-4o").as_bytes(), false, NOON);
            assert!(matches!(shop.reserve(&mut call), Next::Forward(_)));
            running.push(call);
        }
        let told = running[0].answer_head(200, JSON, false, &[], NOON);
        let requests = if limit == 1 { "request" } else { "requests" };
        let warning = format!("You have 1 of at most {limit} {requests} in flight.");
        assert!(told.contains(&("x-tokenstile-warning", warning)), "{told:?}");
        let reply = ask(&mut shop, "gpt-4o", USED).unwrap();
        assert_eq!(
            (reply.status, header(&reply, "retry-after"), header(&reply, "x-should-retry")),
            (429, Some("1"), None)
        );
        let policy = format!("\"at-once\";q={limit};qu=\"concurrent-requests\"");
        assert_eq!(header(&reply, "ratelimit-policy"), Some(policy.as_str()));
        assert_eq!(header(&reply, "ratelimit"), Some("\"at-once\";r=0"));
        let error: Value = serde_json::from_slice::<Value>(&reply.body).unwrap()["error"].clone();
        let message = format!(
            "You have {limit} of at most {limit} {requests} in flight. Try again when a request ends."
        );
        assert_eq!((&error["message"], &error["type"]), (&json!(message), &json!("requests")));
        assert_eq!(
            (&error["unit"], &error["used"], &error["resets_at"]),
            (&json!("requests_in_flight"), &json!(limit), &Value::Null)
        );
        // One hangs up in mid-stream, one is never answered, one ends: nothing stays.
        for (n, mut call) in running.into_iter().enumerate() {
            if n == 1 {
                call.answer_head(200, JSON, false, &[], NOON);
            }
            call.end(n == 2, NOON).unwrap();
            shop.book(&mut call);
        }
        assert_eq!(shop.stands(), (0, 0));
        assert_eq!(ask(&mut shop, "gpt-4o", USED), None);
    }
}

/// A model is one subject by whatever alias, case or date it is asked for, and invented names are one together: or
/// every name would be a budget of its own.
#[test]
fn each_model_has_a_budget_and_names_do_not_make_more() {
    let mut shop = shop_of(&json!([
        {"name": "each", "per": ["model"], "limit": {"requests": 2}, "window": {"calendar": "day"}, "ladder": deny()}]));
    for names in [
        ["gpt-4o", "gpt-4o-2024-08-06", "GPT-4o"],
        ["gpt-4o-mini", "gpt-4o-mini", "gpt-4o-mini"],
        ["mine-1", "mine-2", "mine-3"],
    ] {
        let refused: Vec<bool> = names.iter().map(|name| ask(&mut shop, name, USED).is_some()).collect();
        assert_eq!(refused, [false, false, true], "{names:?}");
    }
    // A body that was not read is planned as the unknown model that it is.
    let mut unread = shop.call();
    assert_eq!(unread.unread("too long", Some(0), true, NOON), Next::Reserve);
    assert!(matches!(shop.reserve(&mut unread), Next::Reply(_)));
}

#[test]
fn a_budget_may_be_for_some_models_or_one_provider() {
    // What is asked for, and which of the two budgets below refuse it: of the first model, of the provider.
    let cases = [
        ("gpt-4o", "flagship"),
        ("GPT-4O-2024-08-06", "flagship"),
        ("gpt-4o-mini", "openai"),
        ("mine-1", "openai"),
    ];
    for (model, rule) in cases {
        let none = |name: &str, matches: Value| json!({"name": name, "match": matches, "per": [], "limit": {"requests": 0}, "window": {"calendar": "day"}, "ladder": deny()});
        let mut shop = shop_of(&json!([
            none("flagship", json!({"model": "gpt-4o"})),
            none("elsewhere", json!({"provider": "anthropic"})),
            none("claude", json!({"model": "claude-*", "provider": "openai"})),
            none("openai", json!({"provider": "openai"}))
        ]));
        let reply = ask(&mut shop, model, USED).unwrap();
        assert_eq!(header(&reply, "x-tokenstile-rule"), Some(rule), "{model}");
    }
}

/// Not read means of no known model: it meets the budgets for `unknown` and for `*`, and no other model's.
#[test]
fn a_body_never_seen_is_of_an_unknown_model() {
    for (pattern, refused) in [("gpt-4o", false), ("*", true), ("unknown", true)] {
        let mut shop = shop_of(&json!([{"name": "m", "match": {"model": pattern}, "per": ["model"],
            "limit": {"requests": 0}, "window": {"calendar": "day"}, "ladder": deny()}]));
        let mut call = shop.call();
        let next = call.unread("too long", Some(0), true, NOON);
        let next = if next == Next::Reserve { shop.reserve(&mut call) } else { next };
        assert_eq!(matches!(next, Next::Reply(_)), refused, "{pattern}");
    }
}

/// The three-level breaker: a store that fails lets users through, and stops where the global budget says so.
#[test]
fn each_budget_has_a_failure_mode_of_its_own() {
    let budget = |name: &str, model: &str, more: Value| {
        let mut budget = json!({"name": name, "match": {"model": model}, "per": [], "limit": {"requests": 9}, "window": {"calendar": "day"}, "ladder": deny()});
        budget.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        budget
    };
    let cases = [
        // The policy's, the user's, the global one's; the outcome.
        ("allow", json!({}), json!({}), false),
        ("deny", json!({}), json!({}), true),
        ("allow", json!({}), json!({"on_error": "deny"}), true),
        ("deny", json!({"on_error": "allow"}), json!({"on_error": "allow"}), false),
        ("allow", json!({}), json!({"on_error": "deny", "mode": "shadow"}), false),
        // Of a budget that the call does not meet nothing is asked.
        ("allow", json!({}), json!({"on_error": "deny", "match": {"model": "o3"}}), false),
    ];
    for (policy, user, global, refused) in cases {
        let shop = Shop::new(|json| {
            json["on_error"] = json!(policy);
            json["budgets"] =
                json!([budget("user", "*", user.clone()), budget("global", "*", global.clone())]);
        });
        let mut call = shop.call();
        call.body(body("gpt-4o").as_bytes(), false, NOON);
        let next = call.store_failed("gone", NOON);
        assert_eq!(
            matches!(next, Next::Reply(Reply { status: 503, .. })),
            refused,
            "{policy} {user} {global}"
        );
    }
}
