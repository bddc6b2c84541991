//! Budgets without a stop, and what single calls can cost at most.

use super::{FINE, check, found, warned, with};
use serde_json::Value;

fn ladder(steps: &str) -> String {
    with(&FINE.replace("{\"at\": \"100%\", \"deny\": {}}", steps))
}

/// Budgets for the tier free, which stops, and for the tier pro with this ladder.
fn tiers(steps: &str, more: &str) -> String {
    let free = FINE.replace("\"per\"", "\"match\": {\"tier\": \"free\"}, \"per\"");
    let pro = free
        .replace("free", "pro")
        .replace("\"b\"", "\"p\"")
        .replace("{\"at\": \"100%\", \"deny\": {}}", steps);
    let pro = pro.trim_start_matches("\"budgets\": [").to_owned();
    with(&format!(
        "\"downgrades\": {{\"e\": [{{\"from\": \"gpt-4o\", \"to\": \"gpt-4o-mini\"}}]}},\n{}, {}{more}]",
        free.trim_end_matches(']'),
        pro.strip_suffix(']').unwrap()
    ))
}

const WARN: &str = "{\"at\": \"100%\", \"warn\": {}}";
const DOWN: &str = "{\"at\": \"100%\", \"downgrade\": \"e\"}";

/// A slip in what is assumed would be counted in silence.
#[test]
fn what_is_assumed_and_not_known_is_told() {
    let policy = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("assumed.json");
    let tiers =
        FINE.replace("\"per\": [\"user\"]", "\"per\": [\"user\"], \"tiers\": {\"pro\": {\"tokens\": 900}}");
    let text = with(&tiers).replace("\"header:x-tier\"", "\"header:x-tier\", \"value:free\"");
    std::fs::write(&policy, text).unwrap();
    let told = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tokenstile"));
        let output = command.arg("check").arg("-q").arg(&policy).args(args).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(told(&["--model", "gpt-4o", "--users", "free=9,pro=3"]), (0, String::new()));
    for (args, status, says) in [
        (
            ["--model", "gpt-4oo"],
            0,
            "no price is known for `gpt-4oo`, and a ceiling is counted; did you mean `gpt-4o`?",
        ),
        (["--users", "frea=9"], 0, "no rule names the tier `frea`; did you mean `free`?"),
        (["--users", "free=9,free=3"], 2, "`--users` says the tier `free` twice"),
        (["--users", "9,3"], 2, "`--users` says how many there are twice"),
    ] {
        let (code, said) = told(&args);
        assert!(code == status && said.contains(says), "{args:?}: {code}: {said}");
    }
}

#[test]
fn a_budget_that_is_over_stops_nobody() {
    let over = with(&FINE.replace("\"per\"", "\"until\": \"2026-01-01\", \"per\""));
    let kinds: Vec<String> = found(&over).into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(kinds, ["no-worst-case", "dead-rule"]);
}

