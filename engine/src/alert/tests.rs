//! Whole calls until operators are told, and what they are told.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::needless_pass_by_value,
    reason = "a test fails; `json!` reads well in place"
)]

use super::*;
use crate::dialect::recognise;
use crate::exchange::{Exchange, Next};
use crate::ledger::{Page, StoreError, reserve_all};
use crate::policy::{Head, Identity};
use serde_json::json;
use std::collections::HashMap;

#[derive(Default)]
struct Map(HashMap<u32, Page>);

impl Store for Map {
    fn update<T>(&mut self, number: u32, mut change: impl FnMut(&mut Page) -> T) -> Result<T, StoreError> {
        Ok(change(self.0.entry(number).or_default()))
    }
}

/// 2026-11-22T12:00:00Z
const NOON: EpochMs = EpochMs(1_795_348_800_000);

struct Desk {
    policy: Arc<Policy>,
    store: Map,
    now: EpochMs,
}

/// A policy with sinks of every kind, and this budget.
fn policy(budget: Value) -> Value {
    json!({
        "version": 1, "name": "acme", "expected_output_tokens": 92,
        "identity": {"user": ["header:x-user-id", "value:anonymous"]},
        "alerts": {
            "bus": {"cloudevents": {"cluster": "events", "authority": "events.acme.example", "authorization": "Bearer s3cret"}},
            "finops": {"log": {}},
            "oncall": {"pagerduty": {"cluster": "pagerduty", "routing_key": "0123456789abcdef0123456789abcdef"}},
            "team": {"slack": {"cluster": "slack", "path": "/services/T0/B0/s3cret"}}
        },
        "budgets": [budget],
    })
}

fn daily(ladder: Value) -> Value {
    json!({"name": "daily", "per": ["user"], "limit": {"tokens": 1000}, "window": {"calendar": "day", "timezone": "America/Los_Angeles"}, "ladder": ladder})
}

impl Desk {
    fn new(budget: Value) -> Self {
        let policy = Policy::parse(policy(budget).to_string().as_bytes()).unwrap_or_else(|e| panic!("{e}"));
        Self { policy: Arc::new(policy), store: Map::default(), now: NOON }
    }

    fn begin(&mut self, user: &str) -> (Exchange, Next) {
        self.ask(user, "hi")
    }

    fn ask(&mut self, user: &str, prompt: &str) -> (Exchange, Next) {
        let route = recognise(b"POST", b"api.openai.com", b"/v1/chat/completions").metered().unwrap();
        let headers = [(b"x-user-id".as_slice(), user.as_bytes())];
        let identity = Identity::of(&self.policy, Head { headers: &headers, ..Head::default() });
        let mut call = Exchange::new(self.policy.clone(), route, identity, self.now);
        let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}]}).to_string();
        let mut next = call.body(body.as_bytes(), false, self.now);
        loop {
            next = match next {
                Next::Reserve => {
                    let holds = call.holds();
                    let got = reserve_all(&mut self.store, &holds, self.now, true, &mut Vec::new()).unwrap();
                    call.reserved(&got, self.now)
                }
                Next::Count => call.count(body.as_bytes(), self.now),
                done => return (call, done),
            };
        }
    }

    /// A call that uses so many tokens, or is refused: what its answer warns of, and the alerts of it.
    fn call(&mut self, user: &str, tokens: u64) -> (Option<String>, Vec<Alert>) {
        let (mut call, next) = self.begin(user);
        let mut alerts = self.book(&mut call);
        let mut warning = None;
        if matches!(next, Next::Forward(_)) {
            let told = call.answer_head(200, b"application/json", false, &[], self.now);
            warning =
                told.into_iter().find(|(name, _)| *name == "x-tokenstile-warning").map(|(_, text)| text);
            let usage = format!(r#"{{"usage":{{"prompt_tokens":0,"completion_tokens":{tokens}}}}}"#);
            call.answer_chunk(usage.as_bytes(), true);
        }
        call.end(true, self.now);
        alerts.extend(self.book(&mut call));
        (warning, alerts)
    }

    fn book(&mut self, call: &mut Exchange) -> Vec<Alert> {
        let (settled, alerts) = settle_all(&mut self.store, &mut call.take_owed(), self.now);
        assert_eq!(settled.without_room, 0);
        alerts
    }

    fn thresholds(&mut self, user: &str, tokens: u64) -> Vec<String> {
        let (_, alerts) = self.call(user, tokens);
        alerts.iter().map(|a| format!("{} {}", self.policy.sinks[a.sink].name, a.threshold)).collect()
    }
}

