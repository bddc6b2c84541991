//! What is decided over a trace, and what it adds up to.

use super::replayed;
use super::streams::through_the_filter;
use serde_json::{Value, json};
use std::fmt::Write as _;
use tokenstile_host::replay::report;

const IDENTITY: &str = r#""version": 1, "name": "t", "expected_output_tokens": 100,
    "identity": {"user": ["header:x-user-id"], "tier": ["value:free"]}"#;

fn policy(rest: &str) -> String {
    format!("{{{IDENTITY}, {rest}}}")
}

/// Rows of: user, model, milliseconds, input, output, duration.
fn trace(rows: &[(&str, &str, i64, u64, u64, i64)]) -> String {
    let mut csv = "user,model,t_ms,input_tokens,output_tokens,duration_ms\n".to_owned();
    for (user, model, at, input, output, duration) in rows {
        let _ = writeln!(csv, "{user},{model},{at},{input},{output},{duration}");
    }
    csv
}

const DAILY: &str = r#""budgets": [{"name": "daily", "per": ["user"], "limit": {"tokens": 1000}, "window": {"calendar": "day"},
    "ladder": [{"at": "50%", "warn": {}}, {"at": "100%", "deny": {}}]}]"#;

#[test]
fn a_budget_refuses_who_has_used_it_and_nobody_else() {
    let text = trace(&[
        ("ann", "gpt-4o", 0, 400, 100, 10),
        ("ann", "gpt-4o", 1_000, 300, 100, 10),
        ("ann", "gpt-4o", 2_000, 300, 100, 10),
        ("ben", "gpt-4o", 3_000, 300, 100, 10),
    ]);
    let report = replayed("daily", &text, &[&policy(DAILY)]);
    let all = &report.policy;
    assert_eq!((all.calls, all.refused), (4, 1));
    let rule = &all.rules[0];
    assert_eq!((rule.calls, rule.counts.subjects, rule.counts.hit, rule.counts.over), (4, 2, 1, 0));
    // The first has used 500 with its own hold: the warning comes as soon as the threshold is reached.
    assert_eq!(rule.said.iter().collect::<Vec<_>>(), [(&"deny", &1), (&"warn", &2)]);
    // gpt-4o: $2.50 and $10 a million.
    let cost = |input: i64, output: i64| input * 2_500 + output * 10_000;
    assert_eq!(all.without.cost_nano_usd, cost(1_300, 400));
    assert_eq!(all.with.cost_nano_usd, cost(1_000, 300));
    assert_eq!((all.levers["deny"].calls, all.levers["deny"].saved_nano_usd), (1, cost(300, 100)));
    // Ann waits from her refusal at noon to midnight, or to the end of the trace.
    assert_eq!((all.hit[0].subject.as_str(), all.hit[0].restricted_ms), ("ann", 1_010));
}

/// A hold stands until its call ends: of two calls at once the second is refused, of two in a row it is not.
#[test]
fn calls_that_run_at_once_meet_each_others_holds() {
    let tight = DAILY.replace("1000", "650");
    for (second, refused) in [(500, 1), (1_500, 0)] {
        let text = trace(&[("ann", "gpt-4o", 0, 300, 10, 1_000), ("ann", "gpt-4o", second, 200, 10, 1_000)]);
        let report = replayed("holds", &text, &[&policy(&tight)]);
        assert_eq!(report.policy.refused, refused, "the second comes after {second} ms");
    }
}

#[test]
fn what_a_call_used_beyond_its_hold_is_overshoot() {
    let text = trace(&[("ann", "gpt-4o", 0, 300, 1_300, 10), ("ben", "gpt-4o", 5, 300, 10, 10)]);
    let report = replayed("over", &text, &[&policy(DAILY)]);
    let rule = &report.policy.rules[0];
    assert_eq!((rule.counts.over, rule.overshoot, rule.overshoot_text.as_str()), (1, 600, "600 tokens"));
}

