//! Who may do what with a node: an owner, what everybody may, and exceptions. Source: `docs/misc/xenstore.txt`,
//! "Permissions"; `tools/xenstored/domain.c` (`perm_for_conn`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::xen::domain::DomId;

/// What a domain may do, with its letter on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Right {
    /// `n`: nothing.
    None,
    /// `r`: read.
    Read,
    /// `w`: write.
    Write,
    /// `b`: both.
    Both,
}

impl Right {
    fn letter(self) -> char {
        match self {
            Right::None => 'n',
            Right::Read => 'r',
            Right::Write => 'w',
            Right::Both => 'b',
        }
    }

    fn may_read(self) -> bool {
        matches!(self, Right::Read | Right::Both)
    }

    fn may_write(self) -> bool {
        matches!(self, Right::Write | Right::Both)
    }
}

/// The permissions of a node: the first names the owner, who may do everything, and says what those may who are not named.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Permissions(Vec<(Right, DomId)>);

impl Permissions {
    /// An owner, and nothing for others.
    pub fn of(owner: DomId) -> Permissions {
        Permissions(vec![(Right::None, owner)])
    }

    /// The same, and a right for one other domain.
    pub fn with(mut self, right: Right, domain: DomId) -> Permissions {
        self.0.push((right, domain));
        self
    }

    /// The owner.
    pub fn owner(&self) -> DomId {
        self.0.first().map_or(DomId::DOM0, |(_, owner)| *owner)
    }

    fn right(&self, domain: DomId) -> Right {
        if domain == DomId::DOM0 || domain == self.owner() {
            return Right::Both;
        }
        let named = self.0.iter().skip(1).find(|(_, named)| *named == domain);
        named.or(self.0.first()).map_or(Right::None, |(right, _)| *right)
    }

    /// Whether a domain may read.
    pub fn may_read(&self, domain: DomId) -> bool {
        self.right(domain).may_read()
    }

    /// Whether a domain may write.
    pub fn may_write(&self, domain: DomId) -> bool {
        self.right(domain).may_write()
    }

    /// What a child that `by` makes gets: the same, owned by its maker; domain 0 makes for the parent's owner.
    pub fn inherited(&self, by: DomId) -> Permissions {
        let mut child = self.clone();
        if by != DomId::DOM0
            && let Some(first) = child.0.first_mut()
        {
            first.1 = by;
        }
        child
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(|(right, domain)| format!("{}{}", right.letter(), domain.0)).collect();
        f.write_str(&all.join(","))
    }
}

impl FromStr for Permissions {
    type Err = ();

    fn from_str(text: &str) -> Result<Permissions, ()> {
        let one = |part: &str| {
            let (letter, number) = part.split_at_checked(1).ok_or(())?;
            let right = match letter {
                "n" => Right::None,
                "r" => Right::Read,
                "w" => Right::Write,
                "b" => Right::Both,
                _ => return Err(()),
            };
            Ok((right, DomId(number.parse().map_err(|_| ())?)))
        };
        let all: Result<Vec<_>, ()> = text.split(',').filter(|part| !part.is_empty()).map(one).collect();
        all.and_then(|all| if all.is_empty() { Err(()) } else { Ok(Permissions(all)) })
    }
}