#[test]
fn an_alert_comes_once_for_each_threshold_window_and_subject() {
    let ladder = json!([{"at": "50%", "alert": "finops"}, {"at": "80%", "warn": {}, "alert": "finops"},
        {"at": "120%", "deny": {}, "alert": "oncall"}, {"at": "200%", "alert": "team"}]);
    let mut desk = Desk::new(daily(ladder));
    assert!(desk.thresholds("ana", 499).is_empty());
    assert_eq!(desk.thresholds("ana", 1), ["finops 50%"]);
    assert!(desk.thresholds("ana", 10).is_empty());
    assert_eq!(desk.thresholds("ben", 850), ["finops 50%", "finops 80%"]);
    assert_eq!(desk.thresholds("ana", 790), ["finops 80%", "oncall 120%"]);
    // Refused, which was told; and a debt that is larger than what is refused has a threshold as well.
    assert!(desk.thresholds("ana", 0).is_empty());
    desk.now = desk.now.plus_ms(86_400_000);
    assert_eq!(desk.thresholds("ana", 2100), ["finops 50%", "finops 80%", "oncall 120%", "team 200%"]);
}

/// A call that needs more than is left is refused before everything is used: whoever is to hear of refusals does.
#[test]
fn the_first_refusal_is_an_alert_although_the_limit_is_not_used() {
    let mut desk = Desk::new(daily(
        json!([{"at": "95%", "alert": "finops"}, {"at": "100%", "deny": {}, "alert": "oncall"}]),
    ));
    assert!(desk.thresholds("ana", 930).is_empty());
    let (_, alerts) = desk.call("ana", 0);
    let said = "daily (user ana): 100% of today's AI quota would be passed by a call, which was refused \
                (930 of 1,000 tokens). It resets at midnight PST.";
    assert_eq!(alerts.iter().map(|a| a.threshold.as_str()).collect::<Vec<_>>(), ["95%", "100%"]);
    assert_eq!((alerts[1].sentence.as_str(), alerts[1].decision), (said, "deny"));
    assert!(desk.thresholds("ana", 0).is_empty());

    // Who is not asked for does not hear of it.
    let mut desk = Desk::new(daily(json!([{"at": "95%", "alert": "finops"}, {"at": "100%", "deny": {}}])));
    assert!(desk.thresholds("ana", 930).is_empty());
    assert!(desk.thresholds("ana", 0).is_empty());
}

/// Anybody can ask for too much, at any time: nothing is used by it, and what is told later must not be silenced.
#[test]
fn a_call_that_asks_for_very_much_is_no_alert_and_silences_none() {
    let ladder = json!([{"at": "80%", "alert": "finops"}, {"at": "100%", "deny": {}, "alert": "oncall"}]);
    let mut desk = Desk::new(daily(ladder));
    assert!(desk.thresholds("ana", 300).is_empty());
    // More than there ever is, and more than is left.
    for prompt in ["word ".repeat(1001), "word ".repeat(5000), "word ".repeat(680)] {
        let (mut call, next) = desk.ask("ana", &prompt);
        assert!(matches!(next, Next::Reply(_)), "{next:?}");
        call.end(true, desk.now);
        assert!(desk.book(&mut call).is_empty());
    }
    assert_eq!(desk.thresholds("ana", 550), ["finops 80%"]);
    assert_eq!(desk.thresholds("ana", 300), ["oncall 100%"]);
}

