//! Devices whose calls go below: nodes in `/dev` for which the kernel has no driver of its own model.
//!
//! A machine names its nodes ([`PvOps::devices`](crate::pv_ops::PvOps::devices)) and answers the calls
//! ([`PvOps::device`](crate::pv_ops::PvOps::device)). A call can give another descriptor, sleep until the machine wakes
//! it by [`Interrupt::Answer`](super::interrupt::Interrupt::Answer), or say that it is not done yet: then it is made again
//! in the next turn of its task, which is how another kernel runs as a process of this one.

use serde::{Deserialize, Serialize};

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::mm::MmId;
use crate::mm::fault::FaultError;
use crate::syscall::{Ret, Sleep, Stop, SysResult, Value};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::time::Nanos;
use crate::vfs::fd_table::Fd;
use crate::vfs::file::{FileId, FileKind};
use crate::vfs::path::VfsPath;

/// A node in `/dev` that the machine has a driver for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceNode {
    /// Its path below `/dev`.
    pub name: &'static str,
    /// Major and minor number of the character device.
    pub dev: (u32, u32),
    /// Its mode.
    pub mode: u32,
}

/// An open file of such a device.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DeviceFile {
    /// What the machine calls it.
    pub handle: u64,
    /// What `/proc/PID/fd` shows where it has no place: `anon_inode:kvm-vm`.
    pub name: String,
    /// The node through which it was opened.
    pub place: Option<VfsPath>,
}

/// What is asked of a device.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum DeviceOp<'a> {
    /// open(2) of the node with these numbers.
    Open((u32, u32)),
    /// read(2) of so many bytes.
    Read(usize),
    /// write(2).
    Write(&'a [u8]),
    /// ioctl(2): the request, and its argument.
    Ioctl(u64, &'a Value),
    /// mmap(2): the offset, and how many bytes.
    Mmap(u64, u64),
    /// poll(2): the answer is a set of `POLL*`; what it waits for is `Wait::Device` of the handle.
    Poll,
    /// The last descriptor is closed. Nobody waits for the answer.
    Close,
}

/// A call to a device.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DeviceCall<'a> {
    /// Who calls. A call that was not done is made again by the same task.
    pub task: TaskId,
    /// When.
    pub now: Nanos,
    /// The address space of the caller.
    pub mm: Option<MmId>,
    /// The counters of eventfd(2) that the caller has open: descriptor and number.
    pub eventfds: &'a [(i32, u64)],
    /// The open file; 0 when it is being opened.
    pub handle: u64,
    /// What is asked.
    pub op: DeviceOp<'a>,
}

/// What becomes of a call to a device.
#[derive(Clone, PartialEq, Debug)]
pub enum DeviceAnswer {
    /// It failed.
    Failed(Errno),
    /// It is done: the result, and what goes to the caller's buffer (the last argument of ioctl(2), the data of read(2)).
    Done(i64, Option<Value>),
    /// It is done and gives an open file: for open(2) the handle, for ioctl(2) a new descriptor with this name.
    Opened(u64, String),
    /// It waits for [`Interrupt::Answer`](super::interrupt::Interrupt::Answer) with this number, or until this moment.
    Sleep(u64, Option<Nanos>),
    /// It needs memory of the caller first (`get_user_pages`): from this address on so many bytes, to be written. Then it is
    /// made again.
    Fault(u64, u64),
    /// This time passes first.
    After(Nanos, Box<DeviceAnswer>),
    /// It used so much time and is not done: it is made again in the next turn.
    Again(Nanos),
}

