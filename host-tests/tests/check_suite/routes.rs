//! Routes and experiments: what they say, and what of them was probably not meant.

use super::{FINE, check, found, warned, with};
use serde_json::Value;

/// A policy with these routes, whose headers are held.
fn routes(routes: &str) -> String {
    with(&format!("\"hold_headers\": true,\n\"routes\": [{routes}],\n{FINE}"))
}

/// The same with a list of downgrades, which the first route uses.
fn with_list(rules: &str, more: &str) -> String {
    let list = format!("\"downgrades\": {{\"e\": [{rules}]}},\n");
    let route = "{\"name\": \"cheap\", \"match\": {\"tier\": \"free\"}, \"set\": {\"downgrade\": \"e\"}}";
    let routes = routes(&format!("{route}, {more}"));
    routes.replacen("\"hold_headers\"", &format!("{list}\"hold_headers\""), 1)
}

const MINI: &str =
    "{\"name\": \"a\", \"match\": {\"tier\": \"free\"}, \"set\": {\"model\": \"gpt-4o-mini\"}}";

/// An experiment among users of gpt-4o.
fn split(arms: &str) -> String {
    routes(&format!(
        "{{\"name\": \"x\", \"match\": {{\"model\": \"gpt-4o\"}}, \"split\": {{\"by\": \"user\", \"arms\": [{arms}]}}}}"
    ))
}

#[test]
fn routes_that_choose_nothing_are_warned_of() {
    let second = |rule: &str| routes(&format!("{MINI}, {rule}"));
    warned(&[
        (
            routes(&MINI.replace("\"set\"", "\"until\": \"2026-11-21\", \"set\"")),
            "dead-rule",
            "over: it chooses nothing any more",
        ),
        (
            second(
                "{\"name\": \"next\", \"match\": {\"tier\": \"free\", \"stream\": true}, \"set\": {\"model\": \"gpt-4.1-nano\"}}",
            ),
            "shadowed-rule",
            "never used: `a` before it chooses the same for all these calls",
        ),
        (
            routes(
                "{\"name\": \"a\", \"match\": {\"prompt_tokens\": {\"max\": 900}}, \"set\": {\"headers\": {\"x-pool\": \"a\"}}}, \
                 {\"name\": \"next\", \"match\": {\"prompt_tokens\": {\"min\": 5, \"max\": 500}}, \"set\": {\"headers\": {\"x-pool\": \"b\", \"x-b\": \"b\"}}}",
            ),
            "shadowed-rule",
            "never used: `a` before it",
        ),
        (
            routes("{\"name\": \"a\", \"match\": {\"model\": \"gpt-4o\"}, \"set\": {\"model\": \"gpt-4o\"}}"),
            "dead-rule",
            "changes nothing: `gpt-4o` is the model",
        ),
        (
            with_list("{\"from\": \"gpt-4o\", \"to\": \"gpt-4o-mini\"}", MINI),
            "shadowed-rule",
            "never used: `cheap` before it",
        )
            .map_model("gpt-4o"),
        (
            with_list(
                "{\"from\": \"gpt-4o\", \"to\": \"gpt-4o-mini\"}",
                &MINI.replace("\"free\"", "\"pro\""),
            )
            .replace("\"match\": {\"tier\": \"free\"}", "\"match\": {\"model\": \"claude-haiku-4-5*\"}"),
            "dead-rule",
            "chooses nothing: `e` has nothing in the place of `claude-haiku-4-5*`",
        ),
        (
            routes("{\"name\": \"a\", \"set\": {\"headers\": {\"x-pool\": \"a\"}}}")
                .replace("\"hold_headers\": true,", ""),
            "headers-too-late",
            "set too late: without `hold_headers`",
        ),
        (
            routes("{\"name\": \"a\", \"keep\": {\"by\": \"tier\"}}")
                .replace("[\"header:x-tier\"]", "[\"header:x-tier\", \"value:free\"]"),
            "shared-conversation",
            "calls that name no `tier` are all one, `free`",
        ),
    ]);
}

trait ForModel {
    fn map_model(self, model: &str) -> Self;
}

impl ForModel for (String, &str, &str) {
    /// All routes are for this model too.
    fn map_model(self, model: &str) -> Self {
        let matches = format!("\"match\": {{\"model\": \"{model}\", ");
        (self.0.replace("\"match\": {", &matches), self.1, self.2)
    }
}

