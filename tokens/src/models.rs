//! Which encoding or estimator belongs to a model name.

use crate::{Count, Counter, Encoding};

/// How the tokens of a model are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelEncoding {
    /// The model's tokenizer is public and implemented here.
    Exact(Encoding),
    /// It is not: the count is an estimate.
    Estimate(Estimator),
}

/// A family of models whose tokens are estimated from `o200k_base` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Estimator {
    /// A model that no row of the table names.
    Unknown,
}

impl ModelEncoding {
    /// The tokens of `text`.
    #[must_use]
    pub fn count(self, text: &str) -> Count {
        match self {
            Self::Exact(encoding) => Count::Exact(encoding.count(text)),
            Self::Estimate(_) => Count::Estimated(Encoding::O200k.count(text)),
        }
    }

    /// A feeder for text that arrives in parts.
    #[must_use]
    pub const fn counter(self) -> ModelCounter {
        ModelCounter { model: self, counter: Counter::new(self.encoding()) }
    }

    const fn encoding(self) -> Encoding {
        match self {
            Self::Exact(encoding) => encoding,
            Self::Estimate(_) => Encoding::O200k,
        }
    }
}

/// [`Counter`] for a [`ModelEncoding`].
#[derive(Debug)]
pub struct ModelCounter {
    model: ModelEncoding,
    counter: Counter,
}

impl ModelCounter {
    /// Takes the next bytes, as [`Counter::push`].
    pub fn push(&mut self, bytes: &[u8]) {
        self.counter.push(bytes);
    }

    /// The count of everything that was pushed.
    #[must_use]
    pub fn finish(self) -> Count {
        match self.model {
            ModelEncoding::Exact(_) => Count::Exact(self.counter.finish()),
            ModelEncoding::Estimate(_) => Count::Estimated(self.counter.finish()),
        }
    }
}

/// The encoding of `model`, as a client names it: with or without a vendor prefix, a date, a region.
#[must_use]
pub fn encoding_for_model(model: &str) -> ModelEncoding {
    let name = model.rsplit('/').next().unwrap_or(model);
    if name.starts_with("gpt-4-") || name == "gpt-4" || name.starts_with("gpt-3.5") {
        ModelEncoding::Exact(Encoding::Cl100k)
    } else if name.starts_with("gpt-") {
        ModelEncoding::Exact(Encoding::O200k)
    } else {
        ModelEncoding::Estimate(Estimator::Unknown)
    }
}
