//! What it finds, where, and how it ends.

use super::{FINE, check, found, warned, with};
use serde_json::Value;
use std::process::Command;

#[test]
fn what_is_right_is_right_also_with_comments() {
    let commented = format!("// mine\n{}", with(&FINE.replace("}]}]", "}],}, /* more later */]")));
    for policy in [with(FINE), commented.clone()] {
        assert_eq!(found(&policy), [], "{policy}");
        assert_eq!(check(&["--deny-warnings", "-q"], &policy), (0, "<stdin>: ok\n".to_owned()));
    }
    let (status, strict) = check(&["--print-json"], &commented);
    assert_eq!(status, 0);
    assert!(serde_json::from_str::<Value>(&strict).unwrap()["budgets"].is_array(), "{strict}");
}

#[test]
fn every_mistake_is_told_at_once_and_at_its_place() {
    let policy = r#"{
  "version": 1,
  "name": "t",
  "modes": "enforce",
  "on_error": "alow",
  "identity": {"user": ["api_key"]},
  "budgets": [
    {"name": "b", "per": ["usr"], "limit": {"tokens": "500"}, "window": {"calendar": "day", "timezone": "Europe/Berln"},
     "ladder": [{"at": "90%", "downgrade": "economy"}, {"at": "100", "deny": {}}]}
  ],
  "downgrades": {"economi": []}
}"#;
    let all = found(policy);
    let expected = [
        (4, 3, "unknown field `modes` | did you mean `mode`? known here: "),
        (5, 15, "unknown value `alow` | did you mean `allow`? known here: "),
        (
            8,
            27,
            "unknown dimension `usr`; `user` are declared in `identity`, and `model`, `provider` and `route` always | did you mean `user`?",
        ),
        (8, 55, "invalid value type: expected "),
        (
            8,
            105,
            "unknown time zone `Europe/Berln`; use an IANA name such as `Europe/Berlin` | did you mean `Europe/Berlin`?",
        ),
        (9, 44, "no list `economy` in `downgrades` | did you mean `economi`?"),
        (9, 63, "`100` is no percentage; write it like `90%` or `99.5%`"),
    ];
    for (line, column, message) in expected {
        let is = |(code, at_line, at_column, said): &&(String, u64, u64, String)| {
            code == "invalid" && (*at_line, *at_column) == (line, column) && said.starts_with(message)
        };
        assert_eq!(all.iter().filter(is).count(), 1, "{line}:{column}: {message}\n{all:#?}");
    }
    assert_eq!(all.len(), expected.len(), "{all:#?}");
    let (status, shown) = check(&[], policy);
    assert_eq!(status, 1);
    assert!(shown.contains("error: unknown field `modes`\n"), "{shown}");
    assert!(shown.contains(" --> <stdin>:4:3\n"), "{shown}");
    assert!(shown.contains("4 |   \"modes\": \"enforce\",\n  |   ^^^^^^^"), "{shown}");
    assert!(shown.ends_with("<stdin>: 7 errors\n"), "{shown}");
}

/// Letters that changed places are the commonest slip, and the engine's own hint misses them.
#[test]
fn keys_whose_letters_changed_places_are_known() {
    let all = found(&with(&FINE.replace("\"per\"", "\"pre\"")));
    assert!(
        all.iter().any(|one| one.3.starts_with("unknown field `pre` | did you mean `per`? known here: ")),
        "{all:?}"
    );
}

#[test]
fn what_is_no_json_is_told_with_its_place() {
    let all = found("{\"version\": 1,\n \"name\" \"t\"}");
    assert_eq!((all.len(), all[0].0.as_str(), all[0].1), (1, "not-json", 2), "{all:?}");
    let all = found("{\"version\": 1,\n \"name\": \"t\", \"name\": \"u\",\n \"budgets\": []}");
    assert_eq!((all[0].1, all[0].2), (2, 15), "{all:?}");
    assert!(all[0].3.starts_with("this key stands twice"), "{all:?}");
}