/// An earlier route that is narrower, ends, is in shadow, is switched off or is an experiment leaves something.
#[test]
fn routes_that_still_choose_something_are_not_warned_of() {
    let first = |change: (&str, &str)| {
        let before = MINI.replace(change.0, change.1);
        let after =
            "{\"name\": \"next\", \"match\": {\"tier\": \"free\"}, \"set\": {\"model\": \"gpt-4.1-nano\"}}";
        routes(&format!("{before}, {after}"))
    };
    for change in [
        ("\"tier\": \"free\"", "\"tier\": \"free\", \"stream\": true"),
        ("\"tier\": \"free\"", "\"tier\": \"pro\""),
        ("\"set\"", "\"until\": \"2027-01-01\", \"set\""),
        ("\"set\"", "\"since\": \"2027-01-01\", \"set\""),
        ("\"set\"", "\"mode\": \"shadow\", \"set\""),
        ("\"set\"", "\"enabled\": false, \"set\""),
        ("\"model\": \"gpt-4o-mini\"", "\"max_output_tokens\": 64"),
    ] {
        assert_eq!(found(&first(change)), [], "{change:?}");
    }
    // A list leaves the models that it does not name.
    assert_eq!(found(&with_list("{\"from\": \"gpt-4o\", \"to\": \"gpt-4o-mini\"}", MINI)), []);
}

#[test]
fn models_that_are_unknown_or_not_worth_it_are_warned_of() {
    let set = |from: &str, to: &str| {
        routes(&format!(
            "{{\"name\": \"a\", \"match\": {{\"model\": \"{from}\"}}, \"set\": {{\"model\": \"{to}\"}}}}"
        ))
    };
    let arm = |to: &str| {
        split(&format!(
            "{{\"name\": \"c\", \"weight\": 500}}, {{\"name\": \"d\", \"weight\": 500, \"set\": {{\"model\": \"{to}\"}}}}"
        ))
    };
    warned(&[
        (
            set("gpt-4o", "gpt-4o-mni"),
            "unknown-model",
            "no price is known for `gpt-4o-mni` | did you mean `gpt-4o-mini`?",
        ),
        (arm("gpt-4o-mni"), "unknown-model", "no price is known for `gpt-4o-mni`"),
        (set("gpt-4o-mini", "gpt-4o"), "useless-downgrade", "saves nothing: "),
        (
            arm("gpt-4o").replace("\"gpt-4o\"}, \"split\"", "\"gpt-4o-mini\"}, \"split\""),
            "useless-downgrade",
            "saves nothing: ",
        ),
        (set("gpt-4o", "gpt-3.5-turbo"), "shorter-context", "`gpt-3.5-turbo` takes 16,385 tokens at once"),
        (
            set("o3", "o3-mini"),
            "lost-capability",
            "`o3-mini` lacks vision, files, which `o3` has: calls that use it keep their model",
        ),
        (
            routes("{\"name\": \"a\", \"match\": {\"tier\": \"a\"}, \"forbid\": [\"depseek-*\"]}"),
            "unknown-model",
            "no price is known for `depseek-*`",
        ),
    ]);
    let (_, shown) = check(&["-q"], &arm("gpt-4o-mni"));
    assert!(shown.contains("routes[0].split.arms[1].set.model"), "{shown}");
}

/// Requests are not translated: a model of another API serves only where somebody gives both by one.
#[test]
fn models_of_another_api_are_warned_of() {
    let set = |matches: &str, to: &str| {
        routes(&format!("{{\"name\": \"a\", \"match\": {{{matches}}}, \"set\": {{{to}}}}}"))
    };
    let (sonnet, mini) = ("\"model\": \"claude-sonnet-4-5\"", "\"model\": \"gpt-4o-mini\"");
    warned(&[
        (
            set(sonnet, mini),
            "other-api",
            "never served: `gpt-4o-mini` (openai) speaks another API than `claude-sonnet-4-5` (anthropic), and requests are not translated",
        ),
        (
            set("\"model\": \"gemini-2.5-*\"", mini),
            "other-api",
            "never served: `gpt-4o-mini` (openai) speaks another API than `gemini-2.5-",
        ),
        (
            split(
                "{\"name\": \"c\", \"weight\": 500}, {\"name\": \"d\", \"weight\": 500, \"set\": {\"model\": \"claude-haiku-4-5\"}}",
            ),
            "other-api",
            "never served: `claude-haiku-4-5` (anthropic)",
        ),
    ]);
    let is_told = |policy: &str| found(policy).iter().any(|one| one.0 == "other-api");
    for fine in [
        // One API for both, somebody who is named, a model among others, the proxy's own routing, a gateway's name.
        set("\"model\": \"gpt-4o\"", "\"model\": \"deepseek-chat\""),
        set("\"model\": \"gpt-4o\", \"provider\": \"openrouter\"", "\"model\": \"claude-haiku-4-5\""),
        set("\"model\": \"*\"", mini),
        set(sonnet, "\"model\": \"gpt-4o-mini\", \"headers\": {\"x-pool\": \"openai\"}"),
        set("\"model\": \"gpt-4o\"", "\"model\": \"anthropic/claude-haiku-4.5\""),
        set(sonnet, mini).replacen("\"version\"", "\"provider\": \"openrouter\", \"version\"", 1),
        set("\"model\": \"large\"", mini).replacen(
            "\"version\"",
            "\"prices\": {\"aliases\": {\"large\": \"claude-sonnet-4-5\"}}, \"version\"",
            1,
        ),
    ] {
        assert!(!is_told(&fine), "{fine}");
    }
}

