//! Owns the JSON Schema of the cost record, made from the engine's `Record` as it is written. Called by the tests of `record.rs`.
//! What a type does not say (units, words, names of OpenTelemetry) stands here, and must be said of every number.
//!
//! Names of OpenTelemetry are those of its semantic conventions for generative AI,
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/>, and its attributes for HTTP.

use super::{comment, inner, root};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use syn::{Attribute, Fields, Item, ItemStruct, Type};
use tokenstile_engine::dialect::DIALECTS;
use tokenstile_engine::exchange::Decision;

/// Where the schema is kept.
pub(crate) fn place() -> std::path::PathBuf {
    root().join("docs/record.schema.json")
}

/// What is known of a field beside its type and its comment: its unit, and its attribute in OpenTelemetry.
pub(crate) const KNOWN: [(&str, &str, &str); 36] = [
    ("duration_ms", "ms", ""),
    ("time_to_first_chunk_ms", "ms", "gen_ai.response.time_to_first_chunk"),
    ("provider", "", "gen_ai.provider.name"),
    ("stream", "", "gen_ai.request.stream"),
    ("model_requested", "", "gen_ai.request.model"),
    ("model_answered", "", "gen_ai.response.model"),
    ("retry_count", "retries", "http.request.resend_count"),
    ("max_output_tokens", "tokens", "gen_ai.request.max_tokens"),
    ("delay_ms", "ms", ""),
    ("status", "HTTP status code", "http.response.status_code"),
    ("hold_tokens", "tokens", ""),
    ("prompt_prefix.tokens", "tokens", ""),
    ("cost_nano_usd", "nano-dollars", ""),
    ("list_cost_nano_usd", "nano-dollars", ""),
    ("savings_nano_usd", "nano-dollars", ""),
    ("shadow_savings_nano_usd", "nano-dollars", ""),
    ("overage.charge_nano_usd", "nano-dollars", ""),
    ("overage.nano_usd", "nano-dollars", ""),
    ("overage.tokens", "tokens", ""),
    ("overage.input_tokens", "tokens", ""),
    ("overage.output_tokens", "tokens", ""),
    ("overage.requests", "requests", ""),
    ("usage.input", "tokens", "gen_ai.usage.input_tokens"),
    ("usage.output", "tokens", "gen_ai.usage.output_tokens"),
    ("usage.cache_read", "tokens", "gen_ai.usage.cache_read.input_tokens"),
    ("usage.cache_write", "tokens", "gen_ai.usage.cache_creation.input_tokens"),
    ("usage.cache_write_1h", "tokens", ""),
    ("usage.input_audio", "tokens", ""),
    ("usage.input_image", "tokens", ""),
    ("usage.input_video", "tokens", ""),
    ("usage.cache_read_audio", "tokens", ""),
    ("usage.cache_read_image", "tokens", ""),
    ("usage.reasoning", "tokens", "gen_ai.usage.reasoning.output_tokens"),
    ("usage.output_audio", "tokens", ""),
    ("usage.output_image", "tokens", ""),
    ("usage.web_searches", "searches", ""),
];

/// The schema, as it must stand in the file.
pub(crate) fn generate() -> Value {
    let mut maker = Maker::new();
    let mut schema = Map::new();
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".into(), "Tokenstile cost record".into());
    schema.extend(maker.object("Record", ""));
    assert!(maker.known.is_empty(), "known of fields that no record has: {:?}", maker.known.keys());
    Value::Object(schema)
}

struct Maker {
    structs: BTreeMap<String, ItemStruct>,
    sources: Vec<Value>,
    known: BTreeMap<&'static str, (&'static str, &'static str)>,
}

