//! Owns the JSON Schema of the policy, made from the types that the engine reads it into, as they are written.
//! Called by `policy.rs`; the scenarios' is made in `scenario.rs`, the cost record's in `record.rs`. Deriving it would put a library into the filter; a table beside the types would age.
//!
//! What is said of a key is its comment, else its row in the table of `docs/policy.md`, else the comment of its type. What a
//! type does not say, such as that a percentage ends in `%`, stands in `rules.rs`.

pub(crate) mod record;
mod rules;
pub(crate) mod scenario;

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use syn::{Attribute, Expr, Fields, GenericArgument, Item, Lit, Meta, PathArguments, Type};

/// Where the schema is kept.
pub(crate) fn place() -> PathBuf {
    root().join("docs/policy.schema.json")
}

/// An object with these properties, of which some are required, and, if it is strict, no others.
pub(crate) fn object(
    description: Option<String>,
    properties: Map<String, Value>,
    required: Vec<Value>,
    strict: bool,
) -> Map<String, Value> {
    let mut schema = Map::new();
    schema.extend(description.map(|said| ("description".to_owned(), said.into())));
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties.into());
    schema.insert("required".into(), required.into());
    schema.insert("additionalProperties".into(), (!strict).into());
    schema
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The schema, as it must stand in the file.
pub(crate) fn generate() -> Value {
    let page = std::fs::read_to_string(root().join("docs/policy.md")).unwrap();
    let mut maker =
        Maker { items: items(), told: told(&page), definitions: BTreeMap::new(), rules: rules::all() };
    let root = maker.object("wire", "Document", "");
    assert!(maker.rules.is_empty(), "rules for keys that no type has: {:?}", maker.rules.keys());
    let mut schema = Map::new();
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".into(), "Tokenstile policy".into());
    schema.extend(root);
    schema.insert("$defs".into(), maker.definitions.into_iter().collect());
    Value::Object(schema)
}

/// Types by the file that they stand in and their names.
type Items = BTreeMap<(String, String), Item>;

fn items() -> Items {
    let mut items = Items::new();
    let folder = root().join("engine/src/policy");
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_none_or(|end| end != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&entry).unwrap();
        let module = entry.file_stem().unwrap().to_str().unwrap().to_owned();
        for item in syn::parse_file(&text).unwrap().items {
            let name = match &item {
                Item::Struct(item) => item.ident.to_string(),
                Item::Enum(item) => item.ident.to_string(),
                _ => continue,
            };
            items.insert((module.clone(), name), item);
        }
    }
    items
}

/// What the table of `docs/policy.md` says of each key, by path.
fn told(page: &str) -> BTreeMap<String, String> {
    let table = page.split("| key | default |").nth(1).unwrap().split("\n\n").next().unwrap();
    let (mut told, links) = (BTreeMap::new(), regex::Regex::new(r"\[([^\[\]]+)\]\([^()]*\)").unwrap());
    for line in table.lines().skip(2) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        // `[Who pays](#who-pays)` leads nowhere in an editor; `[]` is no link.
        let plain = links.replace_all(cells[2], "$1").replace('`', "");
        for key in cells[0].split('`').skip(1).step_by(2) {
            told.insert(key.to_owned(), plain.clone());
        }
    }
    told
}

struct Maker {
    items: Items,
    told: BTreeMap<String, String>,
    definitions: BTreeMap<String, Value>,
    rules: BTreeMap<&'static str, Value>,
}

