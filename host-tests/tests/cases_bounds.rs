//! What no case can say: how often other paths ask the host, that memory stays bounded whoever calls, and that a
//! mistake in the policy stops the start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use serde_json::{Value, json};
use tokenstile_host::cases::filter;
use tokenstile_host::host::{Answer, Error, Profile, Report, Request, Shared, Vm, VmConfig, drive};

fn policy(table_slots: u64, table_full: &str) -> Value {
    json!({
        "version": 1, "name": "bounds", "table_slots": table_slots, "table_full": table_full,
        "identity": {"user": ["header:x-user-id"]},
        "budgets": [{"name": "daily", "per": ["user"], "limit": {"tokens": 1000}, "window": {"calendar": "day"},
            "ladder": [{"at": "100%", "deny": {}}]}],
    })
}

fn vm(profile: Profile, policy: &Value) -> Result<Vm, Error> {
    Vm::new(&filter::module().unwrap(), &Shared::new(), VmConfig::new(profile, policy.to_string()))
}

fn call(vm: &mut Vm, user: u64) -> Report {
    let body = r#"{"model":"gpt-4o","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}"#;
    let request = Request::post("/v1/chat/completions", body).header("x-user-id", format!("user-{user}"));
    drive(vm, request, |_| Answer::json(200, r#"{"usage":{"prompt_tokens":8,"completion_tokens":12}}"#))
}

#[test]
fn another_path_is_asked_for_its_name_and_nothing_else() {
    for profile in Profile::ALL {
        let mut vm = vm(profile, &policy(64, "allow")).unwrap();
        vm.disarm();
        let upload = Request::post("/upload", vec![0_u8; 100_000]).split(1000);
        let report = drive(&mut vm, upload, |_| Answer::json(200, vec![b'x'; 100_000]).split(1000));
        assert_eq!((report.client.status, report.client.body().len()), (Some(200), 100_000), "{profile}");
        // The method and the path, and no callback for a body asks for more.
        assert!(vm.host_calls() <= 2, "{profile}: {} host calls", vm.host_calls());
    }
}

#[test]
fn invented_users_do_not_grow_shared_data() {
    let mut vm = vm(Profile::Envoy, &policy(64, "allow")).unwrap();
    for user in 0..500 {
        let report = call(&mut vm, user);
        assert_eq!(
            report.client.status,
            Some(200),
            "a full table lets calls through, where the policy says so"
        );
    }
    let (keys, bytes) = vm.shared().data().size();
    // 64 slots of 96 bytes, and the keys.
    assert!(keys <= 4 && bytes < 64 * 96 + 4 * 64, "{keys} keys, {bytes} bytes");
    // Those who had no room are counted.
    assert!(vm.shared().metrics().get("tokenstile_settlements_without_room").unwrap() > 0);
}

/// As many as a test has time for; a million of them stand in the engine's own tests, against the same pages.
#[test]
fn a_crowd_of_users_grows_neither_shared_data_nor_the_vm() {
    const USERS: u64 = 40_000;
    const SLOTS: u64 = 4096;
    let mut vm = vm(Profile::Envoy, &policy(SLOTS, "allow")).unwrap();
    let mut after_some = 0;
    for user in 0..USERS {
        assert_eq!(call(&mut vm, user).client.status, Some(200));
        if user == USERS / 10 {
            after_some = vm.memory_bytes();
        }
    }
    let (keys, bytes) = vm.shared().data().size();
    let pages = SLOTS as usize / 16;
    assert!(keys == pages && bytes < pages * (16 * 96 + 64), "{keys} keys, {bytes} bytes");
    assert_eq!(vm.memory_bytes(), after_some, "a VM keeps nothing of a user");
    let homeless = vm.shared().metrics().get("tokenstile_settlements_without_room").unwrap();
    assert_eq!(homeless as u64, USERS - SLOTS, "who has no place is counted");
    assert_eq!(call(&mut vm, 0).client.headers.text("ratelimit").unwrap(), "\"daily\";r=962;t=43200");
}

#[test]
fn a_full_table_refuses_where_the_policy_denies_it() {
    let mut vm = vm(Profile::Envoy, &policy(16, "deny")).unwrap();
    let statuses: Vec<_> = (0..20).map(|user| call(&mut vm, user).client.status.unwrap()).collect();
    assert_eq!(statuses, [vec![200; 16], vec![503; 4]].concat());
    assert_eq!(call(&mut vm, 3).client.status, Some(200), "those who have a place keep it");
    // The next day every place is free again.
    vm.shared().clock().advance(std::time::Duration::from_secs(24 * 3600));
    assert_eq!(call(&mut vm, 19).client.status, Some(200));
}

/// A typo must never switch a limit off (higress#1665, apisix-website#2028, coraza-proxy-wasm).
#[test]
fn a_mistake_in_the_policy_stops_the_start_and_names_the_place() {
    let mistakes = [
        (json!({"budgts": []}), "budgts"),
        (
            json!({"budgets": [{"name": "a", "per": ["usr"], "limit": {"tokens": 1}, "window": {"calendar": "day"}, "ladder": [{"at": "100%", "deny": {}}]}]}),
            "budgets[0].per",
        ),
        (
            json!({"budgets": [{"name": "a", "per": [], "limit": {"tokens": 1}, "window": {"calendar": "day"}, "ladder": []}]}),
            "budgets[0].ladder",
        ),
        (
            json!({"budgets": [{"name": "a", "per": [], "limit": {"token": 1}, "window": {"calendar": "day"}, "ladder": [{"at": "100%", "deny": {}}]}]}),
            "budgets[0].limit",
        ),
    ];
    for profile in Profile::ALL {
        for (change, place) in &mistakes {
            let mut policy = policy(64, "allow");
            policy.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let Err(Error::Refused { callback, log }) = vm(profile, &policy) else {
                panic!("{profile} starts with {change}");
            };
            let text: String = log.iter().map(tokenstile_host::host::LogLine::text).collect();
            assert_eq!(callback, "proxy_on_configure");
            assert!(text.contains(place), "{profile}: `{place}` is not in `{text}`");
        }
    }
}
