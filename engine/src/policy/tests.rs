//! Policies that are right, and every way in which one is told to be wrong.

use super::*;
use crate::ledger::{Level, WindowRule};
use crate::units::EpochMs;
use serde_json::{Value, json};

mod mistakes;

fn good() -> Value {
    json!({
        "version": 1, "name": "acme",
        "identity": {"user": ["header:X-User-Id", "api_key", "value:anonymous"], "tier": ["header:x-tier", "value:free"]},
        "downgrades": {"economy": [{"from": "gpt-4o*", "to": "gpt-4o-mini"}]},
        "alerts": {"finops": {"log": {}}},
        "budgets": [
            {"name": "free-daily", "match": {"tier": "free"}, "per": ["user"], "limit": {"tokens": 50000},
             "window": {"calendar": "day", "timezone": "America/Los_Angeles"},
             "ladder": [{"at": "90%", "warn": {}}, {"at": "100%", "downgrade": "economy"}, {"at": "150%", "deny": {}}]},
            {"name": "burst", "per": [], "bucket": {"tokens": 100, "refill": {"tokens": 10, "every": "1m"}},
             "ladder": [{"at": "100%", "deny": {}}]}
        ]
    })
}

fn errors(policy: &Value) -> Vec<String> {
    match Policy::parse(policy.to_string().as_bytes()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
    }
}

fn set(policy: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match policy.pointer_mut(parent).unwrap() {
        Value::Object(map) => {
            map.insert(key.to_owned(), value);
        }
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        other => panic!("{other} has no members"),
    }
}

#[test]
fn a_good_policy_compiles() {
    assert_eq!(errors(&good()), Vec::<String>::new());
}