/// Each is taken by the filter, and does something else than it seems to.
#[test]
fn what_was_probably_not_meant_is_warned_of() {
    let budget =
        |change: &str| with(&FINE.replace("\"per\": [\"user\"]", &format!("\"per\": [\"user\"], {change}")));
    let ladder = |steps: &str| with(&FINE.replace("{\"at\": \"100%\", \"deny\": {}}", steps));
    let second = |change: &str| {
        let other = FINE.trim_start_matches("\"budgets\": [").trim_end_matches(']').replace("\"b\"", "\"c\"");
        let (from, to) = change.split_once(" → ").unwrap();
        with(&format!("{}, {}]", FINE.trim_end_matches(']'), other.replace(from, to)))
    };
    let downgrade = |from: &str, to: &str| {
        let steps = "{\"at\": \"90%\", \"downgrade\": \"e\"}, {\"at\": \"100%\", \"deny\": {}}";
        let list = format!("\"downgrades\": {{\"e\": [{{\"from\": \"{from}\", \"to\": \"{to}\"}}]}},\n");
        with(&(list + &FINE.replace("{\"at\": \"100%\", \"deny\": {}}", steps)))
    };
    let more = |rest: &str| with(&format!("{FINE},\n{rest}"));
    let policies = [
        (with("\"budgets\": []"), "no-worst-case", "no budget: "),
        (
            ladder("{\"at\": \"100%\", \"warn\": {}}, {\"at\": \"100%\", \"deny\": {}}"),
            "hidden-step",
            "hardly ever seen",
        ),
        (
            ladder(
                "{\"at\": \"90%\", \"warn\": {}}, {\"at\": \"90%\", \"warn\": {}}, {\"at\": \"100%\", \"deny\": {}}",
            ),
            "hidden-step",
            "never seen",
        ),
        (
            budget("\"match\": {\"model\": \"gpt-4p\"}"),
            "unknown-model",
            "no price is known for `gpt-4p` | did you mean `gpt-4",
        ),
        (budget("\"match\": {\"model\": \"gpt4-*\"}"), "unknown-model", "no price is known for `gpt4-*`"),
        (
            budget("\"match\": {\"model\": \"global.anthropic.claude-haiku-4-5-20251001-v1:0\"}"),
            "unknown-model",
            "no price is known for `global.anthropic.claude-haiku-4-5-20251001-v1:0` | `aws` has one of this name: if it serves, say `\"provider\": \"aws\"`",
        ),
        (
            budget("\"match\": {\"tier\": \"free\"}, \"tiers\": {\"pro\": {\"tokens\": 9}}"),
            "dead-rule",
            "never used: this budget is for the tier `free` alone",
        ),
        (second("500 → 900"), "dead-rule", "never refuses: `b` is for the same calls"),
        (
            downgrade("gpt-4o", "gpt-4o-mni"),
            "unknown-model",
            "no price is known for `gpt-4o-mni` | did you mean `gpt-4o-mini`?",
        ),
        (downgrade("gpt-4o-mini", "gpt-4o"), "useless-downgrade", "saves nothing: "),
        (
            downgrade("gpt-4o", "gpt-3.5-turbo"),
            "shorter-context",
            "`gpt-3.5-turbo` takes 16,385 tokens at once, `gpt-4o` takes 128,000",
        ),
        (downgrade("o3", "o3-mini"), "lost-capability", "`o3-mini` lacks vision, files, which `o3` has"),
        (
            more("\"downgrades\": {\"e\": [{\"from\": \"gpt-4o\", \"to\": \"gpt-4o-mini\"}]}"),
            "dead-rule",
            "nothing uses this list",
        ),
        (
            more("\"exempt\": [{\"match\": {\"user\": \"a\"}, \"until\": \"2026-11-21\"}]"),
            "dead-rule",
            "over: ",
        ),
        (
            more(
                "\"exempt\": [{\"match\": {\"tier\": \"a\"}}, {\"match\": {\"tier\": \"a\", \"user\": \"b\"}}]",
            ),
            "dead-rule",
            "never used: one before it",
        ),
        (
            more(
                "\"request_limits\": [{\"name\": \"x\", \"limit\": {\"usd\": \"2\"}, \"over\": {\"deny\": {}}}, {\"name\": \"y\", \"limit\": {\"usd\": \"3\"}, \"over\": {\"deny\": {}}}]",
            ),
            "dead-rule",
            "never met: `x` before it",
        ),
        (
            more(
                "\"request_limits\": [{\"name\": \"x\", \"limit\": {\"usd\": \"2\"}, \"over\": {\"deny\": {}}}, {\"name\": \"y\", \"match\": {\"tier\": \"a\"}, \"limit\": {\"usd\": \"3\"}, \"over\": {\"deny\": {}}}]",
            ),
            "dead-rule",
            "never met: `x` before it",
        ),
        (
            more("\"blocks\": [{\"name\": \"x\", \"match\": {\"tier\": \"a\"}, \"until\": \"2026-11-21\"}]"),
            "dead-rule",
            "over: it stops nothing",
        ),
        (
            more("\"blocks\": [{\"name\": \"x\", \"match\": {\"model\": \"gpt-4oo\"}}]"),
            "unknown-model",
            "no price is known for `gpt-4oo` | did you mean `gpt-4o`?",
        ),
        (
            more(
                "\"blocks\": [{\"name\": \"x\", \"match\": {\"tier\": \"a\"}}, {\"name\": \"y\", \"match\": {\"tier\": \"a\", \"user\": \"b\"}}]",
            ),
            "shadowed-rule",
            "never met: `x` before it stops all these calls | put it first",
        ),
        (
            more("\"alerts\": {\"finops\": {\"log\": {}}}"),
            "dead-rule",
            "nobody is told: no step of a ladder names this sink | write `\"alert\": \"finops\"` in a step",
        ),
        (
            downgrade("gpt-4o", "claude-haiku-4-5"),
            "other-api",
            "never served: `claude-haiku-4-5` (anthropic) speaks another API than `gpt-4o` (openai)",
        ),
        (
            more("\"prices\": {\"aliases\": {\"chat\": \"gpt-4oo\"}}"),
            "unknown-model",
            "no price is known for `gpt-4oo`",
        ),
        (
            with(FINE).replace("\"header:x-tier\"", "\"value:free\", \"header:x-tier\""),
            "dead-source",
            "this source is never asked",
        ),
        (
            with(&FINE.replace("\"per\"", "\"match\": {\"tier\": \"pro\"}, \"per\""))
                .replace("header:x-tier", "value:free"),
            "dead-rule",
            "no call meets this: `tier` is always `free`",
        ),
    ];
    warned(&policies);
}

