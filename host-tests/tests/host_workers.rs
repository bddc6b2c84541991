//! What workers of one process have in common, faults, loading, and what a filter is told of itself.

#![allow(clippy::unwrap_used, clippy::panic)]

mod host_support;

use host_support::{Filter, OUT, OUT_LEN, OUT_MORE, log, say};
use std::time::Duration;
use tokenstile_host::host::{
    Answer, Error, Faults, Module, Profile, Repeat, Request, Shared, Status, Vm, VmConfig, drive,
};

/// Adds 1 to the 4 bytes under a key, by compare-and-swap until it succeeds. A counter counts the successes.
fn counting() -> Filter {
    let mut filter = Filter::default();
    let key = filter.text("sum");
    let name = filter.text("added");
    let get = format!("(call $get_shared_data {key} {OUT} {OUT_LEN} {OUT_MORE})");
    let set = format!("(call $set_shared_data {key} (i32.const 40) (i32.const 4) (i32.load {OUT_MORE}))");
    let body = format!(
        "(loop $again
           (i32.store (i32.const 40) (i32.const 0))
           ;; On a new key Envoy ignores any number but takes u32::MAX for one that matches nothing later.
           (i32.store {OUT_MORE} (i32.const -1))
           (if (i32.eqz {get})
             (then (i32.store (i32.const 40) (i32.load (i32.load {OUT})))))
           (i32.store (i32.const 40) (i32.add (i32.load (i32.const 40)) (i32.const 1)))
           (br_if $again (i32.eq {set} (i32.const 8))))
         (drop (call $define_metric (i32.const 0) {name} {OUT}))
         (drop (call $increment_metric (i32.load {OUT}) (i64.const 1)))
         (i32.const 0)"
    );
    filter.on("proxy_on_request_headers", 3, true, &body)
}

#[test]
fn workers_on_threads_lose_no_update() {
    const WORKERS: u32 = 3;
    const REQUESTS: u32 = 200;
    let module = counting().module();
    let shared = Shared::new();
    // One VM first: the very first write of a key is not guarded by compare-and-swap on Envoy.
    let mut vm = Vm::new(&module, &shared, VmConfig::default()).unwrap();
    drive(&mut vm, Request::get("/"), |_| Answer::new(200));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let mut vm = Vm::new(&module, &shared, VmConfig::default()).unwrap();
                for _ in 0..REQUESTS {
                    drive(&mut vm, Request::get("/"), |_| Answer::new(200));
                }
            });
        }
    });
    let all = WORKERS * REQUESTS + 1;
    let (value, _) = shared.data().get(b"", b"sum").unwrap();
    assert_eq!(value, all.to_le_bytes());
    assert_eq!(shared.metrics().get("added"), Some(all.into()));
}

#[test]
fn shared_data_is_apart_for_each_vm_id_on_envoy_alone() {
    for (profile, apart) in [(Profile::Envoy, true), (Profile::Wasmx, false)] {
        let shared = Shared::new();
        shared.data().set(profile, b"", b"sum", Some(&[7, 0, 0, 0]), 0).unwrap();
        let config = VmConfig { vm_id: b"mine".to_vec(), ..VmConfig::new(profile, "") };
        drive(&mut counting().vm_with(&shared, config), Request::get("/"), |_| Answer::new(200));
        let expected = if apart { 7_u32 } else { 8 };
        assert_eq!(shared.data().get(b"", b"sum").unwrap().0, expected.to_le_bytes(), "{profile}");
    }
}

#[test]
fn a_value_is_deleted_on_wasmx_and_emptied_on_envoy() {
    let mut filter = Filter::default();
    let set =
        format!("(call $set_shared_data {} (i32.const 0) (i32.const 0) (i32.const 1))", filter.text("sum"));
    let filter = filter.on("proxy_on_request_headers", 3, true, &set);
    for (profile, left) in [(Profile::Envoy, Some(Vec::new())), (Profile::Wasmx, None)] {
        let mut vm = filter.vm(profile);
        let data = vm.shared().data();
        data.set(profile, b"", b"sum", Some(b"x"), 0).unwrap();
        drive(&mut vm, Request::get("/"), |_| Answer::new(200));
        assert_eq!(vm.shared().data().get(b"", b"sum").map(|(value, _)| value), left, "{profile}");
    }
}

