//! Rules on single requests: what is decided early is decided as it would be late.

use super::*;
use crate::ledger::{Hold, Level, Reserved};
use crate::policy::{Header, Window};

/// Every mix of these.
fn policies() -> Vec<Value> {
    let mut all = Vec::new();
    // What comes back bit by bit: a window, or a bucket.
    let windows = [
        json!({"limit": {"requests": 10}, "window": {"rolling": "24h"}}),
        json!({"limit": {"requests": 10}, "window": {"rolling": "30s"}}),
        json!({"limit": {"requests": 0}, "window": {"rolling": "1h"}}),
        json!({"limit": {"tokens": 1000}, "window": {"rolling": "24h"}}),
        json!({"limit": {"requests_in_flight": 3}}),
        json!({"bucket": {"requests": 10, "refill": {"requests": 3, "every": "1m"}}}),
        json!({"bucket": {"tokens": 1000, "refill": {"tokens": 30, "every": "1m"}}}),
        json!({"bucket": {"usd": "1", "refill": {"usd": "0.1", "every": "1m"}}}),
        json!({"limit": {"usd": "1"}, "window": {"rolling": "30s"}}),
    ];
    for window in windows {
        for at in ["50%", "100%", "150%"] {
            for deny in [json!({}), json!({"message": "{needed} {resets_in}"}), json!({"message": "{model}"})]
            {
                for per in [json!([]), json!(["user"]), json!(["end_user"]), json!(["route"])] {
                    let mut budget = json!({"name": "b", "per": per, "ladder": [{"at": at, "deny": deny}]});
                    budget.as_object_mut().unwrap().extend(window.as_object().unwrap().clone());
                    // Seven of each, for the seventh that is taken.
                    all.extend(std::iter::repeat_n(budget, 7).map(|budget| json!({
                        "version": 1, "name": "t",
                        "identity": {"user": ["value:ana"], "end_user": ["body:/user", "value:nobody"]},
                        "routes": [{"name": "r", "match": {"model": "gpt-4.1"}, "set": {"max_output_tokens": 64}}],
                        "budgets": [budget]
                    })));
                }
            }
        }
    }
    for limit in [
        json!({"tokens": 1000}),
        json!({"output_tokens": 1000}),
        json!({"requests": 0}),
        json!({"requests": 1000}),
        json!({"usd": "1"}),
    ] {
        for (at, window) in [
            ("50%", json!({"calendar": "day"})),
            ("100%", json!({"calendar": "day"})),
            ("150%", json!({"calendar": "hour"})),
            ("100%", json!({"rolling": "24h"})),
        ] {
            for deny in [
                json!({}),
                json!({"message": "{used} of {limit}"}),
                json!({"message": "{needed}"}),
                json!({"message": "{model}"}),
            ] {
                for matches in [
                    json!({}),
                    json!({"user": "ana"}),
                    json!({"model": "gpt-4o"}),
                    json!({"end_user": "eve"}),
                    json!({"provider": "openai"}),
                ] {
                    for per in [json!([]), json!(["user"]), json!(["end_user"]), json!(["model"])] {
                        for exempt in [
                            json!([]),
                            json!([{"match": {"end_user": "eve"}}]),
                            json!([{"match": {"user": "ana"}}]),
                        ] {
                            all.push(json!({
                                "version": 1, "name": "t", "exempt": exempt,
                                "identity": {"user": ["value:ana"], "end_user": ["body:/user", "value:nobody"]},
                                "budgets": [{"name": "b", "match": matches, "per": per, "limit": limit, "window": window,
                                    "ladder": [{"at": at, "deny": deny}]}]
                            }));
                        }
                    }
                }
            }
        }
    }
    all
}

fn bodies() -> [String; 4] {
    [
        json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}),
        json!({"model": "gpt-4.1", "max_tokens": 0, "messages": []}),
        json!({"model": "gpt-4o", "user": "eve", "messages": [{"role": "user", "content": "hi"}]}),
        json!("no object"),
    ]
    .map(|body| body.to_string())
}

impl Shop {
    /// As much of the first limit is used, by whom this body is of.
    fn stands_at(&mut self, body: &str, percent: i64) {
        let mut call = self.call();
        call.body(body.as_bytes(), false, NOON);
        let budget = &self.policy.budgets[0];
        for hold in call.holds() {
            let none = Reserved { before: Level::default(), receipt: None };
            let mut owed = vec![hold.settle(&none, budget.limit.saturating_mul(percent).saturating_div(100))];
            crate::ledger::settle_all(&mut self.store, &mut owed, NOON);
        }
    }

    fn by_head(&self) -> Option<Next> {
        let pages = &self.store.0;
        let level = |hold: &Hold| {
            Some(pages.get(&hold.key.page).map(|page| page.level(hold, NOON)).unwrap_or_default())
        };
        self.call().head(None, NOON, level)
    }

    fn by_body(&mut self, body: &str) -> Next {
        let mut call = self.call();
        let mut next = call.body(body.as_bytes(), false, NOON);
        loop {
            next = match next {
                Next::Reserve => self.reserve(&mut call),
                Next::Count => call.count(body.as_bytes(), NOON),
                next => return next,
            };
        }
    }
}

