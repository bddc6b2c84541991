//! Reads the policy of a replay: JSON, also with comments, and on request as if every rule was in force.

use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tokenstile_engine::policy::Policy;

/// Why a policy cannot be used.
#[derive(Debug)]
pub enum Unusable {
    /// The file cannot be read.
    File(String),
    /// The policy is wrong.
    Wrong(String),
}

/// A policy, and its JSON as it is given to the filter.
pub struct Given {
    /// As the engine has it.
    pub policy: Arc<Policy>,
    /// As it is written, without comments.
    pub json: Value,
}

/// Reads a policy.
///
/// # Errors
/// The file cannot be read, or is no right policy.
pub fn read(path: &Path, enforce: bool) -> Result<Given, Unusable> {
    let name = path.display();
    let bytes =
        std::fs::read(path).map_err(|error| Unusable::File(format!("cannot read `{name}`: {error}")))?;
    let given = crate::check::text(bytes).and_then(|text| parse(&text, enforce));
    given.map_err(|why| Unusable::Wrong(format!("`{name}`: {why}\n  `tokenstile check {name}` shows where")))
}

/// The same of a text.
///
/// # Errors
/// It is no right policy.
pub fn parse(text: &str, enforce: bool) -> Result<Given, String> {
    let strict = crate::check::strict(text)?;
    let read = |json: &str| crate::check::policy(json).map_err(|errors| errors.to_string());
    // As it stands, so that keys that stand twice are found.
    let mut policy = read(&strict)?;
    let mut json = serde_json::from_str(&strict).map_err(|error| error.to_string())?;
    if enforce {
        in_force(&mut json);
        policy = read(&json.to_string())?;
    }
    Ok(Given { policy: Arc::new(policy), json })
}

/// Every `mode` is `enforce`.
pub fn in_force(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("mode");
            fields.values_mut().for_each(in_force);
        }
        Value::Array(all) => all.iter_mut().for_each(in_force),
        _ => {}
    }
}
