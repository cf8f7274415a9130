//! Addresses and frame numbers, one type for each space.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Binary logarithm of the size of a frame.
pub const PAGE_SHIFT: u32 = 12;
/// Size of a frame in bytes.
pub const PAGE_SIZE: u64 = 1 << PAGE_SHIFT;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl $name {
            /// The number of the page that holds this address.
            #[inline]
            pub fn page(self) -> u64 {
                self.0 >> PAGE_SHIFT
            }

            /// The bytes between the start of the page and this address.
            #[inline]
            pub fn offset(self) -> u64 {
                self.0 & (PAGE_SIZE - 1)
            }

            /// The address `bytes` further on; it wraps at the end of the space, as addresses do.
            #[inline]
            pub fn plus(self, bytes: u64) -> Self {
                Self(self.0.wrapping_add(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

macro_rules! frame_number {
    ($(#[$doc:meta])* $name:ident of $address:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl $name {
            /// The address of the frame's first byte.
            #[inline]
            pub fn address(self) -> $address {
                $address(self.0 << PAGE_SHIFT)
            }

            /// The first frame of the block of `1 << order` frames in which this one lies.
            #[inline]
            pub fn block(self, order: u32) -> Self {
                Self(self.0 & !((1 << order) - 1))
            }
        }

        impl $address {
            /// The frame that holds this address.
            #[inline]
            pub fn frame(self) -> $name {
                $name(self.0 >> PAGE_SHIFT)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

address! {
    /// A linear address: what is left when segmentation has had its turn, and what paging translates.
    Linear
}
address! {
    /// A guest-physical address: physical in the eyes of a guest. On the bare machine, a physical address.
    Gpa
}
address! {
    /// A host-physical address: the machine's own.
    Hpa
}
frame_number! {
    /// Number of a frame as a guest counts them.
    Gfn of Gpa
}
frame_number! {
    /// Number of a frame of the machine.
    Hfn of Hpa
}
