//! Reads the packed price book where it stands: nothing is built when a VM starts. The layout is said in
//! `build.rs`. Whatever does not fit it is not found; nothing here can fail otherwise.

use super::{Price, Unit};
use crate::dialect::Features;
use crate::units::EpochMs;

const BOOK: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/book.bin"));

/// How fast, or how patiently, a call is served. The price differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServiceTier {
    /// As by default.
    #[default]
    Standard,
    /// Later, by the hour.
    Batch,
    /// When there is room.
    Flex,
    /// Before others.
    Priority,
    /// By faster machines.
    Fast,
}

impl ServiceTier {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Standard, Self::Batch, Self::Flex, Self::Priority, Self::Fast];

    /// By the name that a request or an answer gives; what no price differs for is standard. Gemini also says
    /// `SERVICE_TIER_FLEX` (an enumeration of its API), Vertex AI `ON_DEMAND_FLEX` (`trafficType`).
    #[must_use]
    pub fn named(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let bare = name.strip_prefix("service_tier_").or_else(|| name.strip_prefix("on_demand_"));
        let bare = bare.unwrap_or(&name);
        Self::ALL.into_iter().find(|tier| tier.name() == bare).unwrap_or_default()
    }

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Batch => "batch",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Fast => "fast",
        }
    }

    const fn packed(self) -> Option<u8> {
        match self {
            Self::Standard => None,
            Self::Batch => Some(0),
            Self::Flex => Some(1),
            Self::Priority => Some(2),
            Self::Fast => Some(3),
        }
    }
}

/// A place in the packed bytes.
#[derive(Debug, Clone, Copy)]
struct Cursor(&'static [u8]);

impl Cursor {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut n = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(n);
            }
        }
        None
    }

    fn sized(&mut self) -> Option<&'static [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<&'static str> {
        std::str::from_utf8(self.sized()?).ok()
    }

    /// Evaluates a match rule on a lower-case name, and passes it.
    fn rule(&mut self, name: &[u8]) -> Option<bool> {
        Some(match self.byte()? {
            0 => false,
            1 => self.sized()? == name,
            2 => name.starts_with(self.sized()?),
            3 => name.ends_with(self.sized()?),
            4 => memchr::memmem::find(name, self.sized()?).is_some(),
            5 => fits(self.sized()?, name, Ends::Here),
            // Every rule of a list is passed, whichever decides.
            6 => (0..self.number()?).try_fold(false, |any, _| Some(self.rule(name)? || any))?,
            7 => (0..self.number()?).try_fold(true, |all, _| Some(self.rule(name)? && all))?,
            8 => !self.rule(name)?,
            9 => true,
            _ => return None,
        })
    }

    /// Passes a condition and says whether it holds, and where the entry's price stands.
    fn entry(&mut self, at: EpochMs) -> Option<(bool, Price)> {
        let holds = match self.byte()? {
            0 => true,
            1 => at.0.div_euclid(86_400_000) >= i64::try_from(self.number()?).ok()?,
            _ => {
                let (from, to) = (self.number()?, self.number()?);
                let minute = u64::try_from(at.0.rem_euclid(86_400_000) / 60_000).ok()?;
                if to < from { minute >= from || minute < to } else { (from..to).contains(&minute) }
            }
        };
        Some((holds, price_at(self.number()?)?))
    }
}

/// Where a name that fits may end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// With the pattern.
    Here,
    /// There, or at a slash with anything behind it.
    OrSlash,
}

