//! Writes `weights.txt` as a table of Rust, and packs `prices/book.json` and `prices/more.json` for the filter. `src/price/book.rs` reads
//! what is written here:
//!
//! - a number is a LEB128 varint; a text is its length and its bytes; a list is its length and its items;
//! - the file: the bytes of all prices, the prices, where the dearest one stands among them, providers;
//! - a price: rates, each a unit, pico-dollars, and tiers (tokens of input above which, pico-dollars);
//! - a provider: the bytes of all that follows in it, a text, hosts, a match rule, the places of fallback
//!   providers, surcharges, where its dearest price stands, models;
//! - a surcharge: its service tier, or 255 and the place that costs it as a text; thousandths of the standard
//!   rates; a match rule for the models that have it, 9 for all;
//! - a model: the bytes of all that follows in it, a match rule, a text, the context in tokens, entries of
//!   price history, variants; and if `prices/capabilities.json` knows it, the most tokens of output, and what it
//!   lacks, a bit each;
//! - an entry: its condition (0 none; 1 from a day since 1970; 2 between two minutes of the day) and where
//!   its price stands; a variant begins with its service tier;
//! - a match rule: a sign, and a text or rules.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::arithmetic_side_effects,
    reason = "a build stops where the book is wrong"
)]

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

const UNITS: &[&str] = &[
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "input_audio",
    "cache_read_audio",
    "input_image",
    "cache_read_image",
    "input_video",
    "output",
    "reasoning",
    "output_audio",
    "output_image",
    "requests",
    "web_searches",
];
const TIERS: &[&str] = &["batch", "flex", "priority", "fast"];
const RULES: &[&str] =
    &["none", "equals", "starts_with", "ends_with", "contains", "pattern", "or", "and", "not"];

fn main() {
    let source = Path::new("../prices/book.json");
    println!("cargo::rerun-if-changed={}", source.display());
    println!("cargo::rerun-if-changed=build.rs");
    let able = Path::new("../prices/capabilities.json");
    println!("cargo::rerun-if-changed={}", able.display());
    let able = std::fs::read_to_string(able).expect("prices/capabilities.json is in the repository");
    let able: Value = serde_json::from_str(&able).expect("prices/capabilities.json is JSON");
    let text = std::fs::read_to_string(source).expect("prices/book.json is in the repository");
    let mut book: Value = serde_json::from_str(&text).expect("prices/book.json is JSON");
    let more = Path::new("../prices/more.json");
    println!("cargo::rerun-if-changed={}", more.display());
    let more = std::fs::read_to_string(more).expect("prices/more.json is in the repository");
    append(&mut book, serde_json::from_str(&more).expect("prices/more.json is JSON"));
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join("book.bin"), pack(&book, &able)).expect("OUT_DIR can be written");
    let weights = std::fs::read_to_string("weights.txt").expect("engine/weights.txt is in the repository");
    println!("cargo::rerun-if-changed=weights.txt");
    println!("cargo::rerun-if-changed=src/dialect/feature_names.in");
    std::fs::write(Path::new(&out).join("weights.rs"), tables(&weights)).expect("OUT_DIR can be written");
    println!("cargo::rustc-env=TOKENSTILE_PRICES_AS_OF={}", text_of(&book["as_of"]));
    println!("cargo::rustc-env=TOKENSTILE_PRICES_VERSION={}", text_of(&book["version"]));
}

/// Puts the models of `prices/more.json` behind those that the book has of each provider.
fn append(book: &mut Value, mut more: Value) {
    for provider in book["providers"].as_array_mut().expect("the book has providers") {
        let id = text_of(&provider["id"]).to_owned();
        if let Some(models) = more["providers"][&id].as_array_mut() {
            provider["models"].as_array_mut().expect("a provider has models").append(models);
        }
    }
}

/// A line `chat gpt-4o* base=3000 text=1000` is a table.
fn tables(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let tables = lines.map(|line| {
        let mut words = line.split(' ');
        let (style, name) = (words.next().unwrap(), words.next().expect("a style and a name"));
        let weights = words.map(|word| {
            let (part, weight) = word.split_once('=').expect("part=weight");
            let weight: u32 = weight.parse().expect("thousandths of a token");
            format!("(P::{}, {weight})", variant(part))
        });
        format!("(\"{style}\", \"{name}\", &[{}]),\n", weights.collect::<Vec<_>>().join(", "))
    });
    format!("pub(super) static TABLES: &[(&str, &str, Weights)] = &[\n{}];\n", tables.collect::<String>())
}

