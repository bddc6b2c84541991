//! Owns the reading of the case files and the way of one case through a runner. Called by the tests.

use super::body::expand;
use super::expect::{Difference, differences};
use super::format::{Case, File, ScriptedAnswer, Step};
use super::names;
use super::{Exchange, Run, Runner, Seen};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// All cases, with what they share.
#[derive(Debug, Default)]
pub struct Suite {
    policies: Map<String, Value>,
    bodies: Map<String, Value>,
    answers: Map<String, Value>,
    cases: Vec<Case>,
    /// The policy of cases that name none.
    policy: Value,
}

/// One step of a case as it went.
#[derive(Clone, Debug)]
pub struct Went {
    /// Its place, from 0.
    pub step: usize,
    /// The first of its calls.
    pub exchange: Exchange,
    /// What each of its calls came to.
    pub seen: Vec<Seen>,
    /// What was not as expected.
    pub found: Vec<Difference>,
}

/// A case as it went: its calls in order, or why it was left off.
pub type Walk = Result<Vec<Went>, String>;

/// The first call of a step, what all of them came to, and what is wrong with that.
type Made = (Exchange, Vec<Seen>, Vec<Difference>);

/// What came of running a suite.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How many cases ran to their end with nothing wrong.
    pub passed: usize,
    /// Cases that do not run here, each with the reason.
    pub skipped: Vec<String>,
    /// What was wrong: case, runner, step, expected, got.
    pub failures: Vec<String>,
}

impl Suite {
    /// Reads every `.json` file in a folder.
    ///
    /// # Errors
    /// A file cannot be read, has an unknown key, or two cases have the same name.
    pub fn load(folder: &Path) -> Result<Self, String> {
        let mut suite = Self::default();
        let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort();
        for path in paths {
            let wrong = |error: String| format!("{}: {error}", path.display());
            let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
            suite.add(&text).map_err(wrong)?;
        }
        suite.unique()
    }

    /// Reads one file for this policy.
    ///
    /// # Errors
    /// It has an unknown key, or two cases have the same name.
    pub fn read(text: &str, policy: Value) -> Result<Self, String> {
        let mut suite = Self { policy, ..Self::default() };
        suite.add(text)?;
        suite.unique()
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let file: File = serde_json::from_str(text).map_err(|error| {
            let is_object = text.trim_start().starts_with('{');
            if is_object {
                names::hinted(&error)
            } else {
                "a scenario file is an object with `cases`".to_owned()
            }
        })?;
        if let Some(wrong) = file.cases.iter().find_map(names::no_runner) {
            return Err(wrong);
        }
        self.policies.extend(file.policies);
        self.bodies.extend(file.bodies);
        self.answers.extend(file.answers);
        self.cases.extend(file.cases);
        Ok(())
    }

    fn unique(self) -> Result<Self, String> {
        let mut names: Vec<&str> = self.cases.iter().map(|case| case.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair.first() == pair.last()) {
            Some(pair) => Err(format!("two cases are named `{}`", pair.first().unwrap_or(&""))),
            None => Ok(self),
        }
    }

