//! What the documents name exists: half of the paths in another project's guide did not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use tokenstile_engine::dialect::DIALECTS;
use tokenstile_engine::exchange::Decision;
use tokenstile_engine::policy::Policy;

const DOCUMENTS: [&str; 14] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/answers.md",
    "docs/combinations.md",
    "docs/field-failures.md",
    "docs/metrics.md",
    "docs/operating.md",
    "docs/policy.md",
    "docs/replay.md",
    "docs/routes.md",
    "examples/ci/README.md",
    "examples/grafana/README.md",
];

/// What stands between backticks and looks like a file of the repository: a folder and an ending.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|code| {
        let plain = code.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
        let file = Path::new(code).extension().is_some() && code.contains('/');
        plain && (file || code.ends_with('/')) && !code.starts_with("target/") && !code.starts_with('/')
    })
}

#[test]
fn every_path_in_the_documents_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seen = 0;
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root.join(document)).unwrap_or_else(|e| panic!("{document}: {e}"));
        for path in paths(&text) {
            assert!(root.join(path).exists(), "{document} names `{path}`, which does not exist");
            seen += 1;
        }
    }
    assert!(seen >= 10, "the documents name {seen} paths: is the pattern still right?");
}

/// What headings of a document are linked by.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
    let anchor = |line: &str| line.trim_matches(['#', ' ']).chars().filter(kept).collect::<String>();
    headings.map(|line| anchor(line).to_lowercase().replace(' ', "-")).collect()
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seen = 0;
    for document in DOCUMENTS {
        let text = file(document);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.contains(char::is_whitespace)) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = Path::new(document).parent().unwrap();
            let target = if path.is_empty() { root.join(document) } else { root.join(folder).join(path) };
            assert!(target.exists(), "{document} links to `{link}`, which does not exist");
            let there = || anchors(&std::fs::read_to_string(&target).unwrap());
            assert!(anchor.is_empty() || there().contains(anchor), "{document}: no heading for `{link}`");
            seen += 1;
        }
    }
    assert!(seen >= 60, "the documents have {seen} links: is the pattern still right?");
}

fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Blocks fenced with this language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let parts = text.split("```").skip(1).step_by(2);
    parts.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

/// Every key of the policy as it is written in the sources: the fields of all types that are read.
fn keys_of_the_policy() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for source in ["wire", "prices", "rules", "routes", "confirm", "condition"] {
        let text = file(&format!("engine/src/policy/{source}.rs"));
        let mut renamed = None;
        let mut read = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[deserr(error = PolicyErrors, deny_unknown_fields)]") {
                read = true;
            } else if line == "}" || line.ends_with("{}") {
                read = false;
            } else if let Some(rest) = line.strip_prefix("#[deserr(").filter(|_| read) {
                renamed = rest.split("rename = \"").nth(1).and_then(|rest| rest.split('"').next());
            } else if let Some((name, _)) =
                line.trim_start_matches("pub(super) ").split_once(": ").filter(|_| read)
                && !line.starts_with("//")
            {
                keys.insert(renamed.take().unwrap_or(name).to_owned());
            }
        }
    }
    keys
}

