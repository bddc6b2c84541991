//! `tokenstile focus`, judged by FOCUS's own validator.

use crate::lines::{log, record, repository, says};
use serde_json::json;
use std::path::PathBuf;
use std::process::{Command, Output};

const WEEK: &str = "examples/replay/week.log.gz";

/// The rules that the validator says are broken and are not: an InvoiceId must be null without an invoice (004), or
/// not null with one (005); both are tried on all rows, and the rule above them, one of the two, is kept.
const ALTERNATIVES: [&str; 1] = ["InvoiceId-C-005-C"];

fn rows(csv: &str) -> Vec<std::collections::HashMap<String, String>> {
    csv::Reader::from_reader(csv.as_bytes()).deserialize().map(Result::unwrap).collect()
}

fn nano(text: &str) -> i64 {
    text.replace('.', "").parse().unwrap()
}

#[test]
fn rows_sum_up_to_the_records_kind_by_kind() {
    let cached = json!({
        "usage": {"input": 1000, "cache_read": 400, "output": 100, "source": "reported"},
        "cost_nano_usd": 3_000_001, "savings_nano_usd": 5, "identity": {"user": "ada", "team": ""},
        "overage": [{"rule": "r", "charge_nano_usd": 9}],
    });
    let unknown =
        json!({"price": "", "priced": false, "cost_nano_usd": 77, "time": "2026-11-20T11:59:59.999Z"});
    let refused = json!({"ending": "refused", "cost_nano_usd": 0, "usage": {"input": 0, "output": 0, "source": "none"}});
    let text = log(&[record("a", &cached), record("b", &unknown), record("c", &refused)]);
    let rows = rows(&says(&["focus", "-"], &text, 0));
    let column = |name: &str| rows.iter().map(|row| row[name].as_str()).collect::<Vec<_>>();
    assert_eq!(column("SkuMeter"), ["cache read", "input", "output", "tokens"]);
    assert_eq!(column("ConsumedQuantity"), ["400.0", "600.0", "100.0", "1100.0"]);
    assert_eq!(column("BilledCost"), ["0.000500000", "0.001500001", "0.001000000", "0.000000077"]);
    assert_eq!(column("ChargePeriodStart")[2..], ["2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z"]);
    assert_eq!(column("Tags"), [r#"{"user":"ada"}"#; 4]);
    assert_eq!(column("x_SavingsCost").into_iter().map(nano).sum::<i64>(), 5);
    assert_eq!(column("x_OverageCost").into_iter().map(nano).sum::<i64>(), 9);
}

/// gpt-5 in the flex tier costs half of the standard price, of 1.25 dollars a million of input, 10 of output and 0.125
/// of what it reads from its cache. A route may have asked for flex, and the provider answered that it served as any
/// call.
#[test]
fn a_service_tier_has_rates_and_rows_of_its_own_where_it_was_served() {
    let usage = json!({"input": 1_000, "cache_read": 200, "output": 100, "source": "reported"});
    let call = |more: serde_json::Value| {
        let mut all =
            json!({"price": "openai/gpt-5", "model_served": "gpt-5", "usage": usage, "service_tier": "flex"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let text = log(&[
        record("a", &call(json!({"price_tier": "flex", "cost_nano_usd": 1_012_500}))),
        record("b", &call(json!({"cost_nano_usd": 2_025_000}))),
    ]);
    let rows = rows(&says(&["focus", "-"], &text, 0));
    let column = |name: &str| rows.iter().map(|row| row[name].as_str()).collect::<Vec<_>>();
    let prices = ["cache_read", "cache_read/flex", "input", "input/flex", "output", "output/flex"];
    assert_eq!(column("SkuPriceId"), prices.map(|price| format!("openai/gpt-5/{price}")));
    let costs = ["0.000025000", "0.000012500", "0.001000000", "0.000500000", "0.001000000", "0.000500000"];
    assert_eq!(column("BilledCost"), costs);
    assert_eq!(column("x_CallCount"), ["1"; 6]);
}

/// Two policies are two accounts, unless one is named for all.
#[test]
fn each_row_says_whose_policy_it_is() {
    let of = |id: &str, policy: &str| record(id, &json!({"policy": policy}));
    let text = log(&[of("a", "acme"), of("b", "zeta"), of("c", "acme"), of("d", "")]);
    let all = rows(&says(&["focus", "-"], &text, 0));
    let mut accounts: Vec<_> =
        all.iter().map(|row| (&*row["BillingAccountId"], &*row["x_CallCount"])).collect();
    accounts.sort_unstable();
    accounts.dedup();
    assert_eq!(accounts, [("acme", "2"), ("tokenstile", "1"), ("zeta", "1")]);
    assert!(all.iter().all(|row| row["BillingAccountName"] == row["BillingAccountId"]));
    let all = rows(&says(&["focus", "--billing-account", "acme-prod", "-"], &text, 0));
    assert!(all.len() == 2 && all.iter().all(|row| row["BillingAccountId"] == "acme-prod"), "{all:?}");
}

/// A contract with 20% off the input of gpt-4o and 10% off its output, which says nothing of the cache: what is read from it
/// is paid as input. Its list price has 2.50, 10 and, from the cache, 1.25 dollars.
#[test]
fn a_price_of_the_policys_own_has_a_row_for_each_kind_and_the_books_as_its_list() {
    let own = json!({
        "price": "policy/gpt-4o", "provider": "openai", "model_served": "gpt-4o", "model_answered": "gpt-4o",
        "price_rates": {"input": "2", "output": "9"},
        "usage": {"input": 1_000, "cache_read": 400, "output": 100, "source": "reported"},
        "cost_nano_usd": 2_900_000, "list_cost_nano_usd": 3_000_000,
    });
    let alias = json!({
        "price": "policy/ours", "model_served": "ours", "model_answered": "", "price_rates": {"input": "3", "output": "9"},
        "usage": {"input": 200, "output": 100, "source": "reported"}, "cost_nano_usd": 1_500_000, "list_cost_nano_usd": 1_000_000,
    });
    let free = json!({
        "price": "policy/own", "model_served": "own", "price_rates": {"input": "0", "output": "0"},
        "usage": {"input": 200, "output": 100, "source": "reported"}, "cost_nano_usd": 0,
    });
    let text = log(&[record("a", &own), record("b", &alias), record("c", &free)]);
    let rows = rows(&says(&["focus", "-"], &text, 0));
    let column = |name: &str| rows.iter().map(|row| row[name].as_str()).collect::<Vec<_>>();
    assert_eq!(column("SkuMeter"), ["input", "output"].repeat(3));
    assert_eq!(column("ConsumedQuantity")[..2], ["1000.0", "100.0"]);
    let costs = ["0.002000000", "0.000900000", "0.000600000", "0.000900000", "0.000000000", "0.000000000"];
    for cost in ["BilledCost", "ContractedCost", "EffectiveCost"] {
        assert_eq!(column(cost), costs);
    }
    // The book does not know the second by its name, so its list cost is split as what was paid.
    let list = ["0.002000000", "0.001000000", "0.000400000", "0.000600000", "0.000000000", "0.000000000"];
    assert_eq!(column("ListCost"), list);
}

#[test]
fn the_rows_of_a_week_are_as_the_report_has_them_and_the_validator_accepts_them() {
    let csv = says(&["focus", WEEK], "", 0);
    let sum: i64 = rows(&csv).iter().map(|row| nano(&row["BilledCost"])).sum();
    let report = crate::lines::json_of(&["report", "--format", "json", WEEK], "", 0);
    assert_eq!(report["total"]["cost_nano_usd"], sum);
    if python().is_none() {
        println!("skipped: FOCUS's validator needs Python 3.12; name one by $PYTHON");
        return;
    }
    assert_eq!(broken(&csv, "focus-good.csv"), ALTERNATIVES);
    // The validator judges: each of these is seen.
    let dollars = broken(&csv.replace(",USD,", ",dollars,"), "focus-dollars.csv");
    assert!(dollars.iter().any(|rule| rule.starts_with("BillingCurrency-")), "{dollars:?}");
    let category = broken(&csv.replace(",Generative AI,", ",Magic,"), "focus-category.csv");
    assert!(category.iter().any(|rule| rule.starts_with("ServiceSubcategory-")), "{category:?}");
}

/// The lines of the document that install the validator, and those that run it.
fn documented() -> (String, String) {
    let text = std::fs::read_to_string(repository("docs/attribution.md")).unwrap();
    let block = text.split("```sh\n").find(|block| block.starts_with("python3.12 -m venv focus-venv"));
    let block = block.and_then(|block| block.split("```").next()).expect("the document has the block");
    let (install, run) = block.split_at(block.find("rows=").unwrap());
    (install.to_owned(), run.to_owned())
}

/// The rules that it breaks, by the document's own lines.
fn broken(csv: &str, name: &str) -> Vec<String> {
    installed();
    let folder = repository("target");
    std::fs::write(folder.join(name), csv).unwrap();
    let run = documented().1.replace("focus.csv", name);
    // It ends with 0 whatever it found.
    let text = said(&Command::new("sh").args(["-ec", &run]).current_dir(folder).output().unwrap());
    assert!(text.contains("| Pass: "), "it has judged: {text}");
    let failed = text.lines().filter(|line| line.contains(": FAIL "));
    failed.map(|line| line.split([' ', ':']).nth(1).unwrap().to_owned()).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Once, as the document says, in the place of the build.
fn installed() {
    let (folder, install) = (repository("target"), documented().0);
    let installed = folder.join("focus-venv/installed.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == install) {
        return;
    }
    let _ = std::fs::remove_dir_all(folder.join("focus-venv"));
    std::fs::create_dir_all(&folder).unwrap();
    println!("installing FOCUS's validator into {} …", folder.join("focus-venv").display());
    let commands = install.replace("python3.12", &python().unwrap().to_string_lossy());
    let output = Command::new("sh").args(["-ec", &commands]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    std::fs::write(installed, install).unwrap();
}

/// Python 3.12: `$PYTHON`, or the first of the usual names (pyenv's own folder as well).
fn python() -> Option<PathBuf> {
    let new = |python: &PathBuf| {
        let says = Command::new(python)
            .args(["-c", "import sys; sys.exit(sys.version_info[:2] != (3, 12))"])
            .output();
        says.is_ok_and(|output| output.status.success())
    };
    let named = std::env::var_os("PYTHON").map(PathBuf::from);
    let usual = ["python3.12", "python3"].map(PathBuf::from);
    let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let pyenv = pyenv.or_else(|| std::env::home_dir().map(|home| home.join(".pyenv")));
    let folders = pyenv.and_then(|root| std::fs::read_dir(root.join("versions")).ok()).into_iter().flatten();
    let own = folders.filter_map(Result::ok).map(|folder| folder.path().join("bin/python3"));
    named.into_iter().chain(usual).chain(own).find(new)
}
