//! HAR, as browsers and debugging proxies save it (<http://www.softwareishard.com/blog/har-12-spec/>): one JSON
//! document, of which some entries at a time are kept. A thread reads it, since serde hands a document over and is not
//! asked for the next entry.

use super::open::Text;
use super::{Bad, Call, Read, Reads, What, Whole, fits, time};
use base64::Engine as _;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

/// So many entries wait to be replayed.
const AHEAD: usize = 16;

/// Reads an entry a call.
pub(super) fn read(name: String, text: Text) -> Reads {
    let (to, reads) = sync_channel(AHEAD);
    std::thread::spawn(move || {
        let entries = Entries { name: &name, to: &to };
        let mut document = serde_json::Deserializer::from_reader(text);
        let read =
            Level { key: "log", inner: Level { key: "entries", inner: entries } }.deserialize(&mut document);
        if let Err(error) = read {
            // Nobody hears it when the caller has had enough.
            let place = format!("{name}:{}", error.line());
            let _ = to.send(Read::Bad(Bad { place, why: format!("no HAR: {error}") }));
        }
    });
    Box::new(reads.into_iter())
}

/// An object of which one key counts.
struct Level<S> {
    key: &'static str,
    inner: S,
}

impl<'de, S: DeserializeSeed<'de, Value = ()>> DeserializeSeed<'de> for Level<S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de, Value = ()>> Visitor<'de> for Level<S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with `{}`", self.key)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut inner = Some(self.inner);
        while let Some(key) = map.next_key::<String>()? {
            match inner.take_if(|_| key == self.key) {
                Some(inner) => map.next_value_seed(inner)?,
                None => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        match inner {
            None => Ok(()),
            Some(_) => Err(serde::de::Error::missing_field(self.key)),
        }
    }
}

struct Entries<'a> {
    name: &'a str,
    to: &'a SyncSender<Read>,
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut number = 0_u64;
        while let Some(entry) = entries.next_element::<Value>()? {
            number += 1;
            let read = serde_json::from_value::<Entry>(entry).map_err(|error| error.to_string());
            let read = read.and_then(Entry::call).map(Read::Call);
            let bad = |why| Read::Bad(Bad { place: format!("{}, entry {number}", self.name), why });
            if self.to.send(read.unwrap_or_else(bad)).is_err() {
                return Err(serde::de::Error::custom("nobody wants more"));
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    started_date_time: String,
    /// Milliseconds.
    #[serde(default)]
    time: f64,
    request: Request,
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Header>,
    post_data: Option<Content>,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    #[serde(default)]
    headers: Vec<Header>,
    content: Option<Content>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    text: String,
    encoding: Option<String>,
}

impl Content {
    fn bytes(this: Option<Self>) -> Result<Vec<u8>, String> {
        let Some(Self { text, encoding }) = this else { return Ok(Vec::new()) };
        match encoding.as_deref() {
            Some("base64") => {
                let decoded = base64::engine::general_purpose::STANDARD.decode(text);
                decoded.map_err(|error| format!("a body is no base64: {error}"))
            }
            _ => Ok(text.into_bytes()),
        }
    }
}

impl Entry {
    fn call(self) -> Result<Call, String> {
        let (_, rest) = self.request.url.split_once("://").ok_or("its `url` names no host")?;
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(at);
        let headers = |headers: Vec<Header>| {
            let lower = headers
                .into_iter()
                .map(|header| (header.name.to_ascii_lowercase(), header.value.into_bytes()));
            lower.filter(|(name, _)| fits(name)).collect()
        };
        Ok(Call {
            at: time::read(&self.started_date_time),
            duration_ms: time::whole(self.time).filter(|ms| *ms >= 0),
            what: What::Whole(Arc::new(Whole {
                method: self.request.method,
                host: host.to_owned(),
                path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
                request_headers: headers(self.request.headers),
                request: Content::bytes(self.request.post_data)?,
                status: self.response.status,
                answer_headers: headers(self.response.headers),
                answer: Content::bytes(self.response.content)?,
            })),
        })
    }
}
