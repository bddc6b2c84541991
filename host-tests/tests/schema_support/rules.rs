//! Owns what the policy's types do not say of their values: by type, or type and field. Each refuses no more than
//! the engine does; `schema.rs` tries.

use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn all() -> BTreeMap<&'static str, Value> {
    let duration = json!({"pattern": "^[0-9]+(ms|s|m|h|d)$", "examples": ["1m", "24h", "7d"]});
    let amount = json!({"minProperties": 1, "maxProperties": 1});
    let usd = json!({"pattern": "^[0-9]+(\\.[0-9]{0,9})?$", "examples": ["500", "0.02"]});
    BTreeMap::from([
        ("Document.version", json!({"const": 1})),
        ("Document.name", json!({"minLength": 1, "maxLength": 64})),
        (
            "Document.identity",
            json!({"examples": [{"user": ["header:x-user-id", "api_key", "value:anonymous"]}]}),
        ),
        ("Budget.name", json!({"pattern": "^[A-Za-z0-9._-]{1,64}$"})),
        ("Budget.ladder", json!({"minItems": 1})),
        ("Budget.per", json!({"uniqueItems": true, "examples": [["user"], []]})),
        ("Budget", json!({"oneOf": [{"required": ["limit"]}, {"required": ["bucket"]}]})),
        ("Limit", amount),
        ("Limit.usd", usd.clone()),
        ("Bucket.usd", usd.clone()),
        ("Refill.usd", usd),
        ("Refill.every", duration.clone()),
        ("Window", json!({"oneOf": [{"required": ["calendar"]}, {"required": ["rolling"]}]})),
        ("Window.day", json!({"minimum": 1, "maximum": 31})),
        ("Window.timezone", json!({"default": "UTC", "examples": ["Europe/Berlin"]})),
        ("Window.rolling", duration),
        ("Step", json!({"minProperties": 2})),
        ("Step.at", json!({"pattern": "^[0-9]+(\\.[0-9])?%$", "examples": ["90%", "100%"]})),
        ("Clamp.max_output_tokens", json!({"minimum": 16})),
        ("Downgrade.from", json!({"minLength": 1})),
        ("Downgrade.to", json!({"pattern": "^[^*]+$"})),
    ])
}
