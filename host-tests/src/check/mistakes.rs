//! Owns the way from the engine's errors to places in the file, and the known names that are near to misspelt ones.
//! Called by `mod.rs`.
//!
//! The engine reads shapes before meanings, and tells of the latter only if the former are right. Here all is told at
//! once: what has a wrong shape is put right in a copy, and the copy is read again.

use super::jsonc::{Node, Source};
use super::{Finding, Severity, shown};
use serde_json::{Value, json};
use tokenstile_engine::policy::{Policy, PolicyError};
use tokenstile_engine::price::providers;

/// Copies that are put right before the rest is left for the next time.
const REPAIRS_MAX: usize = 12;

/// What is wrong, and what is left of the policy without it.
pub(super) struct Mistakes {
    /// Everything that the engine says, at its place.
    pub(super) findings: Vec<Finding>,
    /// The copy that was put right, if the engine takes it.
    pub(super) mended: Option<Mended>,
}

/// A policy whose wrong shapes were put right.
pub(super) struct Mended {
    /// The copy.
    pub(super) copy: Value,
    /// Where it is not as it was written.
    repaired: Vec<String>,
}

impl Mended {
    /// Whether what was put right is the whole policy's, or what models cost: then little can be said of its rules.
    pub(super) fn is_vague(&self) -> bool {
        let decides = ["prices", "provider", "identity"];
        self.repaired.iter().any(|path| decides.iter().any(|key| meet(key, path)))
    }

    /// Whether this place stands in a rule of which something was put right.
    pub(super) fn concerns(&self, path: &str) -> bool {
        let rule = |path: &str| path.split_inclusive(']').next().unwrap_or_default().to_owned();
        self.repaired.iter().any(|repaired| meet(&rule(repaired), path))
    }
}

/// Everything that the engine says is wrong, at its place.
pub(super) fn find(source: &Source) -> Mistakes {
    let document = serde_json::from_str(&source.strict).unwrap_or_default();
    let (errors, mended) = read(source);
    let findings = errors.into_iter().map(|error| finding(source, &document, error)).collect();
    Mistakes { findings, mended }
}

/// Everything that the engine says is wrong.
pub(super) fn errors(source: &Source) -> Vec<PolicyError> {
    read(source).0
}

fn read(source: &Source) -> (Vec<PolicyError>, Option<Mended>) {
    let mut copy: Value = match serde_json::from_str(&source.strict) {
        Ok(copy) => copy,
        Err(error) => {
            let message = format!("not valid JSON: {error}");
            return (vec![PolicyError { path: String::new(), message }], None);
        }
    };
    let mut told: Vec<PolicyError> = Vec::new();
    let mut repaired: Vec<String> = Vec::new();
    // The text itself at first: a copy has no key twice.
    let mut errors = Policy::parse(source.strict.as_bytes()).err().map(|errors| errors.0).unwrap_or_default();
    let text_errors = errors.clone();
    for _ in 0..REPAIRS_MAX {
        let fresh = |error: &PolicyError| {
            !told.contains(error) && !repaired.iter().any(|path| meet(path, &error.path))
        };
        let new: Vec<PolicyError> = errors.iter().filter(|error| fresh(error)).cloned().collect();
        let before = repaired.len();
        repaired.extend(errors.iter().filter_map(|error| repair(&mut copy, error)).flatten());
        told.extend(new);
        if repaired.len() == before {
            break;
        }
        errors = Policy::parse(copy.to_string().as_bytes()).err().map(|errors| errors.0).unwrap_or_default();
    }
    if !repaired.is_empty() {
        told.extend(twice(&source.root, "").into_iter().filter(|error| !text_errors.contains(error)));
    }
    let mended = errors.is_empty().then_some(Mended { copy, repaired });
    (told, mended)
}

