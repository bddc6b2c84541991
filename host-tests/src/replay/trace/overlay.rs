//! Users, tiers, features and models for token counts that have none: made up, and said to be. The same seed makes the same
//! of the same trace, on every machine.

use super::Dimensions;
use rand::{RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Zipf};
use std::sync::Arc;
use tokenstile_engine::price::PRICES_AS_OF;
use tokenstile_engine::units::EpochMs;

/// What is made up.
#[derive(Debug, Clone)]
pub struct Overlay {
    /// What the draws begin from.
    pub seed: u64,
    /// How many users there are.
    pub users: u32,
    /// How much more the busy ones call: the exponent of Zipf's law; 0 for all alike.
    pub zipf: f64,
    /// How many tenants they belong to.
    pub tenants: u32,
    /// The tiers and their shares of the users.
    pub tiers: Shares,
    /// The features and their shares of the calls.
    pub features: Shares,
    /// The models and their shares of the calls.
    pub models: Shares,
    /// When a trace begins that counts its times from its own beginning, or has none.
    pub start: EpochMs,
}

impl Default for Overlay {
    fn default() -> Self {
        let shares = |shares: &[(&str, f64)]| {
            Shares(shares.iter().map(|(name, share)| ((*name).into(), *share)).collect())
        };
        Self {
            seed: 1,
            users: 200,
            zipf: 1.1,
            tenants: 12,
            tiers: shares(&[("free", 80.0), ("pro", 17.0), ("enterprise", 3.0)]),
            features: shares(&[("chat", 60.0), ("search", 25.0), ("summaries", 15.0)]),
            models: shares(&[("gpt-4o", 50.0), ("gpt-4o-mini", 50.0)]),
            start: default_start(),
        }
    }
}

/// The day of the price facts.
fn default_start() -> EpochMs {
    super::time::read(&format!("{PRICES_AS_OF}T00:00:00Z")).unwrap_or_default()
}

/// Names and their shares.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shares(Vec<(Arc<str>, f64)>);

impl std::str::FromStr for Shares {
    type Err = String;

    /// `free=80,pro=20`; a name alone has one share.
    fn from_str(text: &str) -> Result<Self, String> {
        let share = |part: &str| {
            let (name, share) = part.split_once('=').unwrap_or((part, "1"));
            let number = share.trim().parse::<f64>().ok().filter(|share| share.is_finite() && *share > 0.0);
            let number =
                number.ok_or_else(|| format!("`{share}` is no share of `{name}`; write `free=80,pro=20`"))?;
            match name.trim() {
                "" => Err("a share has no name; write `free=80,pro=20`".to_owned()),
                name => Ok((name.into(), number)),
            }
        };
        text.split(',').map(share).collect::<Result<_, _>>().map(Self)
    }
}

impl Shares {
    fn draw(&self, at: f64) -> Option<Arc<str>> {
        let sum: f64 = self.0.iter().map(|(_, share)| share).sum();
        let mut left = at * sum;
        let drawn = self.0.iter().find(|(_, share)| {
            left -= share;
            left < 0.0
        });
        drawn.or(self.0.last()).map(|(name, _)| name.clone())
    }
}

/// The draws for one trace.
pub(super) struct Drawn {
    rng: ChaCha8Rng,
    zipf: Option<Zipf<f64>>,
    users: Vec<User>,
    features: Shares,
    models: Shares,
    names: [Arc<str>; 4],
}

struct User {
    name: Arc<str>,
    tenant: Arc<str>,
    tier: Option<Arc<str>>,
}

impl Drawn {
    pub(super) fn new(overlay: &Overlay) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(overlay.seed);
        let count = overlay.users.max(1);
        let user = |number: u32| User {
            name: format!("user-{number:04}").into(),
            tenant: format!("tenant-{:02}", rng.random_range(1..=overlay.tenants.max(1))).into(),
            tier: overlay.tiers.draw(rng.random()),
        };
        Self {
            users: (1..=count).map(user).collect(),
            zipf: Zipf::new(f64::from(count), overlay.zipf).ok(),
            features: overlay.features.clone(),
            models: overlay.models.clone(),
            names: ["user", "tenant", "tier", "feature"].map(Into::into),
            rng,
        }
    }

    /// What a call says of itself, and what is made up of the rest. Draws as often whatever is known.
    pub(super) fn complete(&mut self, own: Dimensions, model: Option<Arc<str>>) -> (Dimensions, Arc<str>) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank, from 1 to a u32"
        )]
        let rank = self.zipf.as_ref().map_or(1, |zipf| zipf.sample(&mut self.rng) as usize);
        let feature = self.features.draw(self.rng.random());
        let drawn_model = self.models.draw(self.rng.random());
        let mut all = own;
        if let Some(user) = self.users.get(rank.saturating_sub(1)).or(self.users.first()) {
            // Who has a name of their own has a tier and a tenant of their own, or none.
            let named = all.iter().any(|(name, _)| **name == *"user");
            let drawn = [Some(&user.name), Some(&user.tenant), user.tier.as_ref(), feature.as_ref()];
            for (name, value) in self.names.iter().zip(drawn) {
                let of_user = **name != *"feature";
                if let Some(value) = value.filter(|_| !(named && of_user))
                    && !all.iter().any(|(known, _)| known == name)
                {
                    all.push((name.clone(), value.clone()));
                }
            }
        }
        (all, model.or(drawn_model).unwrap_or_else(|| "".into()))
    }
}
