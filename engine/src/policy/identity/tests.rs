//! Every source: what it yields, what it does not, and that nobody becomes another by what he writes.

use super::*;
use crate::policy::Subject;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashSet;

fn policy(change: &Value, sources: &[&str]) -> Policy {
    let mut policy = json!({"version": 1, "name": "t", "identity": {"who": sources}});
    policy.as_object_mut().unwrap().extend(change.as_object().cloned().unwrap_or_default());
    Policy::parse(policy.to_string().as_bytes()).unwrap_or_else(|errors| panic!("{errors}"))
}

type Headers<'h> = &'h [(&'h str, &'h [u8])];

/// What these sources yield, and what they asked of the proxy, which knows `told`.
fn read(policy: &Policy, path: &str, headers: Headers<'_>, told: Option<&[u8]>) -> (String, Vec<Ask>) {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), *value)).collect();
    let head = Head { headers: &headers, path: path.as_bytes(), dialect: "openai-chat" };
    let mut reader = IdentityReader::new(policy, head);
    let mut asked = Vec::new();
    while let Some(ask) = reader.wants() {
        asked.push(ask.clone());
        reader.answer(told);
    }
    (reader.finish().value(0).to_owned(), asked)
}

fn value(source: &str, path: &str, headers: Headers<'_>) -> String {
    read(&policy(&json!({}), &[source]), path, headers, None).0
}