/// Whether a name fits a pattern: `#` is a digit, `?` anything, `*` any number of anything.
fn fits(pattern: &[u8], name: &[u8], ends: Ends) -> bool {
    let (mut p, mut n) = (pattern, name);
    // Behind the last star, and the name from where it is to be tried next.
    let mut again: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match (p.split_first(), n.split_first()) {
            (None, None) => return true,
            (None, Some((b'/', _))) if ends == Ends::OrSlash => return true,
            (Some((b'*', behind)), _) => {
                again = Some((behind, n));
                p = behind;
                continue;
            }
            (Some((sign, p)), Some((byte, n))) => {
                let fits = match sign {
                    b'#' => byte.is_ascii_digit(),
                    b'?' => true,
                    other => other == byte,
                };
                fits.then_some((p, n))
            }
            _ => None,
        };
        (p, n) = match (step, again) {
            (Some(step), _) => step,
            (None, Some((behind, [_, rest @ ..]))) => {
                again = Some((behind, rest));
                (behind, rest)
            }
            (None, _) => return false,
        };
    }
}

fn price_at(place: u64) -> Option<Price> {
    let prices = Cursor(BOOK).sized()?;
    let mut cursor = Cursor(prices.get(usize::try_from(place).ok()?..)?);
    let mut price = Price::default();
    for _ in 0..cursor.number()? {
        let unit = Unit::ALL.get(usize::from(cursor.byte()?)).copied()?;
        price.set(unit, cursor.number()?);
        for _ in 0..cursor.number()? {
            price.set_above(cursor.number()?, unit, cursor.number()?);
        }
    }
    Some(price)
}

/// Behind the prices: where the dearest one stands, and the providers.
fn providers() -> Option<(u64, impl Iterator<Item = Provider>)> {
    let (dearest, records) = records()?;
    Some((dearest, records.map_while(Provider::read)))
}

/// The same, with providers that were not read yet.
fn records() -> Option<(u64, impl Iterator<Item = Cursor>)> {
    let mut cursor = Cursor(BOOK);
    cursor.sized()?;
    let dearest = cursor.number()?;
    let count = cursor.number()?;
    Some((dearest, (0..count).map_while(move |_| cursor.sized().map(Cursor))))
}

/// One who serves models and bills for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Provider {
    pub(super) id: &'static str,
    rule: Cursor,
    fallbacks: Cursor,
}

/// A model of a provider.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model {
    pub(super) id: &'static str,
    /// Tokens; 0 if the table does not say.
    pub(super) context: u64,
    entries: Cursor,
}

impl Provider {
    fn read(mut cursor: Cursor) -> Option<Self> {
        let id = cursor.text()?;
        for _ in 0..cursor.number()? {
            cursor.sized()?;
        }
        let rule = cursor;
        cursor.rule(b"")?;
        Some(Self { id, rule, fallbacks: cursor })
    }

