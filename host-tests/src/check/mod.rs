//! Owns the check of a policy before it ships: every mistake at its place in the file, what is right and yet not meant,
//! the policy in plain sentences, and what it can cost at most. Called by `tokenstile check`. What is wrong is the
//! engine's word; this must not know any rule of its own about that.

mod economics;
mod jsonc;
mod mistakes;
mod models;
mod sentences;
mod text;
mod warnings;

pub use economics::{
    AccountCost, Assumed, Economics, NotCounted, PerRequest, SmallTable, TierCost, economics, not_known,
    of_clients,
};
pub(crate) use mistakes::nearest;
pub(crate) use sentences::condition;
pub use sentences::sentences;
pub use text::{text, unmarked};

use std::ops::Range;
use tokenstile_engine::policy::{Policy, PolicyErrors};
use tokenstile_engine::units::EpochMs;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The filter refuses the policy.
    Error,
    /// It takes it, and does something else than was probably meant.
    Warning,
    /// It does what it says, and that may surprise.
    Hint,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A word for its kind, such as `unknown-model`.
    pub code: &'static str,
    /// The JSON path, such as `budgets[0].ladder[1].at`.
    pub path: String,
    /// Where it stands in the text, in bytes.
    pub span: Range<usize>,
    /// What it is.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

/// The kinds of warnings: [`Finding::code`].
pub const WARNINGS: [&str; 18] = [
    "clients-dimension",
    "dead-rule",
    "dead-source",
    "forbidden-model",
    "headers-too-late",
    "hidden-step",
    "lost-capability",
    "no-stop",
    "no-worst-case",
    "not-counted",
    "other-api",
    "shadowed-rule",
    "shared-conversation",
    "shorter-context",
    "small-table",
    "unknown-model",
    "unpriced-tier",
    "useless-downgrade",
];

/// The kinds of hints: [`Finding::code`].
pub const HINTS: [&str; 2] = ["clients-header", "shared-budget"];

/// The warnings of [`WARNINGS`] that weigh one rule against others. Where a mistake stands among these, nobody knows.
const OF_SEVERAL_RULES: [&str; 5] =
    ["dead-rule", "forbidden-model", "no-stop", "no-worst-case", "shadowed-rule"];

/// Which warnings were looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// All.
    All,
    /// Those that concern one rule, in rules without a mistake.
    RuleByRule,
    /// None: what the policy says is not clear enough.
    None,
}

/// A policy that was looked at.
#[derive(Debug)]
pub struct Checked {
    /// What was found, errors first, then in the order of the file.
    pub findings: Vec<Finding>,
    /// The policy, if nothing is wrong.
    pub policy: Option<Sound>,
    /// Which warnings are among the findings.
    pub judged: Judged,
}

impl Checked {
    /// What is no JSON at all.
    #[must_use]
    pub fn no_json(span: Range<usize>, message: String, help: Option<String>) -> Self {
        let (severity, path) = (Severity::Error, String::new());
        let finding = Finding { severity, code: "not-json", path, span, message, help };
        Self { findings: vec![finding], policy: None, judged: Judged::None }
    }
}

/// A policy without mistakes.
#[derive(Debug)]
pub struct Sound {
    /// As it runs.
    pub policy: Policy,
    /// As it was written.
    pub document: serde_json::Value,
    /// Strict JSON, as the filter takes it.
    pub strict: String,
    /// The number of budgets that it names; the compiled ones behind them are other limits of these.
    pub declared: usize,
}

/// JSON with comments and trailing commas as strict JSON of the same length.
///
/// # Errors
/// It is neither; the line is named.
pub fn strict(text: &str) -> Result<String, String> {
    let wrong = |(span, message): (Range<usize>, String)| {
        let line = text.get(..span.start).unwrap_or(text).matches('\n').count() + 1;
        format!("line {line}: {}", lower(&message))
    };
    jsonc::read(text).map(|source| source.strict).map_err(wrong)
}

/// Where the value at a path such as `cases[0].name` stands in a text, if it does.
#[must_use]
pub fn span(text: &str, path: &str) -> Option<Range<usize>> {
    let source = jsonc::read(text).ok()?;
    let (node, _, whole) = source.root.find(path);
    whole.then(|| node.span.clone())
}

/// A policy of strict JSON, or everything that is wrong with it: the engine alone tells of meanings only where all shapes are
/// right.
///
/// # Errors
/// It is wrong.
pub fn policy(strict: &str) -> Result<Policy, PolicyErrors> {
    Policy::parse(strict.as_bytes()).map_err(|errors| {
        let all = jsonc::read(strict).map(|source| mistakes::errors(&source)).unwrap_or_default();
        if all.is_empty() { errors } else { PolicyErrors(all) }
    })
}

/// Looks at a policy.
#[must_use]
pub fn check(text: &str, now: EpochMs) -> Checked {
    let source = match jsonc::read(text) {
        Ok(source) => source,
        Err((span, message)) => {
            let help = (message != text::MARKED)
                .then(|| "a policy is JSON; comments and trailing commas are taken here too".to_owned());
            return Checked::no_json(span, lower(&message), help);
        }
    };
    let mistakes::Mistakes { mut findings, mended } = mistakes::find(&source);
    let declared = source.root.member("budgets").map_or(0, |budgets| budgets.value.items().len());
    let policy = Some(&source.strict).filter(|_| findings.is_empty());
    let policy = policy.and_then(|strict| Sound::read(strict.clone(), declared));
    let judged = if let Some(sound) = &policy {
        findings.extend(warnings::find(&source.root, sound, now));
        Judged::All
    } else if let Some(warnings) = mended.and_then(|mended| beside(&source.root, &mended, declared, now)) {
        findings.extend(warnings);
        Judged::RuleByRule
    } else {
        Judged::None
    };
    findings.sort_by_key(|finding| (finding.severity, finding.span.start));
    Checked { findings, policy, judged }
}

/// What is to be warned of beside mistakes, if they leave enough of the policy.
fn beside(
    root: &jsonc::Node,
    mended: &mistakes::Mended,
    declared: usize,
    now: EpochMs,
) -> Option<Vec<Finding>> {
    let sound = Sound::read(mended.copy.to_string(), declared).filter(|_| !mended.is_vague())?;
    let mut found = warnings::find(root, &sound, now);
    found.retain(|one| {
        one.severity == Severity::Warning
            && !OF_SEVERAL_RULES.contains(&one.code)
            && !mended.concerns(&one.path)
    });
    Some(found)
}

impl Sound {
    fn read(strict: String, declared: usize) -> Option<Self> {
        let policy = Policy::parse(strict.as_bytes()).ok()?;
        Some(Self { policy, document: serde_json::from_str(&strict).unwrap_or_default(), declared, strict })
    }
}

/// A warning of what comes of a policy beside what the policy says, at the key of this path.
#[must_use]
pub fn warning(text: &str, code: &'static str, path: &str, message: String, help: String) -> Finding {
    let span = jsonc::read(text).map(|source| shown(&source.root, path, true)).unwrap_or_default();
    Finding { severity: Severity::Warning, code, path: path.to_owned(), span, message, help: Some(help) }
}

fn lower(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// Where a finding at this path is shown: the value if it is short, else its key or its first bracket.
fn shown(root: &jsonc::Node, path: &str, at_key: bool) -> Range<usize> {
    let (node, member, whole) = root.find(path);
    let long = !matches!(node.kind, jsonc::Kind::Scalar);
    match member {
        Some(member) if at_key || long || !whole => member.key.clone(),
        None if long => node.span.start..node.span.start + 1,
        _ => node.span.clone(),
    }
}