#[test]
fn what_is_used_is_said_as_finely_as_thresholds_are() {
    let mut desk = Desk::new(daily(json!([{"at": "99.9%", "deny": {}, "alert": "team"}])));
    let (_, alerts) = desk.call("ana", 999);
    assert!(
        alerts[0]
            .sentence
            .starts_with("daily (user ana): 99.9% of today's AI quota is used (999 of 1,000 tokens)")
    );
}

#[test]
fn shadow_says_so_and_refuses_nobody() {
    let mut budget = daily(json!([{"at": "100%", "deny": {}, "alert": "team"}]));
    budget["mode"] = json!("shadow");
    let mut desk = Desk::new(budget);
    let (_, alerts) = desk.call("ana", 1500);
    assert_eq!((alerts.len(), alerts[0].shadow), (1, true));
    assert!(
        alerts[0]
            .sentence
            .starts_with("[shadow] daily (user ana): 150% of today's AI quota is used, past 100%")
    );
    assert!(desk.thresholds("ana", 10).is_empty());
}

#[test]
fn calls_in_flight_are_told_when_they_begin_and_not_for_calls_that_are_refused_elsewhere() {
    let mut desk = Desk::new(json!({"name": "at-once", "per": [], "limit": {"requests_in_flight": 2},
        "ladder": [{"at": "100%", "deny": {}, "alert": "team"}]}));
    let (mut first, _) = desk.begin("ana");
    assert!(desk.book(&mut first).is_empty());
    let (mut second, _) = desk.begin("ana");
    let alerts = desk.book(&mut second);
    assert_eq!(alerts[0].sentence, "at-once: 2 of at most 2 requests in flight, which is 100%.");
    let (mut third, next) = desk.begin("ana");
    assert!(matches!(next, Next::Reply(_)) && desk.book(&mut third).is_empty());
}

#[test]
fn a_warning_is_given_once_where_the_policy_says_so() {
    let mut desk = Desk::new(daily(
        json!([{"at": "50%", "warn": {"repeat": "once"}}, {"at": "80%", "warn": {"repeat": "once"}}, {"at": "100%", "deny": {}}]),
    ));
    assert_eq!(desk.call("ana", 500).0, None);
    assert!(desk.call("ana", 10).0.unwrap().contains("used 60%"));
    assert_eq!(desk.call("ana", 250).0, None);
    assert!(desk.call("ana", 10).0.unwrap().contains("used 86%"));
    assert_eq!(desk.call("ana", 10).0, None);
    desk.now = desk.now.plus_ms(86_400_000);
    assert_eq!(desk.call("ana", 450).0, None);
    assert!(desk.call("ana", 10).0.is_some());
}

/// The other budget refuses the call that would have been warned: the next one is.
#[test]
fn a_warning_of_a_call_that_is_refused_is_not_lost() {
    let mut policy = policy(daily(json!([{"at": "5%", "warn": {"repeat": "once"}}])));
    let burst = json!({"name": "burst", "per": [], "bucket": {"tokens": 100, "refill": {"tokens": 100, "every": "1s"}},
        "ladder": [{"at": "100%", "deny": {}}]});
    policy["budgets"].as_array_mut().unwrap().push(burst);
    let policy = Arc::new(Policy::parse(policy.to_string().as_bytes()).unwrap());
    let mut desk = Desk { policy, store: Map::default(), now: NOON };
    let (mut running, _) = desk.begin("ben");
    assert_eq!(desk.call("ana", 0).0, None, "refused by the bucket");
    running.end(false, desk.now);
    desk.book(&mut running);
    desk.now = desk.now.plus_ms(10_000);
    assert!(desk.call("ana", 0).0.is_some());
}

