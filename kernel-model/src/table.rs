//! A table of the kernel's objects: id to object, ids handed out in order and never again.
//!
//! The map inside is persistent: cloning a table of ten thousand objects costs as much as cloning one
//! of ten, because both copies share what neither has changed. That is what makes a snapshot of the
//! world at every step affordable.

use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use serde::{Deserialize, Serialize};

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

/// Objects by id. Iteration is in the order of ids, which is the order of creation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Id + Serialize, V: Clone + Serialize",
    deserialize = "K: Id + Deserialize<'de>, V: Clone + Deserialize<'de>"
))]
pub struct Table<K: Id, V: Clone> {
    map: OrdMap<K, Arc<V>>,
    next: u32,
}

impl<K: Id, V: Clone> Table<K, V> {
    /// An empty table whose first object gets the number `first`.
    pub fn starting_at(first: u32) -> Self {
        Table { map: OrdMap::new(), next: first }
    }

    /// Puts in what `make` makes of its new id, and returns the id.
    pub fn add_with(&mut self, make: impl FnOnce(K) -> V) -> K {
        let id = K::from_number(self.next);
        self.next += 1;
        self.map.insert(id, Arc::new(make(id)));
        id
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
        self.map.get(&id).map(|v| &**v)
    }

    /// The object, to change it. Copies it first when a snapshot still shares it.
    pub fn get_mut(&mut self, id: K) -> Option<&mut V> {
        self.map.get_mut(&id).map(Arc::make_mut)
    }

    /// Takes the object out.
    pub fn remove(&mut self, id: K) -> Option<V> {
        self.map.remove(&id).map(Arc::unwrap_or_clone)
    }

    /// Whether the object is there.
    pub fn contains(&self, id: K) -> bool {
        self.map.contains_key(&id)
    }

    /// All objects, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &V)> {
        self.map.iter().map(|(k, v)| (*k, &**v))
    }

    /// All ids, oldest first.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = K> + '_ {
        self.map.keys().copied()
    }

    /// The ids of objects that came, went, or are not the same as in an older table. What both tables share is
    /// skipped, so that this costs as much as there are changes.
    pub fn changed_since(&self, older: &Self) -> Vec<K>
    where
        V: PartialEq,
    {
        let id = |item| match item {
            DiffItem::Add(id, _) | DiffItem::Remove(id, _) | DiffItem::Update { new: (id, _), .. } => *id,
        };
        let mut changed: Vec<K> = older.map.diff(&self.map).map(id).collect();
        changed.sort_unstable();
        changed
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

impl<K: Id, V: Clone> Default for Table<K, V> {
    fn default() -> Self {
        Table::starting_at(1)
    }
}

impl<K: Id, V: Clone> std::ops::Index<K> for Table<K, V> {
    type Output = V;

    /// The object that a link inside the world names. A link to nothing is our mistake, never a program's.
    fn index(&self, id: K) -> &V {
        self.get(id).unwrap_or_else(|| panic!("no object {id:?} in its table"))
    }
}

impl<K: Id, V: Clone> std::ops::IndexMut<K> for Table<K, V> {
    fn index_mut(&mut self, id: K) -> &mut V {
        self.get_mut(id).unwrap_or_else(|| panic!("no object {id:?} in its table"))
    }
}
