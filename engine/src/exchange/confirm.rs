//! Calls that their caller must confirm: a signed token goes out with the question, comes back with the same request,
//! and is good for that request, once and for some minutes.
//!
//! Nothing is stored until it comes back: the token is its own expiry, and a signature over that, the caller, the
//! provider, the path and the body. That it was used stands in the ledger, in a slot with room for one, for as long as it is good; where
//! each worker has a ledger of its own, it is good once in each.

use super::plan::Planned;
use super::{Exchange, Next};
use crate::ledger::{Hold, Level, NO_WARNING, WARNINGS_MAX, WindowRule};
use crate::policy::{Confirm, Confirmations, Header, OpenWindow, length_text};
use crate::refusal::{Refusal, RefusalKind, RuleState, is_english, rfc3339};
use crate::secret::is_same;
use crate::units::{EpochMs, NanoUsd};
use crate::usage::Usage;
use serde_json::{Map, Value};
use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;

/// The place in the policy's budgets of a hold that is none of a budget: a confirmation that is used up.
const NO_BUDGET: usize = usize::MAX;

/// What is known of the confirmation of a call.
#[derive(Debug, Default)]
pub(super) struct Confirming {
    /// What the headers offered.
    offered: Vec<Vec<u8>>,
    /// The signature of the body; `None` if it was not seen.
    body: Option<u128>,
    /// The good token that was offered, and not used before.
    token: Option<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    expires: EpochMs,
    signature: u128,
}

impl Token {
    /// Whether it is that which was signed.
    fn is(self, given: &Self) -> bool {
        is_same(&given.signature.to_le_bytes(), &self.signature.to_le_bytes())
    }

    fn text(self) -> String {
        format!("{:x}.{:032x}", self.expires.0, self.signature)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (expires, signature) = text.split_once('.')?;
        let is_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if signature.len() != 32 || !is_hex(signature) || !is_hex(expires) {
            return None;
        }
        let expires = EpochMs(i64::from_str_radix(expires, 16).ok()?);
        Some(Self { expires, signature: u128::from_str_radix(signature, 16).ok()? })
    }
}

