//! Whole exchanges: what is held, what is let through, what hangs, what waits, on each proxy.

#![allow(clippy::unwrap_used, clippy::panic)]

mod host_support;

use host_support::{Filter, OUT, OUT_LEN, log};
use tokenstile_host::host::{
    Answer, Driver, Ended, Error, FailurePolicy, HangUp, LogLine, Profile, Report, Request, Shared, Side, Vm,
    VmConfig, drive,
};

const PAUSE: &str = "(i32.const 1)";
const CONTINUE: &str = "(i32.const 0)";
/// Pauses until the end of the stream, the last parameter.
const UNTIL_END: &str = "(i32.eqz (local.get 2))";
const NONE: &str = "(i32.const 0) (i32.const 0)";

fn ok(_: &tokenstile_host::host::Sent) -> Answer {
    Answer::json(200, "{\"ok\":true}")
}

fn with(filter: &Filter, profile: Profile, change: impl FnOnce(&mut VmConfig)) -> Vm {
    let mut config = VmConfig::new(profile, "");
    change(&mut config);
    filter.vm_with(&Shared::new(), config)
}

fn on_headers(body: &str) -> Filter {
    Filter::default().on("proxy_on_request_headers", 3, true, body)
}

fn on_body(body: &str) -> Filter {
    Filter::default().on("proxy_on_request_body", 3, true, body)
}

/// Logs what the body callback is given, by the size and the end.
fn log_body(callback: &str, answer: &str) -> Filter {
    let body = format!("(call $say (local.get 1)) (call $say (local.get 2)) {answer}");
    Filter::default().on(callback, 3, true, &body)
}

fn replying(filter: &mut Filter, status: u32) -> String {
    let (body, headers) = (filter.text("no"), filter.map(&[("retry-after", "3")]));
    format!("(drop (call $send_local_response (i32.const {status}) {NONE} {body} {headers} (i32.const -1)))")
}

fn lines(report: &Report) -> Vec<String> {
    report.log.iter().map(LogLine::text).collect()
}

#[test]
fn a_filter_that_does_nothing_changes_nothing() {
    for profile in Profile::ALL {
        let mut vm = Filter::default().vm(profile);
        let request = Request::post("/a?b=c", "hello").header("x-raw", b"\xa1\xb1".to_vec());
        let answer = |_: &_| Answer::events(["one", "two"]).trailers([("x-end", "1")]);
        let report = drive(&mut vm, request.clone(), answer);
        let upstream = report.upstream.unwrap();
        assert_eq!(upstream.headers, request.headers, "{profile}");
        assert_eq!(upstream.body, b"hello", "{profile}");
        assert_eq!(report.client.status, Some(200), "{profile}");
        assert_eq!(report.client.text(), "onetwo", "{profile}");
        assert_eq!(report.client.trailers.unwrap().text("x-end").unwrap(), "1", "{profile}");
        assert_eq!(report.client.ended, Ended::Complete, "{profile}");
        assert!(report.problems.is_empty() && report.error.is_none(), "{profile}");
        assert_eq!(vm.streams_open(), 0, "{profile}");
    }
}

#[test]
fn envoy_gathers_the_body_while_the_filter_pauses_and_others_give_it_whole() {
    let request = || Request::new("POST", "/").chunked(["abc", "de", "f"]);
    let filter = log_body("proxy_on_request_body", UNTIL_END);
    let expected: [&[&str]; 2] = [
        // Each size is the total so far; a chunked body ends with an empty piece.
        &["03", "00", "05", "00", "06", "00", "06", "01"],
        &["06", "01"],
    ];
    for (profile, expected) in [Profile::Envoy, Profile::Wasmx].into_iter().zip(expected) {
        let mut vm = filter.vm(profile);
        let report = drive(&mut vm, request(), ok);
        assert_eq!(lines(&report), expected, "{profile}");
        assert_eq!(report.upstream.unwrap().body, b"abcdef", "{profile}");
    }
}

#[test]
fn envoy_lets_each_piece_through_when_the_filter_does_not_pause() {
    let mut vm = log_body("proxy_on_request_body", CONTINUE).vm(Profile::Envoy);
    let report = drive(&mut vm, Request::new("POST", "/").body("abcdef").split(4), ok);
    assert_eq!(lines(&report), ["04", "00", "02", "01"]);
    assert_eq!(report.upstream.unwrap().body, b"abcdef");
}