/// `any_tool` is `AnyTool`.
fn variant(part: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    part.split('_').map(word).collect()
}

/// The packed book, part by part.
#[derive(Default)]
struct Packer {
    /// Each distinct price, and where it stands among them.
    prices: BTreeMap<Vec<u8>, u64>,
    packed_prices: Vec<u8>,
    /// The most output of a model, and what it lacks.
    able: Value,
}

fn pack(book: &Value, able: &Value) -> Vec<u8> {
    let mut packer = Packer { able: able["models"].clone(), ..Packer::default() };
    let providers = list_of(&book["providers"]);
    let ids: Vec<&str> = providers.iter().map(|provider| text_of(&provider["id"])).collect();
    let mut body = Vec::new();
    let all: Vec<&Value> = providers.iter().flat_map(|provider| list_of(&provider["models"])).collect();
    number(&mut body, packer.dearest(&all));
    number(&mut body, providers.len() as u64);
    for provider in providers {
        sized(&mut body, &packer.provider(provider, &ids));
    }
    let mut out = Vec::new();
    sized(&mut out, &packer.packed_prices);
    out.extend(body);
    out
}

impl Packer {
    fn provider(&mut self, provider: &Value, ids: &[&str]) -> Vec<u8> {
        let out = &mut Vec::new();
        text(out, text_of(&provider["id"]));
        let hosts = list_of(&provider["hosts"]);
        number(out, hosts.len() as u64);
        hosts.iter().for_each(|host| text(out, text_of(host)));
        rule(out, &provider["match"]);
        let fallbacks = provider["fallback"].as_array().map_or(&[][..], Vec::as_slice);
        number(out, fallbacks.len() as u64);
        for id in fallbacks {
            let place = ids.iter().position(|known| *known == text_of(id));
            number(out, place.expect("a fallback is a provider") as u64);
        }
        let surcharges = provider["surcharges"].as_array().map_or(&[][..], Vec::as_slice);
        number(out, surcharges.len() as u64);
        surcharges.iter().for_each(|each| surcharge(out, each));
        let models = list_of(&provider["models"]);
        number(out, self.dearest(&models.iter().collect::<Vec<_>>()));
        number(out, models.len() as u64);
        for model in models {
            let mut record = Vec::new();
            rule(&mut record, &model["match"]);
            text(&mut record, text_of(&model["id"]));
            number(&mut record, model["context"].as_u64().unwrap_or(0));
            for entries in ["prices", "variants"] {
                let entries = model[entries].as_array().map_or(&[][..], Vec::as_slice);
                number(&mut record, entries.len() as u64);
                for entry in entries {
                    self.entry(&mut record, entry);
                }
            }
            let entry = format!("{}/{}", text_of(&provider["id"]), text_of(&model["id"]));
            if let Some(known) = self.able.get(&entry) {
                number(&mut record, known[0].as_u64().expect("tokens"));
                let bits = list_of(&known[1]).iter().map(|lacks| 1_u64 << feature(text_of(lacks)));
                number(&mut record, bits.sum());
            }
            sized(out, &record);
        }
        std::mem::take(out)
    }

    fn entry(&mut self, out: &mut Vec<u8>, entry: &Value) {
        if let Some(tier) = entry["tier"].as_str() {
            out.push(place(TIERS, tier));
        }
        match (entry["from"].as_str(), entry["between"].as_array()) {
            (Some(date), _) => {
                out.push(1);
                number(out, days_since_1970(date));
            }
            (_, Some(times)) => {
                out.push(2);
                times.iter().for_each(|time| number(out, minutes(text_of(time))));
            }
            _ => out.push(0),
        }
        let price = packed_price(entry.as_object().expect("an entry is an object"));
        number(out, self.place_of(price));
    }

    fn place_of(&mut self, price: Vec<u8>) -> u64 {
        let next = self.packed_prices.len() as u64;
        *self.prices.entry(price).or_insert_with_key(|price| {
            self.packed_prices.extend(price);
            next
        })
    }