    /// The names of the cases, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().map(|case| case.name.as_str())
    }

    /// Why the case at this place tests nothing, if no step of it says what must happen.
    #[must_use]
    pub fn tests_nothing(&self, case: usize) -> Option<String> {
        let steps = &self.cases.get(case)?.steps;
        if steps.iter().any(names::says) {
            return None;
        }
        let misspelt = steps.iter().enumerate().find_map(|(i, step)| {
            let why = self.step(step, &[]).err()?;
            Some(format!("step {}: {why}", i + 1))
        });
        Some(
            misspelt
                .unwrap_or_else(|| "a scenario says what must happen: give a step an `expect`".to_owned()),
        )
    }

    /// The policy of the case at this place.
    ///
    /// # Errors
    /// It names one that is not there.
    pub fn policy_of(&self, case: usize) -> Result<Value, String> {
        self.policy(self.cases.get(case).ok_or("no such case")?)
    }

    /// Runs the case at this place to its end, whatever is found.
    ///
    /// # Errors
    /// The case cannot be run: something in it is wrong, or the runner failed.
    pub fn walk(&self, case: usize, runner: &dyn Runner) -> Result<Walk, String> {
        let case = self.cases.get(case).ok_or("no such case")?;
        if let Some(reason) = runner.tags().into_iter().find_map(|tag| case.skip.get(tag)) {
            return Ok(Err(reason.clone()));
        }
        let mut run = runner.begin(&self.policy(case)?)?;
        let mut walk = Vec::with_capacity(case.steps.len());
        let mut kept = BTreeMap::new();
        for (index, step) in case.steps.iter().enumerate() {
            let wrong = |error: String| format!("step {}: {error}", index + 1);
            let step = with_kept(step, &kept).map_err(wrong)?;
            let step = self.step(&step, &runner.tags()).map_err(wrong)?;
            if let Some(clock) = &step.clock {
                let at = clock.parse::<jiff::Timestamp>().map_err(|error| wrong(error.to_string()))?;
                if !run.set_clock(at.as_millisecond()) {
                    return Ok(Err("it moves the clock, which is real here".to_owned()));
                }
            }
            let made = self.calls(&step, run.as_mut(), &mut kept).map_err(wrong)?;
            walk.extend(made.map(|(exchange, seen, found)| Went { step: index, exchange, seen, found }));
        }
        Ok(Ok(walk))
    }

    /// The policy of each case, in order.
    pub(crate) fn policies(&self) -> Result<Vec<Value>, String> {
        self.cases.iter().map(|case| self.policy(case)).collect()
    }

    /// Runs every case; with `TOKENSTILE_CASE` set, those whose name contains it.
    pub fn run(&self, runner: &dyn Runner) -> Outcome {
        let only = std::env::var("TOKENSTILE_CASE").unwrap_or_default();
        let mut outcome = Outcome::default();
        for case in self.cases.iter().filter(|case| case.name.contains(&only)) {
            let reason = runner.tags().into_iter().find_map(|tag| case.skip.get(tag));
            if let Some(reason) = reason {
                outcome.skipped.push(format!("{}: {}: {reason}", runner.name(), case.name));
                continue;
            }
            match self.case(case, runner) {
                Ok(None) => outcome.passed += 1,
                Ok(Some(reason)) => {
                    outcome.skipped.push(format!("{}: {}: {reason}", runner.name(), case.name));
                }
                Err(why) => outcome.failures.push(why),
            }
        }
        outcome
    }

    /// Runs one case. `Some`: it was left off, and why.
    fn case(&self, case: &Case, runner: &dyn Runner) -> Result<Option<String>, String> {
        let head = format!("case `{}`, runner {}", case.name, runner.name());
        let wrong = |error: String| format!("{head}: {error}");
        let policy = self.policy(case).map_err(wrong)?;
        let mut run = runner.begin(&policy).map_err(wrong)?;
        let mut kept = BTreeMap::new();
        for (index, step) in case.steps.iter().enumerate() {
            let wrong = |error: String| format!("{head}, step {}:\n    {error}", index + 1);
            let step = with_kept(step, &kept).map_err(wrong)?;
            let step = self.step(&step, &runner.tags()).map_err(wrong)?;
            if let Some(clock) = &step.clock {
                let at = clock.parse::<jiff::Timestamp>().map_err(|error| wrong(error.to_string()))?;
                if !run.set_clock(at.as_millisecond()) {
                    return Ok(Some("it moves the clock, which is real here".to_owned()));
                }
            }
            let made = self.calls(&step, run.as_mut(), &mut kept).map_err(wrong)?;
            let found: Vec<String> =
                made.into_iter().flat_map(|(.., found)| found).map(|found| found.text).collect();
            if !found.is_empty() {
                return Err(wrong(found.join("\n    ")));
            }
        }
        Ok(None)
    }

    /// Makes the calls of a step, if it has any: the first of them, what they came to, and what is wrong with that.
    fn calls(
        &self,
        step: &Step,
        run: &mut dyn Run,
        kept: &mut BTreeMap<String, String>,
    ) -> Result<Option<Made>, String> {
        let Some(call) = step.call.clone() else { return Ok(None) };
        let ok =
            || serde_json::from_value::<ScriptedAnswer>(json!({"status": 200})).map_err(|e| e.to_string());
        let answer = step.answer.clone().map_or_else(ok, Ok)?;
        let exchange = Exchange { call, answer };
        let (mut all, mut found) = (Vec::new(), Vec::new());
        for _ in 0..step.times {
            let seen = run.calls(&vec![exchange.clone(); step.together.unwrap_or(1)])?;
            for seen in &seen {
                found.extend(differences(&step.expect, &exchange, seen));
                for (name, place) in &step.keep {
                    let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
                    let text = body.pointer(place).and_then(Value::as_str);
                    let missing = || format!("the answer has no text at `{place}` to keep");
                    kept.insert(name.clone(), text.ok_or_else(missing)?.to_owned());
                }
            }
            let decided = step.expect.decisions.as_ref().and_then(|expected| decisions(expected, &seen));
            found.extend(decided.map(Difference::from));
            all.extend(seen);
        }
        Ok(Some((exchange, all, found)))
    }

    fn policy(&self, case: &Case) -> Result<Value, String> {
        let mut policy = match &case.policy {
            Value::Null if self.policy.is_null() => {
                return Err("no policy: put it beside, as `NAME.json` of `NAME.test.json`, or give the case one as `policy`".to_owned());
            }
            Value::Null => self.policy.clone(),
            Value::String(name) => self.policies.get(name).cloned().ok_or(format!("no policy `{name}`"))?,
            inline => inline.clone(),
        };
        merge(&mut policy, &case.change);
        Ok(policy)
    }

    /// A step as this runner takes it: names replaced by what they stand for, `on` merged.
    fn step(&self, step: &Value, tags: &[&str]) -> Result<Step, String> {
        let written = step;
        let mut step = step.clone();
        let fields = step.as_object_mut().ok_or("a step is an object")?;
        let on = fields.remove("on").unwrap_or_default();
        for tag in tags {
            let expect = fields.entry("expect").or_insert_with(|| json!({})).as_object_mut();
            if let (Some(expect), Some(changes)) = (expect, on.get(tag).and_then(Value::as_object)) {
                if let Some(instead) = changes.get("instead").and_then(Value::as_object) {
                    *expect = instead.clone();
                    continue;
                }
                changes.iter().for_each(|(key, value)| put(expect, key, value));
            }
        }
        named(fields.get_mut("answer"), &self.answers)?;
        named(fields.get_mut("call").and_then(|call| call.get_mut("body")), &self.bodies)?;
        expand(&mut step);
        let step = serde_json::from_value(step).map_err(|error| names::hinted(&error))?;
        names::looks_at_nothing(&step, written).map_or(Ok(step), Err)
    }
}

