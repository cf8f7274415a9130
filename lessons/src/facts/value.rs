//! Values of the expression language, made from plain data.

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map};

use super::LIST_MAX;

/// A value in the expression language.
pub use cel::Value;

/// A record.
pub(super) fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    map_of(fields)
}

/// A record with any number of fields.
pub(super) fn map_of<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    // The expression language cannot tell in which order a map is kept: it is asked by key.
    let fields: HashMap<Key, Value> =
        fields.into_iter().map(|(name, value)| (Key::String(Arc::new(name.to_owned())), value)).collect();
    Value::Map(Map { map: Arc::new(fields) })
}

/// A list, cut off where it would be too long.
pub(super) fn list(items: impl Iterator<Item = Value>) -> Value {
    Value::List(Arc::new(items.take(LIST_MAX).collect()))
}

/// A list of texts.
pub(super) fn texts(items: impl IntoIterator<Item = impl Into<String>>) -> Value {
    list(items.into_iter().map(|text| Value::from(text.into())))
}
