//! What proxies call that which a policy's identity asks for. Called when a request's headers are there.

use crate::host::{self, Status};
use crate::root::HostKind;
use tokenstile_engine::policy::{Ask, Head, Identity, IdentityReader, Policy};

/// Reads who pays; asks the proxy only for what the request itself does not tell. With a reason, if the proxy failed
/// to answer: then somebody else than the caller may stand there.
pub(crate) fn read(policy: &Policy, head: Head<'_>, kind: HostKind) -> (Identity, Option<String>) {
    let mut reader = IdentityReader::new(policy, head);
    let mut failure = None;
    while let Some(ask) = reader.wants() {
        let told = path(ask, kind).map_or(Err(host::NOT_FOUND), |path| property(&path));
        if let Err(status) = told
            && !is_absent(status)
        {
            failure = Some(format!("a property of the identity answered status {status}"));
        }
        reader.answer(told.ok().as_deref());
    }
    (reader.finish(), failure)
}

/// The property's name on this proxy, if it has one.
fn path(ask: &Ask, kind: HostKind) -> Option<Vec<&str>> {
    match (ask, kind) {
        (Ask::ClientAddress, HostKind::Envoy | HostKind::Wasmx) => Some(vec!["source", "address"]),
        (Ask::ClientAddress, HostKind::Apisix) => Some(vec!["remote_addr"]),
        (Ask::PeerSubject, HostKind::Envoy) => Some(vec!["connection", "subject_peer_certificate"]),
        (Ask::PeerSubject, HostKind::Wasmx) => Some(vec!["ngx", "ssl_client_s_dn"]),
        (Ask::PeerSubject, HostKind::Apisix) => Some(vec!["ssl_client_s_dn"]),
        (Ask::PeerUriSan, HostKind::Envoy) => Some(vec!["connection", "uri_san_peer_certificate"]),
        // nginx has no variable of it.
        (Ask::PeerUriSan, HostKind::Wasmx | HostKind::Apisix) => None,
        (Ask::Property(path), _) => Some(path.iter().map(String::as_str).collect()),
    }
}

/// Once more where the proxy failed: without it another pays.
fn property(path: &[&str]) -> Result<Vec<u8>, Status> {
    host::property(path).or_else(|status| if is_absent(status) { Err(status) } else { host::property(path) })
}

/// The statuses by which proxies say that there is no such thing, or nothing in it that has bytes.
const fn is_absent(status: Status) -> bool {
    matches!(status, host::NOT_FOUND | host::BAD_ARGUMENT | host::SERIALIZATION_FAILURE | host::UNIMPLEMENTED)
}