#[test]
fn what_is_refused_before_the_upload_would_be_refused_after_it() {
    let (mut early, mut bit_by_bit, mut by_amount, mut late) = (0, 0, 0, 0);
    // A seventh of them, of each kind some: all take a minute.
    for policy in policies().into_iter().step_by(7) {
        let policy = Arc::new(Policy::parse(policy.to_string().as_bytes()).unwrap());
        for percent in [0, 100, 101, 151] {
            let mut shop = Shop { policy: policy.clone(), store: Map::default() };
            for body in bodies() {
                shop.stands_at(&body, percent);
            }
            let by_head = shop.by_head();
            for body in bodies() {
                let by_body = shop.by_body(&body);
                late += u32::from(by_head.is_none() && matches!(by_body, Next::Reply(_)));
                if let Some(by_head) = &by_head {
                    let budget = &policy.budgets[0];
                    let whole_at_once = matches!(budget.window, Window::Calendar { .. });
                    if whole_at_once || budget.meter.counts_calls() {
                        assert_eq!(*by_head, by_body, "{body} with {percent}% of {budget:?}");
                    } else {
                        by_amount += u32::from(same_but_for_the_time(by_head, &by_body));
                    }
                    early += 1;
                    bit_by_bit += u32::from(!whole_at_once);
                }
            }
        }
    }
    assert!(
        early > 100 && bit_by_bit > 100 && by_amount > 100 && late > 100,
        "{early} early, {bit_by_bit} of them bit by bit, {by_amount} of an amount, {late} late"
    );
}

/// Refused by the same budget with the same status and the same amounts, and for no longer.
fn same_but_for_the_time(by_head: &Next, by_body: &Next) -> bool {
    let told = |next: &Next| {
        let Next::Reply(reply) = next else { panic!("refused by its headers, and then {next:?}") };
        let wait = reply.headers.iter().find(|(name, _)| *name == "retry-after");
        let wait = wait.map(|(_, seconds)| seconds.parse::<u64>().unwrap());
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        let amounts =
            ["rule", "used", "limit", "remaining", "unit"].map(|field| body["error"][field].clone());
        (reply.status, amounts, wait)
    };
    let (early, late) = (told(by_head), told(by_body));
    assert_eq!((early.0, &early.1), (late.0, &late.1));
    // A request that never fits is told no time.
    assert!(late.2.is_none() || early.2 <= late.2, "{early:?}, then {late:?}");
    true
}

#[test]
fn a_store_that_cannot_be_read_and_a_short_body_are_no_reason_to_refuse() {
    let mut shop = Shop::new(|_| {});
    shop.spend(2000);
    assert!(matches!(shop.by_head(), Some(Next::Reply(_))));
    assert_eq!(shop.call().head(None, NOON, |_| None), None);
    let full = |_: &Hold| Some(Level { used: i64::MAX, held: i64::MAX, ..Level::default() });
    assert_eq!(shop.call().head(Some(4096), NOON, full), None);
    assert!(matches!(shop.call().head(Some(4097), NOON, full), Some(Next::Reply(_))));
}

/// A shop that asks about everything, and a token for a call.
fn asking(edit: impl FnOnce(&mut Value)) -> (Shop, Vec<u8>) {
    let shop = Shop::new(|policy| {
        policy["confirm"] = json!({"secret": "a secret of many letters"});
        policy["request_limits"] =
            json!([{"name": "ask", "limit": {"prompt_tokens": 1}, "over": {"confirm": {}}}]);
        policy["budgets"] = json!([]);
        edit(policy);
    });
    let Next::Reply(question) = shop.call().body(body("gpt-4o").as_bytes(), false, NOON) else { panic!() };
    let question: Value = serde_json::from_slice(&question.body).unwrap();
    let token = question["error"]["confirm_token"].as_str().unwrap().as_bytes().to_vec();
    (shop, token)
}

const CONFIRM: &[u8] = b"X-Tokenstile-Confirm";

#[test]
fn a_header_that_stands_twice_confirms_nothing_and_nor_does_one_bit_of_difference() {
    let (shop, token) = asking(|_| {});

    let goes_on = |headers: &[Header<'_>], body: &str| {
        let mut call = shop.call();
        call.offers(headers);
        call.body(body.as_bytes(), false, NOON) == Next::Reserve
    };
    assert!(goes_on(&[(CONFIRM, &token)], &body("gpt-4o")));
    assert!(!goes_on(&[(CONFIRM, &token), (CONFIRM, &token)], &body("gpt-4o")));
    assert!(!goes_on(&[(CONFIRM, &token), (CONFIRM, b"")], &body("gpt-4o")));
    assert!(!goes_on(&[(CONFIRM, &token)], &body("gpt-4p")));
    assert!(!goes_on(&[(CONFIRM, &token)], &(body("gpt-4o") + " ")));
    for at in 0..token.len() {
        for bit in 0..8 {
            let mut other = token.clone();
            other[at] ^= 1 << bit;
            assert!(!goes_on(&[(CONFIRM, &other)], &body("gpt-4o")), "{}", String::from_utf8_lossy(&other));
        }
    }
    let (other, _) = asking(|policy| policy["confirm"]["secret"] = "another secret of letters".into());
    let mut call = other.call();
    call.offers(&[(CONFIRM, &token)]);
    assert!(matches!(call.body(body("gpt-4o").as_bytes(), false, NOON), Next::Reply(_)));
}

#[test]
fn a_confirmation_whose_use_cannot_be_noted_is_a_failure_of_the_store() {
    for (on_error, passes) in [("allow", true), ("deny", false)] {
        let (shop, token) = asking(|policy| policy["on_error"] = on_error.into());
        let mut call = shop.call();
        call.offers(&[(CONFIRM, &token)]);
        assert_eq!(call.body(body("gpt-4o").as_bytes(), false, NOON), Next::Reserve);
        let next = call.store_failed("gone", NOON);
        assert_eq!(matches!(next, Next::Forward(_)), passes, "{on_error}: {next:?}");
    }
}
