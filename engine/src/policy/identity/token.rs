//! Claims of a JWT's payload. No signature is checked here: the policy says who has done that.

use crate::base64::sextet;
use crate::json::{Pointer, PointerFinder, Reader};

/// Longer payloads are not read: proxies take headers of 60 KiB at most, and tokens are far shorter.
const PAYLOAD_MAX: usize = 32 * 1024;

/// The value of a claim in a payload as base64url (RFC 7515, section 3); `None` if that is no such thing.
pub(super) fn claim(payload: &[u8], claim: &Pointer) -> Option<String> {
    let json = decoded(payload)?;
    std::str::from_utf8(&json).ok()?;
    let mut finder = PointerFinder::new(std::slice::from_ref(claim));
    let mut reader = Reader::new();
    reader.feed(&json, &mut finder).and_then(|()| reader.finish(&mut finder)).ok()?;
    finder.values().ok()?.pop()?
}

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii_end();
    let digits = text.iter().position(|byte| *byte == b'=').unwrap_or(text.len());
    let (digits, padding) = text.split_at(digits);
    if digits.len() > PAYLOAD_MAX || padding.len() > 2 || padding.iter().any(|byte| *byte != b'=') {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len());
    for quad in digits.chunks(4) {
        let bits = quad.iter().try_fold(0_u32, |bits, digit| Some(bits << 6 | sextet(*digit)?))?;
        let missing = 4_usize.saturating_sub(quad.len());
        if missing == 3 {
            return None;
        }
        let [_, bytes @ ..] = (bits << missing.saturating_mul(6)).to_be_bytes();
        out.extend(bytes.iter().take(3_usize.saturating_sub(missing)));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    #[test]
    fn claims_are_read_and_what_is_no_payload_says_nothing() {
        let json = r#"{"sub":"ana","n":42,"org":{"id":"acme"},"https://x.test/plan":"pro","aud":["a"]}"#;
        let claims = [
            ("/sub", Some("ana")),
            ("/n", Some("42")),
            ("/org/id", Some("acme")),
            ("/https:~1~1x.test~1plan", Some("pro")),
            ("/aud", None),
            ("/missing", None),
        ];
        for (pointer, expected) in claims {
            let pointer = Pointer::parse(pointer).unwrap();
            for payload in [STANDARD.encode(json), URL_SAFE.encode(json), URL_SAFE_NO_PAD.encode(json)] {
                assert_eq!(claim(payload.as_bytes(), &pointer).as_deref(), expected, "{pointer:?}");
            }
        }
        let sub = Pointer::parse("/sub").unwrap();
        let long = URL_SAFE.encode(format!(r#"{{"x":"{}","sub":"ana"}}"#, "x".repeat(PAYLOAD_MAX)));
        let deep = URL_SAFE.encode(format!("{}{}", "[".repeat(5000), "]".repeat(5000)));
        let twice = URL_SAFE.encode(r#"{"sub":"ana","sub":"ben"}"#);
        let latin = URL_SAFE.encode(b"{\"sub\":\"\xe4\"}");
        for hostile in ["", "=", "====", "a", "ab=c", "e30", "!!!!", &long, &deep, &twice, &latin, json] {
            assert_eq!(claim(hostile.as_bytes(), &sub), None, "{}", &hostile[..hostile.len().min(40)]);
        }
    }

    proptest! {
        #[test]
        fn base64_is_decoded_as_others_do(bytes: Vec<u8>) {
            prop_assert_eq!(decoded(URL_SAFE_NO_PAD.encode(&bytes).as_bytes()), Some(bytes));
        }

        #[test]
        fn no_payload_panics(bytes: Vec<u8>) {
            let _ = claim(&bytes, &Pointer::parse("/sub").unwrap());
        }
    }
}
