//! The tables of docs/answers.md are what the code says: each kind of refusal in each dialect, and whole ones.
//!
//! `TOKENSTILE_UPDATE=1 cargo test -p tokenstile-host --test answers` writes them anew; the difference is for people to
//! read.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

#[path = "document_support/mod.rs"]
mod document;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use tokenstile_engine::dialect::{DIALECTS, Dialect};
use tokenstile_engine::policy::OpenWindow;
use tokenstile_engine::refusal::{BudgetState, Refusal, RefusalKind, Reply};
use tokenstile_engine::units::{EpochMs, Meter};

const DOCUMENT: &str = "docs/answers.md";

/// 2026-11-23, 17:00 UTC.
const NOW: EpochMs = EpochMs(1_795_453_200_000);

/// One of each family of dialects, by the name that people know.
const FAMILIES: [(&str, &str); 6] = [
    ("OpenAI", "openai-chat"),
    ("Anthropic", "anthropic-messages"),
    ("Gemini", "gemini-generate"),
    ("Bedrock", "bedrock-converse"),
    ("Cohere", "cohere-chat"),
    ("Ollama", "ollama"),
];

fn dialect(name: &str) -> &'static Dialect {
    DIALECTS.iter().find(|dialect| dialect.name == name).unwrap()
}

/// What it is, for people, and an example of it.
fn example(kind: RefusalKind) -> (&'static str, Refusal) {
    let meter = Meter::Tokens;
    let state = BudgetState {
        rule: "free-daily".to_owned(),
        meter,
        used: meter.amount(49_700),
        limit: meter.amount(50_000),
        resets_at: Some(EpochMs(NOW.0 + 15 * 3_600_000)),
        window_seconds: 86_400,
        upgrade_url: Some("https://acme.example/upgrade".to_owned()),
        open: OpenWindow::until(EpochMs(NOW.0 + 15 * 3_600_000)),
        now: NOW,
    };
    let soon = BudgetState { resets_at: Some(EpochMs(NOW.0 + 4_600)), window_seconds: 60, ..state.clone() };
    let (what, budget) = match kind {
        RefusalKind::Quota => ("a used quota", Some(state)),
        RefusalKind::Rate => ("a rate", Some(soon)),
        RefusalKind::Unreadable => ("a body that cannot be read, under `opaque`", None),
        RefusalKind::TooLarge => ("a body too long to read, under `unread`", None),
        RefusalKind::Unavailable => ("something of ours failed, under `on_error` or `table_full`", None),
        RefusalKind::UnknownEndpoint => ("a path that nobody knows, under `unknown`", None),
        RefusalKind::UnknownModel => ("a model that nobody knows, under `prices.unknown`", None),
        RefusalKind::Blocked => ("one of `blocks`", None),
        RefusalKind::OverRequestLimit => ("one of `request_limits`", None),
        RefusalKind::Confirm => ("a question, by `confirm`", None),
    };
    let message = "This request needs about 1,200 tokens, but 300 of today's 50,000 tokens remain. Your AI quota \
                   resets at midnight PST.";
    (what, Refusal { kind, message: message.to_owned(), language: String::new(), budget, rule: None })
}

fn json(reply: &Reply) -> serde_json::Value {
    serde_json::from_slice(&reply.body).unwrap()
}

/// The words by which a client tells refusals apart.
fn words(reply: &Reply) -> String {
    let body = json(reply);
    let header = reply.headers.iter().find(|(name, _)| *name == "x-amzn-errortype");
    let texts = ["/error/code", "/error/type", "/error/status"].map(|at| body.pointer(at)?.as_str());
    let found: BTreeSet<&str> =
        texts.into_iter().flatten().chain(header.map(|(_, value)| value.as_str())).collect();
    let found: Vec<_> = found.into_iter().map(|word| format!("`{word}`")).collect();
    format!("{} {}", reply.status, found.join(", ")).trim_end().to_owned()
}

fn kinds() -> String {
    let names = FAMILIES.map(|(name, _)| name);
    let head = [&["refused for"][..], &names, &["`x-should-retry`"]].concat();
    let row = |&kind: &RefusalKind| -> Vec<String> {
        let (what, refusal) = example(kind);
        let replies = FAMILIES.map(|(_, name)| refusal.reply(dialect(name), NOW));
        let retry = replies[0].headers.iter().find(|(name, _)| *name == "x-should-retry");
        let retry = retry.map_or("", |(_, value)| value.as_str());
        let words = replies.iter().map(words);
        [what.to_owned()].into_iter().chain(words).chain([retry.to_owned()]).collect()
    };
    document::table(&head, &RefusalKind::ALL.iter().map(row).collect::<Vec<_>>())
}

fn quota() -> String {
    let mut text = String::new();
    for (name, of) in FAMILIES {
        let reply = example(RefusalKind::Quota).1.reply(dialect(of), NOW);
        let _ = write!(text, "### {name}\n\n```http\nHTTP/1.1 {}\n", reply.status);
        for (name, value) in &reply.headers {
            let _ = writeln!(text, "{name}: {value}");
        }
        let _ = write!(text, "\n{}\n```\n\n", serde_json::to_string_pretty(&json(&reply)).unwrap());
    }
    text.trim_end().to_owned() + "\n"
}

#[test]
fn the_tables_of_answers_are_what_the_code_says() {
    document::assert_says(DOCUMENT, &[("kinds", kinds()), ("quota", quota())]);
}

/// Every refusal of every dialect is JSON with the sentence in it, and of one family or another.
#[test]
fn every_dialect_says_the_sentence_and_has_its_familys_words() {
    for dialect in DIALECTS {
        for &kind in RefusalKind::ALL {
            let (_, refusal) = example(kind);
            let reply = refusal.reply(dialect, NOW);
            let text = json(&reply).to_string();
            assert!(text.contains(&refusal.message), "{}: {text}", dialect.name);
            let of_a_family = |name: &str| refusal.reply(self::dialect(name), NOW) == reply;
            assert!(FAMILIES.iter().any(|(_, name)| of_a_family(name)), "{}: {text}", dialect.name);
        }
    }
}

#[test]
fn the_table_of_headers_has_every_header_of_ours() {
    let text = document::read(DOCUMENT);
    let table = text.split("| header | on |").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut names = BTreeSet::new();
    for dialect in DIALECTS {
        for &kind in RefusalKind::ALL {
            for meter in [Meter::Tokens, Meter::InputTokens, Meter::OutputTokens, Meter::Requests] {
                let (_, mut refusal) = example(kind);
                refusal.language = "de".to_owned();
                refusal.budget.iter_mut().for_each(|state| state.meter = meter);
                names.extend(refusal.reply(dialect, NOW).headers.into_iter().map(|(name, _)| name));
            }
        }
    }
    let sources = ["telling.rs", "confirm.rs"];
    let sources = sources.map(|name| format!("{}/../engine/src/exchange/{name}", env!("CARGO_MANIFEST_DIR")));
    let text = sources.map(|path| std::fs::read_to_string(path).unwrap()).concat();
    let told = text.split("(\"x-tokenstile-").skip(1).filter_map(|rest| rest.split('"').next());
    let told: Vec<String> = told.map(|name| format!("x-tokenstile-{name}")).collect();
    assert!(told.len() >= 9, "{told:?}");
    names.extend(told.iter().map(String::as_str));
    names.remove("content-type");
    assert!(names.len() >= 20, "{names:?}");
    for name in names {
        assert!(table.contains(&format!("`{name}`")), "docs/answers.md does not say what `{name}` is");
    }
}
