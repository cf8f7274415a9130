//! A table of the kernel's objects: id to object, ids handed out in order and never again.
//!
//! The map inside is persistent: cloning a table of ten thousand objects costs as much as cloning one
//! of ten, because both copies share what neither has changed. That is what makes a snapshot of the
//! world at every step affordable.
//!
//! There is one type of map below all tables: it does not know of which type its objects are. A copy of the
//! map's code for each type of object would be a fifth of what a browser has to fetch for the page.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

/// A key of a [`Table`]: a number with a meaning of its own.
pub trait Id: Copy + Ord + std::fmt::Debug {
    /// The id with this number.
    fn from_number(n: u32) -> Self;
    /// The number of this id.
    fn number(self) -> u32;
}

/// Declares a newtype that identifies one kind of object, and with it a key of a [`Table`].
#[macro_export]
macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl $crate::table::Id for $name {
            fn from_number(n: u32) -> Self { Self(n) }
            fn number(self) -> u32 { self.0 }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }
    };
}

/// An object of a type that only its table knows. Two are equal when they are the very same object.
#[derive(Clone)]
struct Object(Arc<dyn Any + Send + Sync>);

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What an object of a [`Table`] has to be: a plain value.
pub trait Plain: Any + Clone + Send + Sync {}

impl<V: Any + Clone + Send + Sync> Plain for V {}

/// Objects by id. Iteration is in the order of ids, which is the order of creation.
#[derive(Clone)]
pub struct Table<K: Id, V: Plain> {
    /// Objects of type `V`, all of them.
    map: OrdMap<u32, Object>,
    next: u32,
    of: PhantomData<fn() -> (K, V)>,
}

impl<K: Id, V: Plain> Table<K, V> {
    /// An empty table whose first object gets the number `first`.
    pub fn starting_at(first: u32) -> Self {
        Table { map: OrdMap::new(), next: first, of: PhantomData }
    }

    /// Puts in what `make` makes of its new id, and returns the id.
    pub fn add_with(&mut self, make: impl FnOnce(K) -> V) -> K {
        let number = self.next;
        self.next += 1;
        self.map.insert(number, Object(Arc::new(make(K::from_number(number)))));
        K::from_number(number)
    }

    /// The number that the next object gets.
    pub fn next_number(&self) -> u32 {
        self.next
    }

    /// Puts in `value` and returns its new id.
    pub fn add(&mut self, value: V) -> K {
        self.add_with(|_| value)
    }

    /// The object, if it is there.
    pub fn get(&self, id: K) -> Option<&V> {
        self.map.get(&id.number()).map(Self::typed)
    }

    /// The object, to change it. Copies it first when a snapshot still shares it.
    pub fn get_mut(&mut self, id: K) -> Option<&mut V> {
        let object = self.map.get_mut(&id.number())?;
        if Arc::get_mut(&mut object.0).is_none() {
            let own = Self::typed(object).clone();
            object.0 = Arc::new(own);
        }
        Arc::get_mut(&mut object.0)?.downcast_mut()
    }

    /// Takes the object out.
    pub fn remove(&mut self, id: K) -> Option<V> {
        let object = self.map.remove(&id.number())?;
        object.0.downcast().ok().map(Arc::unwrap_or_clone)
    }

    /// Whether the object is there.
    pub fn contains(&self, id: K) -> bool {
        self.map.contains_key(&id.number())
    }

    /// All objects, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &V)> {
        self.map.iter().map(|(number, object)| (K::from_number(*number), Self::typed(object)))
    }

    /// All ids, oldest first.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = K> + '_ {
        self.map.keys().map(|number| K::from_number(*number))
    }

    /// The ids of objects that came, went, or are not the same as in an older table. What both tables share is
    /// skipped, so that this costs as much as there are changes.
    pub fn changed_since(&self, older: &Self) -> Vec<K>
    where
        V: PartialEq,
    {
        let number = |item| match item {
            DiffItem::Add(number, _) | DiffItem::Remove(number, _) => Some(*number),
            DiffItem::Update { old: (_, old), new: (number, new) } => {
                (Self::typed(old) != Self::typed(new)).then_some(*number)
            }
        };
        let mut changed: Vec<u32> = older.map.diff(&self.map).filter_map(number).collect();
        changed.sort_unstable();
        changed.into_iter().map(K::from_number).collect()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    fn typed(object: &Object) -> &V {
        object.0.downcast_ref().unwrap_or_else(|| unreachable!("only objects of one type are put into a table"))
    }
}

impl<K: Id, V: Plain + PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.next == other.next && self.changed_since(other).is_empty()
    }
}

impl<K: Id, V: Plain + fmt::Debug> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Id, V: Plain + Serialize> Serialize for Table<K, V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let objects: Vec<(u32, &V)> = self.iter().map(|(id, object)| (id.number(), object)).collect();
        (objects, self.next).serialize(to)
    }
}

impl<'de, K: Id, V: Plain + Deserialize<'de>> Deserialize<'de> for Table<K, V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (objects, next): (Vec<(u32, V)>, u32) = Deserialize::deserialize(from)?;
        let map = objects.into_iter().map(|(number, object)| (number, Object(Arc::new(object)))).collect();
        Ok(Table { map, next, of: PhantomData })
    }
}

impl<K: Id, V: Plain> Default for Table<K, V> {
    fn default() -> Self {
        Table::starting_at(1)
    }
}

impl<K: Id, V: Plain> std::ops::Index<K> for Table<K, V> {
    type Output = V;

    /// The object that a link inside the world names. A link to nothing is our mistake, never a program's.
    fn index(&self, id: K) -> &V {
        self.get(id).unwrap_or_else(|| panic!("no object {id:?} in its table"))
    }
}

impl<K: Id, V: Plain> std::ops::IndexMut<K> for Table<K, V> {
    fn index_mut(&mut self, id: K) -> &mut V {
        self.get_mut(id).unwrap_or_else(|| panic!("no object {id:?} in its table"))
    }
}