/// A tighter budget that ends, is to come, or is in shadow leaves the other something to refuse.
#[test]
fn budgets_beside_one_that_is_not_always_there_are_not_warned_of() {
    let budgets = |change: &str| {
        let one = FINE.trim_start_matches("\"budgets\": [").trim_end_matches(']').to_owned();
        let wide = one.replace("\"b\"", "\"c\"").replace("500", "900");
        let tight = one.replace("\"per\"", &format!("{change}\"per\""));
        found(&with(&format!("\"budgets\": [{tight}, {wide}]")))
    };
    assert_eq!(budgets("").len(), 1);
    for change in ["\"until\": \"2027-01-01\", ", "\"since\": \"2027-01-01\", ", "\"mode\": \"shadow\", "] {
        assert_eq!(budgets(change), [], "{change}");
    }
}

/// Who confirms comes to the next limit, and one without a bound to a clamp.
#[test]
fn limits_behind_one_that_leaves_something_are_not_warned_of() {
    let limits = |measure: &str, first: (&str, &str), second: (&str, &str)| {
        let one = |name: &str, (limit, over): (&str, &str)| {
            format!(
                "{{\"name\": \"{name}\", \"limit\": {{\"{measure}\": {limit}}}, \"over\": {{\"{over}\": {{}}}}}}"
            )
        };
        let all = [one("x", first), one("y", second)].join(", ");
        let secret = "\"confirm\": {\"secret\": \"0123456789abcdef\"}";
        found(&with(&format!("{FINE},\n{secret},\n\"request_limits\": [{all}]")))
    };
    let usd = |first, second| limits("usd", ("\"2\"", first), ("\"9\"", second)).len();
    assert_eq!((usd("deny", "deny"), usd("deny", "confirm"), usd("confirm", "confirm")), (1, 1, 1));
    assert_eq!(usd("confirm", "deny"), 0, "ask above $2, and refuse above $9");
    assert_eq!(limits("output_tokens", ("500", "deny"), ("900", "clamp")), []);
    assert_eq!(limits("output_tokens", ("500", "clamp"), ("900", "deny")), []);
}

