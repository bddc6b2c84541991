//! Objects whose keys are names of the policy's own. deserr's impl for maps loses an entry whose value is wrong
//! and says nothing: `"match": {"tier": 3}` would be for everyone.

use super::PolicyErrors;
use deserr::{
    DeserializeError, Deserr, ErrorKind, IntoValue, Map, MergeWithError, Value, ValueKind, ValuePointerRef,
};
use std::ops::{ControlFlow, Deref};

/// Values by name, in the order of the names. No map: one for each kind of value would be many times the code.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Deref for Named<T> {
    type Target = [(String, T)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> Named<T> {
    /// The names, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.iter().map(|(name, _)| name)
    }

    /// What stands under a name.
    pub(super) fn named(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }
}

impl<T> IntoIterator for Named<T> {
    type Item = (String, T);
    type IntoIter = std::vec::IntoIter<(String, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T: Deserr<PolicyErrors>> Deserr<PolicyErrors> for Named<T> {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef,
    ) -> Result<Self, PolicyErrors> {
        let map = match value {
            Value::Map(map) => map,
            actual => {
                let kind = ErrorKind::IncorrectValueKind { actual, accepted: &[ValueKind::Map] };
                return Err(all(PolicyErrors::error(None, kind, location)));
            }
        };
        let (mut found, mut errors) = (Vec::<(String, T)>::new(), None);
        for (name, value) in map.into_iter() {
            let at = location.push_key(&name);
            match T::deserialize_from_value(value.into_value(), at) {
                Ok(value) => {
                    let place = found.partition_point(|(other, _)| *other < name);
                    found.insert(place, (name, value));
                }
                Err(wrong) => errors = Some(all(PolicyErrors::merge(errors, wrong, at))),
            }
        }
        errors.map_or(Ok(Self(found)), Err)
    }
}

pub(super) fn all(flow: ControlFlow<PolicyErrors, PolicyErrors>) -> PolicyErrors {
    match flow {
        ControlFlow::Break(errors) | ControlFlow::Continue(errors) => errors,
    }
}
