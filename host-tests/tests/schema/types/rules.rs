//! Owns what the policy's types do not say of their values: by type, or type and field. Each refuses no more than
//! the engine does; `policy.rs` tries.

use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn all() -> BTreeMap<&'static str, Value> {
    let duration = json!({"pattern": "^[0-9]+(ms|s|m|h|d)$", "examples": ["1m", "24h", "7d"]});
    let amount = json!({"minProperties": 1, "maxProperties": 1});
    let usd = json!({"pattern": "^[0-9]+(\\.[0-9]{0,9})?$", "examples": ["500", "0.02"]});
    let usd_of_a_request =
        json!({"type": "string", "pattern": "^[0-9]+(\\.[0-9]{0,9})?$", "examples": ["2"]});
    let range = json!({
        "type": "object", "minProperties": 1, "additionalProperties": false,
        "properties": {"min": {"type": "integer", "minimum": 0}, "max": {"type": "integer", "minimum": 0}}
    });
    let time = json!({
        "type": "object", "minProperties": 1, "additionalProperties": false,
        "properties": {
            "from": {"type": "string", "examples": ["22:00"]}, "to": {"type": "string", "examples": ["06:00"]},
            "days": {"type": "array", "items": {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}},
            "timezone": {"type": "string", "default": "UTC", "examples": ["Europe/Berlin"]}
        }
    });
    let words = tokenstile_engine::dialect::Features::NAMES;
    // Dimensions are the policy's own names; their values are texts.
    let wanted = json!({
        "properties": {
            "stream": {"type": "boolean"},
            "uses": {"type": "array", "minItems": 1, "items": {"enum": words}},
            "time": time,
            "prompt_tokens": range,
            "output_bound": range
        },
        "additionalProperties": {"type": "string"}
    });
    let percentage = json!({"type": "string", "pattern": "^[0-9]+(\\.[0-9])?%$"});
    let used = json!({
        "type": "object", "minProperties": 1, "additionalProperties": false,
        "properties": {"min": percentage, "max": percentage}
    });
    let mut wanted_of_routes = wanted.clone();
    wanted_of_routes["properties"]["budget_used"] = json!({
        "type": "object", "minProperties": 1, "additionalProperties": used,
        "examples": [{"team": {"min": "80%"}}]
    });
    let sink = json!({"type": "object", "additionalProperties": {"type": "string"}});
    BTreeMap::from([
        ("Document.version", json!({"const": 1})),
        ("Document.name", json!({"minLength": 1, "maxLength": 64})),
        (
            "Document.identity",
            json!({"examples": [{"user": ["header:x-user-id", "api_key", "value:anonymous"]}]}),
        ),
        (
            "Document.alerts",
            json!({"additionalProperties": {
                "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
                "properties": {"log": sink.clone(), "slack": sink.clone(), "pagerduty": sink.clone(), "cloudevents": sink.clone()}
            }}),
        ),
        (
            "Records.http",
            json!({"type": ["object", "null"], "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
                "properties": {"otlp": sink.clone(), "ndjson": sink}}),
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
        ("Window.rolling", duration.clone()),
        ("WireKeep.lasts", duration),
        ("Budget.matches", json!({"additionalProperties": {"type": "string"}})),
        (
            "WireLimit.limit",
            json!({
                "properties": {
                    "prompt_tokens": {"type": "integer", "minimum": 0},
                    "output_tokens": {"type": "integer", "minimum": 0},
                    "answers": {"type": "integer", "minimum": 0},
                    "images": {"type": "integer", "minimum": 0},
                    "usd": usd_of_a_request
                },
                "additionalProperties": false, "minProperties": 1, "maxProperties": 1
            }),
        ),
        ("WireOver.clamp", json!({"additionalProperties": false})),
        ("WireOver", json!({"minProperties": 1, "maxProperties": 1})),
        ("WireBlock.matches", wanted.clone()),
        ("WireLimit.matches", wanted),
        ("WireRoute.matches", wanted_of_routes),
        ("Step", json!({"minProperties": 2})),
        ("Step.at", json!({"pattern": "^[0-9]+(\\.[0-9])?%$", "examples": ["90%", "100%"]})),
        ("Clamp.max_output_tokens", json!({"minimum": 16})),
        ("Downgrade.from", json!({"minLength": 1})),
        ("Downgrade.to", json!({"pattern": "^[^*]+$"})),
    ])
}