fn body(alert: &Alert, desk: &Desk, sink: &str) -> String {
    let sink = desk.policy.sinks.iter().find(|known| known.name == sink).unwrap();
    alert.request(sink).unwrap().body
}

/// What is sent, as the services document it; the URLs stand in `render.rs`.
#[test]
fn each_form_is_as_its_service_wants_it() {
    let mut policy = policy(daily(json!([{"at": "80%", "downgrade": "economy", "alert": "oncall"}])));
    policy["downgrades"] = json!({"economy": [{"from": "gpt-4o", "to": "gpt-4o-mini"}]});
    let policy = Arc::new(Policy::parse(policy.to_string().as_bytes()).unwrap());
    let mut desk = Desk { policy, store: Map::default(), now: NOON };
    let (_, alerts) = desk.call("<!channel> & co", 850);
    let alert = &alerts[0];
    let id = alert.id.clone();
    assert!(id.starts_with("acme/daily/") && id.ends_with("/1795420800000/800000000"), "{id}");
    let sentence = "daily (user <!channel> & co): 85% of today's AI quota is used, past 80% (850 of 1,000 tokens). \
                    It resets at midnight PST.";
    let fields = json!({"id": id, "time": "2026-11-22T12:00:00Z", "policy": "acme", "rule": "daily", "threshold": "80%",
        "mode": "enforce", "decision": "downgrade", "message": sentence, "subject": {"user": "<!channel> & co"},
        "used": 850, "limit": 1000, "remaining": 150, "unit": "tokens", "resets_at": "2026-11-23T08:00:00Z"});
    let mut line = fields.clone();
    line["sink"] = json!("oncall");
    assert_eq!(serde_json::from_str::<Value>(&alert.line("oncall")).unwrap(), line);

    let read = |sink| serde_json::from_str::<Value>(&body(alert, &desk, sink)).unwrap();
    assert_eq!(
        read("oncall"),
        json!({"routing_key": "0123456789abcdef0123456789abcdef", "event_action": "trigger", "dedup_key": id,
            "payload": {"summary": sentence, "source": "tokenstile/acme", "severity": "error",
                "timestamp": "2026-11-22T12:00:00Z", "component": "daily", "custom_details": fields}})
    );
    assert_eq!(
        read("bus"),
        json!({"specversion": "1.0", "id": id, "source": "/tokenstile/acme", "type": "tokenstile.budget.alert",
            "subject": "daily", "time": "2026-11-22T12:00:00Z", "datacontenttype": "application/json", "data": fields})
    );
    let told = sentence.replace('&', "&amp;").replace("<!channel>", "&lt;!channel&gt;");
    assert_eq!(
        read("team"),
        json!({"text": told, "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": told}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": format!("acme · downgrade · {id}")}]}]})
    );
    assert!(alert.request(desk.policy.sinks.iter().find(|sink| sink.name == "finops").unwrap()).is_none());
}

/// The same threshold told by two proxies, or by one that was restarted, is the same event.
#[test]
fn an_id_depends_on_nothing_but_what_was_passed() {
    let ids = |user: &str, later: i64| {
        let mut desk = Desk::new(daily(json!([{"at": "80%", "alert": "team"}])));
        desk.now = desk.now.plus_ms(later);
        desk.call(user, 900).1.remove(0).id
    };
    assert_eq!(ids("ana", 0), ids("ana", 60_000));
    assert_ne!(ids("ana", 0), ids("ben", 0));
    assert_ne!(ids("ana", 0), ids("ana", 86_400_000));
}

#[test]
fn no_secret_is_in_what_people_read() {
    let desk = Desk::new(daily(json!([{"at": "80%", "alert": "team"}])));
    let text = format!("{:?}", desk.policy);
    for secret in ["s3cret", "0123456789abcdef"] {
        assert!(!text.contains(secret), "{text}");
    }
}