    /// A price at least as high as each of these models' latest input and output prices.
    fn dearest(&mut self, models: &[&Value]) -> u64 {
        let mut dearest = Map::new();
        for unit in ["input", "output"] {
            let latest = models.iter().flat_map(|model| list_of(&model["prices"]));
            let top = latest.flat_map(|entry| rates(&entry[unit])).max_by_key(|(_, pico)| *pico);
            if let Some((price, _)) = top {
                dearest.insert(unit.to_owned(), Value::from(price));
            }
        }
        self.place_of(packed_price(&dearest))
    }
}

/// All rates of a unit, tiers too, as written and in pico-dollars.
fn rates(rate: &Value) -> Vec<(&str, u64)> {
    let tiers = rate.as_array().map_or(&[][..], Vec::as_slice);
    let base = rate.as_str().or_else(|| tiers.first()?.as_str());
    let tiered = tiers.iter().skip(1).filter_map(|tier| tier[1].as_str());
    base.into_iter().chain(tiered).map(|price| (price, pico(price))).collect()
}

fn packed_price(entry: &Map<String, Value>) -> Vec<u8> {
    let units: Vec<(&String, &Value)> =
        entry.iter().filter(|(unit, _)| UNITS.contains(&unit.as_str())).collect();
    let mut out = Vec::new();
    number(&mut out, units.len() as u64);
    for (unit, rate) in units {
        out.push(place(UNITS, unit));
        // A thousand requests or searches, and a million tokens: both become pico-dollars for one.
        let scale = if matches!(unit.as_str(), "requests" | "web_searches") { 1_000 } else { 1 };
        number(&mut out, pico(rate.as_str().unwrap_or_else(|| text_of(&rate[0]))) * scale);
        let tiers = rate.as_array().map_or(&[][..], Vec::as_slice);
        number(&mut out, tiers.len().saturating_sub(1) as u64);
        for tier in tiers.iter().skip(1) {
            number(&mut out, tier[0].as_u64().expect("a tier begins at a number of tokens"));
            number(&mut out, pico(text_of(&tier[1])));
        }
    }
    out
}

/// The bit of `Features` (`src/dialect/features.rs`).
fn feature(name: &str) -> u8 {
    const FEATURES: &[&str] = &include!("src/dialect/feature_names.in");
    place(FEATURES, name)
}

fn surcharge(out: &mut Vec<u8>, value: &Value) {
    if let Some(tier) = value["tier"].as_str() {
        out.push(place(TIERS, tier));
    } else {
        out.push(255);
        text(out, text_of(&value["place"]));
    }
    number(out, pico(text_of(&value["times"])) / 1_000);
    if value["match"].is_null() { out.push(9) } else { rule(out, &value["match"]) }
}

fn rule(out: &mut Vec<u8>, value: &Value) {
    let Some((kind, argument)) = value.as_object().and_then(|rule| rule.iter().next()) else {
        return out.push(0);
    };
    out.push(place(RULES, kind));
    match argument {
        Value::String(argument) => text(out, argument),
        Value::Array(rules) => {
            number(out, rules.len() as u64);
            rules.iter().for_each(|each| rule(out, each));
        }
        each => rule(out, each),
    }
}

/// Dollars a million tokens with at most six decimals are pico-dollars a token.
fn pico(price: &str) -> u64 {
    let (whole, decimals) = price.split_once('.').unwrap_or((price, ""));
    assert!(decimals.len() <= 6, "{price} has more than six decimals");
    format!("{whole}{decimals:0<6}").parse().expect("a price is a decimal number")
}

fn days_since_1970(date: &str) -> u64 {
    let mut parts = date.split('-').map(|part| part.parse::<u64>().expect("a date is YYYY-MM-DD"));
    let (year, month, day) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    // Years begin in March, so that the leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    days - 719_468
}

fn minutes(time: &str) -> u64 {
    let (hour, minute) = time.split_once(':').expect("a time is HH:MM");
    hour.parse::<u64>().unwrap() * 60 + minute.parse::<u64>().unwrap()
}

fn place(names: &[&str], name: &str) -> u8 {
    let place = names.iter().position(|known| *known == name);
    u8::try_from(place.unwrap_or_else(|| panic!("{name} is unknown"))).unwrap()
}

fn number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend(bytes);
}

fn text(out: &mut Vec<u8>, text: &str) {
    sized(out, text.as_bytes());
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text"))
}

fn list_of(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is not a list"))
}
