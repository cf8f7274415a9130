//! tmpfs, as in tmpfs(5): what an instance may hold, and what it holds. Names and inodes are those of
//! [`crate::vfs::inode`]; here is the counting that df shows.

use super::{FsKind, Quota, SuperId};
use crate::errno::Errno;
use crate::world::World;

/// Pages of memory of the machine (2 GiB), from which the default limits come.
pub const TOTAL_PAGES: u64 = 2 << 18;

impl Quota {
    /// The limits of an instance that was mounted without options: half of the memory.
    pub fn standard() -> Quota {
        Quota { max_pages: Some(TOTAL_PAGES / 2), max_inodes: Some(TOTAL_PAGES / 2), pages: 0, inodes: 0 }
    }

    /// How many more pages fit.
    pub fn free_pages(&self) -> u64 {
        self.max_pages.map_or(u64::MAX, |max| max.saturating_sub(self.pages))
    }
}

impl World {
    fn quota_mut(&mut self, sb: SuperId) -> Option<&mut Quota> {
        match self.vfs.supers.get_mut(sb).map(|s| &mut s.kind) {
            Some(FsKind::Tmpfs(quota) | FsKind::Ext4(quota)) => Some(quota),
            _ => None,
        }
    }

    /// How many more pages a file system takes; without a limit for one that is not a tmpfs.
    pub(crate) fn free_pages(&self, sb: SuperId) -> u64 {
        match &self.vfs.supers[sb].kind {
            FsKind::Tmpfs(quota) | FsKind::Ext4(quota) => quota.free_pages(),
            _ => u64::MAX,
        }
    }

    /// One more inode (`shmem_reserve_inode`).
    ///
    /// # Errors
    /// ENOSPC at the limit.
    pub(crate) fn charge_inode(&mut self, sb: SuperId) -> Result<(), Errno> {
        let Some(quota) = self.quota_mut(sb) else { return Ok(()) };
        if quota.max_inodes.is_some_and(|max| quota.inodes >= max) {
            return Err(Errno::ENOSPC);
        }
        quota.inodes += 1;
        Ok(())
    }

    /// One inode less.
    pub(crate) fn uncharge_inode(&mut self, sb: SuperId) {
        if let Some(quota) = self.quota_mut(sb) {
            quota.inodes = quota.inodes.saturating_sub(1);
        }
    }

    /// More pages in use; there is room for them.
    pub(crate) fn charge_pages(&mut self, sb: SuperId, pages: u64) {
        if let Some(quota) = self.quota_mut(sb) {
            quota.pages += pages;
        }
    }

    /// Fewer pages in use.
    pub(crate) fn uncharge_pages(&mut self, sb: SuperId, pages: u64) {
        if let Some(quota) = self.quota_mut(sb) {
            quota.pages = quota.pages.saturating_sub(pages);
        }
    }
}
