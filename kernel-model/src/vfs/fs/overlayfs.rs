//! overlay
use super::SuperId;
use super::context::FsContext;
use super::params::OverlayParams;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::task::TaskId;

impl Kernel<'_> {
    pub(super) fn new_overlay(
        &mut self,
        _task: TaskId,
        _fc: &FsContext,
        params: &OverlayParams,
    ) -> Result<SuperId, Errno> {
        let _ = params.options();
        Err(Errno::EINVAL)
    }
}
