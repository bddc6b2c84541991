//! Hints: what a policy does as it says, and what may surprise.

use super::{FINE, check, hints, with};

#[test]
fn callers_whom_no_source_names_share_a_budget() {
    let found = hints(&with(FINE));
    let [(code, path, message)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((code.as_str(), path.as_str()), ("shared-budget", "identity.user"));
    assert_eq!(message, "callers without a `user` are one subject: they share what each has in `b`");
    for last in ["client_ip", "value:anonymous"] {
        let policy = with(FINE).replace("\"api_key\"", &format!("\"api_key\", \"{last}\""));
        assert_eq!(hints(&policy), []);
    }
}

/// Nothing is wrong: no status says so, and who means it is not told.
#[test]
fn a_hint_is_no_warning() {
    let policy = with(FINE);
    assert_eq!(
        check(&["-q", "--deny-warnings", "--allow", "no-worst-case"], &policy),
        (0, "<stdin>: ok\n".to_owned())
    );
    let (status, text) = check(&["--deny-warnings"], &policy);
    assert!(status == 0 && text.contains("note[shared-budget]"), "{text}");
    let (_, text) = check(&["--allow", "shared-budget"], &policy);
    assert!(!text.contains("shared-budget"), "{text}");
    let (_, text) = check(&["--format", "github"], &policy);
    assert!(text.contains("::notice file=<stdin>,line=1"), "{text}");
}

#[test]
fn a_header_of_a_route_that_clients_can_send_is_told_unless_it_is_stripped() {
    let route =
        r#""routes": [{"name": "pool", "match": {"tier": "pro"}, "set": {"headers": {"x-pool": "fast"}}}],"#;
    let budgets = FINE.replace("\"user\"", "");
    let policy = with(&format!("\"hold_headers\": true, {route} {budgets}"));
    let found = hints(&policy);
    let [(code, path, message)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((code.as_str(), path.as_str()), ("clients-header", "routes[0].set.headers.x-pool"));
    assert_eq!(
        message,
        "a client that sends `x-pool` itself goes where `pool` would send it, whatever `pool` asks for"
    );
    assert_eq!(hints(&policy.replace("\"routes\"", "\"strip_request_headers\": [\"x-p*\"], \"routes\"")), []);
    let off_peak = include_str!("../../../policies/off-peak.json");
    assert_eq!(hints(off_peak), []);
}