#[test]
fn a_request_without_a_body_has_no_body_callback() {
    for profile in Profile::ALL {
        let body = "(call $say (local.get 1)) (call $say (local.get 2)) (i32.const 0)";
        let filter = on_headers(body).on("proxy_on_request_body", 3, true, "(unreachable)");
        let report = drive(&mut filter.vm(profile), Request::get("/"), ok);
        // APISIX never tells how many headers there are.
        let count = if profile == Profile::Apisix { "00" } else { "04" };
        assert_eq!(lines(&report), [count, "01"], "{profile}");
        assert_eq!(report.client.status, Some(200), "{profile}");
    }
}

#[test]
fn apisix_says_that_the_stream_ends_even_if_a_body_follows() {
    let filter = on_headers("(call $say (local.get 2)) (i32.const 0)");
    for (profile, end) in Profile::ALL.into_iter().zip(["00", "00", "01"]) {
        let report = drive(&mut filter.vm(profile), Request::post("/", "x"), ok);
        assert_eq!(lines(&report), [end], "{profile}");
    }
}

#[test]
fn apisix_gives_a_body_to_those_who_asked_for_it() {
    let mut filter = Filter::default();
    let yes = filter.text("true");
    let mut ask = |name: &str| {
        let name = filter.text(name);
        format!("(drop (call $set_property {name} {yes})) {CONTINUE}")
    };
    let (request, response) = (ask("wasm_process_req_body"), ask("wasm_process_resp_body"));
    let body = "(call $say (local.get 1)) (call $say (local.get 2)) (i32.const 0)";
    let deaf = Filter::default().on("proxy_on_request_body", 3, true, body).on(
        "proxy_on_response_body",
        3,
        true,
        body,
    );
    let asking = filter
        .on("proxy_on_request_headers", 3, true, &request)
        .on("proxy_on_request_body", 3, true, body)
        .on("proxy_on_response_headers", 3, true, &response)
        .on("proxy_on_response_body", 3, true, body);
    let heard: [&[&str]; 2] = [&[], &["05", "01", "01", "00", "02", "00", "00", "01"]];
    for (filter, heard) in [deaf, asking].into_iter().zip(heard) {
        let request = Request::new("POST", "/").body("hello").split(2);
        let report = drive(&mut filter.vm(Profile::Apisix), request, |_| Answer::events(["a", "bc"]));
        assert_eq!(lines(&report), heard);
        assert_eq!((report.upstream.unwrap().body, report.client.text()), (b"hello".to_vec(), "abc".into()));
    }
}

#[test]
fn pausing_in_the_headers_to_wait_for_the_body_hangs_or_kills() {
    let filter = on_headers(PAUSE).on("proxy_on_request_body", 3, true, CONTINUE);
    for profile in [Profile::Envoy, Profile::Wasmx] {
        let report = drive(&mut filter.vm(profile), Request::post("/", "x"), ok);
        assert!(report.hung, "{profile}");
        assert_eq!(report.waiting.unwrap().side, Side::Request, "{profile}");
        assert!(report.upstream.is_none(), "{profile}");
    }
    let report = drive(&mut filter.vm(Profile::Apisix), Request::post("/", "x"), ok);
    let Some(Error::Trap(trap)) = report.error else { panic!("{report:?}") };
    assert!(trap.worker_crashed);
    assert_eq!(report.client.ended, Ended::Cut);
}

#[test]
fn envoy_holds_the_headers_for_the_body_if_told_to() {
    let mut filter = Filter::default();
    let (name, value) = (filter.text("x-model"), filter.text("mini"));
    let edit = format!("(drop (call $replace_header_map_value (i32.const 0) {name} {value})) {UNTIL_END}");
    let filter = filter.on("proxy_on_request_headers", 3, true, "(i32.eqz (local.get 2))").on(
        "proxy_on_request_body",
        3,
        true,
        &edit,
    );
    let mut vm = with(&filter, Profile::Envoy, |config| config.hold_headers = true);
    let report = drive(&mut vm, Request::new("POST", "/").chunked(["ab", "c"]), ok);
    let sent = report.upstream.unwrap();
    assert_eq!(sent.headers.text("x-model").unwrap(), "mini");
    assert_eq!(sent.body, b"abc");
}

