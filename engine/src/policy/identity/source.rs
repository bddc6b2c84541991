//! The sources of a dimension: how they are written, and what of them is asked of the proxy.

use super::address::address;
use crate::excerpt::Excerpt;
use crate::json::Pointer;
use deserr::errors::helpers::did_you_mean;

/// Where a value comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// A request header, by its lower-case name. It is believed: the policy says that nobody can forge it.
    Header(String),
    /// The API key, wherever this dialect's providers look for it, as a keyed hash.
    ApiKey,
    /// A claim of the payload in this header, which the proxy has set for a token that it has verified.
    JwtHeader {
        /// The header, in lower case.
        header: String,
        /// The claim.
        claim: Pointer,
    },
    /// A claim of the bearer token, which nobody has verified.
    JwtUnverified {
        /// The claim.
        claim: Pointer,
    },
    /// Something that the proxy knows.
    Asked(Ask),
    /// The client's address as that many proxies in front of this one vouch for it.
    ForwardedFor {
        /// How many.
        hops: usize,
    },
    /// A segment of the path, counted from 1.
    PathSegment(usize),
    /// A parameter of the query.
    Query(String),
    /// A cookie, as a keyed hash.
    Cookie(String),
    /// The trace that the request belongs to.
    TraceId,
    /// A value in the body: the pointer's place among the policy's.
    Body(usize),
    /// This value.
    Constant(String),
}

/// What only the proxy knows. What it is called differs from proxy to proxy: the shell knows that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The address of whoever is connected, with or without port.
    ClientAddress,
    /// The subject of the client's certificate.
    PeerSubject,
    /// The URI in the client's certificate, such as a SPIFFE id.
    PeerUriSan,
    /// A property of the proxy, by its path.
    Property(Vec<String>),
}

impl Ask {
    /// What the proxy's bytes mean.
    pub(super) fn value(&self, told: &[u8]) -> Option<String> {
        match self {
            Self::ClientAddress => address(told),
            Self::PeerSubject | Self::PeerUriSan => Excerpt::of(told),
            // A list or an object is nobody's name: of a payload header no such claim yields a value either.
            Self::Property(_) if is_composite(told) => None,
            // Envoy's metadata is JSON without types on the way: numbers are floats, booleans one byte.
            Self::Property(path) => match (<[u8; 8]>::try_from(told), told) {
                (_, [is @ (0 | 1)]) => Some((*is == 1).to_string()),
                (Ok(bytes), _) if !is_text(told) && path.first().is_some_and(|first| first == "metadata") => {
                    let number = f64::from_le_bytes(bytes);
                    number.is_finite().then(|| Excerpt::of(number.to_string().as_bytes()))?
                }
                (Ok(bytes), _) if !is_text(told) => {
                    Excerpt::of(i64::from_le_bytes(bytes).to_string().as_bytes())
                }
                _ => Excerpt::of(told),
            },
        }
    }
}

/// Whether eight bytes are text: a number that is an id has zeros in its last bytes.
fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control))
}

/// Whether these are several values: Envoy writes lists and objects as it writes headers, their number and the lengths
/// of names and values in 32 bits each, then both with a zero behind them; of a list the names are its items
/// (`serializeValue` in Envoy's `source/extensions/common/wasm/context.cc`).
fn is_composite(bytes: &[u8]) -> bool {
    let mut words =
        bytes.chunks_exact(4).map(|word| word.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)));
    let Some(pairs) = words.next().filter(|pairs| *pairs <= bytes.len() as u64) else { return false };
    let lengths = usize::try_from(pairs).unwrap_or(usize::MAX).saturating_mul(2);
    let texts = words.take(lengths).fold(0_u64, u64::saturating_add);
    // The number itself, and of each pair two lengths and two zeros.
    pairs.saturating_mul(10).saturating_add(texts).saturating_add(4) == bytes.len() as u64
}

/// What the sources of a policy have in common.
#[derive(Debug)]
pub(in crate::policy) struct Sources {
    /// The header with the verified payload, if a header has it.
    pub(in crate::policy) payload_header: Option<String>,
    /// The name under which Envoy's filter keeps the verified payload otherwise.
    pub(in crate::policy) payload_in_metadata: String,
    /// The proxies in front that add to `x-forwarded-for`.
    pub(in crate::policy) trusted_hops: usize,
    /// What of the body is wanted.
    pub(in crate::policy) pointers: Vec<Pointer>,
}

/// Every kind of source as it is written, for the error that names them.
const KINDS: [&str; 14] = [
    "header:NAME",
    "api_key",
    "jwt:CLAIM",
    "jwt_unverified:CLAIM",
    "client_ip",
    "path_segment:N",
    "query:NAME",
    "cookie:NAME",
    "body:/POINTER",
    "trace_id",
    "mtls_subject",
    "mtls_uri_san",
    "property:PATH",
    "value:TEXT",
];

