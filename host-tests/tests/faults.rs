//! The nth host call fails, once and for ever after, for n = 1, 2, 3 … until a whole request no longer reaches n
//! calls: no trap, the declared failure mode, nothing leaked or charged twice. (SQLite calls these anomaly loops.)

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use serde_json::{Value, json};
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;
use tokenstile_host::cases::{Books, filter};
use tokenstile_host::host::{
    Answer, Driver, Faults, Module, Profile, Repeat, Report, Request, Shared, Status, Vm, VmConfig,
};

const STATUSES: [u32; 5] = [1, 2, 8, 10, 12];
const LIMIT: u64 = 1000;

/// A whole request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    Json,
    Stream,
    /// A stream that is asked for its usage.
    Asked,
    Refusal,
    Downgrade,
}

const SCENES: [Scene; 5] = [Scene::Json, Scene::Stream, Scene::Asked, Scene::Refusal, Scene::Downgrade];

impl Scene {
    /// What others have used before.
    fn used(self) -> u64 {
        match self {
            Self::Json | Self::Stream | Self::Asked => 0,
            Self::Refusal => 1500,
            Self::Downgrade => 950,
        }
    }
}

/// One place and mode in which the loops run.
#[derive(Clone, Copy)]
struct Ground {
    profile: Profile,
    hold_headers: bool,
    on_error: &'static str,
    /// The VM has served before: it knows its host and has defined its counters.
    warm: bool,
}

/// One fault.
#[derive(Clone, Copy)]
struct Fault {
    scene: Scene,
    ground: Ground,
    nth: u64,
    status: u32,
    repeat: Repeat,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ground { profile, hold_headers, on_error, warm } = self.ground;
        write!(
            f,
            "{:?} on {profile} hold_headers={hold_headers} on_error={on_error} warm={warm}: call {} fails {:?} with {}",
            self.scene, self.nth, self.repeat, self.status
        )
    }
}

fn policy(scene: Scene, ground: Ground) -> Value {
    let provider = if scene == Scene::Asked { "openai" } else { "mistral" };
    let mut policy = json!({
        "provider": provider,
        "version": 1, "name": "faults", "hold_headers": ground.hold_headers, "on_error": ground.on_error,
        // No proxy here has verified a token: the property is asked for, and the header decides.
        "identity": {"user": ["jwt:sub", "header:x-user-id", "value:anonymous"]},
        "strip_request_headers": ["x-user-id"],
        "downgrades": {"economy": [{"from": "gpt-4o", "to": "gpt-4o-mini"}]},
        "alerts": {"oncall": {"pagerduty": {"cluster": "pagerduty", "routing_key": "0123456789abcdef"}}},
        "budgets": [
            {"name": "team", "per": [], "limit": {"tokens": 1_000_000}, "window": {"calendar": "day"},
             "ladder": [{"at": "100%", "deny": {}}]},
            {"name": "person", "per": ["user"], "limit": {"tokens": LIMIT}, "window": {"calendar": "day"},
             "ladder": [{"at": "1%", "alert": "oncall"}, {"at": "90%", "warn": {"repeat": "once"}},
                {"at": "100%", "downgrade": "economy"}, {"at": "150%", "deny": {}, "alert": "oncall"}]},
        ],
    });
    if scene == Scene::Downgrade {
        policy["routes"] = json!([{"name": "pool", "set": {"headers": {"x-pool": "cheap", "x-new": "1"}}}]);
    }
    policy
}