#[test]
fn a_stale_content_length_is_reported_except_where_nginx_sets_it() {
    let mut filter = Filter::default();
    let data = filter.text("longer than before");
    let set = "$set_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 2147483647)";
    let filter =
        filter.on("proxy_on_request_body", 3, true, &format!("(drop (call {set} {data})) {CONTINUE}"));
    let report = drive(&mut filter.vm(Profile::Envoy), Request::post("/", "short"), ok);
    assert_eq!(
        report.problems,
        ["to the upstream: content-length is `5` and the body has 18 bytes"],
        "{report:?}"
    );
    let report = drive(&mut filter.vm(Profile::Wasmx), Request::post("/", "short"), ok);
    assert!(report.problems.is_empty(), "{report:?}");
    assert_eq!(report.upstream.unwrap().headers.text("content-length").unwrap(), "18");
}

#[test]
fn a_request_that_ends_in_trailers_never_ends_in_the_body() {
    let filter = log_body("proxy_on_request_body", UNTIL_END);
    let request = || Request::new("POST", "/").chunked(["ab"]).trailers([("x-end", "1")]);
    // The filter does not handle trailers, so what it held goes on without a last word from it.
    let report = drive(&mut filter.vm(Profile::Envoy), request(), ok);
    assert_eq!(lines(&report), ["02", "00"]);
    let sent = report.upstream.unwrap();
    assert_eq!((sent.body, sent.complete), (b"ab".to_vec(), true));
    assert_eq!(sent.trailers.unwrap().text("x-end").unwrap(), "1");

    let filter = filter.on("proxy_on_request_trailers", 2, true, PAUSE);
    let report = drive(&mut filter.vm(Profile::Envoy), request(), ok);
    assert!(report.hung, "{report:?}");
    assert!(!report.upstream.unwrap().complete);
}

#[test]
fn envoy_answers_413_itself_and_tells_the_filter_of_the_answer() {
    let filter =
        on_body(PAUSE).on("proxy_on_response_headers", 3, true, "(call $say (i32.const 41)) (i32.const 0)");
    let mut vm = with(&filter, Profile::Envoy, |config| config.body_limit = Some(4));
    let report = drive(&mut vm, Request::new("POST", "/").chunked(["abc", "de", "f"]), ok);
    assert_eq!(report.client.status, Some(413));
    assert!(report.local_reply.as_ref().unwrap().by_host);
    assert_eq!(lines(&report), ["41"]);
    assert!(!report.upstream.unwrap().complete, "the headers had gone on, the body never did");
}

#[test]
fn wasmx_lets_a_body_over_its_limit_go_unread() {
    let read = format!(
        "(call $say (call $get_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 99) {OUT} {OUT_LEN})) (i32.const 0)"
    );
    let mut vm = with(&on_body(&read), Profile::Wasmx, |config| config.body_limit = Some(4));
    let report = drive(&mut vm, Request::post("/", "abcdef"), ok);
    assert_eq!(lines(&report), ["01"]);
    assert_eq!(report.upstream.unwrap().body, b"abcdef");
}

#[test]
fn a_local_reply_takes_the_upstreams_place() {
    let mut filter = Filter::default();
    let reply = replying(&mut filter, 429);
    let filter = filter.on("proxy_on_request_headers", 3, true, &format!("{reply} {PAUSE}")).on(
        "proxy_on_response_headers",
        3,
        true,
        "(call $say (i32.const 42)) (i32.const 0)",
    );
    for (profile, body) in Profile::ALL.into_iter().zip(["no", "no\n", "no"]) {
        let report = drive(&mut filter.vm(profile), Request::post("/", "x"), |_| panic!("asked"));
        assert_eq!(report.client.status, Some(429), "{profile}");
        assert_eq!(report.client.text(), body, "{profile}");
        assert_eq!(report.client.headers.text("retry-after").unwrap(), "3", "{profile}");
        assert_eq!(report.client.ended, Ended::Complete, "{profile}");
        assert!(report.problems.is_empty() && report.waiting.is_none(), "{profile}");
        assert_eq!(lines(&report), ["42"], "{profile}");
    }
}