#[test]
fn a_service_tier_that_has_no_price_is_warned_of() {
    let tier = |model: &str, more: &str, tier: &str| {
        routes(&format!(
            "{{\"name\": \"a\", \"match\": {{\"model\": \"{model}\"}}, \"set\": {{{more}\"service_tier\": \"{tier}\"}}}}"
        ))
    };
    warned(&[
        (
            tier("gpt-4o", "", "flex"),
            "unpriced-tier",
            "no price of the tier `flex` is known for `gpt-4o`: budgets and records take the standard one",
        ),
        (
            tier("gpt-4o", "\"model\": \"gpt-4o-mini\", ", "flex"),
            "unpriced-tier",
            "no price of the tier `flex` is known for `gpt-4o-mini`",
        ),
    ]);
    let all = found(&tier("claude-*", "", "flex"));
    assert!(all.len() == 1 && all[0].0 == "unpriced-tier", "{all:?}");
    let own = "\"prices\": {\"overrides\": [{\"model\": \"gpt-4o\", \"usd\": {\"input\": \"1\", \"output\": \"5\"}}]}, \"version\"";
    for fine in [
        tier("gpt-5", "", "flex"),
        // Some of them have it.
        tier("gpt-*", "", "flex"),
        tier("gpt-4o", "", "default"),
        tier("gpt-4o", "", "flex").replacen("\"version\"", own, 1),
    ] {
        assert_eq!(found(&fine), [], "{fine}");
    }
}

#[test]
fn experiments_that_try_nothing_are_warned_of() {
    let mini = |name: &str, weight: u32| {
        format!("{{\"name\": \"{name}\", \"weight\": {weight}, \"set\": {{\"model\": \"gpt-4o-mini\"}}}}")
    };
    let control = |weight: u32| format!("{{\"name\": \"control\", \"weight\": {weight}}}");
    let fine = split(&format!("{}, {}", control(500), mini("mini", 500)));
    assert_eq!(found(&fine), []);
    // One arm for some is a beginning.
    assert_eq!(found(&split(&mini("mini", 100))), []);
    warned(&[
        (
            split(&format!("{}, {}", mini("a", 500), mini("b", 500))),
            "dead-rule",
            "tries nothing: all arms do the same",
        ),
        (split(&control(500)), "dead-rule", "tries nothing: no arm changes anything"),
        (split(&format!("{}, {}", control(1000), mini("mini", 0))), "dead-rule", "nobody is in this arm"),
        (
            fine.replace("\"by\"", "\"holdout\": 1000, \"by\""),
            "dead-rule",
            "tries nothing: everybody is held out",
        ),
        (
            fine.replace("[\"api_key\"]", "[\"value:a\"]"),
            "dead-rule",
            "everybody is in the same arm: `user` is always `a`",
        ),
    ]);
    let by_secret = "\"secret\": \"0123456789abcdef\", \"by\"";
    let tester = split(&format!("{}, {}", control(1000), mini("mini", 0)));
    assert_eq!(found(&tester.replace("\"by\"", by_secret)), []);
    // The filter takes no arms whose weights are nothing together.
    let none = found(&split(&format!("{}, {}", control(0), mini("mini", 0))));
    assert!(none[0].0 == "invalid" && none[0].3.contains("add up to 0"), "{none:?}");
}