#[test]
fn a_downgrade_and_a_clamp_save_what_the_prices_say() {
    let ladder = r#""downgrades": {"economy": [{"from": "gpt-4o", "to": "gpt-4o-mini"}]},
      "budgets": [{"name": "daily", "per": ["user"], "limit": {"tokens": 1000}, "window": {"calendar": "day"},
        "ladder": [{"at": "50%", "clamp": {"max_output_tokens": 50}}, {"at": "100%", "downgrade": "economy"}]}]"#;
    let text = trace(&[
        ("ann", "gpt-4o", 0, 400, 200, 10),
        ("ann", "gpt-4o", 1_000, 100, 200, 10),
        ("ann", "gpt-4o", 2_000, 400, 200, 10),
    ]);
    let report = replayed("ladder", &text, &[&policy(ladder)]);
    let all = &report.policy;
    // The first is the step's itself, not beyond it. The second would end at 800, the third at 1250 of 1000.
    assert_eq!(
        all.decisions.iter().collect::<Vec<_>>(),
        [(&"allow", &1), (&"clamp", &1), (&"downgrade", &1)]
    );
    // Clamped: 150 tokens at $10 a million, twice. Downgraded: 400 and 50 by gpt-4o-mini at $0.15 and $0.60.
    assert_eq!((all.levers["clamp"].calls, all.levers["clamp"].saved_nano_usd), (2, 2 * 150 * 10_000));
    let dear = 400 * 2_500 + 50 * 10_000;
    let cheap = 400 * 150 + 50 * 600;
    assert_eq!(all.levers["downgrade"].saved_nano_usd, dear - cheap);
    let saved: i64 = all.levers.values().map(|lever| lever.saved_nano_usd).sum();
    assert_eq!(all.without.cost_nano_usd - all.with.cost_nano_usd, saved);
}

#[test]
fn shadow_changes_nothing_and_says_what_would_have_been() {
    let text = trace(&[("ann", "gpt-4o", 0, 900, 10, 10), ("ann", "gpt-4o", 1_000, 900, 10, 10)]);
    let shadow = policy(&format!(r#""mode": "shadow", {DAILY}"#));
    let report = replayed("shadow", &text, &[&shadow]);
    let all = &report.policy;
    assert_eq!((all.refused, all.with.cost_nano_usd), (0, all.without.cost_nano_usd));
    assert_eq!((all.decisions["deny"], all.rules[0].said["deny"]), (1, 1));
}

#[test]
fn two_policies_are_held_against_each_other() {
    let text = trace(&[
        ("ann", "gpt-4o", 0, 900, 10, 10),
        ("ann", "gpt-4o", 1_000, 900, 10, 10),
        ("ben", "gpt-4o", 2_000, 10, 10, 10),
    ]);
    let wide = policy(&DAILY.replace("1000", "100000"));
    let report = replayed("two", &text, &[&policy(DAILY), &wide]);
    let differences = report.differences.as_ref().unwrap();
    assert_eq!((differences.calls, differences.changed), (3, 2));
    let changes: Vec<_> =
        differences.changes.iter().map(|change| (change.from, change.to, change.calls)).collect();
    assert_eq!(changes, [("allow", "deny", 1), ("allow", "warn", 1)]);
    let whose: Vec<_> =
        differences.whose.iter().map(|whose| (whose.value.as_str(), whose.stricter, whose.milder)).collect();
    assert_eq!(whose, [("ann", 2, 0)]);
    assert_eq!(report.against.unwrap().refused, 0);
}

/// Whatever was learned of one run, the next says the same.
#[test]
fn a_replay_says_the_same_each_time() {
    let mut csv = "t_ms,input_tokens,output_tokens\n".to_owned();
    for i in 0..500 {
        let _ = writeln!(csv, "{},{},{}", i * 700, 100 + i % 37 * 20, 10 + i % 11 * 30);
    }
    let json = || serde_json::to_string(&replayed("same", &csv, &[&policy(DAILY)])).unwrap();
    let first = json();
    assert_eq!(first, json());
    assert!(first.contains("\"deny\""), "the budget is never met: nothing is shown");
}

#[test]
fn rules_on_single_requests_are_told_rule_by_rule() {
    let rules = r#""blocks": [{"name": "no-ben", "match": {"user": "ben"}}],
      "request_limits": [{"name": "short-prompts", "limit": {"prompt_tokens": 1000}, "over": {"deny": {}}}]"#;
    let text = trace(&[
        ("ann", "gpt-4o", 0, 400, 10, 10),
        ("ann", "gpt-4o", 1_000, 1_400, 10, 10),
        ("ben", "gpt-4o", 2_000, 400, 10, 10),
    ]);
    let report = replayed("single", &text, &[&policy(rules)]);
    let said: Vec<_> = report
        .policy
        .rules
        .iter()
        .map(|rule| (rule.name.as_str(), rule.calls, rule.said.get("deny")))
        .collect();
    assert_eq!(said, [("short-prompts", 1, Some(&1)), ("no-ben", 1, Some(&1))]);
    assert_eq!(report.policy.refused, 2);
}

/// Of the caller's own budget, with what had been used when the call came.
#[test]
fn a_route_asks_how_far_a_budget_is_used_in_a_replay_too() {
    let rules = r#""routes": [{"name": "spare", "match": {"budget_used": {"daily": {"min": "50%"}}}, "set": {"model": "gpt-4o-mini"}}],
      "budgets": [{"name": "daily", "per": ["user"], "limit": {"tokens": 1000}, "window": {"calendar": "day"}, "ladder": [{"at": "200%", "deny": {}}]}]"#;
    let text = trace(&[
        ("ann", "gpt-4o", 0, 400, 99, 10),
        ("ann", "gpt-4o", 1_000, 1, 0, 10),
        ("ann", "gpt-4o", 2_000, 100, 10, 10),
        ("ben", "gpt-4o", 3_000, 100, 10, 10),
    ]);
    let report = replayed("used", &text, &[&policy(rules)]);
    let spare = report.policy.rules.iter().find(|rule| rule.name == "spare").unwrap();
    assert_eq!((spare.calls, spare.said.get("route")), (1, Some(&1)));
    assert_eq!(report.policy.levers["route"].saved_nano_usd, 100 * (2_500 - 150) + 10 * (10_000 - 600));
}

/// What is charged is known when the call has ended, and is no part of what it costs.
#[test]
fn overage_is_charged_for_what_is_used_beyond_its_step() {
    let ladder = r#""budgets": [{"name": "daily", "per": ["user"], "limit": {"tokens": 1000}, "window": {"calendar": "day"},
      "ladder": [{"at": "100%", "overage": {"usd_per_1k_tokens": "0.02"}}]}]"#;
    let text = trace(&[("ann", "gpt-4o", 0, 800, 100, 10), ("ann", "gpt-4o", 1_000, 400, 200, 10)]);
    let report = replayed("overage", &text, &[&policy(ladder)]);
    let all = &report.policy;
    // 900 and 600 tokens: 500 of them beyond 1,000, at $0.02 a thousand.
    assert_eq!((all.overage.calls, all.overage.charged_nano_usd), (1, 10_000_000));
    assert_eq!((all.refused, all.decisions["overage"]), (0, 1));
    assert_eq!(all.with.cost_nano_usd, all.without.cost_nano_usd);
}