/// Asks elsewhere in the headers and pauses; the call-back resumes the stream or answers.
fn asking(then: impl FnOnce(&mut Filter) -> String) -> Filter {
    let mut filter = Filter::default();
    let upstream = filter.text("ledger:80");
    let headers = filter.map(&[(":method", "GET"), (":path", "/q"), (":authority", "ledger")]);
    let call = format!("(call $http_call {upstream} {headers} {NONE} {NONE} (i32.const 100) {OUT})");
    let then = then(&mut filter);
    filter
        .on(
            "proxy_on_request_headers",
            3,
            true,
            &format!("(global.set $id (local.get 0)) (drop {call}) {PAUSE}"),
        )
        .on(
            "proxy_on_http_call_response",
            5,
            false,
            &format!(
                "(drop (call $set_effective_context (global.get $id))) (call $say (local.get 1)) {then}"
            ),
        )
        .with("(global $id (mut i32) (i32.const 0))")
}

const RESUME: &str = "(drop (call $continue_stream (i32.const 0)))";

#[test]
fn a_request_waits_for_a_call_and_goes_on() {
    for (profile, token) in Profile::ALL.into_iter().zip([1, 0, 1]) {
        let mut vm = asking(|_| RESUME.to_owned()).vm(profile);
        let mut driver = Driver::new(&vm, Request::post("/", "x"), ok);
        driver.start(&mut vm);
        let report = driver.report(&vm);
        assert_eq!(report.waiting.unwrap().side, Side::Request, "{profile}");
        assert!(!report.hung && report.upstream.is_none(), "{profile}");
        let calls = vm.http_calls();
        assert_eq!(
            (calls.len(), calls[0].token, calls[0].upstream.as_slice()),
            (1, token, &b"ledger:80"[..])
        );

        assert!(!driver.poll(&mut vm), "{profile}: nothing has happened yet");
        vm.http_call_response(token, [(":status", "200")], "{}", [("", ""); 0]).unwrap();
        assert!(driver.poll(&mut vm), "{profile}");
        let report = driver.report(&vm);
        assert_eq!(report.client.status, Some(200), "{profile}");
        assert_eq!(report.upstream.unwrap().body, b"x", "{profile}");
    }
}

#[test]
fn a_call_may_end_in_a_refusal() {
    for profile in Profile::ALL {
        let mut vm = asking(|filter| replying(filter, 429)).vm(profile);
        let mut driver = Driver::new(&vm, Request::post("/", "x"), |_| panic!("asked"));
        driver.start(&mut vm);
        let token = vm.http_calls()[0].token;
        vm.http_call_failed(token).unwrap();
        assert!(driver.poll(&mut vm), "{profile}");
        assert_eq!(driver.report(&vm).client.status, Some(429), "{profile}");
    }
}

#[test]
fn the_client_may_be_gone_before_the_call_is_answered() {
    for profile in Profile::ALL {
        let mut vm = asking(|_| RESUME.to_owned()).vm(profile);
        let mut driver = Driver::new(&vm, Request::post("/", "x"), |_| panic!("asked"));
        driver.start(&mut vm);
        driver.client_gone(&mut vm);
        assert_eq!(driver.report(&vm).client.ended, Ended::ClientGone, "{profile}");
        // Envoy's calls belong to the root context and are answered all the same.
        let left: Vec<u32> = vm.http_calls().iter().map(|call| call.token).collect();
        assert_eq!(left.is_empty(), profile != Profile::Envoy, "{profile}");
        for token in left {
            vm.http_call_response(token, [(":status", "200")], "", [("", ""); 0]).unwrap();
        }
        assert!(!driver.poll(&mut vm), "{profile}");
        assert_eq!(vm.streams_open(), 0, "{profile}");
    }
}

#[test]
fn a_tick_resumes_on_envoy_and_kills_on_wasmx() {
    let filter = on_headers(&format!("(global.set $id (local.get 0)) {PAUSE}"))
        .on(
            "proxy_on_configure",
            2,
            true,
            "(drop (call $set_tick_period_milliseconds (i32.const 5))) (i32.const 1)",
        )
        .on(
            "proxy_on_tick",
            1,
            false,
            &format!("(drop (call $set_effective_context (global.get $id))) {RESUME}"),
        )
        .with("(global $id (mut i32) (i32.const 0))");
    let mut vm = filter.vm(Profile::Envoy);
    let mut driver = Driver::new(&vm, Request::get("/"), ok);
    driver.start(&mut vm);
    assert!(!driver.report(&vm).hung);
    assert_eq!(vm.tick(), Ok(true));
    driver.poll(&mut vm);
    assert_eq!(driver.report(&vm).client.status, Some(200));

    let mut vm = filter.vm(Profile::Wasmx);
    let mut driver = Driver::new(&vm, Request::get("/"), ok);
    driver.start(&mut vm);
    assert!(matches!(vm.tick(), Err(Error::Trap(trap)) if trap.worker_crashed));
    assert!(driver.report(&vm).hung);
}