#[test]
fn what_runs_into_a_forbid_is_warned_of() {
    let forbid =
        |matches: &str| format!("{{\"name\": \"eu\", \"match\": {{{matches}}}, \"forbid\": [\"gpt-4o-*\"]}}");
    let both = |matches: &str| routes(&format!("{MINI}, {}", forbid(matches)));
    warned(&[
        (
            both("\"tier\": \"free\""),
            "forbidden-model",
            "never put in place: `eu` forbids `gpt-4o-mini` for all these calls",
        ),
        (
            both("\"tier\": \"free\"")
                .replace("\"model\": \"gpt-4o-mini\"", "\"model\": \"openai/gpt-4o-mini\""),
            "forbidden-model",
            "never put in place: `eu` forbids `openai/gpt-4o-mini` for all these calls",
        ),
        (
            both("\"stream\": true"),
            "forbidden-model",
            "`eu` forbids `gpt-4o-mini`: a call of a streamed answer keeps its model",
        ),
        (
            with_list("{\"from\": \"gpt-4o\", \"to\": \"gpt-4o-mini\"}", &forbid("\"stream\": true")),
            "forbidden-model",
            "`eu` forbids `gpt-4o-mini`: a call of a streamed answer falls to the next step, or keeps its model",
        ),
        (
            routes(&forbid("\"tier\": \"pro\""))
                .replace(
                    "{\"at\": \"100%\", \"deny\": {}}",
                    "{\"at\": \"90%\", \"downgrade\": \"e\"}, {\"at\": \"100%\", \"deny\": {}}",
                )
                .replacen(
                    "\"routes\"",
                    "\"downgrades\": {\"e\": [{\"from\": \"gpt-4o\", \"to\": \"gpt-4o-mini\"}]}, \"routes\"",
                    1,
                ),
            "forbidden-model",
            "`eu` forbids `gpt-4o-mini`: a call of tier pro falls to the next step",
        ),
    ]);
    for off in ["\"enabled\": false", "\"mode\": \"shadow\""] {
        let policy = both("\"tier\": \"free\"").replace("\"forbid\"", &format!("{off}, \"forbid\""));
        assert_eq!(found(&policy), [], "{off}");
    }
    for apart in ["\"tier\": \"pro\"", "\"tier\": \"free\", \"model\": \"gpt-4\""] {
        let policy = both(apart).replace(
            "\"match\": {\"tier\": \"free\"}, \"set\"",
            "\"match\": {\"tier\": \"free\", \"model\": \"gpt-4o\"}, \"set\"",
        );
        assert_eq!(found(&policy), [], "{apart}");
    }
}

#[test]
fn routes_are_said_in_plain_sentences() {
    let policy = routes(
        "{\"name\": \"night\", \"match\": {\"model\": \"gpt-4o*\", \"time\": {\"from\": \"22:00\", \"to\": \"06:00\", \"days\": [\"fri\"], \"timezone\": \"Europe/Berlin\"}}, \
          \"set\": {\"headers\": {\"x-pool\": \"batch\"}, \"max_output_tokens\": 64}, \"since\": \"2026-12-01\"}, \
         {\"name\": \"eu\", \"match\": {\"tier\": \"eu\"}, \"forbid\": [\"deepseek-*\"], \"set\": {\"model\": \"gpt-4o-mini\"}}, \
         {\"name\": \"trial\", \"mode\": \"shadow\", \"split\": {\"by\": \"user\", \"holdout\": 50, \"ramp\": {\"from\": \"2026-12-01\", \"to\": \"2026-12-08\"}, \
          \"arms\": [{\"name\": \"control\", \"weight\": 500}, {\"name\": \"mini\", \"weight\": 400, \"set\": {\"model\": \"gpt-4o-mini\"}}]}}",
    );
    let (_, out) = check(&["--format", "json"], &policy);
    let report: Value = serde_json::from_str(&out).unwrap();
    let says: Vec<&str> =
        report["policies"][0]["says"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for sentence in [
        "`night`: a call of the model gpt-4o* and the time 22:00 to 06:00 on fri (Europe/Berlin) has an answer of 64 tokens at most, \
         goes with the header x-pool: batch, from 2026-12-01 on.",
        "`eu`: a call of tier eu is served by gpt-4o-mini and is served by no deepseek-* in the place of its own model.",
        "`trial`: any call is part of an experiment by user: in 500 of 1,000 (`control`) it goes on as it is, in 400 of 1,000 \
         (`mini`) it is served by gpt-4o-mini; 50 of 1,000 are held out; arms that change something grow from nobody on \
         2026-12-01 to their weight on 2026-12-08. It is in shadow: this is written down, and not done.",
    ] {
        assert!(says.contains(&sentence), "{sentence}\n{says:#?}");
    }
}