/// A step with what earlier ones kept in the place of `<name>`.
fn with_kept(step: &Value, kept: &BTreeMap<String, String>) -> Result<Value, String> {
    let put = |text: String, (name, value): (&String, &String)| text.replace(&format!("<{name}>"), value);
    serde_json::from_str(&kept.iter().fold(step.to_string(), put)).map_err(|error| error.to_string())
}

/// Puts a value at a key; two objects are put together.
fn put(into: &mut Map<String, Value>, key: &str, value: &Value) {
    match (into.get_mut(key).and_then(Value::as_object_mut), value.as_object()) {
        (Some(into), Some(value)) => into.extend(value.clone()),
        _ => {
            into.insert(key.to_owned(), value.clone());
        }
    }
}

/// Replaces a name by what it stands for.
fn named(place: Option<&mut Value>, known: &Map<String, Value>) -> Result<(), String> {
    if let Some(place) = place
        && let Some(name) = place.as_str()
    {
        *place = known.get(name).cloned().ok_or_else(|| format!("nothing is named `{name}`"))?;
    }
    Ok(())
}

/// RFC 7386, except that `null` is a value: a policy has no key to be removed by it.
fn merge(into: &mut Value, change: &Value) {
    match (into.as_object_mut(), change.as_object()) {
        (Some(into), Some(change)) => {
            for (key, value) in change {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        _ if change.is_null() => {}
        _ => *into = change.clone(),
    }
}

fn decisions(expected: &BTreeMap<String, usize>, seen: &[Seen]) -> Option<String> {
    let mut got: BTreeMap<String, usize> = BTreeMap::new();
    for one in seen {
        let decision = one.headers.text("x-tokenstile-decision").unwrap_or_else(|| "none".to_owned());
        *got.entry(decision).or_default() += 1;
    }
    (got != *expected).then(|| format!("decisions: expected {expected:?}, got {got:?}"))
}