#[test]
fn two_workers_cannot_both_make_a_key_on_wasmx() {
    for (profile, second) in [(Profile::Envoy, Ok(())), (Profile::Wasmx, Err(Status::CAS_MISMATCH))] {
        let shared = Shared::new();
        shared.data().set(profile, b"", b"sum", Some(b"first"), 0).unwrap();
        assert_eq!(shared.data().set(profile, b"", b"sum", Some(b"second"), 0), second, "{profile}");
    }
    let shared = Shared::new();
    let absent = shared.data().set(Profile::Wasmx, b"", b"sum", None, 0);
    assert_eq!(absent, Err(Status::CAS_MISMATCH), "nothing to remove");
}

#[test]
fn a_queue_tells_the_worker_that_registered_it() {
    let mut filter = Filter::default();
    let (name, item) = (filter.text("jobs"), filter.text("work"));
    let filter = filter
        .on(
            "proxy_on_configure",
            2,
            true,
            &format!("{} (i32.const 1)", say(&format!("(call $register_shared_queue {name} {OUT})"))),
        )
        .on(
            "proxy_on_request_headers",
            3,
            true,
            &format!(
                "(drop (call $resolve_shared_queue (i32.const 0) (i32.const 0) {name} {OUT}))
                 {} (i32.const 0)",
                say(&format!("(call $enqueue_shared_queue (i32.load {OUT}) {item})"))
            ),
        )
        .on(
            "proxy_on_queue_ready",
            2,
            false,
            &format!("(drop (call $dequeue_shared_queue (local.get 1) {OUT} {OUT_LEN})) (call $show)"),
        );
    let shared = Shared::new();
    let mut first = filter.vm_with(&shared, VmConfig::default());
    let mut second = filter.vm_with(&shared, VmConfig::default());
    drive(&mut first, Request::get("/"), |_| Answer::new(200));
    assert_eq!(first.deliver_queues(), Ok(0), "it was registered again by the second");
    assert_eq!(second.deliver_queues(), Ok(1));
    assert_eq!(log(&second), ["00", "00", "00", "work"]);
}

/// Three host calls in the headers, each status logged into the memory and not by a call.
fn three_calls() -> Filter {
    let mut filter = Filter::default();
    let key = filter.text(":path");
    let get = format!("(call $get_header_map_value (i32.const 0) {key} {OUT} {OUT_LEN})");
    let once = format!(
        "(global.set $sum (i32.add (i32.mul (global.get $sum) (i32.const 2)) (i32.ne {get} (i32.const 0))))"
    );
    // The callback returns the three bits; anything but 0 pauses.
    let body = format!("(global.set $sum (i32.const 0)) {once} {once} {once} (global.get $sum)");
    filter
        .on("proxy_on_request_headers", 3, true, &body)
        .with("(global $sum (export \"sum\") (mut i32) (i32.const 0))")
}

#[test]
fn the_nth_call_fails_once_or_from_then_on() {
    let mut vm = three_calls().vm(Profile::Envoy);
    drive(&mut vm, Request::get("/"), |_| Answer::new(200));
    assert_eq!(vm.disarm(), 3);
    let mut nth = 0;
    loop {
        nth += 1;
        for repeat in [Repeat::Once, Repeat::Forever] {
            vm.arm(Faults::nth(nth, Status::INTERNAL_FAILURE, repeat));
            let report = drive(&mut vm, Request::get("/"), |_| Answer::new(200));
            assert_eq!(report.waiting.is_some(), nth <= 3, "{nth} {repeat:?}");
            assert!(report.error.is_none());
        }
        if vm.disarm() < nth {
            break;
        }
    }
    assert_eq!(nth, 4, "the loop ends at the first call that a request does not reach");
}