impl Maker {
    /// The schema of a struct.
    fn object(&mut self, module: &str, name: &str, path: &str) -> Map<String, Value> {
        let Some(Item::Struct(item)) = self.item(module, name).cloned() else {
            panic!("no struct `{module}::{name}` among the policy's types")
        };
        let Fields::Named(fields) = &item.fields else { panic!("`{name}` has fields without names") };
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in &fields.named {
            let options = Options::of(&field.attrs);
            let key = options.rename.clone().unwrap_or_else(|| field.ident.as_ref().unwrap().to_string());
            let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let mut schema = self.of(module, &field.ty, &at);
            let said = comment(&field.attrs).or_else(|| self.told.get(&at).cloned());
            if let Some(said) = said {
                schema.insert("description".into(), said.into());
            }
            let usual = match &options.value {
                Some(expression) => literal(expression),
                None => self.usual(module, &field.ty),
            };
            if let Some(value) = usual.filter(|_| options.default) {
                schema.insert("default".into(), value);
            }
            self.rule(&format!("{name}.{}", field.ident.as_ref().unwrap()), &mut schema);
            if !options.default {
                required.push(Value::from(key.clone()));
            }
            properties.insert(key, schema.into());
        }
        let mut schema = object(comment(&item.attrs), properties, required, Options::of(&item.attrs).strict);
        self.rule(name, &mut schema);
        schema
    }

    /// A type by its name, in this module or imported into it.
    fn item(&self, module: &str, name: &str) -> Option<&Item> {
        self.items.get(&(module.to_owned(), name.to_owned())).or_else(|| {
            let mut all = self.items.iter().filter(|((_, other), _)| other == name).map(|(_, item)| item);
            let found = all.next()?;
            assert!(all.next().is_none(), "two types are named `{name}`");
            Some(found)
        })
    }

    fn rule(&mut self, key: &str, schema: &mut Map<String, Value>) {
        if let Some(Value::Object(rule)) = self.rules.remove(key) {
            schema.extend(rule);
        }
    }

    /// The schema of a value of this type.
    fn of(&mut self, module: &str, ty: &Type, path: &str) -> Map<String, Value> {
        let Type::Path(ty) = ty else { panic!("{path}: a type that this does not know") };
        let last = ty.path.segments.last().unwrap();
        let name = last.ident.to_string();
        let inner = inner(&last.arguments);
        let object = |value: Value| value.as_object().cloned().unwrap();
        match (name.as_str(), inner) {
            // Read by hand; `rules.rs` says what stands there.
            ("Value", _) => object(json!({"type": "object"})),
            ("String", _) => object(json!({"type": "string"})),
            ("bool", _) => object(json!({"type": "boolean"})),
            ("u8", _) => object(json!({"type": "integer", "minimum": 0, "maximum": u8::MAX})),
            ("u16", _) => object(json!({"type": "integer", "minimum": 0, "maximum": u16::MAX})),
            ("u32", _) => object(json!({"type": "integer", "minimum": 0, "maximum": u32::MAX})),
            ("u64", _) => object(json!({"type": "integer", "minimum": 0})),
            // One sentence, or one for each language.
            ("Message", _) => object(json!({"anyOf": [
                {"type": "string"},
                {"type": "object", "additionalProperties": {"type": "string"}}
            ]})),
            // What a `match` wants: the name of its key decides what may stand there.
            ("Wanted", _) => {
                let words = json!({"type": "array", "items": {"type": "string"}});
                let each = json!({"type": "object", "additionalProperties": {"$ref": "#/$defs/Wanted"}});
                let any = json!([{"type": "string"}, {"type": "boolean"}, {"type": "integer", "minimum": 0}, words, each]);
                self.definitions.insert("Wanted".to_owned(), json!({"anyOf": any}));
                object(json!({"$ref": "#/$defs/Wanted"}))
            }
            ("Option" | "Box", Some(inner)) => self.of(module, inner, path),
            ("Vec", Some(inner)) => {
                let items = self.of(module, inner, &format!("{path}[]"));
                object(json!({"type": "array", "items": items}))
            }
            ("Named", Some(inner)) => {
                let values = self.of(module, inner, &format!("{path}.*"));
                object(json!({"type": "object", "additionalProperties": values}))
            }
            (name, None) => {
                let before = ty.path.segments.iter().rev().nth(1).map(|segment| segment.ident.to_string());
                let module = before.filter(|before| before != "super").unwrap_or_else(|| module.to_owned());
                self.reference(&module, name, path)
            }
            (name, Some(_)) => panic!("{path}: `{name}<…>` is a type that this does not know"),
        }
    }

