//! `tokenstile init`: a policy to begin with, its scenarios, what puts it into a proxy, and a step that checks it in CI.
//! Called by `main`. It owns what is written and that nothing is overwritten; the texts are the files beside it and in `examples/ci/`.

use super::Failure;
use super::schema::{POLICY, SCENARIO};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The examples that tests run.
const GITHUB: &str = include_str!("../../../../examples/ci/github/policy.yml");
const GITLAB: &str = include_str!("../../../../examples/ci/gitlab/.gitlab-ci.yml");
const PRE_COMMIT: &str = include_str!("../../../../examples/ci/pre-commit/.pre-commit-config.yaml");

const EXAMPLES: &str = "\
Examples:
  tokenstile init acme
  tokenstile init acme-mesh --proxy istio --ci gitlab
  tokenstile init acme-kong --proxy kong --ci none --name acme

The policy is in shadow mode: it decides and writes down, and restricts nobody until `mode` is `enforce`.

Exit status: 0 if all was written, 2 if a file was there already or cannot be written.";

/// What to write, and where.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder; it is made if it is not there
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The policy's name; without it the folder's
    #[arg(long)]
    name: Option<String>,
    /// The proxy that it is for
    #[arg(long, value_enum, default_value = "envoy")]
    proxy: Proxy,
    /// Where it is checked
    #[arg(long, value_enum, default_value = "github")]
    ci: Ci,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Proxy {
    /// Envoy's http filter
    Envoy,
    /// Istio's WasmPlugin
    Istio,
    /// Kong up to 3.9, by its declarative configuration
    Kong,
    /// APISIX, by its configuration and a route
    Apisix,
}

/// Who calls, as a proxy knows it, in the words of policies and scenarios.
struct Identity {
    user: &'static str,
    plan: &'static str,
    /// A call of ben, who has the plan pro.
    ben: &'static str,
}

impl Proxy {
    /// Envoy hands over the claims of tokens that it has verified. Kong's and APISIX's plugins name the consumer in a header,
    /// and what else there is to say of it they can put into another: the snippets have both.
    const fn identity(self) -> Identity {
        match self {
            Self::Envoy | Self::Istio => Identity {
                user: "\"jwt:sub\"",
                plan: "\"jwt:plan\"",
                ben: "\"properties\": {\"metadata.filter_metadata.envoy.filters.http.jwt_authn.jwt_payload.sub\": \"ben\",
                                 \"metadata.filter_metadata.envoy.filters.http.jwt_authn.jwt_payload.plan\": \"pro\"}",
            },
            Self::Kong | Self::Apisix => Identity {
                user: "\"header:x-consumer-username\"",
                plan: "\"header:x-plan\"",
                ben: "\"headers\": {\"x-consumer-username\": \"ben\", \"x-plan\": \"pro\"}",
            },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Ci {
    /// A workflow of GitHub Actions
    Github,
    /// A job of GitLab CI
    Gitlab,
    /// Hooks of pre-commit
    PreCommit,
    /// Nothing
    None,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let files = files(args)?;
    if let Some((taken, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(Failure::Call(format!("`{}` is there already; nothing was written", taken.display())));
    }
    for (path, text) in &files {
        write(path, text)?;
        super::say(&format!("{}\n", path.display()))?;
    }
    let folder = args.folder.display();
    tell!(
        "tokenstile: what next?\n  tokenstile check --enforce {folder}/policy.json\n  tokenstile test {folder} --native --coverage\n\
         It is in shadow mode: put it into the proxy, look at the records, and enforce it then."
    );
    Ok(ExitCode::SUCCESS)
}

fn files(args: &Args) -> Result<Vec<(PathBuf, String)>, Failure> {
    // Two policies of one name share their budgets: the folder's own name, also where it is `.`.
    let folder = std::path::absolute(&args.folder).unwrap_or_else(|_| args.folder.clone());
    let named = || folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = args.name.clone().or_else(named).unwrap_or_else(|| "acme".to_owned());
    if name.is_empty() || name.chars().count() > 64 {
        let why =
            format!("`{name}` is no name for a policy: it has 1 to 64 characters; give it one by `--name`");
        return Err(Failure::Call(why));
    }
    let policy = include_str!("policy.json").replace("\"NAME\"", &serde_json::Value::from(name).to_string());
    let Identity { user, plan, ben } = args.proxy.identity();
    // As they stand, the files are Envoy's.
    let Identity { user: of_envoy, plan: envoys, ben: verified } = Proxy::Envoy.identity();
    let policy = policy.replace(of_envoy, user).replace(envoys, plan);
    let scenarios = include_str!("policy.test.json").replace(verified, ben);
    let (proxy, snippet) = match args.proxy {
        Proxy::Envoy => ("envoy-filter.yaml", include_str!("envoy.yaml")),
        Proxy::Istio => ("wasmplugin.yaml", include_str!("istio.yaml")),
        Proxy::Kong => ("kong.yaml", include_str!("kong.yaml")),
        Proxy::Apisix => ("apisix.yaml", include_str!("apisix.yaml")),
    };
    let mut files = vec![
        ("policy.json", policy.clone()),
        ("policy.test.json", scenarios),
        ("policy.schema.json", POLICY.to_owned()),
        ("scenario.schema.json", SCENARIO.to_owned()),
        (proxy, with_policy(snippet, &policy)),
    ];
    match args.ci {
        Ci::Github => files.push((".github/workflows/policy.yml", GITHUB.to_owned())),
        Ci::Gitlab => files.push((".gitlab-ci.yml", GITLAB.to_owned())),
        Ci::PreCommit => files.push((".pre-commit-config.yaml", PRE_COMMIT.to_owned())),
        Ci::None => {}
    }
    Ok(files.into_iter().map(|(name, text)| (args.folder.join(name), text)).collect())
}

/// Puts the policy where a snippet has the line `POLICY`, as far to the right as that line.
fn with_policy(snippet: &str, policy: &str) -> String {
    let mut out = String::new();
    for line in snippet.lines() {
        match line.strip_suffix("POLICY") {
            Some(indent) if indent.trim().is_empty() => {
                // The schema stands beside the policy, and not beside the proxy's configuration.
                for line in policy.lines().filter(|line| !line.contains("\"$schema\"")) {
                    out += &format!("{indent}{line}\n");
                }
            }
            _ => out += &format!("{line}\n"),
        }
    }
    out
}

/// Writes a file that is not there, whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("cannot write `{}`: {error}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(wrong)?;
    }
    let new = path.with_extension("new");
    std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, path)).map_err(wrong)
}