impl Maker {
    fn new() -> Self {
        let (mut structs, mut sources) = (BTreeMap::new(), Vec::new());
        for file in ["exchange/record", "exchange/prefix", "usage/mod"] {
            let text = std::fs::read_to_string(root().join(format!("engine/src/{file}.rs"))).unwrap();
            for item in syn::parse_file(&text).unwrap().items {
                match item {
                    Item::Struct(item) => drop(structs.insert(item.ident.to_string(), item)),
                    Item::Enum(item) if item.ident == "UsageSource" => {
                        let names = item.variants.iter().map(|variant| variant.ident.to_string());
                        sources = names.map(|name| name.to_ascii_lowercase().into()).collect();
                    }
                    _ => {}
                }
            }
        }
        let known = KNOWN.into_iter().map(|(field, unit, attribute)| (field, (unit, attribute))).collect();
        Self { structs, sources, known }
    }

    fn object(&mut self, name: &str, path: &str) -> Map<String, Value> {
        let item = self.structs.get(name).unwrap_or_else(|| panic!("no struct `{name}`")).clone();
        let Fields::Named(fields) = &item.fields else { panic!("`{name}` has fields without names") };
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in &fields.named {
            let options = Options::of(&field.attrs);
            if options.flatten {
                properties.extend(self.parts(path));
                continue;
            }
            let key = field.ident.as_ref().unwrap().to_string();
            let at = format!("{path}{key}");
            let mut schema = self.of(&field.ty, &at);
            self.say(&at, comment(&field.attrs), &mut schema);
            if !options.may_be_left_out {
                required.push(Value::from(key.clone()));
            }
            properties.insert(key, schema.into());
        }
        super::object(comment(&item.attrs), properties, required, true)
    }

    /// What a field is, in which unit, and what OpenTelemetry calls it.
    fn say(&mut self, at: &str, description: Option<String>, schema: &mut Map<String, Value>) {
        let description = description.unwrap_or_else(|| panic!("`{at}` has no comment"));
        let (unit, attribute) = self.known.remove(at).unwrap_or_default();
        let of_each = schema.get("additionalProperties").and_then(|each| each.get("type"));
        let is_number = schema.get("type").into_iter().chain(of_each).any(|kind| *kind == json!("integer"));
        assert_eq!(is_number, !unit.is_empty(), "`{at}`: a number has a unit in KNOWN, and nothing else has");
        schema.insert("description".into(), description.into());
        for (key, value) in [("x-unit", unit), ("x-otel", attribute)] {
            if !value.is_empty() {
                schema.insert(key.into(), value.into());
            }
        }
    }

    /// The parts of usage: fields of the engine's `Usage` beside the totals, left out where they are 0.
    fn parts(&mut self, path: &str) -> Map<String, Value> {
        let usage = self.structs.get("Usage").unwrap().clone();
        let mut parts = Map::new();
        for field in usage.fields.iter().filter(|field| !["input", "output"].contains(&&*name(field))) {
            let mut schema = object(&json!({"type": "integer", "minimum": 1}));
            self.say(&format!("{path}{}", name(field)), comment(&field.attrs), &mut schema);
            parts.insert(name(field), schema.into());
        }
        parts
    }