#[test]
fn the_policys_page_names_every_key_and_no_other() {
    let known = keys_of_the_policy();
    assert!(known.len() > 40 && known.contains("$schema") && known.contains("unknown_price"), "{known:?}");
    let page = file("docs/policy.md");
    let table = page.split("| key | default |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip(2)
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let code = |text: &str| -> Vec<String> {
        let parts = text.split('`').skip(1).step_by(2);
        let words =
            parts.flat_map(|part| part.split(|c: char| !(c.is_ascii_alphanumeric() || "$_".contains(c))));
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let first: BTreeSet<String> = rows.iter().flat_map(|row| code(row[0])).collect();
    let wrong: Vec<_> = first.difference(&known).collect();
    assert!(wrong.is_empty(), "docs/policy.md has keys that no policy has: {wrong:?}");
    let anywhere: BTreeSet<String> = rows.iter().flat_map(|row| code(&row.join(" "))).collect();
    let missing: Vec<_> = known.difference(&anywhere).collect();
    assert!(missing.is_empty(), "docs/policy.md does not say what these keys are: {missing:?}");
}

/// What may stand in `limit` and in `calendar`, each with a row that says what it is.
#[test]
fn the_policys_page_says_what_every_meter_and_window_is() {
    let (page, wire) = (file("docs/policy.md"), file("engine/src/policy/wire.rs"));
    let body = |head: &str| wire.split(head).nth(1).unwrap().split("\n}").next().unwrap().to_owned();
    let limit = body("struct Limit {");
    let meters = limit.lines().filter_map(|line| line.trim().strip_prefix("pub(super) ")?.split(':').next());
    let calendar = body("enum Calendar {");
    let units = calendar.lines().map(str::trim).filter(|line| line.ends_with(',') && !line.starts_with("//"));
    let units = units.map(|unit| match unit.trim_end_matches(',') {
        "BillingMonth" => "billing_month".to_owned(),
        unit => unit.to_ascii_lowercase(),
    });
    let rows = |head: &str| page.split(head).nth(1).unwrap().split("\n\n").next().unwrap().to_owned();
    let (of_meters, of_windows) = (rows("| meter | counts |"), rows("| window | is forgotten |"));
    let mut seen = 0;
    for meter in meters {
        assert!(
            of_meters.contains(&format!("`{meter}`")),
            "docs/policy.md does not say what `{meter}` counts"
        );
        seen += 1;
    }
    for unit in units {
        let row = format!("{{\"calendar\": \"{unit}\"");
        assert!(of_windows.contains(&row), "docs/policy.md does not say when `{unit}` ends");
        seen += 1;
    }
    assert_eq!(seen, 11);
}

#[test]
fn the_readme_names_every_dialect() {
    let readme = file("README.md");
    for dialect in DIALECTS {
        assert!(
            readme.contains(&format!("`{}`", dialect.name)),
            "README.md does not name `{}`",
            dialect.name
        );
    }
}

#[test]
fn policies_in_the_documents_are_right() {
    let mut seen = 0;
    for document in [
        "README.md",
        "prices/README.md",
        "docs/answers.md",
        "docs/attribution.md",
        "docs/policy.md",
        "docs/routes.md",
    ] {
        for policy in blocks(&file(document), "json").into_iter().filter(|text| text.contains("\"version\""))
        {
            Policy::parse(policy.as_bytes())
                .unwrap_or_else(|errors| panic!("{document}: {errors}\n{policy}"));
            seen += 1;
        }
    }
    assert!(seen >= 9, "{seen}");
}

#[test]
fn the_policies_that_are_ready_to_use_are_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_policy = |path: &std::path::PathBuf| {
        let name = path.to_string_lossy();
        name.ends_with(".json") && !name.ends_with(".test.json")
    };
    let policies: Vec<_> = entries.filter(is_policy).collect();
    assert!(policies.len() >= 2, "{policies:?}");
    for path in policies {
        let json = std::fs::read(&path).unwrap();
        Policy::parse(&json).unwrap_or_else(|errors| panic!("{}: {errors}", path.display()));
    }
}

/// Examples of `tokenstile price` with their output, run.
#[test]
fn the_readmes_price_is_what_the_command_says() {
    let readme = file("README.md");
    let mut examples =
        blocks(&readme, "text").into_iter().filter(|text| text.starts_with("$ tokenstile price "));
    let (command, expected) =
        examples.find_map(|text| text.split_once('\n').filter(|(_, out)| !out.is_empty())).unwrap();
    let args = command.strip_prefix("$ tokenstile ").unwrap().split(' ');
    let output = Command::new(env!("CARGO_BIN_EXE_tokenstile")).args(args).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

/// Every source and case file of the tests.
fn texts_of_the_tests(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts_of_the_tests(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs" || end == "json") {
            into.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Reports of the field, each with the tests that it has become.
#[test]
fn every_test_of_the_field_failures_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = String::new();
    for folder in ["tests", "src", "../engine/src", "../engine/tests"] {
        texts_of_the_tests(&root.join(folder), &mut tests);
    }
    let document = file("docs/field-failures.md");
    let rows = document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let mut seen = 0;
    for row in rows.filter(|row| !row.starts_with("| report |")) {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let names: Vec<_> = cell.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            let exists =
                tests.contains(&format!("fn {name}(")) || tests.contains(&format!("\"name\": \"{name}\""));
            assert!(exists, "docs/field-failures.md names the test `{name}`, which does not exist");
            seen += 1;
        }
    }
    assert!(seen >= 40, "{seen} tests: is the pattern still right?");
}

#[test]
fn the_answers_page_names_every_decision() {
    let answers = file("docs/answers.md");
    let row = answers.lines().find(|line| line.starts_with("| `x-tokenstile-decision` |")).unwrap();
    for decision in Decision::ALL {
        assert!(row.contains(&format!("`{}`", decision.name())), "{row}");
    }
}

/// Names that the filter's sources give to metrics.
fn metrics_of_the_filter() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in ["telemetry", "root", "alerts", "records", "stream"] {
        let text: String = file(&format!("plugin/src/{source}.rs")).split_whitespace().collect();
        for call in [".add(\"", ".count(\"", ".observe(\"", ".record(gauge,\""] {
            names.extend(text.split(call).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
    names
}

#[test]
fn the_page_of_metrics_has_every_metric_and_no_other() {
    let known = metrics_of_the_filter();
    assert!(known.len() > 30 && known.contains("prices_as_of_seconds"), "{known:?}");
    let page = file("docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let told: BTreeSet<String> = rows.map(str::to_owned).collect();
    assert_eq!(told, known);
    let tags = file("envoy.yaml");
    let labels =
        page.lines().filter(|line| line.starts_with("| `")).filter_map(|row| row.split(" | ").nth(2));
    for label in labels.flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
        let tag = format!("{{tag_name: {label}, regex: \"(;{label}=([^;]*))\"}}");
        assert!(tags.contains(&tag), "envoy.yaml does not make a label of `{label}`");
    }
}

/// A query for a metric that nobody counts is always empty, and no alert.
#[test]
fn dashboard_and_rules_ask_for_metrics_that_exist() {
    let known = metrics_of_the_filter();
    let rules = file("examples/grafana/rules.yaml");
    let recorded: Vec<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).collect();
    let mut seen = 0;
    for text in
        [file("examples/grafana/dashboard.json"), rules.clone(), file("examples/grafana/rules.test.yaml")]
    {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c)));
        for name in words.map(|word| word.trim_matches(':')).filter(|word| word.contains("tokenstile_")) {
            let metric = name.strip_prefix("tokenstile_").unwrap_or(name).trim_end_matches("_bucket");
            assert!(known.contains(metric) || recorded.contains(&name), "nobody counts `{name}`");
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}