impl Exchange {
    /// The request's headers: which of them confirm, and which choose an arm. One that stands more than once confirms nothing.
    pub fn offers(&mut self, headers: &[Header<'_>]) {
        self.wants_arm(headers);
        self.read_retries(headers);
        let Some(confirmations) = &self.policy.confirmations else { return };
        let value = |name: &String| {
            let mut values = headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
            let (_, value) = values.next()?;
            values.next().is_none().then(|| value.trim_ascii().to_vec())
        };
        self.confirming.offered = confirmations.headers.iter().filter_map(value).collect();
    }

    /// The body was seen: whether one of the offered tokens is good for it.
    pub(super) fn check_confirmation(&mut self, body: &[u8], now: EpochMs) {
        let Some(confirmations) = &self.policy.confirmations else { return };
        let mut hasher = hasher(confirmations, b"body");
        hasher.write(body);
        self.confirming.body = Some(hasher.finish128().as_u128());
        let latest = now.plus_ms(confirmations.within_ms);
        let good = |token: &Token| {
            let in_time = now < token.expires && token.expires <= latest;
            in_time && self.sign(token.expires).is_some_and(|own| own.is(token))
        };
        let offered = self.confirming.offered.iter().filter_map(|text| Token::parse(text));
        self.confirming.token = offered.into_iter().find(good);
    }

    fn sign(&self, expires: EpochMs) -> Option<Token> {
        let confirmations = self.policy.confirmations.as_ref()?;
        let body = self.confirming.body?.to_le_bytes();
        let mut hasher = hasher(confirmations, b"token");
        let mut field = |bytes: &[u8]| {
            hasher.write_u64(bytes.len() as u64);
            hasher.write(bytes);
        };
        field(self.policy.name.as_bytes());
        field(&expires.0.to_le_bytes());
        field(self.provider().unwrap_or_default().as_bytes());
        field(&self.route.path);
        field(&body);
        for place in 0..self.policy.identity.len() {
            field(self.identity.value(place).as_bytes());
        }
        Some(Token { expires, signature: hasher.finish128().as_u128() })
    }

    /// Whether the caller has confirmed this call.
    pub(super) const fn is_confirmed(&self) -> bool {
        self.confirming.token.is_some()
    }

    /// Whether the caller can be asked: a confirmation is of a body that was seen.
    pub(super) fn can_be_confirmed(&self) -> Result<(), String> {
        let why = "the body was not seen, so nobody can confirm it";
        self.confirming.body.map(|_| ()).ok_or_else(|| why.to_owned())
    }

    /// What is held so that a token is good once; it stays when the call was made.
    pub(super) fn confirmation_hold(&self) -> Option<Planned> {
        let Token { expires, signature } = self.confirming.token?;
        let window = WindowRule::Until(expires);
        let (key, warns) = (self.policy.confirmation_key(signature), [NO_WARNING; WARNINGS_MAX]);
        let hold = Hold { key, window, amount: 1, cap: Some(1), warns };
        Some(Planned {
            budget: NO_BUDGET,
            open: OpenWindow::until(expires),
            hold,
            expected: 1,
            reserved: None,
        })
    }

    /// The store says that a hold does not fit: if it is that of the token, it was used before, and is worth nothing.
    pub(super) fn token_was_used(
        &mut self,
        index: usize,
        level: Option<Level>,
        now: EpochMs,
    ) -> Option<Next> {
        level?;
        self.plan.get(index).filter(|planned| planned.budget == NO_BUDGET)?;
        self.confirming.token = None;
        self.outcome.shadow.clear();
        self.outcome.would.clear();
        if let Some(refused) = self.refuse_by_rules(now) {
            return Some(refused);
        }
        self.plan(now);
        Some(if self.plan.is_empty() { self.forward() } else { Next::Reserve })
    }

    /// The question: what the call needs, and how to confirm it. `says`: what of it, in words. `comes_to`: what it is
    /// expected to use, and its cost.
    pub(super) fn ask(
        &self,
        rule: &str,
        confirm: &Confirm,
        (says, language): (String, String),
        comes_to: (Usage, NanoUsd),
        now: EpochMs,
    ) -> Refusal {
        let within_ms = self.policy.confirmations.as_ref().map_or(0, |confirmations| confirmations.within_ms);
        let expires = now.plus_ms(within_ms);
        let within = length_text(within_ms.unsigned_abs());
        let header = &confirm.header;
        let how = format!(
            " To go on, send the same request again within {within}, with the `confirm_token` of this answer \
             in its header `{header}`."
        );
        let message = if is_english(&language) { says + &how } else { says };
        let (usage, cost) = comes_to;
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("estimated_tokens", usage.total().into());
        put("estimated_usd", cost.to_string().replace(['$', ','], "").into());
        put("confirm_header", header.clone().into());
        put("confirm_token", self.sign(expires).map(Token::text).into());
        put("confirm_until", rfc3339(expires).into());
        let rule = Some(RuleState { name: rule.to_owned(), fields });
        Refusal { rule, language, ..Refusal::other(RefusalKind::Confirm, message) }
    }
}

/// SipHash-2-4 is made for this: a short signature by a secret key (<https://www.aumasson.jp/siphash/siphash.pdf>).
fn hasher(confirmations: &Confirmations, purpose: &[u8]) -> SipHasher24 {
    let (first, second) = confirmations.key;
    let mut hasher = SipHasher24::new_with_keys(first, second);
    hasher.write_u64(purpose.len() as u64);
    hasher.write(purpose);
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_we_write_ourselves_is_a_token() {
        let token = Token { expires: EpochMs(1_795_348_800_000), signature: 7 };
        assert_eq!(Token::parse(token.text().as_bytes()), Some(token));
        let text = token.text();
        let (expires, signature) = text.split_once('.').unwrap();
        let upper = text.to_ascii_uppercase();
        for wrong in [
            "",
            ".",
            "1.2",
            expires,
            signature,
            &upper,
            &format!("+{text}"),
            &format!("-{text}"),
            &format!("{text}0"),
            &format!("{text}, {text}"),
            &format!("{text}.0"),
            &format!("0x{text}"),
            &format!(".{signature}"),
            &format!("ffffffffffffffff.{signature}"),
            &format!("{expires}.+{}", &signature[1..]),
            "\u{e4}.\u{e4}",
        ] {
            assert_eq!(Token::parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(Token::parse(b"\xff\xfe"), None);
    }
}
