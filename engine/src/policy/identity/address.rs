//! Addresses of clients as proxies write them, in one form.

use crate::excerpt::Excerpt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The address in `192.0.2.1`, `192.0.2.1:50000`, `2001:db8::1` or `[2001:db8::1]:50000`; nothing else is one.
///
/// Of IPv6 the first 64 bits: a customer has at least as many addresses as the rest can number (RFC 6177), and each
/// would be a budget of its own.
pub(super) fn address(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = bare.parse::<IpAddr>().ok().or_else(with_port)?.to_canonical();
    let text = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    };
    Excerpt::of(text.as_bytes())
}

/// The address that `hops` trusted proxies vouch for: that many from the end. What stands before it the client
/// itself may have written.
pub(super) fn forwarded_for(header: &[u8], hops: usize) -> Option<&[u8]> {
    header.rsplit(|byte| *byte == b',').nth(hops.checked_sub(1)?).map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        let cases = [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:50000", Some("192.0.2.1")),
            (" 192.0.2.1 ", Some("192.0.2.1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("[::ffff:192.0.2.1]:80", Some("192.0.2.1")),
            ("2001:db8:1:2:3:4:5:6", Some("2001:db8:1:2::/64")),
            ("[2001:DB8:1:2::9]:443", Some("2001:db8:1:2::/64")),
            ("[2001:db8:1:2::9]", Some("2001:db8:1:2::/64")),
            ("unknown", None),
            ("/tmp/envoy.sock", None),
            ("", None),
            ("192.0.2.1, 10.0.0.1", None),
            ("192.0.2.256", None),
            ("1.2.3.4:99999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(address(text.as_bytes()).as_deref(), expected, "{text}");
        }
        assert_eq!(address(b"\xff"), None);
    }

    #[test]
    fn what_the_client_wrote_itself_does_not_count() {
        let header = b"6.6.6.6, 203.0.113.7 ,10.0.0.1";
        assert_eq!(forwarded_for(header, 1), Some(&b"10.0.0.1"[..]));
        assert_eq!(forwarded_for(header, 2), Some(&b"203.0.113.7"[..]));
        assert_eq!(forwarded_for(header, 4), None);
        assert_eq!(forwarded_for(header, 0), None);
    }
}