#[test]
fn budgets_that_never_stop_are_warned_of() {
    // A list that nothing uses is another warning.
    let unused = |policy: String| {
        policy.replace("\"downgrades\": {\"e\": [{\"from\": \"gpt-4o\", \"to\": \"gpt-4o-mini\"}]},", "")
    };
    let overage = "{\"at\": \"100%\", \"overage\": {\"usd_per_1k_tokens\": \"0.02\"}}";
    warned(&[
        (
            ladder(WARN),
            "no-stop",
            "never stops: `warn` at 100% is its last step, and nothing bounds what its calls cost beyond it | \
             a last step such as {\"at\": \"150%\", \"deny\": {}} bounds it",
        ),
        (
            tiers(DOWN, ""),
            "no-stop",
            "never stops: `downgrade` at 100% is its last step, and nothing bounds what calls of tier pro cost",
        ),
        (
            unused(tiers(overage, "")),
            "no-stop",
            "never stops: `overage` at 100% is its last step, and nothing bounds what calls of tier pro cost beyond it | \
             bound the overage by its `up_to`, with a step behind it",
        ),
        (
            // For everybody, of whom the tier free is stopped by another budget.
            unused(tiers(WARN, "")).replace("\"match\": {\"tier\": \"pro\"}, ", ""),
            "no-stop",
            "never stops: `warn` at 100% is its last step, and nothing bounds what calls of any other tier cost",
        ),
        (
            unused(tiers(WARN, "")).replace("\"version\"", "\"mode\": \"shadow\", \"version\""),
            "no-stop",
            "never stops",
        ),
        (
            with(
                "\"budgets\": [{\"name\": \"b\", \"per\": [\"user\"], \"limit\": {\"requests_in_flight\": 5}, \
                 \"ladder\": [{\"at\": \"100%\", \"deny\": {}}]}]",
            )
            .replace("\"deny\"", "\"warn\""),
            "no-worst-case",
            "no budget ever refuses",
        ),
    ]);
    let stop = ", {\"name\": \"all\", \"per\": [], \"limit\": {\"usd\": \"100\"}, \"window\": {\"calendar\": \"month\"}, \
                \"ladder\": [{\"at\": \"100%\", \"deny\": {}}]}";
    assert_eq!(found(&tiers(DOWN, stop)), []);
    assert_eq!(found(&tiers(DOWN, &stop.replace("\"per\"", "\"match\": {\"tier\": \"pro\"}, \"per\""))), []);
    let other = found(&tiers(DOWN, &stop.replace("\"per\"", "\"match\": {\"model\": \"gpt-4o\"}, \"per\"")));
    assert_eq!(other.iter().map(|one| one.0.as_str()).collect::<Vec<_>>(), ["no-stop"]);
    let capped = overage.replace("\"0.02\"", "\"0.02\", \"up_to\": {\"usd\": \"5\"}");
    assert_eq!(found(&unused(tiers(&format!("{capped}, {{\"at\": \"900%\", \"deny\": {{}}}}"), ""))), []);
}

/// What `check` works out with these request limits and routes, for a model.
fn worst_case(rest: &str, model: &str) -> Value {
    let requests = "\"budgets\": [{\"name\": \"b\", \"per\": [\"user\"], \"limit\": {\"requests\": 100}, \"window\": \
                    {\"calendar\": \"month\"}, \"ladder\": [{\"at\": \"100%\", \"deny\": {}}]}]";
    let (_, out) =
        check(&["--format", "json", "--model", model, "--users", "10"], &with(&format!("{requests}{rest}")));
    let report: Value = serde_json::from_str(&out).unwrap();
    report["policies"][0]["worst_case"].clone()
}

/// A call, a hundred calls of a user in a month, and ten users.
fn costs(rest: &str, model: &str) -> (f64, f64, f64) {
    let worst = worst_case(rest, model);
    let usd = |path: &str| worst.pointer(path).and_then(Value::as_f64).unwrap();
    (usd("/requests/0/usd"), usd("/tiers/0/usd_per_user_month"), usd("/usd_month"))
}

#[test]
fn request_limits_lower_the_worst_case() {
    let one = "{\"name\": \"n\", \"limit\": {\"answers\": 1}, \"over\": {\"deny\": {}}}";
    let limits = |limits: &str| format!(", \"request_limits\": [{limits}, {one}]").replace("[, ", "[");
    let prompt = "{\"name\": \"p\", \"limit\": {\"prompt_tokens\": 10000}, \"over\": {\"deny\": {}}}";
    let answer = "{\"name\": \"o\", \"limit\": {\"output_tokens\": 1000}, \"over\": {\"clamp\": {}}}";
    let usd = "{\"name\": \"u\", \"limit\": {\"usd\": \"0.05\"}, \"over\": {\"deny\": {}}}";
    // gpt-4o: $17 a million at most, by priority, a context of 128,000, answers of 16,384.
    assert_eq!(costs(&limits(""), "gpt-4o"), (2.176, 217.6, 2176.0));
    assert_eq!(costs(&limits(prompt), "gpt-4o").0, 0.448528);
    assert_eq!(costs(&limits(&format!("{prompt}, {answer}")), "gpt-4o"), (0.187, 18.7, 187.0));
    // A request that states no bound is taken to come to 512 tokens of output, and may come to 16,384.
    assert_eq!(costs(&limits(usd), "gpt-4o").0, 0.319824);
    assert_eq!(costs(&limits(&format!("{usd}, {answer}")), "gpt-4o").0, 0.058296);
    // A route that shortens all answers does the same.
    let route = ", \"routes\": [{\"name\": \"r\", \"set\": {\"max_output_tokens\": 1000}}]";
    assert_eq!(costs(&format!("{}{route}", limits(prompt)), "gpt-4o").0, 0.187);
    // Thinking comes on top of a bound.
    assert_eq!(costs(&limits(answer), "claude-sonnet-4-5").0, costs("", "claude-sonnet-4-5").0);
    for nothing in [
        prompt.replace("\"deny\"", "\"confirm\"").replace("{}}", "{\"header\": \"x-c\"}}"),
        prompt.replace("\"limit\"", "\"mode\": \"shadow\", \"limit\""),
        prompt.replace("\"limit\"", "\"match\": {\"model\": \"gpt-4.1\"}, \"limit\""),
        prompt.replace("\"limit\"", "\"match\": {\"stream\": true}, \"limit\""),
        answer.replace("\"clamp\"", "\"deny\""),
    ] {
        let secret = ", \"confirm\": {\"secret\": \"thirty random characters, or so\"}";
        assert_eq!(costs(&format!("{}{secret}", limits(&nothing)), "gpt-4o").0, 2.176, "{nothing}");
    }
    let of_model = prompt.replace("\"limit\"", "\"match\": {\"model\": \"gpt-4*\"}, \"limit\"");
    assert_eq!(costs(&limits(&of_model), "gpt-4o").0, 0.448528);
}

