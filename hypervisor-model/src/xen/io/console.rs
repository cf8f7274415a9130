//! The ring of a PV guest's console: two rings of bytes in one page. Source: `xen/include/public/io/console.h`.
//!
//! ```text
//!   in[1024]  out[2048]  in_cons u32  in_prod u32  out_cons u32  out_prod u32
//! ```
//!
//! `out` is what the guest prints, `in` what is typed at it.

use super::byte_ring::Way;

/// What is typed at the guest.
pub const IN: Way = Way { bytes: 0, size: 1024, index: 3072 };
/// What it prints.
pub const OUT: Way = Way { bytes: 1024, size: 2048, index: 3080 };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Hfn, PhysicalMemory};
    use crate::xen::io::byte_ring::ByteRing;

    #[test]
    fn bytes_go_around_and_a_full_ring_takes_no_more() {
        let mut memory = PhysicalMemory::new(4);
        let ring = ByteRing { frame: Hfn(2) };
        assert_eq!(ring.produce(&mut memory, IN, &[b'x'; 1500]), 1024);
        assert_eq!(ring.produce(&mut memory, IN, b"y"), 0);
        assert_eq!(ring.consume(&mut memory, IN).len(), 1024);
        assert_eq!(ring.produce(&mut memory, IN, b"again"), 5);
        assert_eq!(ring.produce(&mut memory, OUT, b"other"), 5);
        assert_eq!((ring.consume(&mut memory, IN), ring.consume(&mut memory, OUT)), (b"again".into(), b"other".into()));
        assert_eq!(ring.indices(&memory, IN), (1029, 1029));
    }
}
