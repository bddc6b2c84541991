//! Every format, packed and plain, guessed and named; what cannot be read is named with its place.

use super::{calls, file, replayed};
use std::io::Write as _;
use tokenstile_host::replay::trace::{Call, Counted, Format, Progress, Setting, Used, What, open};

const RECORD: &str = r#"{"time":"2026-11-22T12:00:00Z","duration_ms":1500,"policy":"p","dialect":"anthropic-messages","identity":{"user":"ann","tier":"pro"},"model_requested":"claude-sonnet-4-5","model_served":"claude-sonnet-4-5","model_answered":"claude-sonnet-4-5-20250929","decision":"allow","status":200,"ending":"complete","usage":{"input":1000,"output":200,"cache_read":400,"source":"reported"},"hold_tokens":1500,"cost_nano_usd":5,"priced":true,"price":"anthropic/claude-sonnet-4-5","prices_as_of":"2026-11-22"}"#;

fn counted(call: &Call) -> &Counted {
    let What::Counted(counted) = &call.what else { panic!("{call:?}") };
    counted
}

fn dimension<'c>(call: &'c Call, name: &str) -> &'c str {
    counted(call).dimensions.iter().find(|(known, _)| **known == *name).map_or("", |(_, value)| value)
}

#[test]
fn cost_records_are_read_from_a_log_and_alone_and_other_lines_are_counted() {
    let denied = RECORD
        .replace("\"complete\"", "\"refused\"")
        .replace("\"reported\"", "\"none\"")
        .replace("12:00:00", "11:59:58");
    let log = format!(
        "[2026-11-22 12:00:01][info] wasm log: tokenstile-record {RECORD}\nsome other line\n\
         tokenstile-record {denied}\n{{\"dialect\": \"broken\n{RECORD}\n"
    );
    let (calls, read) = calls("log", log.as_bytes(), &Setting::default());
    // In the order in which they began, though the log has them as they ended.
    let times: Vec<i64> = calls.iter().map(|(at, _)| at - 1_795_348_800_000).collect();
    assert_eq!(times, [-2_000, 0, 0]);
    assert_eq!(counted(&calls[0].1).used, Used::Refused(1_500));
    let Used::Stated(usage) = counted(&calls[1].1).used else { panic!() };
    assert_eq!((usage.input, usage.output, usage.cache_read), (1_000, 200, 400));
    assert_eq!((&*counted(&calls[1].1).provider, calls[1].1.duration_ms), ("anthropic", Some(1_500)));
    assert_eq!((dimension(&calls[1].1, "user"), dimension(&calls[1].1, "tier")), ("ann", "pro"));
    assert_eq!(read.left.iter().collect::<Vec<_>>(), [(&"other lines of the log", &1)]);
    let [bad] = read.bad.as_slice() else { panic!("{:?}", read.bad) };
    assert!(bad.place.ends_with("replay-log:4"), "{bad:?}");
}

/// A sink delivers at least once: what came twice has happened once.
#[test]
fn a_record_that_came_twice_is_one_call() {
    let with = |id: &str| RECORD.replacen('{', &format!("{{\"id\":\"{id}\","), 1);
    let text = [with("a"), with("b"), with("a"), RECORD.to_owned(), RECORD.to_owned()].join("\n");
    let (calls, read) = calls("twice", text.as_bytes(), &Setting::default());
    assert_eq!((calls.len(), read.bad_count), (4, 0));
    assert_eq!(read.left.iter().collect::<Vec<_>>(), [(&"cost records that came twice", &1)]);
}

/// One slip would be the whole of every sum, and two of them more than is counted to.
#[test]
fn more_tokens_than_a_call_has_are_no_call() {
    let record = RECORD.replace("\"input\":1000", &format!("\"input\":{}", u64::MAX));
    let held = RECORD.replace("\"hold_tokens\":1500", "\"hold_tokens\":1000000001");
    let records = format!("{record}\n{record}\n{held}\n{RECORD}\n");
    let counts =
        "input_tokens,output_tokens\n1,1000000001\n1000000001,1\n1,1000000001\n1,1000000000\n".to_owned();
    let one = |tokens: u64| {
        format!(
            "{{\"model\":\"gpt-4o\",\"path\":\"/v1/chat/completions\",\"status\":200,\"input_tokens\":{tokens},\"output_tokens\":1}}\n"
        )
    };
    let access = [one(2_000_000_000), one(2_000_000_000), one(1_000_000_001), one(7)].concat();
    for (name, text) in [("odd.log", records), ("odd.csv", counts), ("odd-access.json", access)] {
        let (calls, read) = calls(name, text.as_bytes(), &Setting::default());
        assert_eq!((calls.len(), read.bad_count), (1, 3), "{name}: {:?}", read.bad);
        assert!(
            read.bad.iter().all(|bad| bad.why.ends_with("tokens are more than a call has")),
            "{:?}",
            read.bad
        );
    }
}