/// A block that is narrower, ends, is in shadow or switched off leaves something to the next; a sink that a step names tells.
#[test]
fn blocks_and_sinks_that_do_something_are_not_warned_of() {
    let blocks = |change: (&str, &str)| {
        let first = "{\"name\": \"x\", \"match\": {\"tier\": \"a\"}}".replace(change.0, change.1);
        with(&format!("{FINE},\n\"blocks\": [{first}, {{\"name\": \"y\", \"match\": {{\"tier\": \"a\"}}}}]"))
    };
    assert_eq!(found(&blocks(("", "")))[0].0, "shadowed-rule");
    for change in [
        ("\"tier\": \"a\"", "\"tier\": \"a\", \"stream\": true"),
        ("\"tier\": \"a\"", "\"tier\": \"b\""),
        ("\"match\"", "\"until\": \"2027-01-01\", \"match\""),
        ("\"match\"", "\"since\": \"2027-01-01\", \"match\""),
        ("\"match\"", "\"mode\": \"shadow\", \"match\""),
        ("\"match\"", "\"enabled\": false, \"match\""),
    ] {
        assert_eq!(found(&blocks(change)), [], "{change:?}");
    }
    let told = FINE.replace("\"deny\": {}", "\"deny\": {}, \"alert\": \"finops\"");
    assert_eq!(found(&with(&format!("\"alerts\": {{\"finops\": {{\"log\": {{}}}}}},\n{told}"))), []);
}

/// Warnings stand beside errors where these leave no doubt of what is warned of.
#[test]
fn errors_do_not_hide_what_is_to_be_warned_of() {
    let ladder = "{\"at\": \"100%\", \"warn\": {}}, {\"at\": \"100%\", \"deny\": {}}";
    let warned = with(&FINE.replace("{\"at\": \"100%\", \"deny\": {}}", ladder));
    let policy = |from: &str, to: &str| warned.replacen(from, to, 1);
    let codes = |policy: &str| found(policy).into_iter().map(|one| one.0).collect::<Vec<_>>();
    let some = "Warnings that weigh rules against each other are told when the errors are mended.\n";
    let none = "Warnings are told when the errors are mended.\n";
    let says = |policy: &str, what: &str| check(&[], policy).1.contains(&format!("\n{what}"));
    assert_eq!(codes(&warned), ["hidden-step"]);
    assert!(!says(&warned, some) && !says(&warned, none));
    // A misspelt key, of which it is clear what it means, and a block that has a mistake of its own.
    for (from, to) in [
        ("\"version\"", "\"modes\": \"shadow\", \"version\""),
        ("\"version\"", "\"on_error\": \"alow\", \"version\""),
        ("\"budgets\"", "\"blocks\": [{\"name\": \"x\", \"mach\": {}}], \"budgets\""),
    ] {
        let wrong = policy(from, to);
        assert_eq!(codes(&wrong), ["invalid", "hidden-step"], "{to}");
        assert!(says(&wrong, some), "{to}");
        let (_, out) = check(&["--format", "json"], &wrong);
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["policies"][0]["warnings_judged"], "rule by rule", "{to}");
    }
    // A rule with a mistake is not judged, nor is any where the policy has no meaning, or prices are in doubt.
    let in_rule = policy("\"per\": [\"user\"]", "\"per\": [\"user\"], \"mach\": {}");
    assert_eq!(codes(&in_rule), ["invalid"]);
    for (from, to) in [
        ("\"day\"", "\"day\", \"timezone\": \"Europe/Berln\""),
        ("\"version\"", "\"prices\": {\"aliass\": {}}, \"version\""),
    ] {
        let wrong = policy(from, to);
        assert_eq!(codes(&wrong), ["invalid"], "{to}");
        assert!(says(&wrong, none), "{to}");
    }
    // What another rule's mistake may be the reason of is not told.
    let alone = with("\"budgets\": []").replace("\"version\"", "\"on_error\": \"alow\", \"version\"");
    assert_eq!(codes(&alone), ["invalid"]);
}