impl Kernel<'_> {
    /// Asks a device, and says what it reported.
    fn ask_device(&mut self, task: TaskId, handle: u64, op: DeviceOp<'_>) -> DeviceAnswer {
        let eventfds = if matches!(op, DeviceOp::Ioctl(..)) { self.eventfds_of(task) } else { Vec::new() };
        let mm = self.mm_of(task);
        let call = DeviceCall { task, now: self.world.clock, mm, eventfds: &eventfds, handle, op };
        let answer = self.machine.device(call);
        self.emit_reports();
        answer
    }

    /// The counters of eventfd(2) that a task has open.
    fn eventfds_of(&self, task: TaskId) -> Vec<(i32, u64)> {
        let Ok(table) = self.fd_table_of(task) else { return Vec::new() };
        let number = |fd: &Fd, file: FileId| match self.vfs.files[file].kind {
            FileKind::EventFd(id) => Some((*fd, u64::from(id.0))),
            _ => None,
        };
        self.vfs.fd_tables[table].fds.iter().filter_map(|(fd, entry)| number(fd, entry.file)).collect()
    }

    /// open(2) of a node without a driver in the model.
    pub(crate) fn open_device_below(&mut self, task: TaskId, dev: (u32, u32), at: VfsPath) -> Result<FileKind, Stop> {
        match self.ask_device(task, 0, DeviceOp::Open(dev)) {
            DeviceAnswer::Opened(handle, name) => {
                Ok(FileKind::Device(Box::new(DeviceFile { handle, name, place: Some(at) })))
            }
            DeviceAnswer::Failed(errno) => Err(errno.into()),
            other => self.device_result(task, other).and(Err(Errno::ENXIO.into())),
        }
    }

    /// read(2).
    pub(crate) fn read_device(&mut self, task: TaskId, file: &DeviceFile, count: usize) -> Result<Vec<u8>, Stop> {
        let ret = self.call_device(task, file, DeviceOp::Read(count))?;
        let data = ret.out.iter().find_map(|(_, value)| value.as_bytes()).unwrap_or_default();
        Ok(data[..data.len().min(count)].to_vec())
    }

    /// write(2).
    pub(crate) fn write_device(&mut self, task: TaskId, file: &DeviceFile, bytes: &[u8]) -> Result<usize, Stop> {
        let ret = self.call_device(task, file, DeviceOp::Write(bytes))?;
        Ok(usize::try_from(ret.value).unwrap_or(0).min(bytes.len()))
    }

    /// ioctl(2), mmap(2).
    pub(crate) fn call_device(&mut self, task: TaskId, file: &DeviceFile, op: DeviceOp<'_>) -> SysResult {
        let answer = self.ask_device(task, file.handle, op);
        self.device_result(task, answer)
    }

    fn device_result(&mut self, task: TaskId, answer: DeviceAnswer) -> SysResult {
        match answer {
            DeviceAnswer::Failed(errno) => Err(errno.into()),
            DeviceAnswer::Done(result, None) => Ok(Ret::new(result)),
            DeviceAnswer::Done(result, Some(out)) => Ok(Ret::new(result).with(2, out)),
            DeviceAnswer::Opened(handle, name) => {
                let kind = FileKind::Device(Box::new(DeviceFile { handle, name, place: None }));
                let fd = self.install_file(task, kind, crate::program::libc::o::RDWR);
                if fd.is_err() {
                    self.ask_device(task, handle, DeviceOp::Close);
                }
                Ok(Ret::new(fd?))
            }
            DeviceAnswer::Sleep(key, until) => Err(Stop::Block(Sleep { on: vec![Wait::Device(key)], until })),
            DeviceAnswer::After(time, answer) => {
                self.spend(time);
                self.device_result(task, *answer)
            }
            DeviceAnswer::Fault(addr, bytes) => match self.kernel_fault(task, addr, bytes, true) {
                Ok(()) => Err(Stop::Again),
                Err(FaultError::Sleep(sleep)) => Err(Stop::Block(sleep)),
                Err(_) => Err(Errno::EFAULT.into()),
            },
            DeviceAnswer::Again(time) => {
                self.spend(time);
                Err(Stop::Again)
            }
        }
    }

    /// What a device is ready for (`vfs_poll`).
    pub(crate) fn poll_device(&mut self, task: TaskId, file: &DeviceFile) -> i64 {
        match self.ask_device(task, file.handle, DeviceOp::Poll) {
            DeviceAnswer::Done(ready, _) => ready,
            _ => 0,
        }
    }

    /// The last descriptor is closed.
    pub(crate) fn close_device_below(&mut self, file: &DeviceFile) {
        let task = self.world.sched.current.unwrap_or(TaskId(0));
        self.ask_device(task, file.handle, DeviceOp::Close);
    }

    /// A file of a device of the machine, if it is one.
    pub(crate) fn device_file(&self, file: FileId) -> Option<DeviceFile> {
        match &self.vfs.files.get(file)?.kind {
            FileKind::Device(device) => Some((**device).clone()),
            _ => None,
        }
    }
}