#[test]
fn packed_traces_are_unpacked() {
    let text = format!("tokenstile-record {RECORD}\n");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    let zst = ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    for (name, bytes) in [("plain", text.clone().into_bytes()), ("gz", gz.finish().unwrap()), ("zst", zst)] {
        let (calls, read) = calls(name, &bytes, &Setting::default());
        assert_eq!((calls.len(), read.bad_count), (1, 0), "{name}");
    }
}

#[test]
fn exchanges_and_har_are_whole_calls() {
    let exchange = r#"{"id":"1","method":"POST","url_host":"api.openai.com","url_path":"/v1/chat/completions","request_headers":{"X-User-Id":"ann","Content-Length":"2"},"request_body":"e30=","request_body_encoding":"base64","response_status":200,"response_headers":{"Content-Type":["application/json"]},"response_body":"{}","recorded_at":"Mon, 11 Aug 2025 18:55:13 GMT"}"#;
    let har = r#"{"log": {"version": "1.2", "creator": {"name": "x"}, "entries": [
      {"startedDateTime": "2026-11-22T12:00:05.250+01:00", "time": 812.4,
       "request": {"method": "POST", "url": "https://api.openai.com/v1/chat/completions?x=1",
         "headers": [{"name": "X-User-Id", "value": "ann"}], "postData": {"mimeType": "application/json", "text": "{}"}},
       "response": {"status": 200, "headers": [{"name": "Content-Type", "value": "application/json"}],
         "content": {"text": "e30=", "encoding": "base64"}}},
      {"request": 7}]}}"#;
    for (name, text, at, path) in [
        ("exchanges", exchange, 1_754_938_513_000_i64, "/v1/chat/completions"),
        ("har", har, 1_795_345_205_250, "/v1/chat/completions?x=1"),
    ] {
        let (calls, read) = calls(name, text.as_bytes(), &Setting::default());
        let [(when, call)] = calls.as_slice() else { panic!("{name}: {calls:?} {:?}", read.bad) };
        let What::Whole(whole) = &call.what else { panic!() };
        assert_eq!((*when, whole.path.as_str(), whole.host.as_str()), (at, path, "api.openai.com"), "{name}");
        assert_eq!((whole.request.as_slice(), whole.answer.as_slice()), (&b"{}"[..], &b"{}"[..]), "{name}");
        assert_eq!(whole.request_headers, [("x-user-id".to_owned(), b"ann".to_vec())], "{name}");
        assert_eq!(whole.answer_header("content-type"), Some(&b"application/json"[..]), "{name}");
        let bad: Vec<&str> = read.bad.iter().map(|bad| bad.place.rsplit(", ").next().unwrap()).collect();
        assert_eq!(bad, if name == "har" { vec!["entry 2"] } else { vec![] }, "{name}");
    }
}

#[test]
fn an_access_log_is_read_by_its_field_map() {
    let log = r#"{"start_time":"2026-11-22T12:00:00.000Z","method":"POST","path":"/v1/chat/completions","authority":"api.openai.com","response_code":200,"duration":"1200","llm":{"in":"900","out":80},"model":"gpt-4o","x_user":"ann"}
{"start_time":"2026-11-22T12:00:01Z","method":"GET","path":"/healthz","response_code":200}
{"start_time":"2026-11-22T12:00:02Z","method":"POST","path":"/v1/chat/completions","response_code":200,"llm":{"in":"-"}}
{"start_time":"2026-11-22T12:00:03Z","method":"POST","path":"/v1/chat/completions","response_code":200,"llm":{"in":"many","out":1}}
"#;
    let fields = [("input", "llm.in"), ("output", "llm.out"), ("user", "x_user")];
    let fields = fields.map(|(ours, theirs)| (ours.to_owned(), theirs.to_owned())).into();
    let (calls, read) = calls("envoy", log.as_bytes(), &Setting { fields, ..Setting::default() });
    let [(_, call)] = calls.as_slice() else { panic!("{calls:?}") };
    let Used::Stated(usage) = counted(call).used else { panic!() };
    assert_eq!((usage.input, usage.output, call.duration_ms), (900, 80, Some(1_200)));
    assert_eq!((&*counted(call).model, &*counted(call).provider), ("gpt-4o", "openai"));
    assert_eq!(dimension(call, "user"), "ann");
    assert_eq!(counted(call).dimensions.len(), 1, "nobody has said a tier");
    assert_eq!(read.left.values().sum::<u64>(), 2, "{:?}", read.left);
    assert_eq!(read.bad[0].why, "\"many\" is no count for `input`");
}