/// The names in `can` are those of the warning.
#[test]
fn a_capability_that_the_policy_vouches_for_is_not_warned_of() {
    let list = |name: &str, can: &str| {
        let rule = format!("{{\"from\": \"o3\", \"to\": \"o3-mini\"{can}}}");
        let step =
            format!("{{\"at\": \"90%\", \"downgrade\": \"{name}\"}}, {{\"at\": \"100%\", \"deny\": {{}}}}");
        let budgets = FINE.replace("{\"at\": \"100%\", \"deny\": {}}", &step);
        with(&format!("\"downgrades\": {{\"{name}\": [{rule}]}},\n{budgets}"))
    };
    // A list may have any name.
    for name in ["e", "instead-of-o3.1", "a/b", "a[0]"] {
        let lost =
            |can: &str| found(&list(name, can)).into_iter().filter(|one| one.0 == "lost-capability").count();
        assert_eq!(
            (lost(""), lost(", \"can\": [\"vision\"]"), lost(", \"can\": [\"vision\", \"files\"]")),
            (1, 1, 0),
            "{name}"
        );
    }
}

#[test]
fn a_shadowed_rule_of_a_list_is_warned_of() {
    let policy = with(&format!(
        "\"downgrades\": {{\"e\": [{{\"from\": \"gpt-4*\", \"to\": \"gpt-4o-mini\"}}, {{\"from\": \"gpt-4o\", \"to\": \"gpt-4.1-nano\"}}]}},\n{}",
        FINE.replace(
            "{\"at\": \"100%\", \"deny\": {}}",
            "{\"at\": \"90%\", \"downgrade\": \"e\"}, {\"at\": \"100%\", \"deny\": {}}"
        )
    ));
    assert!(found(&policy).iter().any(|one| one.0 == "shadowed-rule"), "{:#?}", found(&policy));
}

