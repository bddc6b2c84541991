//! What each proxy answers to host calls: one table, one check. The numbers are those that were measured with a
//! probe filter in the real proxies, see the host's documentation of its profiles.

#![allow(clippy::unwrap_used, clippy::panic)]

mod host_support;

use host_support::{Filter, OUT, OUT_LEN, OUT_MORE, say};
use tokenstile_host::host::{Answer, Error, Profile, Request, Shared, VmConfig, drive};

/// What a call comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    /// This status.
    S(u32),
    /// The callback traps.
    Trap,
    /// The worker process dies.
    Crash,
    /// The callback never comes.
    Never,
}
use Is::{Crash, Never, S, Trap};

/// Where the call is made.
#[derive(Clone, Copy, Debug)]
enum At {
    Configure,
    RequestHeaders,
    RequestBody,
    /// In the body's callback, the headers' having returned `Pause` under `allow_on_headers_stop_iteration`.
    HeldBody,
    ResponseHeaders,
    ResponseBody,
    Log,
    Tick,
}

struct Case {
    name: &'static str,
    at: At,
    /// Calls before it, whose status does not matter, and the call itself.
    calls: fn(&mut Filter) -> Vec<String>,
    /// Envoy, WasmX, APISIX.
    expected: [Is; 3],
}

fn header(filter: &mut Filter, map: u32, name: &str) -> String {
    format!("(call $get_header_map_value (i32.const {map}) {} {OUT} {OUT_LEN})", filter.text(name))
}

fn add_header(filter: &mut Filter, map: u32) -> String {
    let (name, value) = (filter.text("x-new"), filter.text("1"));
    format!("(call $add_header_map_value (i32.const {map}) {name} {value})")
}

fn get_data(filter: &mut Filter) -> String {
    format!("(call $get_shared_data {} {OUT} {OUT_LEN} {OUT_MORE})", filter.text("key"))
}

fn set_data(filter: &mut Filter, cas: u32) -> String {
    let (key, value) = (filter.text("key"), filter.text("value"));
    format!("(call $set_shared_data {key} {value} (i32.const {cas}))")
}

fn increment(filter: &mut Filter, by: i64) -> Vec<String> {
    let define = format!("(call $define_metric (i32.const 0) {} {OUT})", filter.text("counter"));
    vec![define, format!("(call $increment_metric (i32.load {OUT}) (i64.const {by}))")]
}

fn tick() -> String {
    "(call $set_tick_period_milliseconds (i32.const 10))".to_owned()
}

fn http_call(filter: &mut Filter, upstream: &str) -> String {
    let upstream = filter.text(upstream);
    let headers = filter.map(&[(":method", "GET"), (":path", "/"), (":authority", "a")]);
    let none = "(i32.const 0) (i32.const 0)";
    format!("(call $http_call {upstream} {headers} {none} {none} (i32.const 100) {OUT})")
}

fn reply() -> String {
    let none = "(i32.const 0) (i32.const 0)";
    format!("(call $send_local_response (i32.const 429) {none} {none} {none} (i32.const -1))")
}

fn body(kind: u32) -> String {
    format!(
        "(call $get_buffer_bytes (i32.const {kind}) (i32.const 0) (i32.const 2147483647) {OUT} {OUT_LEN})"
    )
}

fn set_body(filter: &mut Filter) -> String {
    let data = filter.text("new body");
    format!("(call $set_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 2147483647) {data})")
}

fn property(filter: &mut Filter, path: &str) -> String {
    format!("(call $get_property {} {OUT} {OUT_LEN})", filter.text(path))
}

const FAR: &str = "(i32.const 2147483000)";