impl Sources {
    /// Reads a source.
    ///
    /// # Errors
    /// What is wrong with it, and the way out.
    pub(in crate::policy) fn read(&mut self, text: &str) -> Result<Source, String> {
        let (kind, rest) = text.split_once(':').map_or((text, None), |(kind, rest)| (kind, Some(rest)));
        let needed = |what: &str| {
            rest.filter(|rest| !rest.is_empty())
                .ok_or_else(|| format!("`{kind}` needs {what} behind a colon"))
        };
        let source = match kind {
            "header" => Source::Header(header(needed("a header's name")?)?),
            "jwt" => self.jwt(claim(needed("a claim, such as `jwt:sub`,")?)?),
            "jwt_unverified" => Source::JwtUnverified {
                claim: Pointer::of(claim(needed("a claim, such as `jwt_unverified:sub`,")?)?)?,
            },
            "path_segment" => {
                let number = needed("a number, such as `path_segment:1`,")?.parse().unwrap_or(0);
                if number == 0 {
                    return Err("segments are counted from 1, such as `path_segment:1`".to_owned());
                }
                Source::PathSegment(number)
            }
            "query" => Source::Query(query(needed("a parameter's name")?)?),
            "cookie" => Source::Cookie(needed("a cookie's name")?.to_owned()),
            "body" => self.body(Pointer::parse(needed("a pointer, such as `body:/metadata/user_id`,")?)?),
            "property" => property(claim(needed("a path, such as `property:xds.route_name`,")?)?)?,
            "value" => Source::Constant(rest.ok_or("`value` needs a text behind a colon")?.to_owned()),
            _ => match (text, kind) {
                ("api_key", _) => Source::ApiKey,
                ("client_ip", _) if self.trusted_hops == 0 => Source::Asked(Ask::ClientAddress),
                ("client_ip", _) => Source::ForwardedFor { hops: self.trusted_hops },
                ("trace_id", _) => Source::TraceId,
                ("mtls_subject", _) => Source::Asked(Ask::PeerSubject),
                ("mtls_uri_san", _) => Source::Asked(Ask::PeerUriSan),
                (_, "api_key" | "client_ip" | "trace_id" | "mtls_subject" | "mtls_uri_san") => {
                    return Err(format!("`{kind}` takes nothing behind a colon; write `{kind}`"));
                }
                _ => return Err(unknown(text, kind)),
            },
        };
        Ok(source)
    }

    fn jwt(&self, claim: Vec<String>) -> Source {
        if let Some(header) = &self.payload_header
            && let Ok(claim) = Pointer::of(claim.clone())
        {
            return Source::JwtHeader { header: header.clone(), claim };
        }
        let place =
            ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn", &self.payload_in_metadata];
        Source::Asked(Ask::Property(place.into_iter().map(str::to_owned).chain(claim).collect()))
    }

    fn body(&mut self, pointer: Pointer) -> Source {
        let known = self.pointers.iter().position(|known| *known == pointer);
        Source::Body(known.unwrap_or_else(|| {
            self.pointers.push(pointer);
            self.pointers.len().saturating_sub(1)
        }))
    }
}

fn unknown(text: &str, kind: &str) -> String {
    let kinds = KINDS.iter().filter(|kind| !kind.is_empty());
    let names: Vec<&str> = kinds.clone().map(|known| known.split(':').next().unwrap_or_default()).collect();
    let all: Vec<String> = kinds.map(|known| format!("`{known}`")).collect();
    format!("unknown source `{text}`: {}known are {}", did_you_mean(kind, &names), all.join(", "))
}

/// A path with dots, `org.id`, or as a JSON Pointer where keys have dots themselves, `/https:~1~1x.test~1plan`.
fn claim(text: &str) -> Result<Vec<String>, String> {
    if text.starts_with('/') {
        return Ok(Pointer::parse(text)?.keys().to_vec());
    }
    let keys = text.split('.').map(str::to_owned).collect();
    let example = "write `org.id`, or `/a.b/c` where keys have dots";
    Pointer::of(keys).map(|pointer| pointer.keys().to_vec()).map_err(|why| format!("{why}; {example}"))
}

fn property(path: Vec<String>) -> Result<Source, String> {
    let is_header = ["request", "headers"].iter().zip(&path).filter(|(a, b)| a == b).count() == 2;
    if is_header {
        return Err("headers are here already; use `header:NAME`".to_owned());
    }
    Ok(Source::Asked(Ask::Property(path)))
}

/// The parameters that are keys at some provider.
fn query(name: &str) -> Result<String, String> {
    if ["key", "api_key", "api-key", "access_token", "token"].contains(&name) {
        return Err(format!("`{name}` holds a secret; use `api_key`, which is kept as a hash"));
    }
    Ok(name.to_owned())
}

fn header(name: &str) -> Result<String, String> {
    let name = check_header(name)?;
    let secret = ["authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key"];
    if secret.contains(&name.as_str()) {
        return Err(format!("`{name}` holds a secret; use `api_key`, which is kept as a hash"));
    }
    if name == "cookie" {
        return Err("cookies are secrets; use `cookie:NAME`, which is kept as a hash".to_owned());
    }
    Ok(name)
}

/// A header's name in lower case.
///
/// # Errors
/// It is none.
pub(in crate::policy) fn check_header(name: &str) -> Result<String, String> {
    // RFC 9110, section 5.6.2.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("`{name}` is no header's name"));
    }
    Ok(name.to_ascii_lowercase())
}