    fn of(&mut self, ty: &Type, at: &str) -> Map<String, Value> {
        let text = json!({"type": "string"});
        let words = |words: &[&str]| object(&json!({"enum": words}));
        let decisions: Vec<&str> = Decision::ALL.into_iter().map(Decision::name).collect();
        // Words, where the type says only that it is a text.
        match at {
            "time" => {
                // None for a moment that no calendar has.
                return object(&json!({"type": ["string", "null"], "format": "date-time"}));
            }
            // A dialect has a row in the table for each of its paths.
            "dialect" => {
                let mut names: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.name).collect();
                names.dedup();
                return words(&names);
            }
            "decision" => return words(&decisions),
            "ending" => {
                return words(&["complete", "cut", "stopped", "error", "refused", "abandoned"]);
            }
            "shadow" => {
                return object(&json!({"type": "object", "additionalProperties": {"enum": decisions}}));
            }
            "shadow_savings_nano_usd" => {
                return object(&json!({"type": "object", "additionalProperties": {"type": "integer"}}));
            }
            "shadow_headroom" => {
                let units =
                    ["tokens", "input_tokens", "output_tokens", "nano_usd", "requests", "requests_in_flight"];
                let amounts: Map<String, Value> =
                    units.into_iter().map(|unit| (unit.to_owned(), json!({"type": "integer"}))).collect();
                let amounts = json!({"type": "object", "properties": amounts, "additionalProperties": false,
                    "minProperties": 1, "maxProperties": 1});
                return object(&json!({"type": "object", "additionalProperties": amounts}));
            }
            "overage" => return self.overage(),
            _ => {}
        }
        let Type::Path(ty) = ty else { return object(&text) };
        let last = ty.path.segments.last().unwrap();
        match (last.ident.to_string().as_str(), inner(&last.arguments)) {
            ("String", _) => object(&text),
            ("bool", _) => object(&json!({"type": "boolean"})),
            ("i64", _) => object(&json!({"type": "integer"})),
            ("u64", _) => object(&json!({"type": "integer", "minimum": 0})),
            ("u16", _) => object(&json!({"type": "integer", "minimum": 0, "maximum": u16::MAX})),
            ("Map", _) => object(&json!({"type": "object", "additionalProperties": text})),
            ("Vec", _) => object(&json!({"type": "array", "items": text})),
            ("Option", Some(inner)) => self.of(inner, at),
            ("UsageSource", _) => object(&json!({"enum": self.sources})),
            (name @ ("RecordUsage" | "PromptPrefix"), _) => self.object(name, &format!("{at}.")),
            (name, _) => panic!("{at}: `{name}` is a type that this does not know"),
        }
    }

    /// What the engine's `exchange/settle.rs` writes of each step.
    fn overage(&mut self) -> Map<String, Value> {
        let amount = |minimum: u64| object(&json!({"type": "integer", "minimum": minimum}));
        let mut properties = Map::new();
        let mut rule = object(&json!({"type": "string"}));
        self.say("overage.rule", Some("The budget.".to_owned()), &mut rule);
        properties.insert("rule".into(), rule.into());
        for (key, minimum, said) in [
            ("tokens", 1, "So many tokens beyond the step."),
            ("input_tokens", 1, "So many input tokens beyond the step."),
            ("output_tokens", 1, "So many output tokens beyond the step."),
            ("requests", 1, "So many requests beyond the step."),
            ("nano_usd", 1, "So much money beyond the step."),
            ("charge_nano_usd", 0, "What the policy charges for it."),
        ] {
            let mut schema = amount(minimum);
            self.say(&format!("overage.{key}"), Some(said.to_owned()), &mut schema);
            properties.insert(key.into(), schema.into());
        }
        object(&json!({"type": "array", "items": {
            "type": "object", "properties": properties, "required": ["rule", "charge_nano_usd"],
            "minProperties": 3, "maxProperties": 3, "additionalProperties": false
        }}))
    }
}

fn name(field: &syn::Field) -> String {
    field.ident.as_ref().unwrap().to_string()
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// What of a field's `#[serde(…)]` matters here.
#[derive(Default)]
struct Options {
    may_be_left_out: bool,
    flatten: bool,
}

impl Options {
    fn of(attributes: &[Attribute]) -> Self {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            let read = attribute.parse_nested_meta(|meta| {
                match meta.path.get_ident().map(ToString::to_string).unwrap_or_default().as_str() {
                    "skip_serializing_if" => {
                        options.may_be_left_out = true;
                        drop(meta.value()?.parse::<syn::LitStr>()?);
                    }
                    "flatten" => options.flatten = true,
                    other => panic!("`{other}` is an option of serde's that this does not know"),
                }
                Ok(())
            });
            read.unwrap();
        }
        options
    }
}