/// Of two calls of 8,000 tokens the second is over the step. What the first read from the cache makes Sonnet cheaper than Haiku.
#[test]
fn a_conversation_stays_where_its_cache_is_in_a_replay_too() {
    let ladder = r#""downgrades": {"economy": [{"from": "claude-sonnet-*", "to": "claude-haiku-4-5"}]},
      "budgets": [{"name": "daily", "per": ["user"], "limit": {"tokens": 10000}, "window": {"calendar": "day"},
        "ladder": [{"at": "100%", "downgrade": "economy"}]}]"#;
    let keep = format!(r#""routes": [{{"name": "stay", "keep": {{"by": "user"}}}}], {ladder}"#);
    let text = "user,model,t_ms,input_tokens,cached_tokens,output_tokens,duration_ms\n\
        ann,claude-sonnet-4-5,0,8000,7900,20,10\nann,claude-sonnet-4-5,1000,8000,7900,20,10\n";
    for (rest, decisions) in
        [(ladder, [("allow", 1), ("downgrade", 1)].to_vec()), (&keep, [("allow", 2)].to_vec())]
    {
        let report = replayed("keep", text, &[&policy(rest)]);
        let said: Vec<(String, u64)> =
            report.policy.decisions.iter().map(|(decision, calls)| (decision.to_string(), *calls)).collect();
        let expected: Vec<(String, u64)> =
            decisions.into_iter().map(|(decision, calls)| (decision.to_owned(), calls)).collect();
        assert_eq!(said, expected);
    }
}

/// A recorded exchange whose answer states 1,000 and 500 tokens, with a prompt of some length.
fn exchange(host: &str, path: &str, letters: usize, answer: &Value) -> String {
    let parts = json!([{"role": "user", "parts": [{"text": "x ".repeat(letters)}]}]);
    let request = json!({"contents": parts, "messages": [{"role": "user", "content": "x ".repeat(letters)}]});
    let exchange = json!({
        "recorded_at": "2026-11-22T12:00:00Z", "method": "POST", "url_host": host, "url_path": path,
        "request_headers": {"x-user-id": "ann"}, "request_body": request.to_string(), "response_status": 200,
        "response_headers": {"content-type": "application/json"}, "response_body": answer.to_string(),
    });
    format!("{exchange}\n")
}

fn gemini() -> String {
    let answer = json!({"usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 500, "totalTokenCount": 1500}});
    let (host, path) =
        ("generativelanguage.googleapis.com", "/v1beta/models/gemini-2.5-flash:generateContent");
    exchange(host, path, 6_000, &answer).repeat(3)
}

/// What calls cost without a policy is no matter of the policy: not of what it refuses by the headers, nor of what it does
/// not read.
#[test]
fn without_a_policy_calls_cost_the_same_whatever_the_policy() {
    let blocked = policy(r#""blocks": [{"name": "no-ann", "match": {"user": "ann"}}]"#);
    let unread = policy(r#""max_body_bytes": 1000"#);
    let open = policy(r#""budgets": []"#);
    let all = |policy: &str| replayed("baseline", &gemini(), &[policy]).policy;
    let free = all(&open);
    // gemini-2.5-flash: $0.30 and $2.50 a million.
    assert_eq!(free.without.cost_nano_usd, 3 * (1_000 * 300 + 500 * 2_500));
    for (name, other, refused) in [("blocked", all(&blocked), 3), ("unread", all(&unread), 0)] {
        assert_eq!((other.calls, other.refused, other.unpriced.calls), (3, refused, 0), "{name}");
        assert_eq!(other.without.cost_nano_usd, free.without.cost_nano_usd, "{name}");
        assert_eq!(other.with.cost_nano_usd, if refused > 0 { 0 } else { free.with.cost_nano_usd }, "{name}");
        assert_eq!(other.by.last().unwrap().top[0].value, "gemini-2.5-flash", "{name}");
    }
    // What the filter says of such calls is held against what the engine says of them, and not against what they cost.
    for document in [&blocked, &unread] {
        let document = serde_json::from_str(document).unwrap();
        let agreement = through_the_filter("baseline-filter", &gemini(), &document).filter.unwrap();
        assert_eq!((agreement.calls, agreement.different), (3, 0), "{:?}", agreement.differences);
    }
}

/// Where no model was asked for, the answer that a clamp shortens is priced as the one that came.
#[test]
fn a_clamped_answer_to_a_call_without_a_model_costs_what_its_model_costs() {
    let record = json!({
        "time": "2026-11-22T12:00:00Z", "duration_ms": 10, "dialect": "openai-chat", "identity": {"user": "ann"},
        "model_requested": "", "model_served": "", "model_answered": "gpt-4o", "status": 200, "ending": "complete",
        "usage": {"input": 1000, "output": 500, "source": "reported"}, "price": "openai/gpt-4o",
    });
    let clamp =
        r#""request_limits": [{"name": "short", "limit": {"output_tokens": 100}, "over": {"clamp": {}}}]"#;
    let all = replayed("no-model", &format!("tokenstile-record {record}\n"), &[&policy(clamp)]).policy;
    assert_eq!(all.without.cost_nano_usd, 1_000 * 2_500 + 500 * 10_000);
    assert_eq!(all.with.cost_nano_usd, 1_000 * 2_500 + 100 * 10_000);
    assert_eq!(all.levers["clamp"].saved_nano_usd, 400 * 10_000);
}

/// What is to be known of the numbers is told of both policies, where they are told.
#[test]
fn the_page_has_the_notes_of_the_other_policy_too() {
    let streams = DAILY.replace("\"deny\": {}", "\"deny\": {\"streams\": \"stop\"}");
    let text = trace(&[("ann", "gpt-4o", 0, 400, 100, 10), ("ann", "gpt-4o", 1, 400, 900, 10)]);
    let report = replayed("notes-against", &text, &[&policy(DAILY), &policy(&streams)]);
    assert!(report.policy.may_stop == 0 && report.against.as_ref().unwrap().may_stop == 1, "{report:?}");
    let page = report::html::page(&report);
    let (ours, theirs) = page.split_once("<h2>Under “").unwrap();
    let note = "1 calls used more than a budget that stops streams had left";
    assert!(
        !ours.contains(note) && theirs.contains("id=\"against-notes\"") && theirs.contains(note),
        "{page}"
    );
}

#[test]
fn how_much_of_the_cost_is_a_ceiling_is_told() {
    let text = trace(&[
        ("ann", "gpt-4o", 0, 400, 100, 10),
        ("ann", "nobody-knows-1", 1_000, 400, 100, 10),
        ("ann", "nobody-knows-1", 2_000, 400, 100, 10),
    ]);
    let report = replayed("ceiling", &text, &[&policy(DAILY)]);
    let all = &report.policy;
    let known = 400 * 2_500 + 100 * 10_000;
    assert_eq!(all.unpriced.calls, 2);
    assert_eq!(all.unpriced.cost_without_nano_usd, all.without.cost_nano_usd - known);
    // The third is refused.
    assert_eq!(all.unpriced.cost_with_nano_usd * 2, all.unpriced.cost_without_nano_usd);
    for told in [report::text::report(&report), report::html::page(&report)] {
        assert!(told.contains("The price of 2 calls is not known: their cost is a ceiling, $"), "{told}");
    }
    // Of two policies that one is told of to which it matters: the other has a price, and refuses nothing.
    let priced = policy(
        "\"prices\": {\"overrides\": [{\"model\": \"*\", \"usd\": {\"input\": \"1\", \"output\": \"2\"}}]}",
    );
    let report = replayed("ceiling-against", &text, &[&priced, &policy(DAILY)]);
    let page = report::html::page(&report);
    let (ours, theirs) = page.split_once("<h2>Under “").unwrap();
    assert!(
        !ours.contains("their cost is a ceiling") && theirs.contains("The price of 2 calls is not known"),
        "{page}"
    );
    let fine = replayed("no-ceiling", &trace(&[("ann", "gpt-4o", 0, 400, 100, 10)]), &[&policy(DAILY)]);
    assert!(!report::text::report(&fine).contains("ceiling"));
}

/// What was held live is held again: calls that asked for little are not taken to come to what the policy expects.
#[test]
fn the_policy_that_was_in_force_decides_over_its_records_as_it_did() {
    let record = |number: u32, hold: u64| {
        let record = json!({
            "time": format!("2026-11-22T12:00:{number:02}Z"), "duration_ms": 10, "dialect": "openai-chat",
            "identity": {"user": "ann"}, "model_requested": "gpt-4o", "model_served": "gpt-4o", "status": 200,
            "ending": "complete", "usage": {"input": 10, "output": 20, "source": "reported"},
            "price": "openai/gpt-4o", "hold_tokens": hold,
        });
        format!("tokenstile-record {record}\n")
    };
    let all = |hold: u64| (0..30).map(|number| record(number, hold)).collect::<String>();
    // 30 calls of 30 tokens, `max_tokens` 50: the last holds 58 beside 870 of 1,000. Of 100 expected they would not all fit.
    let report = replayed("held", &all(58), &[&policy(DAILY)]);
    assert_eq!((report.policy.calls, report.policy.refused), (30, 0));
    assert_eq!(report.policy.estimate.expected_tokens, 30 * 58);
    // Without a budget nothing was held, and the policy says what is expected.
    let report = replayed("not-held", &all(0), &[&policy(&DAILY.replace("1000", "960"))]);
    assert_eq!(report.policy.refused, 1);
}

/// Without the policy is what the calls cost as they were, whatever service tier a route puts in place: gpt-5 at $1.25 and $10 a
/// million, and half of it by flex.
#[test]
fn another_service_tier_saves_what_the_prices_say() {
    let flex =
        policy(r#""provider": "openai", "routes": [{"name": "later", "set": {"service_tier": "flex"}}]"#);
    let none = policy(r#""provider": "openai""#);
    let counts = trace(&[("ann", "gpt-5", 0, 1_000, 500, 10)]);
    let record = |tier: &str| {
        format!(
            "{{\"id\": \"a\", \"time\": \"2026-11-22T12:00:00Z\", \"dialect\": \"openai-chat\", \"provider\": \"openai\", \
             \"model_requested\": \"gpt-5\", \"model_served\": \"gpt-5\", \"model_answered\": \"gpt-5-2025-08-07\", \
             \"status\": 200, \"ending\": \"complete\", \"cost_nano_usd\": 0, \"price\": \"openai/gpt-5\"{tier}, \"usage\": {{\"input\": 1000, \
             \"output\": 500, \"source\": \"reported\"}}}}\n"
        )
    };
    let exchange = |stated: &str| {
        let request = json!({"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}).to_string();
        let mut answer = json!({"model": "gpt-5-2025-08-07", "choices": [], "usage":
            {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}});
        if !stated.is_empty() {
            answer["service_tier"] = stated.into();
        }
        let json = json!({"content-type": "application/json"});
        let line = json!({"method": "POST", "url_host": "api.openai.com", "url_path": "/v1/chat/completions",
            "request_headers": json, "request_body": request, "response_status": 200, "response_headers": json,
            "response_body": answer.to_string()});
        format!("{line}\n")
    };
    let standard = 1_000 * 1_250 + 500 * 10_000;
    for (name, text, was) in [
        ("counts", counts, standard),
        ("record", record(""), standard),
        ("record-priority", record(", \"price_tier\": \"priority\""), standard * 2),
        // What a route had put in place was not asked for.
        ("record-flex", record(", \"price_tier\": \"flex\", \"service_tier\": \"flex\""), standard),
        ("exchange", exchange(""), standard),
        ("exchange-default", exchange("default"), standard),
    ] {
        let name = format!("tier-{name}");
        let as_it_was = replayed(&name, &text, &[&none]).policy;
        assert_eq!((as_it_was.without.cost_nano_usd, as_it_was.with.cost_nano_usd), (was, was), "{name}");
        let all = replayed(&name, &text, &[&flex]).policy;
        assert_eq!((all.without.cost_nano_usd, all.with.cost_nano_usd), (was, standard / 2), "{name}");
        assert_eq!(all.levers["route"].saved_nano_usd, was - standard / 2, "{name}");
    }
}

/// A bucket has room again when so much has come back since it was used (the first call takes a millisecond), and not when
/// the caller calls again.
#[test]
fn a_bucket_restricts_until_a_call_fits_again() {
    let bucket = policy(
        r#""budgets": [{"name": "b", "per": ["user"], "bucket": {"requests": 1, "refill": {"requests": 1, "every": "10s"}},
        "ladder": [{"at": "100%", "deny": {}}]}]"#,
    );
    let text = trace(&[
        ("ann", "gpt-4o", 0, 10, 10, 1),
        ("ann", "gpt-4o", 4_000, 10, 10, 1),
        ("ann", "gpt-4o", 600_000, 10, 10, 1),
    ]);
    let all = replayed("bucket", &text, &[&bucket]).policy;
    assert_eq!((all.refused, all.hit[0].restricted_ms), (1, 6_001));
}

/// Who is refused by another rule has not passed this one.
#[test]
fn a_refusal_by_another_rule_ends_no_restriction() {
    let two = policy(
        r#""budgets": [
        {"name": "day", "per": ["user"], "limit": {"tokens": 1000}, "window": {"calendar": "day"},
         "ladder": [{"at": "100%", "deny": {}}]},
        {"name": "large", "match": {"model": "gpt-4o"}, "per": ["user"], "limit": {"requests": 1}, "window": {"calendar": "hour"},
         "ladder": [{"at": "100%", "deny": {}}]}]"#,
    );
    let text = trace(&[
        ("ann", "gpt-4o", 0, 800, 100, 1),
        ("ann", "gpt-4o-mini", 1_000, 500, 100, 1),
        ("ann", "gpt-4o", 2_000, 10, 10, 1),
        ("ann", "gpt-4o", 60_000, 500, 100, 1),
    ]);
    let all = replayed("two-rules", &text, &[&two]).policy;
    let of = |rule: &str| all.hit.iter().find(|hit| hit.rule == rule).map(|hit| hit.restricted_ms);
    assert_eq!((all.refused, of("day")), (3, Some(59_000)), "{:#?}", all.hit);
}