    /// Every one.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        providers().into_iter().flat_map(|(_, all)| all)
    }

    /// Its models.
    pub(super) fn models(self) -> impl Iterator<Item = Model> {
        let mut models = self.dearest_and_models().map(|(_, models)| models);
        let count = models.as_mut().and_then(Cursor::number).unwrap_or(0);
        (0..count).map_while(move |_| models.as_mut()?.sized()).filter_map(|record| {
            let mut record = Cursor(record);
            record.rule(b"")?;
            Some(Model { id: record.text()?, context: record.number()?, entries: record })
        })
    }

    /// By the table's name for it.
    pub(super) fn named(id: &str) -> Option<Self> {
        providers()?.1.find(|provider| provider.id == id)
    }

    /// By the host of a request, and by its path where several share a host.
    pub(super) fn of_host(host_and_path: &[u8]) -> Option<Self> {
        let serves = |record: &Cursor| {
            let mut hosts = *record;
            let count = hosts.sized().and_then(|_id| hosts.number()).unwrap_or(0);
            (0..count).map_while(|_| hosts.sized()).any(|host| fits(host, host_and_path, Ends::OrSlash))
        };
        records()?.1.find(serves).and_then(Provider::read)
    }

    /// Those whose models have such names.
    pub(super) fn of_model(name: &str) -> impl Iterator<Item = Self> {
        let all = providers().into_iter().flat_map(|(_, all)| all);
        all.filter(move |provider| provider.rule.clone().rule(name.as_bytes()) == Some(true))
    }

    /// A model by its lower-case name, here or with those whose models this provider serves too.
    pub(super) fn model(self, name: &str) -> Option<Model> {
        self.own_model(name).or_else(|| {
            let mut fallbacks = self.fallbacks;
            let count = fallbacks.number()?;
            (0..count).find_map(|_| {
                let place = usize::try_from(fallbacks.number()?).ok()?;
                providers()?.1.nth(place)?.own_model(name)
            })
        })
    }

    fn own_model(self, name: &str) -> Option<Model> {
        let (_, mut models) = self.dearest_and_models()?;
        let count = models.number()?;
        (0..count).find_map(|_| {
            let mut record = Cursor(models.sized()?);
            if !record.rule(name.as_bytes())? {
                return None;
            }
            Some(Model { id: record.text()?, context: record.number()?, entries: record })
        })
    }

    fn surcharges(self) -> Option<Cursor> {
        let mut cursor = self.fallbacks;
        for _ in 0..cursor.number()? {
            cursor.number()?;
        }
        Some(cursor)
    }

    /// Thousandths of the standard rate that the tokens of a model cost in a tier, at a place.
    pub(super) fn times(self, model: &str, tier: Option<ServiceTier>, place: &str) -> Option<u64> {
        let mut cursor = self.surcharges()?;
        let mut times = 1_000_u64;
        for _ in 0..cursor.number()? {
            let sign = cursor.byte()?;
            let concerns = if sign == u8::MAX {
                cursor.sized()? == place.as_bytes()
            } else {
                tier.and_then(ServiceTier::packed) == Some(sign)
            };
            let each = cursor.number()?;
            if cursor.rule(model.as_bytes())? && concerns {
                times = times.saturating_mul(each) / 1_000;
            }
        }
        Some(times)
    }

    fn dearest_and_models(self) -> Option<(u64, Cursor)> {
        let mut cursor = self.surcharges()?;
        for _ in 0..cursor.number()? {
            if cursor.byte()? == u8::MAX {
                cursor.sized()?;
            }
            cursor.number()?;
            cursor.rule(b"")?;
        }
        Some((cursor.number()?, cursor))
    }

    /// A price that no model of this provider exceeds.
    pub(super) fn dearest(self) -> Option<Price> {
        price_at(self.dearest_and_models()?.0).filter(Price::is_stated)
    }
}

/// A price that no model of the book exceeds.
pub(super) fn dearest() -> Price {
    providers().and_then(|(place, _)| price_at(place)).unwrap_or_default()
}

/// What is known of a model beside its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capability {
    /// The context length in tokens; 0 if nobody says.
    pub context: u64,
    /// The most tokens that one answer has; 0 if nobody says.
    pub max_output: u64,
    /// What it is known to lack.
    pub lacks: Features,
}

impl Model {
    /// The price at this time: the last entry of the history whose condition holds, else the first; over it
    /// the tier's own rates, the first that hold. Also whether there were any, and what the model can do.
    pub(super) fn price(self, tier: ServiceTier, at: EpochMs) -> Option<(Price, bool, Capability)> {
        let mut cursor = self.entries;
        let mut found: Option<Price> = None;
        for _ in 0..cursor.number()? {
            let (holds, price) = cursor.entry(at)?;
            if holds || found.is_none() {
                found = Some(price);
            }
        }
        let mut price = found?;
        let mut taken = Price::default();
        for _ in 0..cursor.number()? {
            let variant = cursor.byte()?;
            let (holds, rates) = cursor.entry(at)?;
            if holds && Some(variant) == tier.packed() {
                taken.take_missing(&rates);
            }
        }
        price.replace(&taken);
        let max_output = cursor.number().unwrap_or(0);
        let lacks = Features(u16::try_from(cursor.number().unwrap_or(0)).unwrap_or(0));
        let capability = Capability { context: self.context, max_output, lacks };
        Some((price, taken.is_stated(), capability))
    }
}

/// The bytes of the packed book.
#[must_use]
pub const fn packed_bytes() -> usize {
    BOOK.len()
}