const CASES: &[Case] = &[
    Case {
        name: "shared data: a key that is not there",
        at: At::RequestHeaders,
        calls: |f| vec![get_data(f)],
        expected: [S(1), S(1), S(12)],
    },
    Case {
        name: "shared data: a new key without CAS",
        at: At::RequestHeaders,
        calls: |f| vec![set_data(f, 0)],
        expected: [S(0), S(0), S(12)],
    },
    Case {
        name: "shared data: a new key with any CAS",
        at: At::RequestHeaders,
        calls: |f| vec![set_data(f, 7)],
        expected: [S(0), S(8), S(12)],
    },
    Case {
        name: "shared data: a wrong CAS",
        at: At::RequestHeaders,
        calls: |f| vec![set_data(f, 0), set_data(f, 77)],
        expected: [S(8), S(8), S(12)],
    },
    Case {
        name: "metrics: add one",
        at: At::RequestHeaders,
        calls: |f| increment(f, 1),
        expected: [S(0), S(0), S(0)],
    },
    Case {
        name: "metrics: add nothing",
        at: At::RequestHeaders,
        calls: |f| increment(f, 0),
        expected: [S(2), S(0), S(0)],
    },
    Case {
        name: "time",
        at: At::RequestHeaders,
        calls: |_| vec![format!("(call $get_current_time_nanoseconds {OUT})")],
        expected: [S(0), S(0), S(12)],
    },
    Case { name: "tick", at: At::Configure, calls: |_| vec![tick()], expected: [S(0), S(0), S(12)] },
    Case {
        name: "tick: set twice",
        at: At::Configure,
        calls: |_| vec![tick(), tick()],
        expected: [S(0), Trap, S(12)],
    },
    Case {
        name: "gRPC call",
        at: At::RequestHeaders,
        calls: |_| vec![format!("(call $grpc_call {} (i32.const 10) {OUT})", "(i32.const 0) ".repeat(10))],
        expected: [S(0), Trap, S(12)],
    },
    Case {
        name: "foreign function: unknown",
        at: At::RequestHeaders,
        calls: |f| {
            let none = "(i32.const 0) (i32.const 0)";
            vec![format!("(call $call_foreign_function {} {none} {OUT} {OUT_LEN})", f.text("nothing"))]
        },
        expected: [S(1), Trap, S(12)],
    },
    Case {
        name: "foreign function: clear_route_cache",
        at: At::RequestHeaders,
        calls: |f| {
            let none = "(i32.const 0) (i32.const 0)";
            vec![format!("(call $call_foreign_function {} {none} {none})", f.text("clear_route_cache"))]
        },
        expected: [S(0), Trap, S(12)],
    },
    Case {
        name: "http call: a name that the proxy does not know",
        at: At::RequestHeaders,
        calls: |f| vec![http_call(f, "nobody:1")],
        expected: [S(2), S(0), S(0)],
    },
    Case {
        name: "http call: a second one at the same time",
        at: At::RequestHeaders,
        calls: |f| vec![http_call(f, "known"), http_call(f, "known")],
        expected: [S(0), S(0), S(2)],
    },
    Case {
        name: "http call: in the response",
        at: At::ResponseHeaders,
        calls: |f| vec![http_call(f, "known")],
        expected: [S(0), S(2), S(2)],
    },
    Case {
        name: "request headers: in their callback",
        at: At::RequestHeaders,
        calls: |f| vec![header(f, 0, ":path")],
        expected: [S(0), S(0), S(0)],
    },
    Case {
        name: "request headers: one that is not there",
        at: At::RequestHeaders,
        calls: |f| vec![header(f, 0, "x-none")],
        expected: [S(1), S(1), S(1)],
    },
    Case {
        name: "request headers: read in the body",
        at: At::RequestBody,
        calls: |f| vec![header(f, 0, ":path")],
        expected: [S(2), S(0), S(0)],
    },
    Case {
        name: "request headers: written in the body",
        at: At::RequestBody,
        calls: |f| vec![add_header(f, 0)],
        expected: [S(2), S(0), S(0)],
    },
    Case {
        name: "request headers: read in the body while held",
        at: At::HeldBody,
        calls: |f| vec![header(f, 0, ":path")],
        expected: [S(0), Never, Crash],
    },
    Case {
        name: "request headers: read in the response",
        at: At::ResponseHeaders,
        calls: |f| vec![header(f, 0, ":path")],
        expected: [S(2), S(0), S(0)],
    },
    Case {
        name: "request headers: read in the answer's body",
        at: At::ResponseBody,
        calls: |f| vec![header(f, 0, ":path")],
        expected: [S(2), S(0), Never],
    },
    Case {
        name: "request headers: read in the log",
        at: At::Log,
        calls: |f| vec![header(f, 0, ":path")],
        expected: [S(0), S(0), Never],
    },
    Case {
        name: "response headers: read before there are any",
        at: At::RequestHeaders,
        calls: |f| vec![header(f, 2, ":status")],
        expected: [S(2), S(1), S(1)],
    },
    Case {
        name: "a header map that is not there",
        at: At::RequestHeaders,
        calls: |f| vec![header(f, 99, ":path")],
        expected: [S(2), S(2), S(2)],
    },
    Case {
        name: "request body: read",
        at: At::RequestBody,
        calls: |_| vec![body(0)],
        expected: [S(0), S(0), S(0)],
    },
    Case {
        name: "request body: read in the headers",
        at: At::RequestHeaders,
        calls: |_| vec![body(0)],
        expected: [S(1), S(1), S(1)],
    },
    Case {
        name: "request body: replaced",
        at: At::RequestBody,
        calls: |f| vec![set_body(f)],
        expected: [S(0), S(0), S(12)],
    },
    Case {
        name: "local reply",
        at: At::RequestHeaders,
        calls: |_| vec![reply()],
        expected: [S(0), S(0), S(0)],
    },
    Case {
        name: "local reply: a second one",
        at: At::RequestHeaders,
        calls: |_| vec![reply(), reply()],
        expected: [S(0), Trap, S(0)],
    },
    Case {
        name: "local reply: in the response headers",
        at: At::ResponseHeaders,
        calls: |_| vec![reply()],
        expected: [S(0), Trap, S(0)],
    },
    Case {
        name: "effective context: one that is not there",
        at: At::RequestHeaders,
        calls: |_| vec!["(call $set_effective_context (i32.const 999))".to_owned()],
        expected: [S(2), S(0), S(0)],
    },
    Case {
        name: "resume from a tick",
        at: At::Tick,
        calls: |_| vec!["(call $continue_stream (i32.const 0))".to_owned()],
        expected: [S(0), Crash, Never],
    },
    Case {
        name: "property: the request's time",
        at: At::RequestHeaders,
        calls: |f| vec![property(f, "request\0time")],
        expected: [S(0), S(0), S(1)],
    },
    Case {
        name: "property: nginx's time",
        at: At::RequestHeaders,
        calls: |f| vec![property(f, "msec")],
        expected: [S(1), S(1), S(0)],
    },
    Case {
        name: "a key out of bounds",
        at: At::RequestHeaders,
        calls: |_| {
            vec![format!("(call $get_header_map_value (i32.const 0) {FAR} (i32.const 9) {OUT} {OUT_LEN})")]
        },
        expected: [S(6), S(6), S(6)],
    },
    Case {
        name: "an out value out of bounds",
        at: At::RequestHeaders,
        calls: |f| {
            let key = f.text(":path");
            vec![format!("(call $get_header_map_value (i32.const 0) {key} {FAR} {OUT_LEN})")]
        },
        expected: [S(6), S(6), S(6)],
    },
    Case {
        name: "a length that wraps around",
        at: At::RequestHeaders,
        calls: |_| vec!["(call $log (i32.const 2) (i32.const 8) (i32.const -4))".to_owned()],
        expected: [S(6), S(6), S(6)],
    },
];