#[test]
fn the_worst_case_can_fail_a_build() {
    // 500 tokens a day at the $17 a million that gpt-4o's output costs by priority, 31 days.
    let policy = with(FINE);
    let model = ["-q", "--model", "gpt-4o"];
    let fails = |more: &[&str]| check(&[&model, more].concat(), &policy);
    assert_eq!(fails(&["--max-usd-per-user-month", "0.2635"]).0, 0);
    let (status, said) = fails(&["--max-usd-per-user-month", "0.26"]);
    assert_eq!(status, 1);
    assert!(said.contains("a user of any tier can cost $0.2635 in a month; $0.26 is the most"), "{said}");
    assert_eq!(fails(&["--users", "1000", "--max-usd-month", "263.5"]).0, 0);
    assert_eq!(fails(&["--users", "1001", "--max-usd-month", "263.5"]).0, 1);
    assert_eq!(fails(&["--max-usd-month", "263.5"]).0, 1);
    // 111,616 tokens and 128 answers of 16,384 at $17 a million.
    assert_eq!(fails(&["--max-usd-per-request", "37.55"]).0, 0);
    assert_eq!(fails(&["--max-usd-per-request", "37.54"]).0, 1);
    let shadow = policy.replacen("\"version\"", "\"mode\": \"shadow\", \"version\"", 1);
    let hint = "  What is in shadow mode bounds nothing yet; `--enforce` works it out";
    assert!(check(&[], &shadow).1.contains(hint) && !check(&["--enforce"], &shadow).1.contains(hint));
    assert!(!check(&[], &policy).1.contains(hint));
    let of_shadow = ["-q", "--model", "gpt-4o", "--max-usd-per-user-month", "1000"];
    assert_eq!(check(&of_shadow, &shadow).0, 1);
    assert_eq!(check(&[&of_shadow[..], &["--enforce"]].concat(), &shadow).0, 0);
}

/// What is used beyond a downgrade is as dear as the cheaper model, where the next step refuses.
#[test]
fn a_downgrade_lowers_the_worst_case() {
    let policy = with(
        "\"downgrades\": {\"e\": [{\"from\": \"gpt-4o\", \"to\": \"gpt-4o-mini\"}]}, \"budgets\": [{\"name\": \"b\", \"match\": \
         {\"tier\": \"pro\"}, \"per\": [\"user\"], \"limit\": {\"tokens\": 1000000}, \"window\": {\"calendar\": \"month\"}, \"ladder\": \
         [{\"at\": \"100%\", \"downgrade\": \"e\"}, {\"at\": \"200%\", \"deny\": {}}]}]",
    );
    let (_, out) = check(&["--format", "json", "--model", "gpt-4o"], &policy);
    let report: Value = serde_json::from_str(&out).unwrap();
    let tiers = &report["policies"][0]["worst_case"]["tiers"];
    // A million at $17 and a million at $1, by priority; whoever has no tier has no budget.
    assert_eq!(tiers[0]["tier"], "pro", "{tiers}");
    assert_eq!(tiers[0]["usd_per_user_month"], 18.0, "{tiers}");
    assert_eq!(tiers[1]["usd_per_user_month"], Value::Null, "{tiers}");
}

#[test]
fn ci_systems_get_their_formats() {
    let wrong = with(FINE).replace("\"version\": 1", "\"version\": 2");
    let (status, out) = check(&["--format", "github"], &wrong);
    assert_eq!(status, 1);
    assert_eq!(
        out,
        "::error file=<stdin>,line=1,col=13,endLine=1,endColumn=14,title=version::unknown version `2`; this release reads 1\n"
    );
    let (status, out) = check(&["--format", "junit"], &wrong);
    assert_eq!(status, 1);
    assert!(
        out.contains("failures=\"1\"") && out.contains("&lt;stdin&gt;:1:13: error: unknown version"),
        "{out}"
    );
}

/// 0 right, 1 wrong, 2 usage or files, whatever the command.
#[test]
fn exit_codes_are_the_same_everywhere() {
    let ends = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tokenstile")).args(args).output().unwrap();
        assert!(output.stdout.is_empty() || output.status.success(), "{args:?} talks on standard output");
        output.status.code().unwrap()
    };
    assert_eq!(ends(&["schema"]), 0);
    assert_eq!(ends(&["check"]), 2);
    for command in ["check", "price --request", "run", "serve --upstream http://127.0.0.1:9 --policy"] {
        let args: Vec<&str> = command.split(' ').chain(["no/such/file"]).collect();
        assert_eq!(ends(&args), 2, "{command}");
    }
    assert_eq!(ends(&["run", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]), 1);
    assert_eq!(ends(&["completions", "bash"]), 0);
    assert_eq!(ends(&["man"]), 0);
}
