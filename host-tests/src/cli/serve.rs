//! `tokenstile serve`: the filter in a local proxy, so that a policy can be tried with curl or an SDK.
//! Called by `main`. It must not know what the policy says: the filter reads it, and refuses it.

use super::Failure;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;
use tokenstile_host::check;
use tokenstile_host::host::{Error, Level, LogLine, Profile, Shared};
use tokenstile_host::serve::{self, Config, Server, Target};

/// Before the JSON of each cost record in the filter's log.
const RECORD: &str = "tokenstile-record ";
/// What is in flight at Ctrl-C may take this long to end.
const GRACE: Duration = Duration::from_secs(5);
/// Lines of the filter's log that are kept in memory.
const LINES_KEPT: usize = 1000;

const EXAMPLES: &str = "\
Examples:
  tokenstile serve --policy policy.json --upstream http://127.0.0.1:9999 --listen 127.0.0.1:0
  OPENAI_BASE_URL=http://127.0.0.1:8080/v1 python my_app.py";

/// What to serve, and where.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The policy, a JSON file.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Where requests go: http://HOST:PORT, https://HOST, or h2c://HOST:PORT for HTTP/2 without TLS.
    #[arg(long, value_name = "URL")]
    upstream: Target,
    /// Threads, each with its own instance of the filter.
    #[arg(long, default_value_t = 1, value_parser = super::workers)]
    workers: usize,
    /// Where clients connect.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The filter; without it $TOKENSTILE_WASM, else target/tokenstile.wasm.
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// The proxy to stand in for: envoy, wasmx or apisix.
    #[arg(long, default_value = "envoy")]
    profile: Profile,
    /// Where an HTTP call of the filter's goes, by the cluster's name; may be repeated.
    #[arg(long, value_name = "NAME=URL", value_parser = cluster)]
    cluster: Vec<(String, Target)>,
    /// Append the cost records to this file, one JSON object a line, instead of standard error.
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let server = start(args)?;
    let threads = if args.workers > 1 { format!(" with {} workers", args.workers) } else { String::new() };
    println!("tokenstile listens on {}{threads}; Ctrl-C ends it", server.url());
    super::until_interrupted()?;
    tell!("tokenstile: ending; what is in flight gets {} seconds", GRACE.as_secs());
    server.stop(GRACE);
    Ok(ExitCode::SUCCESS)
}

fn start(args: &Args) -> Result<Server, Failure> {
    let name = args.policy.display();
    let policy =
        std::fs::read(&args.policy).map_err(|why| format!("cannot read the policy `{name}`: {why}"))?;
    let policy = check::text(policy).map_err(|why| Failure::Wrong(format!("`{name}`: {why}")))?;
    check::unmarked(&policy).map_err(|why| Failure::Wrong(format!("`{name}`: {why}")))?;
    // The filter would say so too, but not all of it at once.
    check::policy(&policy).map_err(|errors| {
        Failure::Wrong(format!("`{name}`: {errors}\n  `tokenstile check {name}` shows where"))
    })?;
    let mut config = Config::new(super::filter(args.wasm.as_deref())?, policy, args.upstream.clone());
    config.listen = args.listen;
    config.workers = args.workers;
    config.vm.profile = args.profile;
    config.clusters = args.cluster.iter().cloned().collect::<BTreeMap<_, _>>();
    show_log(&config.shared, args.records.as_deref())?;
    Server::start(&config).map_err(|error| match error {
        serve::Error::Filter(Error::Refused { .. }) => {
            // The filter has said why on the lines above.
            Failure::Wrong(format!(
                "the filter refuses the policy `{name}`; `tokenstile check {name}` shows where"
            ))
        }
        serve::Error::Io(why) => Failure::Call(format!("cannot listen on `{}`: {why}", args.listen)),
        serve::Error::Filter(other) => Failure::Wrong(other.to_string()),
    })
}

/// The filter's lines go to standard error, and cost records to a file of their own if there is one.
fn show_log(shared: &Shared, records: Option<&Path>) -> Result<(), String> {
    let open = |path: &Path| {
        let file = File::options().create(true).append(true).open(path);
        file.map_err(|why| format!("cannot write records to `{}`: {why}", path.display()))
    };
    let records = records.map(open).transpose()?.map(Mutex::new);
    shared.log().keep(LINES_KEPT);
    shared.log().sink(move |line| show(line, records.as_ref()));
    Ok(())
}

fn show(line: &LogLine, records: Option<&Mutex<File>>) {
    if line.level < Level::Info {
        return;
    }
    let text = line.text();
    match (text.strip_prefix(RECORD), records) {
        (Some(record), Some(file)) => {
            // A full disk must not stop traffic; the record still goes somewhere.
            let written = file.lock().map(|mut file| writeln!(file, "{record}"));
            if !matches!(written, Ok(Ok(()))) {
                tell!("{text}");
            }
        }
        (Some(_), None) => tell!("{text}"),
        (None, _) => tell!("{}: {text}", format!("{:?}", line.level).to_lowercase()),
    }
}

fn cluster(text: &str) -> Result<(String, Target), String> {
    let (name, url) = text.split_once('=').ok_or("write it as NAME=URL")?;
    Ok((name.to_owned(), url.parse()?))
}
