//! Things whose fields are made when an expression asks for them.
//!
//! A history is looked at thousands of times, and each time most expressions ask for two or three fields of the thirty
//! that a task has. As seen from the expression language these are maps; only the keys cannot be walked through.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use cel::common::traits::{Container, Indexer, Sizer};
use cel::common::types::{CelInt, CelList, CelString, MAP_TYPE, Type};
use cel::common::value::{CowVal, Val};
use cel::objects::Key;
use cel::{ExecutionError, Value};
use kernel_model::world::World;

use super::LIST_MAX;
use super::value::{list, map_of};

/// A fact that is bound to a name in an expression.
pub type Fact<'w> = Box<dyn Val + 'w>;

/// Something that can be asked for its fields.
pub trait Ask: Copy + Send + Sync {
    /// The field of this name; `None` when there is none.
    fn field(&self, name: &str) -> Option<Value>;

    /// All fields.
    fn value(&self) -> Value;
}

/// A field of a record: its name, and how it is read from the world.
pub type Field<T> = (&'static str, fn(&World, T) -> Value);

/// A thing in the world, with what can be asked of it.
#[derive(Clone, Copy)]
pub struct Record<'w, T: 'static> {
    /// The world that it is in.
    pub world: &'w World,
    /// Which thing.
    pub thing: T,
    /// What can be asked.
    pub fields: &'static [Field<T>],
}

impl<T: Copy + Send + Sync> Ask for Record<'_, T> {
    fn field(&self, name: &str) -> Option<Value> {
        let (_, read) = self.fields.iter().find(|(known, _)| *known == name)?;
        Some(read(self.world, self.thing))
    }

    fn value(&self) -> Value {
        map_of(self.fields.iter().map(|(name, read)| (*name, read(self.world, self.thing))))
    }
}

/// As many things as a list may have, whole.
pub fn whole(things: impl Iterator<Item = impl Ask>) -> Value {
    list(things.map(|thing| thing.value()))
}

/// As many things as a list may have, as a fact.
pub fn facts<'w>(things: impl Iterator<Item = impl Ask + 'w>) -> Fact<'w> {
    let things = things.take(LIST_MAX).map(|thing| fact(thing));
    Box::new(CelList::from(things.collect::<Vec<_>>()))
}

/// One thing as a fact.
pub fn fact<'w>(thing: impl Ask + 'w) -> Fact<'w> {
    Box::new(Asked(thing))
}

/// A value as a fact.
///
/// # Errors
/// It is of a kind that has none; no value of this vocabulary is.
pub fn owned<'v>(value: Value) -> Result<Fact<'v>, ExecutionError> {
    let value: Box<dyn Val> = value.try_into()?;
    Ok(value)
}

/// A thing as the expression language sees it.
#[derive(Clone, Copy)]
struct Asked<A>(A);

static TYPE: Type = MAP_TYPE;

impl<A: Ask> Asked<A> {
    fn ask<'v>(&self, key: &dyn Val) -> Result<Fact<'v>, ExecutionError> {
        let Some(name) = key.downcast_ref::<CelString<'_>>() else {
            let got = key.get_type().name().to_owned();
            return Err(ExecutionError::UnexpectedType { got, want: "the name of a field".to_owned() });
        };
        let missing = || ExecutionError::NoSuchKey(Arc::new(name.inner().to_owned()));
        owned(self.0.field(name.inner()).ok_or_else(missing)?)
    }

    fn all(&self) -> HashMap<Key, Value> {
        match self.0.value() {
            Value::Map(map) => Arc::unwrap_or_clone(map.map),
            _ => HashMap::new(),
        }
    }
}

impl<A: Ask> fmt::Debug for Asked<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value().fmt(f)
    }
}

impl<A: Ask> Val for Asked<A> {
    fn get_type(&self) -> &Type {
        &TYPE
    }

    fn cel_type() -> &'static Type {
        &TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        let size = other.as_sizer().map(|sizer| *sizer.size().inner());
        let all = self.all();
        let Some(other) = other.as_indexer().filter(|_| size == Some(all.len() as i64)) else { return false };
        all.into_iter().all(|(key, value)| {
            let there = other.get(&CelString::from(key.to_string()));
            there.is_ok_and(|there| owned(value).is_ok_and(|here| here.equals(there.as_ref())))
        })
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(Asked(self.0))
    }
}

impl<A: Ask> Container for Asked<A> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        let name = key.downcast_ref::<CelString<'_>>();
        Ok(name.is_some_and(|name| self.0.field(name.inner()).is_some()))
    }
}

impl<A: Ask> Indexer for Asked<A> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.ask(key).map(CowVal::Owned)
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.ask(key)
    }
}

impl<A: Ask> Sizer for Asked<A> {
    fn size(&self) -> CelInt {
        CelInt::from(self.all().len() as i64)
    }
}