/// Keys that stand twice, which a copy does not show.
fn twice(node: &Node, path: &str) -> Vec<PolicyError> {
    let mut found = Vec::new();
    match &node.kind {
        super::jsonc::Kind::Object(members) => {
            for (i, member) in members.iter().enumerate() {
                let at =
                    if path.is_empty() { member.name.clone() } else { format!("{path}.{}", member.name) };
                if members.iter().take(i).any(|before| before.name == member.name) {
                    let message =
                        "this key stands twice in its object; only one of them would count".to_owned();
                    found.push(PolicyError { path: at.clone(), message });
                }
                found.extend(twice(&member.value, &at));
            }
        }
        super::jsonc::Kind::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                found.extend(twice(item, &format!("{path}[{i}]")));
            }
        }
        super::jsonc::Kind::Scalar => {}
    }
    found
}

/// Whether one of two places is the other, or stands in it.
fn meet(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    long.strip_prefix(short)
        .is_some_and(|rest| rest.is_empty() || short.is_empty() || rest.starts_with(['.', '[']))
}

/// Puts a wrong shape right, somehow, so that what lies beside it is read. Gives the places that are not as written.
fn repair(copy: &mut Value, error: &PolicyError) -> Option<Vec<String>> {
    let quoted = |text: &str| error.message.strip_prefix(text)?.split('`').nth(1).map(str::to_owned);
    let within =
        |key: &str| if error.path.is_empty() { key.to_owned() } else { format!("{}.{key}", error.path) };
    if let Some(key) = quoted("unknown field ") {
        let fields = at(copy, &error.path)?.as_object_mut()?;
        let value = fields.remove(&key)?;
        let meant = key_meant(&error.message).filter(|meant| !fields.contains_key(meant));
        if let Some(meant) = &meant {
            fields.insert(meant.clone(), value);
        }
        return Some([Some(key), meant].iter().flatten().map(|key| within(key)).collect());
    }
    if let Some(key) = quoted("missing field ") {
        // Of some kind or other: the next reading says which.
        at(copy, &error.path)?.as_object_mut()?.insert(key.clone(), json!("x"));
        return Some(vec![within(&key)]);
    }
    let expected = error.message.split_once("expected ").map(|(_, rest)| rest)?;
    let right = if error.message.starts_with("unknown value ") {
        Value::from(expected.split('`').nth(1)?)
    } else if error.message.starts_with("invalid value type") {
        match expected {
            text if text.starts_with("a string") => json!("x"),
            text if text.starts_with("a boolean") => json!(false),
            text if text.starts_with("an array") => json!([]),
            text if text.starts_with("an object") => json!({}),
            _ => json!(1),
        }
    } else {
        return None;
    };
    *at(copy, &error.path)? = right;
    Some(vec![error.path.clone()])
}

/// The value at a path of the engine's.
fn at<'v>(value: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    if path.is_empty() {
        return Some(value);
    }
    if let Some((index, rest)) = path.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return at(value.get_mut(index.parse::<usize>().ok()?)?, rest.strip_prefix('.').unwrap_or(rest));
    }
    let fields = value.as_object_mut()?;
    let fits = |key: &&String| {
        path.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let key = fields.keys().filter(fits).max_by_key(|key| key.len())?.clone();
    let rest = path.get(key.len()..)?;
    at(fields.get_mut(&key)?, rest.strip_prefix('.').unwrap_or(rest))
}