/// A request may ask for several answers, and each is paid for (`n` of OpenAI's API).
#[test]
fn a_call_may_ask_for_as_many_answers_as_its_api_gives() {
    let limits = |limits: &str| format!(", \"request_limits\": [{limits}]");
    let answers = |most: u64| {
        limits(&format!(
            "{{\"name\": \"n\", \"limit\": {{\"answers\": {most}}}, \"over\": {{\"deny\": {{}}}}}}"
        ))
    };
    // A prompt of 111,616 tokens, and 128 answers of 16,384.
    assert_eq!(costs("", "gpt-4o"), (37.549056, 3754.9056, 37549.056));
    assert_eq!(costs(&answers(1_000), "gpt-4o").0, 37.549056);
    assert_eq!(costs(&answers(2), "gpt-4o").0, 2.454528);
    assert_eq!(worst_case(&answers(2), "gpt-4o")["requests"][0]["answers"], 2);
    assert_eq!(costs("", "claude-sonnet-4-5").0, costs(&answers(1), "claude-sonnet-4-5").0);
    // An amount of money bounds them too: 0.05 pays for nine answers of the 512 tokens that each is taken to have.
    let usd = "{\"name\": \"u\", \"limit\": {\"usd\": \"0.05\"}, \"over\": {\"deny\": {}}}";
    assert_eq!(costs(&limits(usd), "gpt-4o").0, 1.6);
}

