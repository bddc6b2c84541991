//! Reads an identity source by source. Called by the shell when the headers of a request are there.

use super::address::{address, forwarded_for};
use super::head::{Head, bearer_token};
use super::source::{Ask, Source};
use super::{Identity, token};
use crate::excerpt::Excerpt;
use crate::policy::Policy;

/// An identity that is being read.
#[derive(Debug)]
pub struct IdentityReader<'r> {
    policy: &'r Policy,
    head: Head<'r>,
    /// The dimension at hand and its next source.
    at: (usize, usize),
    identity: Identity,
    asked: Option<&'r Ask>,
}

impl<'r> IdentityReader<'r> {
    /// Reads as far as the request itself tells.
    #[must_use]
    pub fn new(policy: &'r Policy, head: Head<'r>) -> Self {
        let mut reader = Self { policy, head, at: (0, 0), identity: Identity::default(), asked: None };
        reader.go_on();
        reader
    }

    /// What the proxy must tell before it goes on: give it to [`IdentityReader::answer`].
    #[must_use]
    pub const fn wants(&self) -> Option<&'r Ask> {
        self.asked
    }

    /// What the proxy told; `None` if it knows nothing of it.
    pub fn answer(&mut self, told: Option<&[u8]>) {
        let Some(ask) = self.asked.take() else { return };
        if let Some(value) = told.and_then(|told| ask.value(told)) {
            self.found(value);
        }
        self.go_on();
    }

    /// Who pays, as far as it is known without the body.
    #[must_use]
    pub fn finish(self) -> Identity {
        self.identity
    }

    fn found(&mut self, value: String) {
        self.identity.values.push(value);
        self.at = (self.at.0.saturating_add(1), 0);
    }

    fn go_on(&mut self) {
        while let Some(dimension) = self.policy.identity.get(self.at.0) {
            let Some(source) = dimension.sources.get(self.at.1) else {
                self.found(String::new());
                continue;
            };
            self.at.1 = self.at.1.saturating_add(1);
            match source {
                Source::Asked(ask) => {
                    self.asked = Some(ask);
                    return;
                }
                Source::Body(pointer) => self.identity.pending.push((self.at.0, *pointer)),
                _ => {
                    if let Some(value) = self.value(source) {
                        self.found(value);
                    }
                }
            }
        }
    }

    fn value(&self, source: &Source) -> Option<String> {
        let head = &self.head;
        match source {
            Source::Header(name) => Excerpt::of(&head.joined(name, b", ")?),
            Source::ApiKey => head.api_key(self.policy.hash_seed()),
            Source::JwtHeader { header, claim } => token::claim(&head.joined(header, b",")?, claim),
            Source::JwtUnverified { claim } => {
                let authorization = head.joined("authorization", b",")?;
                let mut parts = bearer_token(&authorization)?.split(|byte| *byte == b'.');
                let payload = parts.nth(1)?;
                // Three parts, or it is no JWT.
                (parts.next().is_some() && parts.next().is_none()).then(|| token::claim(payload, claim))?
            }
            Source::ForwardedFor { hops } => {
                address(forwarded_for(&head.joined("x-forwarded-for", b",")?, *hops)?)
            }
            Source::PathSegment(number) => Excerpt::of(head.path_segment(*number)?.as_bytes()),
            Source::Query(name) => Excerpt::of(&head.query(name)?),
            Source::Cookie(name) => head.cookie(name, self.policy.hash_seed()),
            Source::TraceId => head.trace_id(),
            Source::Constant(value) => Some(value.clone()),
            Source::Asked(_) | Source::Body(_) => None,
        }
    }
}
