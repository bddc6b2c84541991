//! Objects whose keys are names of the policy's own. deserr's impl for maps loses an entry whose value is wrong
//! and says nothing: `"match": {"tier": 3}` would be for everyone.

use super::PolicyErrors;
use deserr::{
    DeserializeError, Deserr, ErrorKind, IntoValue, Map, MergeWithError, Value, ValueKind, ValuePointerRef,
};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Deref};

/// Values by name.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) BTreeMap<String, T>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Deref for Named<T> {
    type Target = BTreeMap<String, T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> IntoIterator for Named<T> {
    type Item = (String, T);
    type IntoIter = std::collections::btree_map::IntoIter<String, T>;

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
        let (mut found, mut errors) = (BTreeMap::new(), None);
        for (name, value) in map.into_iter() {
            let at = location.push_key(&name);
            match T::deserialize_from_value(value.into_value(), at) {
                Ok(value) => {
                    found.insert(name, value);
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