/// A log is of real callers: what it does not say is not made up.
#[test]
fn nothing_is_made_up_for_an_access_log() {
    let log = r#"{"path":"/v1/chat/completions","response_code":200,"input_tokens":9,"output_tokens":8}"#;
    let (calls, _) = calls("envoy-bare", log.as_bytes(), &Setting::default());
    let [(_, call)] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((counted(call).dimensions.as_slice(), &*counted(call).model), (&[][..], ""));
    let policy = r#"{"version": 1, "name": "t", "identity": {"user": ["header:x-user-id"], "tier": ["value:free"]}, "budgets": []}"#;
    let report = replayed("envoy-bare", log, &[policy]).policy;
    let top: Vec<&str> = report.by.iter().map(|by| by.top[0].value.as_str()).collect();
    assert_eq!((top, report.unpriced.calls), (vec!["free", "", ""], 1));
}

#[test]
fn token_counts_get_users_that_the_seed_decides() {
    let csv =
        "t_ms,input_tokens,output_tokens,cached_prefix_tokens\n0.0,374,44,0\n4314.579,396,109,512\nx,1,1,0\n";
    let seeded = |seed| {
        let mut setting = Setting::default();
        setting.overlay.seed = seed;
        calls("csv", csv.as_bytes(), &setting)
    };
    let ((first, read), (same, _)) = (seeded(7), seeded(7));
    assert_eq!(format!("{first:?}"), format!("{same:?}"));
    assert_eq!(first.len(), 2);
    assert_eq!(first[1].0 - first[0].0, 4_315);
    assert!(dimension(&first[0].1, "user").starts_with("user-"));
    assert!(["free", "pro", "enterprise"].contains(&dimension(&first[0].1, "tier")));
    assert!(read.bad[0].place.ends_with(":4"), "{:?}", read.bad);
    // What is read from the cache is a part of the input, whatever the trace says.
    let Used::Stated(usage) = counted(&first[1].1).used else { panic!() };
    assert_eq!((usage.input, usage.cache_read), (396, 396));
}

/// Some of all users are busy, as people are; without an exponent all are alike.
#[test]
fn made_up_users_follow_zipfs_law() {
    let mut csv = "input_tokens,output_tokens\n".to_owned();
    (0..4_000).for_each(|_| csv += "10,10\n");
    let share_of_the_busiest = |zipf| {
        let mut setting = Setting::default();
        (setting.overlay.zipf, setting.overlay.users) = (zipf, 100);
        let (calls, _) = calls("zipf", csv.as_bytes(), &setting);
        calls.iter().filter(|(_, call)| dimension(call, "user") == "user-0001").count()
    };
    // 1 / (1 + 1/2 + … + 1/100) = 0.193 of 4,000; and a hundredth.
    assert!((650..900).contains(&share_of_the_busiest(1.0)));
    assert!((15..75).contains(&share_of_the_busiest(0.0)));
}

#[test]
fn what_is_no_trace_is_refused_with_the_way_out() {
    let open = |name: &str, text: &str, format| {
        let path = file(name, text.as_bytes());
        open(&path, &Setting { format, ..Setting::default() }, &Progress::default()).err().unwrap()
    };
    assert!(
        open("prose", "hello\nworld\n", None)
            .ends_with("say it by `--input` (see `tokenstile replay --help`)")
    );
    assert!(open("headless", "1,2\n", Some(Format::Csv)).contains("name it by `--field input=COLUMN`"));
}