    fn reference(&mut self, module: &str, name: &str, path: &str) -> Map<String, Value> {
        if let Some(Item::Enum(item)) = self.item(module, name) {
            let words: Vec<Value> = words(item).into_iter().map(|(word, _)| word.into()).collect();
            let mut schema = Map::new();
            schema.extend(comment(&item.attrs).map(|said| ("description".to_owned(), said.into())));
            schema.insert("enum".into(), words.into());
            return schema;
        }
        let defined = if name == "Wire" { module.to_owned() } else { name.to_owned() };
        if !self.definitions.contains_key(&defined) {
            self.definitions.insert(defined.clone(), Value::Null);
            let schema = self.object(module, name, path);
            self.definitions.insert(defined.clone(), schema.into());
        }
        let mut schema = Map::new();
        schema.insert("$ref".into(), format!("#/$defs/{defined}").into());
        schema
    }

    /// What a key is when it does not stand there, where its type has a default worth telling.
    fn usual(&self, module: &str, ty: &Type) -> Option<Value> {
        let Type::Path(ty) = ty else { return None };
        let name = ty.path.segments.last()?.ident.to_string();
        if name == "bool" {
            return Some(false.into());
        }
        match self.item(module, &name)? {
            Item::Enum(item) => {
                words(item).into_iter().find(|(_, usual)| *usual).map(|(word, _)| word.into())
            }
            _ => None,
        }
    }
}

/// The words of an enum, and which of them is the default.
fn words(item: &syn::ItemEnum) -> Vec<(String, bool)> {
    let lower = Options::of(&item.attrs).lowercase;
    let word = |variant: &syn::Variant| {
        assert!(variant.fields.is_empty(), "`{}` has fields; teach this to read it", variant.ident);
        let name = variant.ident.to_string();
        let name = if lower { name.to_ascii_lowercase() } else { name };
        let usual = variant.attrs.iter().any(|attribute| attribute.path().is_ident("default"));
        (Options::of(&variant.attrs).rename.unwrap_or(name), usual)
    };
    item.variants.iter().map(word).collect()
}

fn inner(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The `#[deserr(…)]` of a type, a field or a variant.
#[derive(Default)]
struct Options {
    rename: Option<String>,
    default: bool,
    value: Option<Expr>,
    strict: bool,
    lowercase: bool,
}

impl Options {
    fn of(attributes: &[Attribute]) -> Self {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("deserr")) {
            let read = attribute.parse_nested_meta(|meta| {
                let word = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                match word.as_str() {
                    "rename" => options.rename = Some(meta.value()?.parse::<syn::LitStr>()?.value()),
                    "default" => {
                        options.default = true;
                        options.value = meta.value().ok().map(syn::parse::ParseBuffer::parse).transpose()?;
                    }
                    "deny_unknown_fields" => options.strict = true,
                    "rename_all" => options.lowercase = meta.value()?.parse::<syn::Ident>()? == "lowercase",
                    "error" => drop(meta.value()?.parse::<Type>()?),
                    other => panic!("`{other}` is an option of deserr's that this does not know"),
                }
                Ok(())
            });
            read.unwrap();
        }
        options
    }
}

/// A default that stands there; others are computed.
fn literal(expression: &Expr) -> Option<Value> {
    let number = |expression: &Expr| literal(expression)?.as_u64();
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => number.base10_parse::<u64>().ok().map(Value::from),
            Lit::Bool(flag) => Some(flag.value.into()),
            _ => None,
        },
        Expr::Binary(shift) if matches!(shift.op, syn::BinOp::Shl(_)) => {
            Some((number(&shift.left)? << number(&shift.right)?).into())
        }
        _ => None,
    }
}

/// The comment above an item, as one text.
fn comment(attributes: &[Attribute]) -> Option<String> {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    let text = lines.collect::<Vec<_>>().join(" ").replace('`', "");
    (!text.is_empty()).then_some(text)
}