#[test]
fn each_source_yields_what_it_names() {
    let token = format!("Bearer e30.{}.sig", URL_SAFE_NO_PAD.encode(r#"{"sub":"ana","org":{"id":"acme"}}"#));
    let token = token.as_bytes();
    let parent: &[u8] = b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01";
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let cases: &[(&str, &str, Headers<'_>, &str)] = &[
        ("header:X-User", "/", &[("x-user", b"ana")], "ana"),
        ("header:x-user", "/", &[("X-User", b"ana"), ("x-user", b"ben")], "ana, ben"),
        ("header:x-user", "/", &[("x-user", b"")], ""),
        ("jwt_unverified:sub", "/", &[("authorization", token)], "ana"),
        ("jwt_unverified:org.id", "/", &[("authorization", token)], "acme"),
        ("jwt_unverified:sub", "/", &[("authorization", b"Bearer sk-proj-1.2.3")], ""),
        ("jwt_unverified:sub", "/", &[("authorization", b"Bearer")], ""),
        ("jwt_unverified:sub", "/", &[("authorization", b"Basic e30.e30.e30")], ""),
        ("path_segment:1", "/acme/v1/chat/completions?x=1", &[], "acme"),
        ("path_segment:2", "//acme/./v1/x", &[], "v1"),
        ("path_segment:1", "/x/../a%63me%2Fb/v1", &[], "acme/b"),
        ("path_segment:9", "/acme", &[], ""),
        ("query:user", "/v1?x=1&user=a%6Ea+b&user=ben", &[], "ana b"),
        ("query:user", "/v1?us%65r=ana", &[], "ana"),
        ("query:user", "/v1?user&user=&user=ana#user=ben", &[], "ana"),
        ("query:user", "/v1?user=%zz%", &[], "%zz%"),
        ("query:user", "/v1?user=%ff", &[], "\u{fffd}\\xff"),
        ("query:user", "/v1?user=%2575", &[], "%75"),
        ("trace_id", "/", &[("traceparent", parent)], trace),
        ("trace_id", "/", &[("x-b3-traceid", b"00000000000000AB")], "00000000000000ab"),
        ("trace_id", "/", &[("b3", b"4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1")], trace),
        ("trace_id", "/", &[("traceparent", b"00-00000000000000000000000000000000-00f067aa0ba902b7-01")], ""),
        ("trace_id", "/", &[("traceparent", b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")], ""),
        ("trace_id", "/", &[("x-request-id", b"4bf92f3577b34da6a3ce929d0e0e4736")], ""),
        ("value:free", "/", &[], "free"),
        ("value:a:b", "/", &[], "a:b"),
    ];
    for (source, path, headers, expected) in cases {
        assert_eq!(value(source, path, headers), *expected, "{source} of {path} {headers:?}");
    }
}

#[test]
fn the_proxy_is_asked_only_for_what_nothing_before_has_told() {
    let policy = policy(&json!({}), &["header:x-user", "jwt:org.id", "client_ip"]);
    assert_eq!(read(&policy, "/", &[("x-user", b"ana")], None), ("ana".to_owned(), vec![]));
    let place = ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn", "jwt_payload", "org", "id"];
    let claim = Ask::Property(place.map(str::to_owned).to_vec());
    assert_eq!(read(&policy, "/", &[], Some(b"acme")), ("acme".to_owned(), vec![claim.clone()]));
    assert_eq!(read(&policy, "/", &[], None), (String::new(), vec![claim, Ask::ClientAddress]));
}

/// What Envoy's metadata looks like on the way: no types, numbers as floats.
#[test]
fn properties_are_what_their_bytes_mean() {
    let value = |source, told: &[u8]| read(&policy(&json!({}), &[source]), "/", &[], Some(told)).0;
    let cases: &[(&str, &[u8], &str)] = &[
        ("jwt:sub", b"ana", "ana"),
        ("jwt:sub", b"abcdefgh", "abcdefgh"),
        ("jwt:sub", &42_f64.to_le_bytes(), "42"),
        ("jwt:sub", &9_007_199_254_740_991_f64.to_le_bytes(), "9007199254740991"),
        ("jwt:sub", &0_f64.to_le_bytes(), "0"),
        ("jwt:sub", &f64::NAN.to_le_bytes(), ""),
        ("jwt:admin", &[1], "true"),
        ("jwt:sub", b"", ""),
        // Lists, `["a", "b"]`, `["a"]`, `[""]` and `[]`, and the object `{"a": "b"}`.
        ("jwt:groups", b"\x02\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0a\0\0b\0\0", ""),
        ("jwt:groups", b"\x01\0\0\0\x01\0\0\0\0\0\0\0a\0\0", ""),
        ("jwt:groups", b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0", ""),
        ("jwt:groups", b"\0\0\0\0", ""),
        ("jwt:org", b"\x01\0\0\0\x01\0\0\0\x01\0\0\0a\0b\0", ""),
        // A text is none of them, whatever its bytes.
        ("jwt:sub", b"\x01\0\0\0\x02\0\0\0\0\0\0\0a\0\0", "\u{1}\0\0\0\u{2}\0\0\0\0\0\0\0a\0\0"),
        ("jwt:sub", b"\xff\xff\xff\xffabcdefgh", "\u{fffd}\\xff\\xff\\xff\\xffabcdefgh"),
        ("property:source.port", &50_000_i64.to_le_bytes(), "50000"),
        ("property:/xds/route.name", b"llm", "llm"),
        ("mtls_subject", b"CN=ana,O=acme", "CN=ana,O=acme"),
        ("mtls_uri_san", b"spiffe://acme/ana", "spiffe://acme/ana"),
        ("client_ip", b"192.0.2.1:50000", "192.0.2.1"),
        ("client_ip", b"192.0.2.1", "192.0.2.1"),
        ("client_ip", b"[2001:db8::1]:1", "2001:db8::/64"),
        ("client_ip", b"@pipe", ""),
    ];
    for (source, told, expected) in cases {
        assert_eq!(value(source, told), *expected, "{source} of {told:?}");
    }
}

#[test]
fn a_payload_header_takes_the_place_of_metadata() {
    let policy = policy(&json!({"jwt": {"payload_header": "X-Jwt-Payload"}}), &["jwt:sub"]);
    let payload = URL_SAFE_NO_PAD.encode(r#"{"sub":"ana"}"#);
    let header: Headers<'_> = &[("x-jwt-payload", payload.as_bytes())];
    assert_eq!(read(&policy, "/", header, Some(b"no")), ("ana".to_owned(), vec![]));
    // Two payloads are one too many: whoever adds his own becomes nobody.
    let forged = URL_SAFE_NO_PAD.encode(r#"{"sub":"ben"}"#);
    let two: Headers<'_> = &[("x-jwt-payload", forged.as_bytes()), ("x-jwt-payload", payload.as_bytes())];
    assert_eq!(read(&policy, "/", two, None).0, "");
}

#[test]
fn what_a_client_puts_into_x_forwarded_for_does_not_count() {
    let policy = policy(&json!({"trusted_hops": 1}), &["client_ip"]);
    let ip = |headers| read(&policy, "/", headers, None).0;
    assert_eq!(ip(&[("x-forwarded-for", b"203.0.113.7")]), "203.0.113.7");
    assert_eq!(ip(&[("x-forwarded-for", b"6.6.6.6, 203.0.113.7")]), "203.0.113.7");
    // Also in lines of its own.
    assert_eq!(ip(&[("x-forwarded-for", b"6.6.6.6"), ("x-forwarded-for", b"203.0.113.7")]), "203.0.113.7");
    assert_eq!(ip(&[("x-forwarded-for", b"203.0.113.7, x")]), "");
    assert_eq!(ip(&[]), "");
}

/// One key is one caller, however it is spelled, and two are two.
#[test]
fn api_keys_are_hashes_of_the_key_itself() {
    let key = |headers| value("api_key", "/", headers);
    let one = key(&[("authorization", b"Bearer sk-1")]);
    assert!(one.starts_with("key-") && one.len() == 20 && !one.contains("sk"), "{one}");
    let same: [Headers<'_>; 4] = [
        &[("authorization", b"bearer  sk-1")],
        &[("api-key", b"sk-1")],
        &[("x-api-key", b"sk-1")],
        &[("authorization", b"Bearer sk-1"), ("x-api-key", b"junk")],
    ];
    same.into_iter().for_each(|headers| assert_eq!(key(headers), one, "{headers:?}"));
    assert_ne!(key(&[("authorization", b"Bearer sk-2")]), one);
    // AWS signs anew each time; the key stays.
    let signed = |signature: &str| {
        let text = format!(
            "AWS4-HMAC-SHA256 Credential=AKIA1/20261122/eu/bedrock/aws4_request, Signature={signature}"
        );
        value("api_key", "/", &[("authorization", text.as_bytes())])
    };
    assert_eq!(signed("aa"), signed("bb"));
}

/// Where the provider does not look, a key is nobody's: it could be another one in each call.
#[test]
fn each_dialects_own_key_comes_first() {
    let policy = policy(&json!({}), &["api_key"]);
    let headers: Vec<_> =
        [("authorization", "Bearer junk"), ("x-api-key", "sk-a"), ("x-goog-api-key", "sk-g")]
            .map(|(name, key)| (name.as_bytes(), key.as_bytes()))
            .to_vec();
    let of = |dialect, path: &str| {
        Identity::of(&policy, Head { headers: &headers, path: path.as_bytes(), dialect }).value(0).to_owned()
    };
    let only = |key: &str| value("api_key", "/", &[("api-key", key.as_bytes())]);
    assert_eq!(of("anthropic-messages", "/"), only("sk-a"));
    assert_eq!(of("gemini-generate", "/"), only("sk-g"));
    assert_eq!(of("gemini-generate", "/x?key=sk-q"), only("sk-q"));
    assert_eq!(of("openai-chat", "/x?key=sk-q"), only("junk"));
}

#[test]
fn cookies_are_hashes_too() {
    let cookie = |headers| value("cookie:sid", "/", headers);
    let one = cookie(&[("cookie", b"a=b; sid=secret; c=d")]);
    assert!(one.starts_with("cookie-") && !one.contains("secret"), "{one}");
    assert_eq!(cookie(&[("cookie", b"a=b"), ("cookie", b"sid=secret")]), one);
    assert_eq!(cookie(&[("cookie", b"sid=secret; sid=other")]), one);
    assert_eq!(cookie(&[("cookie", b"xsid=secret; sid; sid=; =sid")]), "");
    let many = "a=b; ".repeat(10_000) + "sid=secret";
    assert_eq!(cookie(&[("cookie", many.as_bytes())]), one);
}

#[test]
fn the_body_is_heard_last_and_comes_in_its_order() {
    let policy =
        policy(&json!({}), &["header:x-user", "body:/user", "body:/metadata/user_id", "value:nobody"]);
    assert_eq!(policy.pointers.len(), 2);
    let found = |headers: Headers<'_>, user: Option<&str>, metadata: Option<&str>| {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_bytes(), *v)).collect();
        let mut identity = Identity::of(&policy, Head { headers: &headers, ..Head::default() });
        identity.complete(&[user.map(str::to_owned), metadata.map(str::to_owned)]);
        identity.value(0).to_owned()
    };
    assert_eq!(found(&[("x-user", b"ana")], Some("no"), Some("no")), "ana");
    assert_eq!(found(&[], Some("ana"), Some("no")), "ana");
    assert_eq!(found(&[], None, Some("ana")), "ana");
    assert_eq!(found(&[], None, None), "nobody");
    let mut unread = Identity::of(&policy, Head::default());
    unread.complete(&[]);
    assert_eq!(unread.value(0), "nobody");
}

/// apisix#12896: the limits of one consumer were shared by all.
#[test]
fn two_callers_never_share_a_subject() {
    let json = json!({
        "version": 1, "name": "t",
        "identity": {"tenant": ["header:x-tenant"], "user": ["header:x-user", "cookie:sid", "api_key"]},
        "budgets": [{"name": "b", "per": ["tenant", "user"], "limit": {"tokens": 1}, "window": {"calendar": "day"},
            "ladder": [{"at": "100%", "deny": {}}]}]
    });
    let policy = Policy::parse(json.to_string().as_bytes()).unwrap();
    let key = |headers: Headers<'_>| {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_bytes(), *v)).collect();
        let identity = Identity::of(&policy, Head { headers: &headers, ..Head::default() });
        (policy.slot_key(&policy.budgets[0], &Subject::of(&identity)).tag, identity)
    };
    let api_key = key(&[("authorization", b"Bearer sk-1")]).1.value(1).to_owned();
    let mega = vec![b'a'; 1 << 20];
    let mut other = mega.clone();
    other.push(b'b');
    let callers: Vec<Vec<(&str, &[u8])>> = vec![
        vec![("x-tenant", b"a"), ("x-user", b"b,c")],
        vec![("x-tenant", b"a,b"), ("x-user", b"c")],
        vec![("x-tenant", b"ab"), ("x-user", b"c")],
        vec![("x-tenant", b"a"), ("x-user", b"bc")],
        vec![("x-tenant", b"a")],
        vec![("x-user", b"a")],
        vec![],
        vec![("x-user", b"\xa1")],
        vec![("x-user", b"\\xa1")],
        vec![("x-user", "\u{fffd}\\xa1".as_bytes())],
        vec![("x-user", &mega)],
        vec![("x-user", &other)],
        vec![("cookie", b"sid=1")],
        vec![("authorization", b"Bearer 1")],
        vec![("authorization", b"Bearer sk-1")],
        vec![("x-user", api_key.as_bytes())],
    ];
    let keys: HashSet<u64> = callers.iter().map(|headers| key(headers).0).collect();
    assert_eq!(keys.len(), callers.len());
}

proptest! {
    #[test]
    fn no_input_panics_and_every_value_is_bounded(
        path: Vec<u8>, dialect in "openai-chat|anthropic-messages|gemini-generate", told: Option<Vec<u8>>,
        values in prop::collection::vec((0..9_usize, any::<Vec<u8>>()), 0..8), hops in 0..4_u8,
    ) {
        const NAMES: [&str; 9] = ["x-user", "authorization", "x-api-key", "cookie", "x-forwarded-for", "traceparent",
            "b3", "x-jwt-payload", "x-b3-traceid"];
        let headers: Vec<_> =
            values.iter().map(|(name, value)| (NAMES[*name].as_bytes(), value.as_slice())).collect();
        let head = Head { headers: &headers, path: &path, dialect: &dialect };
        for source in ["header:x-user", "api_key", "jwt:sub", "jwt_unverified:a.b", "client_ip", "path_segment:2",
            "query:user", "cookie:sid", "body:/user", "trace_id", "mtls_subject", "property:a.b"] {
            for change in [json!({"trusted_hops": hops}), json!({"jwt": {"payload_header": "x-jwt-payload"}})] {
                let policy = policy(&change, &[source]);
                let mut reader = IdentityReader::new(&policy, head);
                while reader.wants().is_some() {
                    reader.answer(told.as_deref());
                }
                prop_assert!(reader.finish().value(0).len() < 300);
            }
        }
    }
}
