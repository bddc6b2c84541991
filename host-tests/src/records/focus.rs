//! `tokenstile focus`: cost records as rows of FOCUS 1.2, <https://focus.finops.org/focus-specification/v1-2/>. It owns
//! which column says what.
//!
//! A row is what one kind of token of one model came to in one hour, for one set of tags. Providers of FOCUS data give
//! charges by the hour, SKU and tags, not by the request: a row for each call would be as long as the log, and say no
//! more of money.

use super::money::{Nano, exact};
use super::sku::{Item, items};
use super::{Record, cell};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use std::collections::BTreeMap;
use tokenstile_engine::price::ServiceTier;

/// The columns, in the order of the specification's names; ours begin with `x_`, as it asks.
pub const COLUMNS: [&str; 38] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountStatus",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceId",
    "Tags",
    "x_CallCount",
    "x_OverageCost",
    "x_PriceKnown",
    "x_SavingsCost",
    "x_UsageReported",
];

/// What makes a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    hour: Timestamp,
    account: String,
    provider: String,
    model: String,
    meter: &'static str,
    /// What the service tier adds to the name of the price; nothing if it is the standard one.
    tier: String,
    is_each: bool,
    tags: String,
    priced: bool,
    reported: bool,
}

#[derive(Debug, Clone, Default)]
struct Sums {
    quantity: u64,
    calls: u64,
    cost: Nano,
    list_cost: Nano,
    savings: Nano,
    overage: Nano,
}

/// Gathers rows.
#[derive(Debug, Default)]
pub struct Builder {
    rows: BTreeMap<Key, Sums>,
    account: Option<String>,
    /// Records without a time, which belong to no billing period.
    pub without_time: u64,
}

impl Builder {
    /// With the billing account's id; else the name of each record's policy stands for it.
    #[must_use]
    pub fn new(account: Option<String>) -> Self {
        Self { account, ..Self::default() }
    }

    /// Adds a call, if it cost or used anything.
    pub fn add(&mut self, record: &Record) {
        let Some(time) = record.time else {
            self.without_time += 1;
            return;
        };
        if record.usage.source == "none" && record.cost_nano_usd == 0 {
            return;
        }
        let hour = time - SignedDuration::from_millis(time.as_millisecond().rem_euclid(3_600_000));
        let hour = Timestamp::from_second(hour.as_second()).unwrap_or(hour);
        // What belongs to the whole call stands in its first row, so that sums over rows are sums over calls.
        let mut savings = Nano::from(record.savings_nano_usd);
        let mut overage = record.overage_nano_usd();
        for item in items(record) {
            let sums = self.rows.entry(key(self.account.as_deref(), record, hour, &item)).or_default();
            sums.quantity += item.quantity;
            sums.calls += 1;
            sums.cost += item.cost;
            sums.list_cost += item.list_cost;
            sums.savings += std::mem::take(&mut savings);
            sums.overage += std::mem::take(&mut overage);
        }
    }

    /// The rows as CSV.
    ///
    /// # Errors
    /// None that a text has.
    pub fn csv(&self) -> Result<String, String> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(COLUMNS).map_err(|error| error.to_string())?;
        for (key, sums) in &self.rows {
            csv.write_record(cells(key, sums)).map_err(|error| error.to_string())?;
        }
        let bytes = csv.into_inner().map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|error| error.to_string())
    }
}

fn key(account: Option<&str>, record: &Record, hour: Timestamp, item: &Item) -> Key {
    let named = Some(record.policy.as_str()).filter(|name| !name.is_empty());
    let known = |text: &str| if text.is_empty() { "unknown" } else { text }.to_owned();
    let mut tags = record.identity.clone();
    tags.retain(|_, value| !value.is_empty());
    Key {
        hour,
        account: account.or(named).unwrap_or("tokenstile").to_owned(),
        provider: known(&record.provider),
        model: known(record.model()),
        meter: item.meter,
        tier: match record.tier() {
            ServiceTier::Standard => String::new(),
            tier => format!("/{}", tier.name()),
        },
        is_each: item.is_each,
        tags: serde_json::to_string(&tags).unwrap_or_default(),
        priced: record.priced,
        reported: record.usage.source == "reported",
    }
}

/// One row, in the order of [`COLUMNS`].
fn cells(key: &Key, sums: &Sums) -> [String; 38] {
    let time = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let day = key.hour.to_zoned(TimeZone::UTC).date().first_of_month();
    let midnight = |day: jiff::civil::Date| day.strftime("%Y-%m-%dT00:00:00Z").to_string();
    let next = day.checked_add(1.month()).unwrap_or(day);
    let end = key.hour + SignedDuration::from_hours(1);
    let unit = if key.is_each { "Units" } else { "Tokens" }.to_owned();
    let (cost, quantity) = (exact(sums.cost), format!("{}.0", sums.quantity));
    let (sku, provider) = (cell::text(&format!("{}/{}", key.provider, key.model)), cell::text(&key.provider));
    let account = cell::text(&key.account);
    let meter = key.meter.replace('_', " ");
    // Nothing here is on an invoice, and nothing was committed to or paid ahead: three costs are one. Prices of the book are
    // the provider's public ones, so that one differs where a policy has its own.
    [
        cost.clone(),
        account.clone(),
        account,
        "Policy".to_owned(),
        "USD".to_owned(),
        midnight(next),
        midnight(day),
        "Usage".to_owned(),
        String::new(),
        format!("{meter} of {}", key.model),
        "Usage-Based".to_owned(),
        time(end),
        time(key.hour),
        String::new(),
        quantity.clone(),
        unit.clone(),
        cost.clone(),
        cost,
        String::new(),
        provider.clone(),
        exact(sums.list_cost),
        "Standard".to_owned(),
        quantity,
        unit,
        provider.clone(),
        provider,
        "AI and Machine Learning".to_owned(),
        cell::text(&key.model),
        "Generative AI".to_owned(),
        format!("{sku}/{}", key.meter),
        meter,
        format!("{sku}/{}{}", key.meter, key.tier),
        key.tags.clone(),
        sums.calls.to_string(),
        exact(sums.overage),
        key.priced.to_string(),
        exact(sums.savings),
        key.reported.to_string(),
    ]
}