fn finding(Source { root, strict }: &Source, document: &Value, error: PolicyError) -> Finding {
    let PolicyError { path, message } = error;
    let key = message.strip_prefix("unknown field ").and_then(|rest| rest.split('`').nth(1));
    let (node, ..) = root.find(&path);
    let name = || message.split('`').nth(1).filter(|_| message.starts_with("unknown dimension "));
    let element = |name: &str| {
        let is_it = |item: &&Node| strict.get(item.span.clone()) == Some(&format!("\"{name}\""));
        node.items().iter().find(is_it).map(|item| item.span.clone())
    };
    let named = || element(name()?).or_else(|| Some(node.member(name()?)?.key.clone()));
    let span = match key.and_then(|key| node.member(key)) {
        Some(member) => member.key.clone(),
        None if named().is_some() => named().unwrap_or_default(),
        None => shown(root, &path, message.starts_with("this key") || message.starts_with("missing field")),
    };
    let help = nearest_name(document, &message).or_else(|| in_quotes(node, strict, &message));
    let (message, help) = match message.split_once("expected one of ") {
        Some((what, known)) => {
            let (what, meant) = what.trim_end_matches(": ").split_once(": ").unwrap_or((what, ""));
            let what = what.trim_end_matches([' ', ':']).to_owned();
            let near = key_meant(&message).filter(|_| meant.is_empty());
            let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
            (what, Some(format!("{near}{meant}known here: {known}")))
        }
        None => (message, help),
    };
    Finding { severity: Severity::Error, code: "invalid", path, span, message, help }
}

/// A number where a text is needed, as money is written so that it is exact.
fn in_quotes(node: &Node, strict: &str, message: &str) -> Option<String> {
    let of_limit = message.starts_with("exactly one of `prompt_tokens`");
    let number = if of_limit {
        strict.get(node.member("usd")?.value.span.clone())?
    } else {
        message.strip_prefix("invalid value type: expected a string, but found ")?.split('`').nth(1)?
    };
    number.parse::<f64>().ok().filter(|number| *number >= 0.0)?;
    Some(format!("write it as text: \"{number}\""))
}

/// The key or word that was probably meant, of those that the engine knows; it sees no letters that changed places.
fn key_meant(message: &str) -> Option<String> {
    let (what, known) = message.split_once("expected one of ")?;
    if let Some((_, meant)) = what.split_once("did you mean `") {
        return meant.split('`').next().map(str::to_owned);
    }
    let name = what.split('`').nth(1)?;
    nearest(name, known.split('`').skip(1).step_by(2)).map(str::to_owned)
}

/// What was probably meant by a name that the engine does not know.
fn nearest_name(document: &Value, message: &str) -> Option<String> {
    let keys = |place: &str| -> Vec<String> {
        let fields = document.get(place).and_then(Value::as_object);
        fields.map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
    };
    let of = |start: &str| message.strip_prefix(start)?.split('`').next();
    let (name, known): (&str, Vec<String>) = if let Some(name) = of("unknown dimension `") {
        (name, [keys("identity"), ["model", "provider", "route"].map(str::to_owned).to_vec()].concat())
    } else if let Some(name) = of("unknown time zone `") {
        let zones = jiff::tz::TimeZoneDatabase::bundled();
        (name, zones.available().map(|zone| zone.to_string()).collect())
    } else if let Some(name) = of("no list `") {
        (name, keys("downgrades"))
    } else if let Some(name) = of("no budget `") {
        let budgets = document.get("budgets").and_then(Value::as_array).into_iter().flatten();
        (name, budgets.filter_map(|budget| Some(budget.get("name")?.as_str()?.to_owned())).collect())
    } else if let Some(name) = of("no route `") {
        let routes = document.get("routes").and_then(Value::as_array).into_iter().flatten();
        (name, routes.filter_map(|route| Some(route.get("name")?.as_str()?.to_owned())).collect())
    } else if let Some(name) = of("the price book knows no provider `") {
        (name, providers().map(str::to_owned).collect())
    } else {
        return None;
    };
    nearest(name, known.iter().map(String::as_str)).map(|meant| format!("did you mean `{meant}`?"))
}

/// The known name that is so near that it was probably meant.
pub(crate) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |text: &str| text.to_lowercase().replace([' ', '-'], "_");
    let name = plain(name);
    let far = |known: &str| strsim::damerau_levenshtein(&name, &plain(known));
    let (distance, meant) = known.map(|known| (far(known), known)).min()?;
    (distance <= (name.chars().count() / 3).max(1)).then_some(meant)
}