fn request(user: &str) -> Request {
    let body = json!({"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]});
    post(user, body.to_string())
}

fn post(user: &str, body: String) -> Request {
    Request::post("/v1/chat/completions", body)
        .header("content-type", "application/json")
        .header("accept-encoding", "gzip")
        .header("x-user-id", user)
        .header("x-pool", "mine")
}

/// A request for a stream without `stream_options`, and the same with them.
fn streaming(asked: bool) -> String {
    let options = if asked { r#""stream_options":{"include_usage":true},"# } else { "" };
    format!(
        r#"{{{options}"model":"gpt-4o","max_tokens":100,"stream":true,"messages":[{{"role":"user","content":"hi"}}]}}"#
    )
}

fn json_answer(total: u64) -> Answer {
    let usage =
        json!({"prompt_tokens": 8, "completion_tokens": total.saturating_sub(8), "total_tokens": total});
    let body = json!({"model": "gpt-4o", "choices": [{"message": {"content": "Hello"}}], "usage": usage});
    Answer::json(200, body.to_string())
}

fn stream_answer(total: u64) -> Answer {
    let usage =
        json!({"prompt_tokens": 8, "completion_tokens": total.saturating_sub(8), "total_tokens": total});
    Answer::events([
        format!("data: {}\n\n", json!({"choices": [{"delta": {"content": "Hello"}}]})),
        format!("data: {}\n\n", json!({"choices": [], "usage": usage})),
        "data: [DONE]\n\n".to_owned(),
    ])
}

/// Makes a call to its end, ticks included, and gives what the upstream billed for it.
fn call(vm: &mut Vm, request: Request, answer: Answer, tokens: u64) -> (Report, u64) {
    let billed = Rc::new(Cell::new(0));
    let bill = billed.clone();
    let mut driver = Driver::new(vm, request, move |_| {
        bill.set(tokens);
        answer.clone()
    });
    driver.start(vm);
    for _ in 0..80 {
        if driver.waiting().is_none() {
            break;
        }
        vm.shared().clock().advance(Duration::from_millis(10));
        let _ = vm.tick();
        driver.poll(vm);
    }
    let report = driver.report(vm);
    if report.waiting.is_some() {
        driver.client_gone(vm);
    }
    (report, billed.get())
}

/// Runs one fault. Gives what is wrong, and whether the request got as far as call n.
fn run(module: &Module, fault: Fault) -> (Vec<String>, bool) {
    let Fault { scene, ground, nth, status, repeat } = fault;
    let shared = Shared::new();
    let policy = policy(scene, ground);
    let mut config = VmConfig::new(ground.profile, policy.to_string());
    config.hold_headers = ground.hold_headers;
    let mut vm = Vm::new(module, &shared, config.clone()).unwrap();
    let mut other = Vm::new(module, &shared, config).unwrap();
    if scene.used() > 0 {
        // APISIX counts in each VM for itself.
        let user = if ground.profile == Profile::Apisix { &mut vm } else { &mut other };
        call(user, request("ann"), json_answer(scene.used()), scene.used());
    }
    let mut team = scene.used();
    if ground.warm {
        call(&mut vm, request("warm"), json_answer(10), 10);
        team += 10;
    }
    vm.arm(Faults::nth(nth, Status(status), repeat));
    let answer = match scene {
        Scene::Stream | Scene::Asked => stream_answer(20),
        _ => json_answer(20),
    };
    let sent = if scene == Scene::Asked { post("ann", streaming(false)) } else { request("ann") };
    let (report, billed) = call(&mut vm, sent, answer, 20);
    let reached = vm.disarm() >= nth;
    let mut wrong = judge(fault, &report);
    let probed = settle(&mut vm, fault);
    let levels = match ground.profile {
        Profile::Apisix => vec![told(&mut vm)],
        _ => Books::of(&policy).unwrap().levels(&shared, &[("x-user-id", "ann")].into()),
    };
    let before = [team + probed, scene.used()];
    let before = &before[before.len() - levels.len()..];
    for ((settled, held), before) in levels.into_iter().zip(before) {
        let booked = settled as i64 - *before as i64;
        if !may_be_booked(fault, billed).contains(&booked) && !mistaken_for_apisix(fault) {
            wrong.push(format!("{booked} booked for a call billed {billed}"));
        }
        if held != 0 && !(lied_to(fault) && forgotten(&shared, &policy)) {
            wrong.push(format!("{held} held by nobody"));
        }
    }
    if vm.is_dead() {
        wrong.push("the VM is dead".to_owned());
    }
    (wrong, reached)
}

/// What a call may come to in the ledger.
fn may_be_booked(fault: Fault, billed: u64) -> Vec<i64> {
    let mut fine = vec![billed as i64];
    if fault.repeat == Repeat::Forever && billed > 0 {
        // The answer could not be read: what was expected of it, or of a body that could not be read either.
        fine.extend([108, 512]);
        if fault.nth <= HEADER_CALLS_MAX {
            // A host that never tells the path, the payer, or the time: there is nothing to book, or nobody to
            // book it on, or no day to book it in.
            fine.push(0);
        }
    }
    fine
}

/// A host that answers 12 to everything from its first call on is APISIX as far as a filter can tell, which then
/// counts in its own memory.
fn mistaken_for_apisix(fault: Fault) -> bool {
    fault.status == 12
        && fault.repeat == Repeat::Forever
        && !fault.ground.warm
        && fault.nth <= HEADER_CALLS_MAX
}

/// A host that said for ever that the page with the hold is not there.
fn lied_to(fault: Fault) -> bool {
    fault.status == 1 && fault.repeat == Repeat::Forever
}

/// Holds that nobody settles end by themselves, twice 15 minutes later at most.
fn forgotten(shared: &Shared, policy: &Value) -> bool {
    shared.clock().advance(Duration::from_secs(30 * 60));
    let levels = Books::of(policy).unwrap().levels(shared, &[("x-user-id", "ann")].into());
    levels.iter().all(|(_, held)| *held == 0)
}

/// More host calls than are made for the headers of a request.
const HEADER_CALLS_MAX: u64 = 16;

/// The host is well again. What one failure left undone is done at the next tick; what a host that also refused
/// the ticks left, with the next call, which is booked on the team too.
fn settle(vm: &mut Vm, fault: Fault) -> u64 {
    for _ in 0..5 {
        vm.shared().clock().advance(Duration::from_millis(10));
        vm.tick().unwrap();
    }
    if fault.ground.profile == Profile::Envoy && fault.repeat == Repeat::Once {
        return 0;
    }
    call(vm, request("probe"), json_answer(10), 10);
    10
}

/// The person's budget as the next answer tells it, where there is no shared data to look into.
fn told(vm: &mut Vm) -> (u64, u64) {
    let (report, _) = call(vm, request("ann"), json_answer(0), 0);
    let error: Value = serde_json::from_slice(&report.client.body()).unwrap_or_default();
    if let Some(used) = error.pointer("/error/used").and_then(Value::as_u64) {
        return (used, 0);
    }
    let header = report.client.headers.text("ratelimit").unwrap_or_default();
    let left = header.split("\"person\";r=").nth(1).and_then(|rest| rest.split(';').next());
    let left: u64 = left.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("no budget in `{header}`"));
    (LIMIT - left - 108, 0)
}

/// No trap, no stale length, and the declared failure mode.
fn judge(fault: Fault, report: &Report) -> Vec<String> {
    let mut wrong = report.problems.clone();
    wrong.extend(report.error.iter().map(ToString::to_string));
    let passed = report.upstream.as_ref().is_some_and(|sent| sent.complete);
    let status = report.client.status;
    let deny = fault.ground.on_error == "deny";
    if report.waiting.is_some() {
        // The policy would rather hold a call than let it go on, and the host sends no reply.
        let excused = deny && fault.repeat == Repeat::Forever;
        let refused = fault.scene == Scene::Refusal && fault.repeat == Repeat::Forever && deny;
        if !excused && !refused {
            wrong.push("the request waits for ever".to_owned());
        }
        return wrong;
    }
    let declared: &[u16] = match (fault.scene, deny) {
        // It can hold no request: where no reply can be sent either, the call passes.
        (_, true) if fault.ground.profile == Profile::Apisix && fault.repeat == Repeat::Forever => {
            &[200, 429, 503]
        }
        // It changes no body, so the step falls to the next, which refuses.
        (Scene::Downgrade, false) if fault.ground.profile == Profile::Apisix => &[200, 429],
        (Scene::Downgrade, true) if fault.ground.profile == Profile::Apisix => &[200, 429, 503],
        (Scene::Refusal, false) => &[200, 429],
        (Scene::Refusal, true) => &[200, 429, 503],
        (_, false) => &[200],
        (_, true) => &[200, 503],
    };
    if !status.is_some_and(|status| declared.contains(&status)) {
        wrong.push(format!("the client got {status:?}, and the policy says {declared:?}"));
    }
    if passed != (status == Some(200)) {
        wrong.push(format!("the client got {status:?} although the upstream was asked: {passed}"));
    }
    let leaked = report.upstream.as_ref().is_some_and(|sent| sent.headers.first("x-user-id").is_some());
    if passed && leaked && deny && fault.repeat == Repeat::Once {
        wrong.push("a header went upstream that must not".to_owned());
    }
    if fault.repeat == Repeat::Once {
        wrong.extend(routed_by_halves(report));
    }
    let sent = report.upstream.as_ref().map(|sent| sent.body.clone()).unwrap_or_default();
    if fault.scene == Scene::Asked {
        if passed && sent != streaming(false).as_bytes() && sent != streaming(true).as_bytes() {
            wrong.push(format!("the upstream got `{}`", String::from_utf8_lossy(&sent)));
        }
        let got = String::from_utf8_lossy(&report.client.body()).into_owned();
        if status == Some(200) && !(got.contains("Hello") && got.ends_with("data: [DONE]\n\n")) {
            wrong.push(format!("the client got `{got}`"));
        }
        return wrong;
    }
    let asked = request("ann").chunks.concat();
    let cheaper = String::from_utf8_lossy(&asked).replacen("gpt-4o", "gpt-4o-mini", 1).into_bytes();
    if passed && sent != asked && !(fault.scene == Scene::Downgrade && sent == cheaper) {
        wrong.push(format!("the upstream got `{}`", String::from_utf8_lossy(&sent)));
    }
    wrong
}

/// What a route sets is there as a whole, and the answer says so, or everything is as the client sent it.
fn routed_by_halves(report: &Report) -> Option<String> {
    let sent = report.upstream.as_ref()?;
    let header = |name: &str| sent.headers.text(name).unwrap_or_default();
    let got = (header("x-pool"), header("x-new"));
    let told = report.client.headers.text("x-tokenstile-decision").unwrap_or_default();
    let expected = match told.as_str() {
        "allow" | "warn" => ("mine", ""),
        "route" => ("cheap", "1"),
        _ => return None,
    };
    ((got.0.as_str(), got.1.as_str()) != expected)
        .then(|| format!("the answer says `{told}`, and the upstream got {got:?}"))
}

/// All loops on one ground.
fn every_fault(profile: Profile, hold_headers: bool) {
    let module = filter::module().unwrap();
    let (mut runs, mut wrong) = (0_u32, Vec::new());
    for scene in SCENES {
        for (on_error, warm) in [("allow", false), ("deny", false), ("allow", true), ("deny", true)] {
            let ground = Ground { profile, hold_headers, on_error, warm };
            for (status, repeat) in
                STATUSES.into_iter().flat_map(|s| [(s, Repeat::Once), (s, Repeat::Forever)])
            {
                for nth in 1.. {
                    assert!(nth < 1000, "a request makes a thousand host calls");
                    let fault = Fault { scene, ground, nth, status, repeat };
                    let (found, reached) = run(&module, fault);
                    runs += 1;
                    wrong.extend(found.into_iter().map(|what| format!("{fault}:\n    {what}")));
                    if !reached {
                        break;
                    }
                }
            }
        }
    }
    println!("{profile}: {runs} faults");
    assert!(wrong.is_empty(), "{} of {runs} faults:\n{}", wrong.len(), wrong.join("\n"));
    assert!(runs > 1000, "only {runs} faults were tried");
}

#[test]
fn envoy_with_held_headers() {
    every_fault(Profile::Envoy, true);
}

#[test]
fn envoy_without_held_headers() {
    every_fault(Profile::Envoy, false);
}

#[test]
fn wasmx() {
    every_fault(Profile::Wasmx, false);
}

#[test]
fn apisix() {
    every_fault(Profile::Apisix, false);
}

/// What a call cannot be decided without: where it fails for good, the policy's word counts, and nothing else.
#[test]
fn a_function_that_fails_for_good_leaves_the_decision_to_the_policy() {
    let module = filter::module().unwrap();
    for (function, scene) in [
        ("proxy_get_header_map_pairs", Scene::Json),
        // Who cannot be known must not be taken for the next source's.
        ("proxy_get_property", Scene::Json),
        ("proxy_get_buffer_bytes", Scene::Json),
        ("proxy_get_shared_data", Scene::Json),
        ("proxy_set_shared_data", Scene::Stream),
        ("proxy_set_buffer_bytes", Scene::Downgrade),
        ("proxy_remove_header_map_value", Scene::Downgrade),
    ] {
        for (on_error, status) in [("allow", 200), ("deny", 503)] {
            let ground = Ground { profile: Profile::Envoy, hold_headers: true, on_error, warm: false };
            let shared = Shared::new();
            let mut config = VmConfig::new(Profile::Envoy, policy(Scene::Json, ground).to_string());
            config.hold_headers = true;
            let mut vm = Vm::new(&module, &shared, config).unwrap();
            call(&mut vm, request("ann"), json_answer(scene.used()), scene.used());
            vm.arm(Faults::nth(1, Status(10), Repeat::Forever).only(function));
            let (report, _) = call(&mut vm, request("ann"), json_answer(20), 20);
            let got = (report.client.status, report.upstream.is_some_and(|sent| sent.complete));
            assert_eq!(got, (Some(status), status == 200), "{function}, on_error={on_error}");
            assert!(
                report.problems.is_empty() && report.error.is_none(),
                "{function}: {:?}",
                report.problems
            );
        }
    }
}
