//! The ring between a domain's kernel and xenstored: two rings of bytes in one page. Source: `xen/include/public/io/xs_wire.h`
//! (`struct xenstore_domain_interface`). What goes over it is in [`crate::xen::xenstore::wire`].
//!
//! ```text
//!   req[1024]  rsp[1024]  req_cons u32  req_prod u32  rsp_cons u32  rsp_prod u32
//! ```

use super::byte_ring::Way;

/// Requests to xenstored.
pub const REQUESTS: Way = Way { bytes: 0, size: 1024, index: 2048 };
/// Its replies, and what watches have to say.
pub const REPLIES: Way = Way { bytes: 1024, size: 1024, index: 2056 };