fn identity(policy: &Policy, headers: &[(&str, &'static [u8])]) -> Identity {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), *value)).collect();
    Identity::of(policy, Head { headers: &headers, ..Head::default() })
}

#[test]
fn callers_that_differ_are_never_one() {
    let policy = Policy::parse(good().to_string().as_bytes()).unwrap();
    let long_a: &'static [u8] = Box::leak(vec![b'a'; 5000].into_boxed_slice());
    let long_b: &'static [u8] = Box::leak(vec![b'a'; 5001].into_boxed_slice());
    let callers: Vec<Identity> = [
        ("x-user-id", b"ana".as_slice()),
        ("x-user-id", b"\xa1\xb1"),
        ("x-user-id", b"\xa1\xb2"),
        ("x-user-id", b"\\xa1\\xb1 "),
        ("x-user-id", long_a),
        ("x-user-id", long_b),
        ("authorization", b"Bearer sk-1"),
        ("authorization", b"Bearer sk-2"),
        ("x-user-id", b""),
    ]
    .iter()
    .map(|header| identity(&policy, &[*header]))
    .collect();
    let keys: std::collections::HashSet<u64> =
        callers.iter().map(|caller| policy.slot_key(&policy.budgets[0], &Subject::of(caller)).tag).collect();
    assert_eq!(keys.len(), callers.len());
    assert!(
        callers.iter().all(|caller| !format!("{caller:?}").contains("sk-")),
        "a key is only kept as a hash"
    );
}

/// An account's own limit comes before its tier's, and ends with its day; the subject stays where it is.
#[test]
fn limits_differ_and_the_counter_is_one() {
    let mut policy = good();
    set(&mut policy, "/budgets/0/match", json!({}));
    set(&mut policy, "/budgets/0/tiers", json!({"pro": {"tokens": 500_000}}));
    set(
        &mut policy,
        "/overrides",
        json!([{"match": {"user": "u-42"}, "budget": "free-daily", "limit": {"tokens": 100_000}, "until": "2027-01-31"}]),
    );
    set(&mut policy, "/exempt", json!([{"match": {"user": "ci"}, "until": "2027-01-31T12:00:00Z"}]));
    let policy = Policy::parse(policy.to_string().as_bytes()).unwrap();
    let at = |text: &str| EpochMs(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    let (last, over) = (at("2027-01-31T23:59:59.999Z"), at("2027-02-01T00:00:00Z"));
    let met = |user: &'static str, tier: &'static str, now| {
        let caller = identity(&policy, &[("x-user-id", user.as_bytes()), ("x-tier", tier.as_bytes())]);
        let subject = Subject::of(&caller);
        let (_, budget) = policy.budgets_for(&subject, now).next().unwrap();
        let at: Vec<u64> = budget.ladder.iter().map(|step| budget.meter.count(step.at)).collect();
        assert_eq!(policy.slot_key(budget, &subject), policy.slot_key(&policy.budgets[0], &subject));
        (budget.meter.count(budget.limit), at)
    };
    assert_eq!(met("u-1", "free", last), (50_000, vec![45_000, 50_000, 75_000]));
    assert_eq!(met("u-1", "pro", last), (500_000, vec![450_000, 500_000, 750_000]));
    assert_eq!(met("u-42", "pro", last), (100_000, vec![90_000, 100_000, 150_000]));
    assert_eq!(met("u-42", "pro", over).0, 500_000);
    assert_eq!(met("u-42", "free", over).0, 50_000);
    let exempt = |user: &'static str, now| {
        policy.is_exempt(&identity(&policy, &[("x-user-id", user.as_bytes())]), now)
    };
    assert!(exempt("ci", at("2027-01-31T11:59:59Z")) && !exempt("ci", last) && !exempt("cj", over));
}

#[test]
fn tiers_need_their_dimension() {
    let mut policy = good();
    set(&mut policy, "/identity", json!({"user": ["api_key"]}));
    set(&mut policy, "/budgets/0/match", json!({}));
    set(&mut policy, "/budgets/0/tiers", json!({"pro": {"tokens": 1}}));
    assert!(errors(&policy)[0].starts_with("`budgets[0].tiers`: tiers are values of the dimension `tier`"));
}

#[test]
fn what_is_ours_and_what_the_policy_names_is_stripped() {
    let mut policy = good();
    set(&mut policy, "/strip_request_headers", json!(["X-User-Id", "x-acme-*"]));
    let policy = Policy::parse(policy.to_string().as_bytes()).unwrap();
    for (name, is) in [
        ("x-tokenstile-decision", true),
        ("X-Tokenstile-", true),
        ("x-user-id", true),
        ("X-USER-ID", true),
        ("x-acme-org", true),
        ("x-user-id2", false),
        ("x-tokenstil", false),
        ("authorization", false),
    ] {
        assert_eq!(policy.strips(name.as_bytes()), is, "{name}");
    }
    assert!(!policy.strips(b"\xff"));
}

/// Counters survive a change of the policy where name, scope, unit and window are unchanged; what counts something
/// else begins anew, so that no amount is read in another's terms.
#[test]
fn a_budget_that_counts_something_else_begins_anew() {
    let tag = |pointer: &str, value: Value| {
        let mut policy = good();
        set(&mut policy, pointer, value);
        let policy = Policy::parse(policy.to_string().as_bytes()).unwrap();
        let ana = identity(&policy, &[("x-user-id", b"ana")]);
        policy
            .budgets
            .iter()
            .map(|budget| policy.slot_key(budget, &Subject::of(&ana)).tag)
            .collect::<Vec<_>>()
    };
    let before = tag("/version", json!(1));
    for (pointer, value, same) in [
        ("/budgets/0/limit/tokens", json!(9), true),
        ("/budgets/0/ladder/2/at", json!("200%"), true),
        ("/budgets/1/bucket/refill/tokens", json!(20), true),
        ("/budgets/0/window/timezone", json!("Europe/Berlin"), false),
        ("/budgets/0/window/calendar", json!("week"), false),
        ("/budgets/0/window", json!({"rolling": "24h"}), false),
        ("/budgets/0/limit", json!({"input_tokens": 50000}), false),
        ("/budgets/0/per", json!(["tier"]), false),
        ("/budgets/0/per", json!(["user", "model"]), false),
        ("/budgets/0/name", json!("other"), false),
    ] {
        assert_eq!(tag(pointer, value.clone()) == before, same, "{pointer} = {value}");
    }
}

#[test]
fn days_follow_the_zone_and_its_clock_changes() {
    let policy = Policy::parse(good().to_string().as_bytes()).unwrap();
    let window = &policy.budgets[0].window;
    let at = |text: &str| EpochMs(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    let cases = [
        // A plain winter day, and the days on which clocks change in Los Angeles in 2026.
        ("2026-11-22T12:00:00Z", "2026-11-23T08:00:00Z", 86_400),
        ("2026-11-23T08:00:00Z", "2026-11-24T08:00:00Z", 86_400),
        ("2026-03-08T12:00:00Z", "2026-03-09T07:00:00Z", 82_800),
        ("2026-11-01T12:00:00Z", "2026-11-02T08:00:00Z", 90_000),
    ];
    for (now, end, seconds) in cases {
        let open = window.open(0, at(now));
        assert_eq!((open.rule, open.seconds), (WindowRule::Until(at(end)), seconds), "{now}");
    }
    let now = at("2026-11-22T12:00:00Z");
    let open = window.open(0, now);
    assert_eq!(open.resets_at_text(open.end(), now), "at midnight PST");
    // Something else ends before the window does.
    assert_eq!(open.resets_at_text(Some(at("2026-11-22T21:30:00Z")), now), "at 13:30 PST");
    let late = at("2026-11-22T07:30:00Z");
    assert_eq!(open.resets_at_text(Some(at("2026-11-22T08:00:00Z")), late), "on November 22 at midnight PST");
}

#[test]
fn a_bucket_says_when_enough_has_refilled() {
    let policy = Policy::parse(good().to_string().as_bytes()).unwrap();
    let budget = &policy.budgets[1];
    let open = budget.window.open(budget.limit, EpochMs(0));
    let one = budget.meter.amount(1);
    assert_eq!(open.free_at(one, Level::default(), EpochMs(0)), Some(EpochMs(6_000)));
    assert_eq!(open.resets_at_text(Some(EpochMs(6_000)), EpochMs(0)), "in 6 seconds");
    assert_eq!(open.seconds, 600);
}