#[test]
fn a_fault_leaves_the_out_values_alone() {
    let mut filter = Filter::default();
    let key = filter.text(":path");
    let body = format!(
        "(i32.store {OUT_LEN} (i32.const 77))
         (drop (call $get_header_map_value (i32.const 0) {key} {OUT} {OUT_LEN}))
         (call $say (i32.load {OUT_LEN})) (i32.const 0)"
    );
    let mut vm = filter.on("proxy_on_request_headers", 3, true, &body).vm(Profile::Envoy);
    vm.arm(Faults::nth(1, Status(99), Repeat::Once));
    drive(&mut vm, Request::get("/"), |_| Answer::new(200));
    assert_eq!(log(&vm), ["77"]);
}

fn importing(module: &str, name: &str, kind: &str) -> Module {
    let wat = format!(
        "(module (import \"{module}\" \"{name}\" (func {kind})) (memory (export \"memory\") 1)
          (func (export \"proxy_abi_version_0_2_1\")))"
    );
    Module::compile(&wat::parse_str(wat).unwrap()).unwrap()
}

#[test]
fn a_missing_or_mistyped_import_does_not_load() {
    let pair = "(param i32 i32) (result i32)";
    // Whether Envoy, WasmX and APISIX load it.
    let cases: &[(&str, &str, &str, [bool; 3])] = &[
        ("env", "proxy_log", "(param i32 i32 i32) (result i32)", [true, true, true]),
        ("env", "proxy_log", "(param i32 i32 i32)", [false, false, false]),
        ("env", "proxy_nothing", pair, [false, false, false]),
        ("env", "proxy_get_log_level", "(param i32) (result i32)", [true, false, false]),
        ("env", "proxy_get_metric", pair, [true, true, false]),
        ("env", "proxy_increment_metric", "(param i32 i64) (result i32)", [true, true, true]),
        ("wasi_snapshot_preview1", "sock_accept", "(param i32 i32 i32) (result i32)", [false, false, false]),
    ];
    for (module, name, kind, loads) in cases {
        for (profile, loads) in Profile::ALL.into_iter().zip(loads) {
            let made = Vm::new(&importing(module, name, kind), &Shared::new(), VmConfig::new(profile, ""));
            match made {
                Ok(_) => assert!(loads, "{name} on {profile}"),
                Err(Error::Load(why)) => assert!(!loads && why.contains(name), "{name} on {profile}: {why}"),
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn bytes_that_are_no_filter_are_an_error() {
    assert!(matches!(Module::compile(b"nothing"), Err(Error::Load(_))));
    let module = Module::compile(&wat::parse_str("(module)").unwrap()).unwrap();
    assert!(matches!(Vm::new(&module, &Shared::new(), VmConfig::default()), Err(Error::Load(_))));
}

#[test]
fn a_refused_configuration_tells_what_the_filter_said() {
    let body = "(call $say (local.get 1)) (i32.const 0)";
    let filter = Filter::default().on("proxy_on_configure", 2, true, body);
    let refused = filter.try_vm(&Shared::new(), VmConfig::new(Profile::Envoy, "1234567"));
    let Err(Error::Refused { callback, log }) = refused else { panic!("it was taken") };
    assert_eq!((callback.as_str(), log[0].text().as_str()), ("proxy_on_configure", "07"));
}

#[test]
fn apisix_does_not_start_the_vm() {
    let filter = Filter::default().on("proxy_on_vm_start", 2, true, "(i32.const 0)");
    for (profile, loads) in Profile::ALL.into_iter().zip([false, false, true]) {
        assert_eq!(filter.try_vm(&Shared::new(), VmConfig::new(profile, "")).is_ok(), loads, "{profile}");
    }
}

#[test]
fn properties_have_the_form_of_their_proxy() {
    let time_ns = 1_795_380_656_840_000_000_u64.to_le_bytes().to_vec();
    let cases: &[(&str, [Option<&[u8]>; 3])] = &[
        ("source\0address", [Some(b"127.0.0.1:50000"), Some(b"127.0.0.1"), None]),
        ("request\0time", [Some(&time_ns), Some(b"1795380656.840"), None]),
        ("msec", [None, None, Some(b"1795380656.840")]),
        ("remote_addr", [None, None, Some(b"127.0.0.1")]),
        ("request\0path", [Some(b"/a?b"), Some(b"/a?b"), None]),
        ("request\0url_path", [Some(b"/a"), Some(b"/a"), None]),
        ("plugin_root_id", [Some(b"root"), Some(b"root"), Some(b"plugin")]),
    ];
    for (path, expected) in cases {
        let mut filter = Filter::default();
        let get = format!("(call $get_property {} {OUT} {OUT_LEN})", filter.text(path));
        let body = format!("(if (i32.eqz {get}) (then (call $show))) (i32.const 0)");
        let filter = filter.on("proxy_on_request_headers", 3, true, &body);
        for (profile, expected) in Profile::ALL.into_iter().zip(expected) {
            let shared = Shared::new();
            shared.clock().set_ms(1_795_380_656_840);
            let config = VmConfig { root_id: b"root".to_vec(), ..VmConfig::new(profile, "") };
            let mut vm = filter.vm_with(&shared, config);
            drive(&mut vm, Request::get("/a?b"), |_| Answer::new(200));
            let found = shared.log().lines().first().map(|line| line.bytes.clone());
            assert_eq!(found.as_deref(), *expected, "{} on {profile}", path.escape_debug());
        }
    }
}

#[test]
fn the_clock_moves_only_when_it_is_moved() {
    let body = format!("(drop (call $get_current_time_nanoseconds {OUT}))
        (call $say (i32.wrap_i64 (i64.rem_u (i64.div_u (i64.load {OUT}) (i64.const 1000000000)) (i64.const 60))))
        (i32.const 0)");
    let mut vm = Filter::default().on("proxy_on_request_headers", 3, true, &body).vm(Profile::Envoy);
    for _ in 0..2 {
        drive(&mut vm, Request::get("/"), |_| Answer::new(200));
        vm.shared().clock().advance(Duration::from_secs(5));
        drive(&mut vm, Request::get("/"), |_| Answer::new(200));
    }
    assert_eq!(log(&vm), ["00", "05", "05", "10"]);
}

#[test]
fn edits_of_a_body_follow_the_rules_of_their_proxy() {
    // Start, length, what Envoy and WasmX make of `abcdef`; none where it is refused.
    let cases: &[(u32, u32, Option<&str>, Option<&str>)] = &[
        (0, 0, Some("XYabcdef"), Some("XYabcdef")),
        (0, 6, Some("XY"), Some("XY")),
        (0, i32::MAX as u32, Some("XY"), Some("XY")),
        (6, 0, Some("abcdefXY"), Some("abcdefXY")),
        (0, 1, None, Some("X")),
        (2, 1, None, Some("abX")),
    ];
    for (start, len, envoy, wasmx) in cases {
        let mut filter = Filter::default();
        let data = filter.text("XY");
        let call =
            format!("(call $set_buffer_bytes (i32.const 0) (i32.const {start}) (i32.const {len}) {data})");
        let filter = filter.on("proxy_on_request_body", 3, true, &format!("{} (i32.const 0)", say(&call)));
        for (profile, expected) in [(Profile::Envoy, envoy), (Profile::Wasmx, wasmx)] {
            let mut vm = filter.vm(profile);
            let report = drive(&mut vm, Request::new("POST", "/").body("abcdef"), |_| Answer::new(200));
            let status = if expected.is_some() { "00" } else { "02" };
            assert_eq!(log(&vm), [status], "{start} {len} {profile}");
            let body = report.upstream.unwrap().body;
            assert_eq!(
                String::from_utf8(body).unwrap(),
                expected.unwrap_or("abcdef"),
                "{start} {len} {profile}"
            );
        }
    }
}
