//! Who pays, by what a real Envoy knows: its own jwt_authn filter verifies the token, and its metadata says so.

use crate::client::{Call, Client};
use crate::setup::{Setup, hello, policy};
use serde_json::{Value, json};

/// The symmetric key of the tokens: `tokenstile-test-key-of-32-bytes!`.
const KEYS: &str =
    r#"{"keys":[{"kty":"oct","alg":"HS256","kid":"k","k":"dG9rZW5zdGlsZS10ZXN0LWtleS1vZi0zMi1ieXRlcyE"}]}"#;
/// `{"alg":"HS256","typ":"JWT","kid":"k"}`.
const HEAD: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ";
/// `{"iss":"https://issuer.test","sub":"ana","n":42,"admin":true,"org":{"id":"acme"},"https://acme.test/plan":"pro"}`.
const ANA: &str = "eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0Iiwic3ViIjoiYW5hIiwibiI6NDIsImFkbWluIjp0cnVlLCJvcmciOnsiaWQiOiJhY21lIn0sImh0dHBzOi8vYWNtZS50ZXN0L3BsYW4iOiJwcm8ifQ";
const ANAS_SIGNATURE: &str = "ebF8huY-nwpcZ67IQb_ZoQPrR1xxTsb_6dju8ArV4xo";
/// `{"iss":"https://issuer.test","sub":"ben12345"}`: as many bytes as a number has.
const BEN: &str = "eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0Iiwic3ViIjoiYmVuMTIzNDUifQ";
const BENS_SIGNATURE: &str = "YG3VcfcEPGyDI4VBHFmIi3WmQrrqScE_zNMANPOHDxk";

/// Verifies tokens where there are any, and lets the others pass.
fn jwt_authn() -> Value {
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"idp": {
                "issuer": "https://issuer.test", "payload_in_metadata": "verified", "forward": true,
                "forward_payload_header": "x-jwt-payload", "local_jwks": {"inline_string": KEYS},
                "from_headers": [{"name": "x-token"}],
            }},
            "rules": [{"match": {"prefix": "/"}, "requires": {"requires_any": {"requirements": [
                {"provider_name": "idp"}, {"allow_missing": {}}]}}}],
        },
    })
}

/// The identity of a call of this token.
async fn identity(setup: &Setup, client: &Client, token: Option<&str>, count: usize) -> Value {
    let mut call = Call::chat(hello("gpt-4o")).header("x-user-id", "forged");
    if let Some(token) = token {
        call = call.header("x-token", token);
    }
    let answer = client.send(call).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    setup.newest(count)["identity"].clone()
}

fn sources(change: Value) -> Value {
    let mut policy = policy(false);
    policy["identity"] = json!({
        "user": ["jwt:sub", "value:nobody"], "number": ["jwt:n"], "admin": ["jwt:admin"], "org": ["jwt:org.id"],
        "plan": ["jwt:/https:~1~1acme.test~1plan"], "issuer": ["jwt:iss"], "whole": ["jwt:org"], "ip": ["client_ip"],
        "cert": ["mtls_subject"], "protocol": ["property:request.protocol"], "port": ["property:destination.port"],
    });
    policy["jwt"] = change;
    policy
}

pub(crate) async fn verified_claims_are_read_from_envoys_metadata() {
    let setup = &Setup::new(&sources(json!({"payload_in_metadata": "verified"})), |options| {
        options.filters_before = vec![jwt_authn()];
    });
    let client = &setup.http1();
    setup.case("metadata");
    let ana = format!("{HEAD}.{ANA}.{ANAS_SIGNATURE}");
    let found = identity(setup, client, Some(&ana), 1).await;
    let expected = [
        ("user", "ana"),
        ("number", "42"),
        ("admin", "true"),
        ("org", "acme"),
        ("plan", "pro"),
        ("issuer", "https://issuer.test"),
        // An object is nobody's name.
        ("whole", ""),
        ("ip", "127.0.0.1"),
        ("cert", ""),
        ("protocol", "HTTP/1.1"),
    ];
    for (dimension, value) in expected {
        assert_eq!(found[dimension], value, "{dimension} of {found}");
    }
    assert!(found["port"].as_str().unwrap().parse::<u16>().unwrap() > 1000, "{found}");
    let ben = format!("{HEAD}.{BEN}.{BENS_SIGNATURE}");
    let found = identity(setup, client, Some(&ben), 2).await;
    assert_eq!((&found["user"], &found["number"]), (&json!("ben12345"), &json!("")));
    let found = identity(setup, client, None, 3).await;
    assert_eq!(found["user"], "nobody", "{found}");
    // One's own words under another's signature go no further than Envoy.
    let call = Call::chat(hello("gpt-4o")).header("x-token", format!("{HEAD}.{BEN}.{ANAS_SIGNATURE}"));
    assert_eq!(client.send(call).await.status, 401);
}

pub(crate) async fn verified_claims_are_read_from_the_forwarded_payload() {
    let setup = &Setup::new(&sources(json!({"payload_header": "x-jwt-payload"})), |options| {
        options.filters_before = vec![jwt_authn()];
    });
    setup.case("payload header");
    let ana = format!("{HEAD}.{ANA}.{ANAS_SIGNATURE}");
    let found = identity(setup, &setup.http1(), Some(&ana), 1).await;
    let got = ["user", "number", "admin", "org", "plan"].map(|name| found[name].clone());
    assert_eq!(json!(got), json!(["ana", "42", "true", "acme", "pro"]));
    // Envoy takes out what a client writes there itself: with its own token or without, nobody becomes Ben.
    for (count, token, user) in [(2, Some(ana.as_str()), "ana"), (3, None, "nobody")] {
        let mut call = Call::chat(hello("gpt-4o")).header("x-jwt-payload", BEN);
        if let Some(token) = token {
            call = call.header("x-token", token);
        }
        assert_eq!(setup.http1().send(call).await.status, 200);
        assert_eq!(setup.newest(count)["identity"]["user"], user);
    }
    let sent = setup.upstream.ledger().last().unwrap();
    assert_eq!(sent.header("x-jwt-payload"), None);
}
