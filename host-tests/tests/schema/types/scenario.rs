//! Owns the JSON Schema of scenario files, made from the types that read them, as they are written. What a type does not
//! say, such as that a name may stand for an answer, stands in [`rules`].

use super::{comment, inner, literal, root};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use syn::{Attribute, Expr, Fields, Item, Stmt, Type};

/// Where the schema is kept.
pub(crate) fn place() -> PathBuf {
    root().join("docs/scenario.schema.json")
}

/// The schema, as it must stand in the file.
pub(crate) fn generate() -> Value {
    let text = std::fs::read_to_string(root().join("host-tests/src/cases/format.rs")).unwrap();
    let items = syn::parse_file(&text).unwrap().items;
    let mut maker = Maker { items, definitions: BTreeMap::new(), rules: rules() };
    let root = maker.object("File");
    // Steps are read when they are run, so that no field of a type leads to theirs.
    maker.reference("Step");
    let mut expect = maker.object("Expect");
    let fields = expect["properties"].as_object_mut().unwrap();
    fields.insert(
        "instead".into(),
        json!({"$ref": "#/$defs/Expect", "description": "All that is expected there."}),
    );
    expect.insert("description".into(), "Put over the keys of `expect` for one runner.".into());
    maker.definitions.insert("ExpectOn".into(), expect.into());
    assert!(maker.rules.is_empty(), "rules for keys that no type has: {:?}", maker.rules.keys());
    let mut schema = Map::new();
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".into(), "Tokenstile scenarios".into());
    schema.extend(root);
    schema.insert("$defs".into(), maker.definitions.into_iter().collect());
    Value::Object(schema)
}

/// By type, or type and field.
fn rules() -> BTreeMap<&'static str, Value> {
    let named = |name: &str| json!({"additionalProperties": {"$ref": format!("#/$defs/{name}")}});
    let or_named = |name: &str| json!({"$ref": null, "anyOf": [{"type": "string"}, {"$ref": format!("#/$defs/{name}")}]});
    let places = json!({"propertyNames": {"pattern": "^(/|$)"}});
    let on = json!({
        "description": "By runner (native, wasmtime, envoy, wasmx, apisix, hold, no-hold, workers): what is expected otherwise there.",
        "type": "object", "additionalProperties": {"$ref": "#/$defs/ExpectOn"}
    });
    BTreeMap::from([
        ("File.bodies", named("BodyText")),
        ("File.answers", named("ScriptedAnswer")),
        ("File.policies", json!({"additionalProperties": {"type": "object"}})),
        ("File.cases", json!({"minItems": 1})),
        ("Case.policy", json!({"type": ["string", "object"]})),
        ("Case.change", json!({"type": "object"})),
        ("Case.steps", json!({"minItems": 1, "items": {"$ref": "#/$defs/Step"}})),
        ("Step", json!({"properties": {"on": on}})),
        ("Step.clock", json!({"examples": ["2026-11-23T08:00:00Z"]})),
        ("Step.answer", or_named("ScriptedAnswer")),
        ("Step.times", json!({"minimum": 1})),
        ("Step.together", json!({"minimum": 1})),
        ("Step.keep", json!({"additionalProperties": {"type": "string", "pattern": "^(/|$)"}})),
        ("Call.body", or_named("BodyText")),
        (
            "ScriptedAnswer",
            json!({"not": {"anyOf": [
                {"required": ["body", "completion"]}, {"required": ["body", "stream"]}, {"required": ["completion", "stream"]}
            ]}}),
        ),
        ("ScriptedAnswer.status", json!({"minimum": 100, "maximum": 999})),
        ("Expect.ended", json!({"enum": ["complete", "cut", "client_gone"]})),
        ("Expect.json", places.clone()),
        ("Expect.upstream_json", places.clone()),
        ("Expect.record", places.clone()),
        ("Expect.alerts", json!({"items": {"type": "object", "propertyNames": {"pattern": "^(/|$)"}}})),
    ])
}

struct Maker {
    items: Vec<Item>,
    definitions: BTreeMap<String, Value>,
    rules: BTreeMap<&'static str, Value>,
}

impl Maker {
    fn object(&mut self, name: &str) -> Map<String, Value> {
        let is_it = |item: &&Item| matches!(item, Item::Struct(item) if item.ident == name);
        let Some(Item::Struct(item)) = self.items.iter().find(is_it).cloned() else {
            panic!("no struct `{name}`")
        };
        let Fields::Named(fields) = &item.fields else { panic!("`{name}` has fields without names") };
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in &fields.named {
            let options = Options::of(&field.attrs);
            let ident = field.ident.as_ref().unwrap().to_string();
            let key = options.rename.unwrap_or_else(|| ident.clone());
            let is_option =
                matches!(&field.ty, Type::Path(ty) if ty.path.segments.last().unwrap().ident == "Option");
            let mut schema = self.of(&field.ty);
            schema.extend(comment(&field.attrs).map(|said| ("description".to_owned(), said.into())));
            if let Some(value) = options.default_of.and_then(|function| self.returned(&function)) {
                schema.insert("default".into(), value);
            }
            self.rule(&format!("{name}.{ident}"), &mut schema);
            if !options.default && !is_option {
                required.push(Value::from(key.clone()));
            }
            properties.insert(key, schema.into());
        }
        let mut schema =
            super::object(comment(&item.attrs), properties, required, Options::of(&item.attrs).strict);
        self.rule(name, &mut schema);
        schema
    }

