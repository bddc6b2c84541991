//! What the gate promises, and what it says of what it cannot.

use super::{FINE, check, found, warned, with};
use serde_json::Value;

const MILLION: &str = r#""budgets": [{"name": "b", "per": ["user"], "limit": {"tokens": 1000000}, "window": {"calendar": "day"}, "ladder": [{"at": "100%", "deny": {}}]}]"#;

fn worst_case(args: &[&str], policy: &str) -> Value {
    let (_, out) = check(&[&["--format", "json"], args].concat(), policy);
    let report: Value = serde_json::from_str(&out).unwrap();
    report["policies"][0]["worst_case"].clone()
}

/// A caller may send `"service_tier": "priority"`, and pays as much for it as a route that sets it lets it.
#[test]
fn tokens_cost_as_in_the_dearest_tier_that_callers_or_routes_choose() {
    let route = |set: &str| with(&format!(r#""routes": [{{"name": "r", {set}}}], {MILLION}"#));
    let flex = r#""set": {"service_tier": "flex"}"#;
    for (policy, model, usd, served) in [
        (with(MILLION), "gpt-5", 620.0, Value::from("priority")),
        (route(r#""set": {"service_tier": "priority"}"#), "gpt-5", 620.0, "priority".into()),
        (route(r#""set": {"service_tier": "default"}"#), "gpt-5", 310.0, Value::Null),
        (route(flex), "gpt-5", 155.0, "flex".into()),
        // Of those whom it does not concern, nothing is known.
        (route(&format!(r#""match": {{"model": "gpt-5"}}, {flex}"#)), "gpt-5", 155.0, "flex".into()),
        (route(&format!(r#""match": {{"tier": "free"}}, {flex}"#)), "gpt-5", 620.0, "priority".into()),
        (route(&format!(r#""mode": "shadow", {flex}"#)), "gpt-5", 620.0, "priority".into()),
        // Anthropic's `speed` and `inference_geo` are no service tier.
        (with(MILLION), "claude-opus-4-8", 55.0 * 31.0, "fast, us".into()),
        (
            route(r#""set": {"service_tier": "standard_only"}"#),
            "claude-opus-4-8",
            55.0 * 31.0,
            "fast, us".into(),
        ),
    ] {
        let worst = worst_case(&["--model", model], &policy);
        assert_eq!(worst["tiers"][0]["usd_per_user_month"], usd, "{policy}: {worst:#}");
        assert_eq!((&worst["served"], &worst["requests"][0]["served"]), (&served, &served), "{policy}");
    }
    // Of all models of a provider too.
    let any = with(MILLION).replacen("\"version\"", "\"provider\": \"anthropic\", \"version\"", 1);
    let (any, one) = (worst_case(&[], &any), worst_case(&["--model", "claude-opus-4-6"], &any));
    let month = |worst: &Value| worst["tiers"][0]["usd_per_user_month"].as_f64().unwrap();
    assert!(month(&any) >= month(&one), "{any:#} {one:#}");
}

#[test]
fn searches_are_no_tokens_and_are_said_to_be_left_out() {
    let gate = ["-q", "--model", "gpt-4o", "--max-usd-per-user-month", "20"];
    let (status, said) = check(&gate, &with(FINE));
    assert!(status == 0 && said.contains("not counted: web searches at $10.00 a thousand"), "{said}");
    assert_eq!(check(&[&gate[..], &["--deny-warnings"]].concat(), &with(FINE)).0, 1);
    let meant = [&gate[..], &["--deny-warnings", "--allow", "not-counted"]].concat();
    assert_eq!(check(&meant, &with(FINE)).0, 0);
    let worst = worst_case(&["--model", "gpt-4o"], &with(FINE));
    assert_eq!(worst["not_counted"], serde_json::json!([{"unit": "web_searches", "usd_per_1k": 10.0}]));
    // Nobody may search, or what is charged is what is bounded.
    let block = r#""blocks": [{"name": "s", "match": {"uses": ["server_tools"]}}],"#;
    let usd = FINE.replace("\"tokens\": 500", "\"usd\": \"0.5\"");
    for policy in [with(&format!("{block} {FINE}")), with(&usd)] {
        let (status, said) = check(&gate, &policy);
        assert!(status == 0 && !said.contains("not counted"), "{said}");
    }
    let shadow = block.replace("\"match\"", "\"mode\": \"shadow\", \"match\"");
    assert!(check(&gate, &with(&format!("{shadow} {FINE}"))).1.contains("not counted"));
    // Without a gate nothing is promised.
    assert_eq!(found(&with(FINE)), []);
}

#[test]
fn a_table_without_room_for_all_users_bounds_not_all() {
    let small = with(&format!("\"table_slots\": 64, {FINE}"));
    let (_, said) = check(&["--users", "100000"], &small);
    for part in [
        "warning[small-table]",
        "99,936 of 100,000 subjects",
        "`\"table_slots\": 524288`",
        "  Not bounded: 99,936 of 100,000 subjects, for whom the table of 64 slots has no room",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(worst_case(&["--users", "100000"], &small)["small_table"]["without_room"], 99_936);
    let roomy = small.replace("64", "524288");
    let denied = small.replacen("\"version\"", "\"table_full\": \"deny\", \"version\"", 1);
    for (policy, users) in [(&small, "1"), (&roomy, "100000"), (&denied, "100000")] {
        assert!(!check(&["--users", users], policy).1.contains("small-table"), "{policy}");
    }
}

#[test]
fn who_writes_a_name_of_their_own_has_a_budget_of_its_own() {
    let gate = ["-q", "--model", "gpt-4o", "--max-usd-per-user-month", "20", "--allow", "not-counted"];
    let header = with(FINE).replace("\"api_key\"", "\"header:x-user-id\", \"api_key\"");
    let (status, said) = check(&gate, &header);
    assert!(status == 0 && said.contains("clients can write `user` themselves"), "{said}");
    assert!(said.contains("a budget of its own in `b`"), "{said}");
    assert_eq!(check(&[&gate[..], &["--deny-warnings"]].concat(), &header).0, 1);
    assert!(!check(&gate, &with(FINE)).1.contains("clients-dimension"));
    // A dimension of another name is no user's.
    let person = with(FINE).replace("\"user\"", "\"person\"");
    let (status, said) = check(&gate, &person);
    assert!(status == 1 && said.contains("a user of any tier can cost any amount"), "{said}");
}

#[test]
fn an_overage_is_said_with_its_end_and_refuses_there() {
    let ladder = r#"{"at": "150%", "overage": {"usd_per_1k_tokens": "0.02", "up_to": {"usd": "0.5"}}}, {"at": "5000%", "deny": {}}"#;
    let says = |up_to: &str| {
        let ladder = ladder.replace("0.5", up_to);
        let policy = FINE.replace("500", "10000").replace("{\"at\": \"100%\", \"deny\": {}}", &ladder);
        check(&[], &with(&policy)).1
    };
    let said = says("0.5");
    let sentence = "Beyond 150% more costs $0.02 per 1,000 tokens, up to $0.50; beyond 40,000 tokens nothing more is let \
                    through.\n";
    assert!(said.contains(sentence), "{said}");
    let said = says("50");
    assert!(
        said.contains("up to $50.00; beyond 5000% nothing more is let through (500,000 tokens)."),
        "{said}"
    );
}

/// Where a route forbids what an earlier one chooses, the next one chooses.
#[test]
fn a_route_behind_one_that_is_forbidden_for_some_is_used() {
    let routes = |eu: &str| {
        with(&format!(
            r#""routes": [{{"name": "first", "set": {{"model": "gpt-4o-mini"}}}}, {{"name": "second", "set": {{"model": "gpt-4.1-mini"}}}}{eu}], {FINE}"#
        ))
    };
    let eu = r#", {"name": "eu", "match": {"tier": "eu"}, "forbid": ["gpt-4o-mini"]}"#;
    warned(&[
        (routes(""), "shadowed-rule", "never used: `first` before it"),
        (routes(eu), "forbidden-model", "`eu` forbids `gpt-4o-mini`"),
        (
            routes(&eu.replace("gpt-4o-mini", "gpt-4.1-nano")),
            "shadowed-rule",
            "never used: `first` before it",
        ),
    ]);
}