#[test]
fn a_hang_up_ends_the_stream_with_log_and_done() {
    let end = |digit: u32| format!("(call $say (i32.const {digit}))");
    let filter = log_body("proxy_on_response_body", CONTINUE)
        .on("proxy_on_log", 1, false, &end(71))
        .on("proxy_on_done", 1, true, &format!("{} (i32.const 1)", end(72)))
        .on("proxy_on_delete", 1, false, &end(73));
    let request = Request::get("/").hang_up(HangUp::AfterResponseChunk(2));
    let report = drive(&mut filter.vm(Profile::Envoy), request, |_| Answer::events(["a", "bc", "def"]));
    assert_eq!(lines(&report), ["01", "00", "02", "00", "71", "72", "73"]);
    assert_eq!(report.client.ended, Ended::ClientGone);
    assert_eq!(report.client.text(), "abc");
}

#[test]
fn an_upstream_that_breaks_cuts_the_answer_before_its_end() {
    let filter = log_body("proxy_on_response_body", CONTINUE);
    let report = drive(&mut filter.vm(Profile::Envoy), Request::get("/"), |_| Answer::events(["a"]).cut());
    assert_eq!(lines(&report), ["01", "00"]);
    assert_eq!((report.client.ended, report.client.text().as_str()), (Ended::Cut, "a"));
    let report = drive(&mut filter.vm(Profile::Envoy), Request::get("/"), |_| Answer::unreachable());
    assert_eq!(report.client.status, Some(503));
}

#[test]
fn a_trap_has_the_consequences_of_its_proxy() {
    // Traps on the path `/`, and passes everything else.
    let mut filter = Filter::default();
    let path = filter.text(":path");
    let body = format!(
        "(drop (call $get_header_map_value (i32.const 0) {path} {OUT} {OUT_LEN}))
         (if (i32.eq (i32.load {OUT_LEN}) (i32.const 1)) (then (unreachable))) {CONTINUE}"
    );
    let filter = filter.on("proxy_on_request_headers", 3, true, &body);
    let second = |mut vm: Vm| {
        let first = drive(&mut vm, Request::get("/"), ok);
        assert!(matches!(first.error, Some(Error::Trap(_))), "{first:?}");
        (first.client.status, drive(&mut vm, Request::get("/fine"), ok).client.status)
    };
    let envoy = |policy| with(&filter, Profile::Envoy, |config| config.failure_policy = policy);
    assert_eq!(second(envoy(FailurePolicy::Closed)), (Some(503), Some(503)), "closed: for ever");
    assert_eq!(
        second(envoy(FailurePolicy::Open)),
        (Some(200), Some(200)),
        "open: as if there were no filter"
    );
    assert_eq!(second(envoy(FailurePolicy::Reload)), (Some(503), Some(200)), "reload: a new VM");
    assert_eq!(second(filter.vm(Profile::Wasmx)), (Some(500), Some(200)));
    assert_eq!(second(filter.vm(Profile::Apisix)), (Some(503), Some(200)), "the same broken VM");
}

#[test]
fn two_exchanges_take_turns_on_one_vm() {
    let filter = asking(|_| RESUME.to_owned());
    let mut vm = filter.vm(Profile::Envoy);
    let mut first = Driver::new(&vm, Request::get("/1"), ok);
    first.start(&mut vm);
    let mut second = Driver::new(&vm, Request::get("/2"), ok);
    second.start(&mut vm);
    // The filter remembers the last stream alone.
    vm.http_call_response(1, [(":status", "200")], "", [("", ""); 0]).unwrap();
    assert!(!first.poll(&mut vm));
    assert!(second.poll(&mut vm));
    assert!(second.is_over() && !first.is_over());
    assert_eq!(log(&vm), ["01"]);
}