#[test]
fn a_limit_of_a_tier_lowers_the_worst_case_of_that_tier() {
    let worst = worst_case(
        ", \"request_limits\": [{\"name\": \"p\", \"match\": {\"tier\": \"free\"}, \"limit\": {\"prompt_tokens\": 10000}, \"over\": {\"deny\": {}}}], \
         \"overrides\": []",
        "gpt-4o",
    );
    // No budget names the tier: nobody asked about it.
    assert_eq!(worst["tiers"].as_array().unwrap().len(), 1);
    let policy = with(
        "\"budgets\": [{\"name\": \"b\", \"per\": [\"user\"], \"limit\": {\"requests\": 100}, \"tiers\": {\"free\": {\"requests\": 10}}, \
         \"window\": {\"calendar\": \"month\"}, \"ladder\": [{\"at\": \"100%\", \"deny\": {}}]}], \
         \"request_limits\": [{\"name\": \"p\", \"match\": {\"tier\": \"free\"}, \"limit\": {\"prompt_tokens\": 10000}, \"over\": {\"deny\": {}}}]",
    );
    let (_, said) = check(&["--model", "gpt-4o"], &policy);
    for line in [
        "  - a call to gpt-4o (priority) that fills its context and asks for 128 answers: $37.55\n",
        "  - a call of tier free to gpt-4o (priority) that asks for 128 answers: $35.83 (by p)\n",
        "  - a user of tier free in a month: $358.22 (by b)\n",
        "  - a user of any other tier in a month: $3,754.91 (by b)\n",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
}

/// What routes put in place may be dearer than what was named.
#[test]
fn a_route_to_a_dearer_model_raises_the_worst_case() {
    let route =
        ", \"routes\": [{\"name\": \"r\", \"match\": {\"tier\": \"pro\"}, \"set\": {\"model\": \"gpt-4o\"}}]";
    let worst = worst_case(route, "gpt-4o-mini");
    assert_eq!(worst["priced_as"], "gpt-4o");
    assert_eq!(worst["tiers"][0]["usd_per_user_month"], 3754.9056, "{worst}");
}

/// An account with a limit of its own is judged by that, one without any fails every bound.
#[test]
fn overrides_and_exemptions_are_part_of_the_worst_case() {
    let day = FINE.replace("\"tokens\": 500", "\"usd\": \"1\"");
    let vip = r#", "overrides": [{"match": {"user": "vip"}, "budget": "b", "limit": {"usd": "1000"}UNTIL}]"#;
    let gate = |rest: &str, more: &[&str]| check(&[&["-q"], more].concat(), &with(&format!("{day}{rest}")));
    let user = ["--max-usd-per-user-month", "100"];
    assert_eq!(gate("", &user).0, 0);
    let vip = |until: &str| vip.replace("UNTIL", until);
    for in_force in ["", ", \"until\": \"2027-01-31\""] {
        let (status, said) = gate(&vip(in_force), &user);
        assert_eq!(status, 1, "{said}");
        let why =
            "user vip can cost $31000.00 in a month; $100.00 is the most (lower its limit in `overrides`)";
        assert!(said.replace(',', "").contains(&why.replace(',', "")), "{said}");
    }
    assert_eq!(gate(&vip(", \"until\": \"2026-01-31\""), &user).0, 0);
    let robot = r#", "exempt": [{"match": {"user": "robot"}}]"#;
    let (status, said) = gate(robot, &user);
    assert_eq!(status, 1);
    assert!(
        said.contains("user robot can cost any amount in a month") && said.contains("`exempt`"),
        "{said}"
    );
    // Ten users at $31 a month, of whom one is dearer.
    let month = |most: &str, rest: &str| gate(rest, &["--users", "10", "--max-usd-month", most]);
    assert_eq!((month("310", "").0, month("309", "").0), (0, 1));
    assert_eq!((month("31279", &vip("")).0, month("31278", &vip("")).0), (0, 1));
    let (status, said) = month("1000000", robot);
    assert!(status == 1 && said.contains("(user robot is in `exempt`"), "{said}");
    let (_, said) = check(&[], &with(&format!("{day}{}{robot}", vip(""))));
    for line in [
        "  - user vip in a month: $31,000.00 (by b)\n",
        "  - user robot in a month: without a bound (exempt)\n",
    ] {
        assert!(said.contains(line), "{said}");
    }
}

/// What all share is as much as the highest limit that somebody has of it.
#[test]
fn an_override_of_what_all_share_raises_the_month() {
    let all = FINE.replace("\"tokens\": 500", "\"usd\": \"1\"").replace("[\"user\"]", "[]");
    let vip = r#", "overrides": [{"match": {"user": "vip"}, "budget": "b", "limit": {"usd": "10"}}]"#;
    let gate =
        |most: &str, rest: &str| check(&["-q", "--max-usd-month", most], &with(&format!("{all}{rest}"))).0;
    assert_eq!((gate("31", ""), gate("31", vip), gate("310", vip)), (0, 1, 0));
}

/// Request limits are for all but those who are exempt.
#[test]
fn a_call_of_who_is_exempt_is_bounded_by_no_request_limit() {
    let limit = r#", "request_limits": [{"name": "l", "limit": {"answers": 1}, "over": {"deny": {}}}]"#;
    let robot = r#", "exempt": [{"match": {"user": "robot"}}]"#;
    let gate = |rest: &str| {
        check(&["-q", "--model", "gpt-4o", "--max-usd-per-request", "3"], &with(&format!("{FINE}{rest}")))
    };
    assert_eq!(gate(limit).0, 0);
    let (status, said) = gate(&format!("{limit}{robot}"));
    assert!(status == 1 && said.contains("one call of somebody in `exempt`"), "{said}");
}