    /// A rule's keys are put over those of the schema; properties are added, `null` takes a key away.
    fn rule(&mut self, key: &str, schema: &mut Map<String, Value>) {
        for (key, value) in self.rules.remove(key).as_ref().and_then(Value::as_object).into_iter().flatten() {
            match (schema.get_mut(key).and_then(Value::as_object_mut), value) {
                (Some(into), Value::Object(more)) if key == "properties" => into.extend(more.clone()),
                (_, Value::Null) => drop(schema.remove(key)),
                _ => drop(schema.insert(key.clone(), value.clone())),
            }
        }
    }

    /// The schema of a value of this type.
    fn of(&mut self, ty: &Type) -> Map<String, Value> {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let Type::Path(ty) = ty else { panic!("a type that this does not know") };
        let last = ty.path.segments.last().unwrap();
        match (last.ident.to_string().as_str(), inner(&last.arguments)) {
            ("Value", _) => Map::new(),
            ("String", _) => object(json!({"type": "string"})),
            ("bool", _) => object(json!({"type": "boolean"})),
            ("u16", _) => object(json!({"type": "integer", "minimum": 0, "maximum": u16::MAX})),
            ("u64" | "usize", _) => object(json!({"type": "integer", "minimum": 0})),
            ("Option", Some(inner)) => self.of(inner),
            ("Vec", Some(inner)) => {
                let items = self.of(inner);
                object(json!({"type": "array", "items": items}))
            }
            ("Map", _) => object(json!({"type": "object"})),
            ("BTreeMap", _) => {
                let syn::PathArguments::AngleBracketed(both) = &last.arguments else {
                    panic!("a map of nothing")
                };
                let Some(syn::GenericArgument::Type(values)) = both.args.last() else {
                    panic!("a map of nothing")
                };
                let values = self.of(values);
                object(json!({"type": "object", "additionalProperties": values}))
            }
            (name, None) => self.reference(name),
            (name, Some(_)) => panic!("`{name}<…>` is a type that this does not know"),
        }
    }

    fn reference(&mut self, name: &str) -> Map<String, Value> {
        if !self.definitions.contains_key(name) {
            self.definitions.insert(name.to_owned(), Value::Null);
            let choice = self.items.iter().find_map(|item| match item {
                Item::Enum(item) if item.ident == name => Some(item.clone()),
                _ => None,
            });
            let schema = match choice {
                Some(choice) => self.choice(&choice),
                None => self.object(name),
            };
            self.definitions.insert(name.to_owned(), schema.into());
        }
        let mut schema = Map::new();
        schema.insert("$ref".into(), format!("#/$defs/{name}").into());
        schema
    }

    /// An enum: a word, or an object with the word as its key.
    fn choice(&mut self, item: &syn::ItemEnum) -> Map<String, Value> {
        let mut ways = Vec::new();
        for variant in &item.variants {
            let word = snake(&variant.ident.to_string());
            let fields: Vec<&Type> = variant.fields.iter().map(|field| &field.ty).collect();
            let held = match fields.as_slice() {
                [] => None,
                [only] => Some(Value::Object(self.of(only))),
                several => {
                    let each: Vec<Value> = several.iter().map(|ty| self.of(ty).into()).collect();
                    Some(
                        json!({"type": "array", "prefixItems": each, "minItems": each.len(), "maxItems": each.len()}),
                    )
                }
            };
            let mut way = match held {
                None => json!({"const": word}),
                Some(held) => json!({
                    "type": "object", "properties": {word.clone(): held}, "required": [word], "additionalProperties": false
                }),
            };
            if let Some(said) = comment(&variant.attrs) {
                way["description"] = said.into();
            }
            ways.push(way);
        }
        let mut schema = Map::new();
        schema.extend(comment(&item.attrs).map(|said| ("description".to_owned(), said.into())));
        schema.insert("anyOf".into(), ways.into());
        schema
    }

    /// What a function of a default gives.
    fn returned(&self, name: &str) -> Option<Value> {
        let function = self.items.iter().find_map(|item| match item {
            Item::Fn(item) if item.sig.ident == name => Some(item),
            _ => None,
        });
        match function?.block.stmts.as_slice() {
            [Stmt::Expr(Expr::MethodCall(call), None)] => match call.receiver.as_ref() {
                Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value().into()),
                _ => None,
            },
            [Stmt::Expr(expression, None)] => literal(expression),
            _ => None,
        }
    }
}

fn snake(name: &str) -> String {
    let parts = name.chars().enumerate().map(|(i, c)| {
        let gap = if c.is_uppercase() && i > 0 { "_" } else { "" };
        format!("{gap}{}", c.to_ascii_lowercase())
    });
    parts.collect()
}

/// The `#[serde(…)]` of a type or a field.
#[derive(Default)]
struct Options {
    rename: Option<String>,
    default: bool,
    default_of: Option<String>,
    strict: bool,
}

impl Options {
    fn of(attributes: &[Attribute]) -> Self {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            let read = attribute.parse_nested_meta(|meta| {
                let word = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                let text = || Ok::<_, syn::Error>(meta.value()?.parse::<syn::LitStr>()?.value());
                match word.as_str() {
                    "rename" => options.rename = Some(text()?),
                    "default" => {
                        options.default = true;
                        options.default_of = text().ok();
                    }
                    "deny_unknown_fields" => options.strict = true,
                    "rename_all" => assert_eq!(text()?, "snake_case"),
                    other => panic!("`{other}` is an option of serde's that this does not know"),
                }
                Ok(())
            });
            read.unwrap();
        }
        options
    }
}
