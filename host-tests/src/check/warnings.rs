//! Owns what is right in a policy and was probably not meant: rules that nothing meets, steps that nobody sees,
//! downgrades that save nothing, spending without a bound. Called by `mod.rs`.

use super::jsonc::Node;
use super::{Finding, Severity, Sound, models, shown};
use serde_json::{Map, Value};
use tokenstile_engine::policy::{Action, Budget, Condition, Over, Source, UNKNOWN};
use tokenstile_engine::price::models_like;
use tokenstile_engine::units::EpochMs;
use wildmatch::WildMatch;

pub(super) fn find(root: &Node, sound: &Sound, now: EpochMs) -> Vec<Finding> {
    let mut warnings = Warnings { root, sound, now, found: Vec::new() };
    warnings.sources();
    warnings.matches();
    warnings.downgrades();
    warnings.aliases();
    warnings.ladders();
    warnings.binding();
    warnings.requests();
    warnings.exceptions();
    warnings.worst_case();
    warnings.found
}

struct Warnings<'s> {
    root: &'s Node,
    sound: &'s Sound,
    now: EpochMs,
    found: Vec<Finding>,
}

impl Warnings<'_> {
    fn add(&mut self, code: &'static str, path: String, message: String, help: Option<String>) {
        let span = shown(self.root, &path, false);
        self.found.push(Finding { severity: Severity::Warning, code, path, span, message, help });
    }

    fn declared(&self) -> impl Iterator<Item = (usize, &Budget)> {
        self.sound.policy.budgets.iter().take(self.sound.declared).enumerate()
    }

    /// Sources behind one that always yields.
    fn sources(&mut self) {
        let mut dead = Vec::new();
        for dimension in &self.sound.policy.identity {
            let constant = dimension.sources.iter().position(|source| matches!(source, Source::Constant(_)));
            let behind = constant.map_or(dimension.sources.len(), |place| place + 1);
            dead.extend(
                (behind..dimension.sources.len()).map(|i| format!("identity.{}[{i}]", dimension.name)),
            );
        }
        for path in dead {
            let message = "this source is never asked: the `value:` before it always yields".to_owned();
            self.add("dead-source", path, message, Some("put `value:` last".to_owned()));
        }
    }

    /// Conditions that no call fulfils.
    fn matches(&mut self) {
        let policy = &self.sound.policy;
        let mut found = Vec::new();
        for (i, budget) in self.declared() {
            for condition in &budget.matches {
                if let Condition::Dimension(place, value) = condition
                    && let Some(dimension) = policy.identity.get(*place)
                    && let [Source::Constant(only)] = dimension.sources.as_slice()
                    && only != value
                {
                    let message = format!("no call meets this: `{}` is always `{only}`", dimension.name);
                    found.push((
                        "dead-rule",
                        format!("budgets[{i}].match.{}", dimension.name),
                        message,
                        None,
                    ));
                }
            }
            let written = self.sound.document.pointer(&format!("/budgets/{i}"));
            let tier = written.and_then(|written| written.pointer("/match/tier")).and_then(Value::as_str);
            let tiers = written.and_then(|written| written.get("tiers")).and_then(Value::as_object);
            for other in
                tiers.into_iter().flat_map(Map::keys).filter(|key| tier.is_some_and(|tier| tier != *key))
            {
                let message =
                    format!("never used: this budget is for the tier `{}` alone", tier.unwrap_or_default());
                found.push(("dead-rule", format!("budgets[{i}].tiers.{other}"), message, None));
            }
        }
        for key in ["budgets", "blocks", "request_limits"] {
            let rules = self.sound.document.get(key).and_then(Value::as_array).into_iter().flatten();
            for (i, rule) in rules.enumerate() {
                let model = rule.pointer("/match/model").and_then(Value::as_str);
                if let Some(model) = model.filter(|model| *model != UNKNOWN && !self.knows(model)) {
                    let (message, help) = self.unknown(model);
                    found.push(("unknown-model", format!("{key}[{i}].match.model"), message, help));
                }
            }
        }
        for (code, path, message, help) in found {
            self.add(code, path, message, help);
        }
    }

    /// Whether some call may name a model like this and have a price.
    fn knows(&self, pattern: &str) -> bool {
        let policy = &self.sound.policy;
        let own = policy.prices.overrides.iter().any(|own| own.model.matches(pattern));
        own || models::meant(policy, pattern).iter().any(|model| models::quote(policy, model, self.now).known)
    }

    fn unknown(&self, model: &str) -> (String, Option<String>) {
        let near = models_like(model.trim_end_matches('*'), self.sound.policy.provider.as_deref());
        let bare = |entry: &String| entry.split_once('/').map_or(entry.clone(), |(_, name)| name.to_owned());
        let help = near.first().map(|entry| format!("did you mean `{}`?", bare(entry)));
        let help = help.or_else(|| {
            Some(
                "if it is a name of your own, say in `prices` what it stands for or what it costs".to_owned(),
            )
        });
        (format!("no price is known for `{model}`"), help)
    }

    fn downgrades(&mut self) {
        let lists =
            self.sound.document.get("downgrades").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, rules) in &lists {
            let text = |rule: &Value, key: &str| {
                rule.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let rules = rules.as_array().cloned().unwrap_or_default();
            let rules: Vec<(String, String)> =
                rules.iter().map(|rule| (text(rule, "from"), text(rule, "to"))).collect();
            for (i, (from, to)) in rules.iter().enumerate() {
                let path = format!("downgrades.{name}[{i}]");
                let covers = |(before, _): &&(String, String)| WildMatch::new(before).matches(from);
                if let Some((before, _)) = rules.iter().take(i).find(covers) {
                    let message = format!("never used: `{before}` before it matches all that this does");
                    self.add(
                        "shadowed-rule",
                        format!("{path}.from"),
                        message,
                        Some("put it first".to_owned()),
                    );
                    continue;
                }
                self.downgrade(&path, from, to);
            }
            let used = self.sound.policy.budgets.iter().flat_map(|budget| &budget.ladder).any(|step| {
                let Action::Downgrade { list } = &step.action else { return false };
                self.sound.policy.downgrades.get(*list).is_some_and(|list| list.name == *name)
            });
            if !used {
                let message = "no step uses this list".to_owned();
                self.add("dead-rule", format!("downgrades.{name}"), message, None);
            }
        }
    }

    /// One rule: whether its models are known, and whether the second is worth it.
    fn downgrade(&mut self, path: &str, from: &str, to: &str) {
        for (key, model) in [("from", from), ("to", to)] {
            if !self.knows(model) {
                let (message, help) = self.unknown(model);
                self.add("unknown-model", format!("{path}.{key}"), message, help);
            }
        }
        let cheap = models::quote(&self.sound.policy, to, self.now);
        let dear = models::meant(&self.sound.policy, from);
        let dear = dear
            .iter()
            .filter(|model| model.as_str() != to)
            .map(|model| (model.clone(), models::quote(&self.sound.policy, model, self.now)));
        let dear: Vec<_> = dear.filter(|(_, quote)| quote.known && quote.entry != cheap.entry).collect();
        if !cheap.known || dear.is_empty() {
            return;
        }
        let wasted = |quote: &tokenstile_engine::price::Quote| {
            models::sample(&quote.price) <= models::sample(&cheap.price)
        };
        let useless: Vec<&str> =
            dear.iter().filter(|(_, quote)| wasted(quote)).map(|(model, _)| model.as_str()).collect();
        if let Some(first) = useless.first() {
            let more =
                if useless.len() > 1 { format!(" and {} more", useless.len() - 1) } else { String::new() };
            let usd = |nano: i64| tokenstile_engine::units::NanoUsd(nano).to_string();
            let of_first =
                dear.iter().find(|(model, _)| model == first).map(|(_, quote)| models::sample(&quote.price));
            let message = format!(
                "saves nothing: a thousand tokens in and out cost {} by `{to}`, and {} by `{first}`{more}",
                usd(models::sample(&cheap.price)),
                usd(of_first.unwrap_or_default())
            );
            self.add("useless-downgrade", format!("{path}.to"), message, None);
        }
        let shorter = dear.iter().find(|(_, quote)| cheap.context > 0 && quote.context > cheap.context);
        if let Some((model, quote)) = shorter {
            let grouped = tokenstile_engine::units::grouped;
            let message = format!(
                "`{to}` takes {} tokens at once, `{model}` takes {}: longer prompts would fail",
                grouped(cheap.context),
                grouped(quote.context)
            );
            self.add("shorter-context", format!("{path}.to"), message, None);
        }
    }

    fn aliases(&mut self) {
        let aliases = self.sound.document.pointer("/prices/aliases").and_then(Value::as_object).cloned();
        for (name, model) in aliases.unwrap_or_default() {
            let model = model.as_str().unwrap_or_default();
            if !self.knows(model) {
                let (message, help) = self.unknown(model);
                self.add("unknown-model", format!("prices.aliases.{name}"), message, help);
            }
        }
    }

    /// Steps that another one hides.
    fn ladders(&mut self) {
        let mut found = Vec::new();
        for (i, budget) in self.declared() {
            for (j, pair) in budget.ladder.windows(2).enumerate() {
                let [before, after] = pair else { continue };
                if before.shadow || after.shadow {
                    continue;
                }
                let same = std::mem::discriminant(&before.action) == std::mem::discriminant(&after.action);
                if before.at == after.at && same {
                    let path = format!("budgets[{i}].ladder[{j}]");
                    found
                        .push((path, "never seen: the next step does the same at the same place".to_owned()));
                } else if before.at == after.at && matches!(before.action, Action::Warn { .. }) {
                    let path = format!("budgets[{i}].ladder[{j}]");
                    let message = "hardly ever seen: only a call that ends exactly here is warned, \
                                   and beyond it the next step applies";
                    found.push((path, message.to_owned()));
                }
            }
        }
        for (path, message) in found {
            self.add("hidden-step", path, message, Some("let it begin earlier".to_owned()));
        }
    }

    /// Budgets beside which another one always refuses first.
    fn binding(&mut self) {
        let written =
            |i: usize, key: &str| self.sound.document.pointer(&format!("/budgets/{i}/{key}")).cloned();
        let alike = |i: usize, j: usize| {
            ["match", "per", "window"].iter().all(|key| written(i, key) == written(j, key))
        };
        let mut found = Vec::new();
        for (i, budget) in self.declared().filter(|(_, budget)| budget.alternatives.is_empty()) {
            let stricter = self.declared().find(|(j, other)| {
                let comparable =
                    other.alternatives.is_empty() && !other.window.is_bucket() && other.meter == budget.meter;
                let less = match (other.cap(), budget.cap()) {
                    (Some(theirs), Some(ours)) => theirs < ours || (theirs == ours && *j < i),
                    _ => false,
                };
                *j != i && comparable && less && alike(i, *j)
            });
            found.extend(stricter.map(|(_, other)| (i, other.name.clone())));
        }
        for (i, other) in found {
            let message =
                format!("never refuses: `{other}` is for the same calls and window, and refuses sooner");
            self.add("dead-rule", format!("budgets[{i}].name"), message, None);
        }
    }

    /// Limits on single requests behind one that is met first, and blocks that are over.
    fn requests(&mut self) {
        let policy = &self.sound.policy;
        let written = |i: usize| self.sound.document.pointer(&format!("/request_limits/{i}/match")).cloned();
        let mut found = Vec::new();
        for (i, limit) in policy.request_limits.iter().enumerate() {
            let first = policy.request_limits.iter().enumerate().take(i).find(|(j, before)| {
                let decides = !before.shadow && !matches!(before.over, Over::Clamp);
                decides
                    && before.measure == limit.measure
                    && before.limit <= limit.limit
                    && written(*j) == written(i)
            });
            if let Some((_, before)) = first {
                let message = format!(
                    "never met: `{}` before it decides sooner, and the first has the word",
                    before.name
                );
                found.push((format!("request_limits[{i}].name"), message, Some("put it first".to_owned())));
            }
        }
        let blocks = self.sound.document.get("blocks").and_then(Value::as_array).into_iter().flatten();
        for (i, block) in blocks.enumerate() {
            let until = block.get("until").and_then(Value::as_str);
            if until.and_then(end).is_some_and(|end| end <= self.now.0) {
                found.push((
                    format!("blocks[{i}].until"),
                    "over: it stops nothing any more".to_owned(),
                    None,
                ));
            }
        }
        for (path, message, help) in found {
            self.add("dead-rule", path, message, help);
        }
    }

    /// Overrides and exemptions that are over, or come after another that is met first.
    fn exceptions(&mut self) {
        let list =
            |key: &str| self.sound.document.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut found = Vec::new();
        for key in ["overrides", "exempt"] {
            let all = list(key);
            for (i, one) in all.iter().enumerate() {
                let until = one.get("until").and_then(Value::as_str);
                if until.and_then(end).is_some_and(|end| end <= self.now.0) {
                    found.push((format!("{key}[{i}].until"), "over: it changes nothing any more".to_owned()));
                }
                let field = |value: &Value, key: &str| value.get(key).cloned().unwrap_or_default();
                let wider = |before: &&Value| {
                    let same_budget = field(before, "budget") == field(one, "budget");
                    let theirs = field(before, "match").as_object().cloned().unwrap_or_default();
                    let ours = field(one, "match");
                    same_budget
                        && before.get("until").is_none()
                        && theirs.iter().all(|(name, value)| ours.get(name) == Some(value))
                };
                if all.iter().take(i).any(|before| wider(&before)) {
                    found.push((
                        format!("{key}[{i}].match"),
                        "never used: one before it is met first".to_owned(),
                    ));
                }
            }
        }
        for (path, message) in found {
            self.add("dead-rule", path, message, None);
        }
    }

    /// Whether anything bounds what is spent. Shadow is looked at as if it were enforced: it will be.
    fn worst_case(&mut self) {
        let refuses =
            |budget: &Budget| budget.ladder.iter().any(|step| matches!(step.action, Action::Deny { .. }));
        let message = if self.sound.declared == 0 {
            "no budget: calls are metered and nothing bounds what they cost"
        } else if !self.declared().any(|(_, budget)| refuses(budget)) {
            "no budget ever refuses: nothing bounds what calls cost"
        } else {
            return;
        };
        let path = if self.sound.declared == 0 { "name" } else { "budgets" };
        let help = "a budget with `per: []` and a `deny` step bounds all of it".to_owned();
        self.add("no-worst-case", path.to_owned(), message.to_owned(), Some(help));
    }
}

/// The end of a day in UTC, or a moment, in milliseconds since 1970.
fn end(text: &str) -> Option<i64> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(moment.as_millisecond());
    }
    let day = text.parse::<jiff::civil::Date>().ok()?.tomorrow().ok()?;
    Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}
