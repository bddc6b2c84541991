//! `tokenstile run FILTER.wasm`: drives any proxy-wasm filter with a request and prints what came out.
//! Called by `main`; it must not know our own plugin.

use super::Failure;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use tokenstile_host::host::{
    Answer, Driver, Error, FailurePolicy, HeaderMap, Module, Profile, Report, Request, Shared, Vm, VmConfig,
};

/// How many times an exchange that waits is given a tick before it is left alone.
const TICKS_MAX: u32 = 100;

const EXAMPLES: &str = "\
Examples:
  tokenstile run target/tokenstile.wasm --config policy.json --path /v1/chat/completions --body @body.json
  tokenstile run target/tokenstile.wasm --config policy.json --profile apisix --workers 2 --json";

/// What to run and with which request.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The filter, a proxy-wasm module (.wasm)
    filter: PathBuf,
    /// The plugin configuration, given to the filter as it is
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The proxy to stand in for: envoy, wasmx or apisix
    #[arg(long, default_value = "envoy")]
    profile: Profile,
    /// Hold the headers while the body is read (Envoy's `allow_on_headers_stop_iteration`)
    #[arg(long)]
    hold_headers: bool,
    /// The request's method; without it GET, or POST if there is a body
    #[arg(long)]
    method: Option<String>,
    /// The request's path
    #[arg(long, default_value = "/")]
    path: String,
    /// A header of the request, as `name: value`; may be repeated
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// The request's body: text, or the contents of a file as `@FILE`
    #[arg(long, value_name = "TEXT|@FILE")]
    body: Option<String>,
    /// The status that the upstream answers with
    #[arg(long, default_value_t = 200)]
    upstream_status: u16,
    /// A header of the upstream's answer, as `name: value`; may be repeated
    #[arg(long, value_name = "NAME: VALUE")]
    upstream_header: Vec<String>,
    /// The upstream's body: text, or the contents of a file as `@FILE`
    #[arg(long, value_name = "TEXT|@FILE")]
    upstream_body: Option<String>,
    /// Cut both bodies into pieces of that many bytes, of unknown total length
    #[arg(long, value_name = "BYTES")]
    chunk: Option<usize>,
    /// How many workers to run; each gets the same request, one after the other
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    workers: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Fails if the filter does not load, traps, or leaves a request hanging.
pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let module = Module::compile(&read(&args.filter)?).map_err(wrong)?;
    let shared = Shared::new();
    shared.clock().follow_machine();
    let configuration = args.config.as_ref().map(read).transpose()?.unwrap_or_default();
    let mut config = VmConfig::new(args.profile, configuration);
    config.hold_headers = args.hold_headers;
    config.failure_policy = FailurePolicy::Closed;
    let mut fine = true;
    for worker in 1..=args.workers {
        let mut vm = Vm::new(&module, &shared, config.clone()).map_err(wrong)?;
        let report = exchange(&mut vm, request(args)?, answer(args)?);
        fine &= report.error.is_none() && report.waiting.is_none();
        if args.json {
            println!("{:#}", as_json(worker, &report));
        } else {
            print_report(worker, args.workers, &report);
        }
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The filter is.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn wrong(error: Error) -> Failure {
    Failure::Wrong(error.to_string())
}

fn read(path: impl AsRef<std::path::Path>) -> Result<Vec<u8>, String> {
    let path = path.as_ref();
    std::fs::read(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

fn content(given: Option<&String>) -> Result<Vec<u8>, String> {
    match given.map(|text| (text, text.strip_prefix('@'))) {
        None => Ok(Vec::new()),
        Some((_, Some(file))) => read(file),
        Some((text, None)) => Ok(text.clone().into_bytes()),
    }
}

fn header(given: &str) -> Result<(&str, &str), String> {
    let (name, value) = given.split_once(':').ok_or_else(|| {
        format!("`{given}` is no header; write it as `name: value`, as in `--header 'x-user-id: ann'`")
    })?;
    Ok((name.trim(), value.trim()))
}

fn request(args: &Args) -> Result<Request, String> {
    let body = content(args.body.as_ref())?;
    let method = args.method.as_deref().unwrap_or(if body.is_empty() { "GET" } else { "POST" });
    let mut request = Request::new(method, &args.path);
    for given in &args.header {
        let (name, value) = header(given)?;
        request.headers.replace(name, value);
    }
    request = match args.chunk {
        _ if body.is_empty() => request,
        Some(bytes) => request.chunked([body]).split(bytes),
        None => request.body(body),
    };
    Ok(request)
}

fn answer(args: &Args) -> Result<Answer, String> {
    let body = content(args.upstream_body.as_ref())?;
    let mut answer = Answer::new(args.upstream_status);
    for given in &args.upstream_header {
        let (name, value) = header(given)?;
        answer.headers.replace(name, value);
    }
    Ok(match args.chunk {
        Some(bytes) if !body.is_empty() => answer.chunked([body]).split(bytes),
        _ => answer.body(body),
    })
}

/// One exchange. While it waits, it gets the ticks that the filter asked for.
fn exchange(vm: &mut Vm, request: Request, answer: Answer) -> Report {
    let mut driver = Driver::new(vm, request, move |_| answer.clone());
    driver.start(vm);
    for _ in 0..TICKS_MAX {
        if driver.waiting().is_none() || !vm.tick().is_ok_and(|asked| asked) {
            break;
        }
        driver.poll(vm);
    }
    driver.report(vm)
}

fn print_report(worker: u32, workers: u32, report: &Report) {
    if workers > 1 {
        println!("== worker {worker}");
    }
    match &report.upstream {
        None => println!("-> upstream: nothing"),
        Some(sent) => {
            println!("-> upstream{}", if sent.complete { "" } else { " (not to its end)" });
            print_message(&sent.headers, &sent.body);
        }
    }
    println!("<- client ({:?})", report.client.ended);
    print_message(&report.client.headers, &report.client.body());
    for line in &report.log {
        println!("   log {:?}: {}", line.level, line.text());
    }
    for (name, change) in &report.metrics {
        println!("   metric {name} {change:+}");
    }
    for problem in &report.problems {
        println!(" ! {problem}");
    }
    if let Some(waiting) = report.waiting {
        let why = if report.hung { "and nothing will ever end it" } else { "for a call or a tick" };
        println!(" ! the {:?} waits, {why}", waiting.side);
    }
    if let Some(error) = &report.error {
        println!(" ! {error}");
    }
}

fn print_message(headers: &HeaderMap, body: &[u8]) {
    for (name, value) in headers.iter() {
        println!("   {}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
    }
    if !body.is_empty() {
        println!("\n{}\n", String::from_utf8_lossy(body).trim_end());
    }
}

fn as_json(worker: u32, report: &Report) -> Value {
    let headers = |map: &HeaderMap| -> Value {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        map.iter().map(|(name, value)| json!([text(name), text(value)])).collect()
    };
    let upstream = report.upstream.as_ref().map(|sent| {
        json!({
            "complete": sent.complete,
            "headers": headers(&sent.headers),
            "body": String::from_utf8_lossy(&sent.body),
        })
    });
    let log: Vec<Value> =
        report.log.iter().map(|line| json!([format!("{:?}", line.level), line.text()])).collect();
    json!({
        "worker": worker,
        "upstream": upstream,
        "client": {
            "status": report.client.status,
            "headers": headers(&report.client.headers),
            "body": report.client.text(),
            "ended": format!("{:?}", report.client.ended),
        },
        "log": log,
        "metrics": report.metrics,
        "problems": report.problems,
        "waiting": report.waiting.map(|waiting| format!("{:?}", waiting.side)),
        "hung": report.hung,
        "error": report.error.as_ref().map(ToString::to_string),
    })
}