#[test]
fn every_call_answers_as_measured() {
    let mut wrong = Vec::new();
    for case in CASES {
        for (profile, expected) in Profile::ALL.into_iter().zip(case.expected) {
            let found = check(case, profile);
            if found != expected {
                wrong.push(format!("{} on {profile}: {found:?}, not {expected:?}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs one exchange with a body, in which the case's calls are made, and reads the last status logged.
fn check(case: &Case, profile: Profile) -> Is {
    let mut filter = Filter::default();
    let calls: String = (case.calls)(&mut filter).iter().map(|call| say(call)).collect();
    let filter = place(filter, case.at, &calls);
    let shared = Shared::new();
    shared.clusters(["known"]);
    let mut config = VmConfig::new(profile, "");
    config.hold_headers = matches!(case.at, At::HeldBody);
    let mut vm = match filter.try_vm(&shared, config) {
        Ok(vm) => vm,
        Err(error) => return failure(&error),
    };
    let request = Request::post("/", "a body").header("x-one", "1");
    let report = drive(&mut vm, request, |_| Answer::json(200, "{}"));
    let error = report.error.or_else(|| vm.tick().err());
    error.map_or_else(|| last_status(&shared), |error| failure(&error))
}

fn last_status(shared: &Shared) -> Is {
    let lines = shared.log().lines();
    lines.last().map_or(Never, |line| S(line.text().parse().unwrap()))
}

fn failure(error: &Error) -> Is {
    match error {
        Error::Trap(trap) if trap.worker_crashed => Crash,
        Error::Trap(_) => Trap,
        other => panic!("{other}"),
    }
}

fn place(mut filter: Filter, at: At, calls: &str) -> Filter {
    let quiet = format!("{calls} (i32.const 0)");
    match at {
        At::Configure => filter.on("proxy_on_configure", 2, true, &format!("{calls} (i32.const 1)")),
        At::RequestHeaders => filter.on("proxy_on_request_headers", 3, true, &quiet),
        At::RequestBody => {
            // APISIX gives the body to those alone who asked for it.
            let (name, value) = (filter.text("wasm_process_req_body"), filter.text("true"));
            let ask = format!("(drop (call $set_property {name} {value})) (i32.const 0)");
            filter.on("proxy_on_request_headers", 3, true, &ask).on("proxy_on_request_body", 3, true, &quiet)
        }
        At::HeldBody => filter.on("proxy_on_request_headers", 3, true, "(i32.const 1)").on(
            "proxy_on_request_body",
            3,
            true,
            &quiet,
        ),
        At::ResponseHeaders => filter.on("proxy_on_response_headers", 3, true, &quiet),
        At::ResponseBody => filter.on("proxy_on_response_body", 3, true, &quiet),
        At::Log => filter.on("proxy_on_log", 1, false, calls),
        At::Tick => filter.on("proxy_on_configure", 2, true, &format!("(drop {}) (i32.const 1)", tick())).on(
            "proxy_on_tick",
            1,
            false,
            calls,
        ),
    }
}
