//! What travels beside the bytes of a local socket: descriptors (`SCM_RIGHTS`) and credentials (`SCM_CREDENTIALS`), as in
//! unix(7). A descriptor arrives as another one for the same open file, wherever its receiver is: that is how one gets
//! through the wall of a mount namespace. Credentials arrive in the numbers of their receiver's namespaces.

use serde::{Deserialize, Serialize};

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::pid::{Pid, PidNsId};
use crate::security::capability::Cap;
use crate::security::credentials::{Kgid, Kuid};
use crate::syscall::Value;
use crate::task::TaskId;
use crate::vfs::fd_table::FdEntry;
use crate::vfs::file::FileId;
use crate::world::World;

/// `SOL_SOCKET`.
pub const SOL_SOCKET: i64 = 1;
/// `SCM_RIGHTS`.
pub const SCM_RIGHTS: i64 = 1;
/// `SCM_CREDENTIALS`.
pub const SCM_CREDENTIALS: i64 = 2;
/// The most descriptors that one message takes along (`SCM_MAX_FD`).
const SCM_MAX_FD: usize = 253;
/// What a control message has before its data (`CMSG_LEN(0)`), and `sizeof(struct ucred)`.
const HEADER: usize = 16;
const UCRED: usize = 12;

/// Who sent something, or is at the other end: as the kernel keeps it, for whoever asks from wherever.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct UnixCred {
    /// The numbers of the process, outermost namespace first. They stay when the process is gone.
    pub pid: Vec<(PidNsId, Pid)>,
    /// User.
    pub uid: Kuid,
    /// Group.
    pub gid: Kgid,
}

/// What goes with a message.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Ancillary {
    /// Open files. Each is counted once for the message.
    pub rights: Vec<FileId>,
    /// Credentials that the sender has stated.
    pub cred: Option<UnixCred>,
}

/// Control messages for a receiver.
pub(crate) struct Control {
    /// As a list of `struct cmsghdr`.
    pub list: Vec<Value>,
    /// Their length in bytes.
    pub len: usize,
    /// Something did not fit (`MSG_CTRUNC`).
    pub cut: bool,
}

/// A control message as a structure.
fn cmsg(kind: i64, data_len: usize, data: Value) -> Value {
    Value::record([
        ("cmsg_len", (HEADER + data_len).into()),
        ("cmsg_level", SOL_SOCKET.into()),
        ("cmsg_type", kind.into()),
        ("cmsg_data", data),
    ])
}

/// What a control message of this length takes in the buffer (`CMSG_SPACE`).
fn space(data_len: usize) -> usize {
    HEADER + data_len.next_multiple_of(8)
}

impl World {
    /// A `struct ucred` as `viewer` sees it (`cred_to_ucred`): 0 for a process that has no number there, the overflow
    /// ids for users and groups that have none.
    pub(crate) fn ucred(&self, viewer: TaskId, cred: Option<&UnixCred>) -> Value {
        let own = &self.user_namespaces[self.tasks[viewer].cred.user_ns];
        let ns = self.pid_ns_of(viewer);
        let pid = cred.and_then(|c| c.pid.iter().find(|(n, _)| *n == ns)).map_or(0, |(_, nr)| *nr);
        let (uid, gid) = cred.map_or((Kuid::INVALID, Kgid::INVALID), |cred| (cred.uid, cred.gid));
        Value::record([("pid", pid.into()), ("uid", own.uid(uid).into()), ("gid", own.gid(gid).into())])
    }

    /// A process with its effective ids (`init_peercred`).
    pub(super) fn cred_of(&self, task: TaskId) -> UnixCred {
        let cred = &self.tasks[task].cred;
        UnixCred { pid: self.pid_numbers(task), uid: cred.euid, gid: cred.egid }
    }

    /// A process with its real ids: what it sends when it states nothing.
    pub(super) fn real_cred_of(&self, task: TaskId) -> UnixCred {
        let cred = &self.tasks[task].cred;
        UnixCred { pid: self.pid_numbers(task), uid: cred.uid, gid: cred.gid }
    }

    fn pid_numbers(&self, task: TaskId) -> Vec<(PidNsId, Pid)> {
        let leader = self.processes[self.tasks[task].process].leader;
        self.tasks.get(leader).and_then(|t| self.pids.get(t.pid)).map(|pid| pid.numbers.clone()).unwrap_or_default()
    }
}

impl Kernel<'_> {
    /// Reads the control messages that somebody sends (`__scm_send`). The files are counted.
    ///
    /// # Errors
    /// EINVAL for an unknown one; EBADF for a descriptor that is not open; EPERM for credentials that are not the
    /// sender's; ESRCH for a process that does not exist.
    pub(crate) fn scm_send(&mut self, caller: TaskId, control: &Value) -> Result<Ancillary, Errno> {
        let mut found = Ancillary::default();
        for message in control.as_list().unwrap_or_default() {
            let int = |name| message.field(name).and_then(Value::as_int);
            if int("cmsg_level") != Some(SOL_SOCKET) {
                continue;
            }
            let data = message.field("cmsg_data").unwrap_or(&Value::Null);
            match int("cmsg_type") {
                Some(SCM_RIGHTS) => {
                    for fd in data.as_list().unwrap_or_default() {
                        let fd = fd.as_int().and_then(|fd| i32::try_from(fd).ok()).ok_or(Errno::EBADF)?;
                        found.rights.push(self.file_id(caller, fd)?);
                    }
                    if found.rights.len() > SCM_MAX_FD {
                        return Err(Errno::EINVAL);
                    }
                }
                Some(SCM_CREDENTIALS) => found.cred = Some(self.scm_check_creds(caller, data)?),
                _ => return Err(Errno::EINVAL),
            }
        }
        for file in &found.rights {
            self.vfs.files[*file].refs += 1;
        }
        Ok(found)
    }

    /// Nothing came of sending: the files that were to go along stay.
    pub(crate) fn scm_destroy(&mut self, ancillary: Ancillary) {
        ancillary.rights.into_iter().for_each(|file| self.put_file(file));
    }

    /// Who may say of itself what (`scm_check_creds`).
    fn scm_check_creds(&mut self, caller: TaskId, data: &Value) -> Result<UnixCred, Errno> {
        let int = |name| data.field(name).and_then(Value::as_int).ok_or(Errno::EINVAL);
        let (pid, uid, gid) = (int("pid")? as i32, int("uid")? as u32, int("gid")? as u32);
        let cred = std::sync::Arc::clone(&self.tasks[caller].cred);
        let own = &self.user_namespaces[cred.user_ns];
        let uid = own.uid_map.to_kernel(uid).map(Kuid).ok_or(Errno::EINVAL)?;
        let gid = own.gid_map.to_kernel(gid).map(Kgid).ok_or(Errno::EINVAL)?;
        let pid_ns = self.pid_ns_of(caller);
        let owner = self.pid_namespaces[pid_ns].ns.owner;
        let right_pid = pid == self.own_pid(caller) || self.capable_in(caller, owner, Cap::SYS_ADMIN);
        let right_uid = [cred.uid, cred.euid, cred.suid].contains(&uid)
            || right_pid && self.capable_in(caller, cred.user_ns, Cap::SETUID);
        let right_gid = [cred.gid, cred.egid, cred.sgid].contains(&gid)
            || right_uid && self.capable_in(caller, cred.user_ns, Cap::SETGID);
        if !(right_pid && right_uid && right_gid) {
            return Err(Errno::EPERM);
        }
        let named = self.find_pid(pid_ns, pid).ok_or(Errno::ESRCH)?;
        Ok(UnixCred { pid: self.pids[named].numbers.clone(), uid, gid })
    }

    /// Hands out what came with a message (`scm_recv`): credentials when the socket wants them, then descriptors, as far
    /// as there is `room` in the buffer and in the table.
    pub(crate) fn scm_recv(
        &mut self,
        caller: TaskId,
        wants_cred: bool,
        cred: Option<&UnixCred>,
        rights: Vec<FileId>,
        (room, cloexec): (usize, bool),
    ) -> Control {
        let mut control = Control { list: Vec::new(), len: 0, cut: false };
        if wants_cred {
            if room >= HEADER + UCRED {
                control.list.push(cmsg(SCM_CREDENTIALS, UCRED, self.ucred(caller, cred)));
                control.len += space(UCRED).min(room);
            } else {
                control.cut = true;
            }
        }
        let left = room.saturating_sub(control.len);
        let most = left.saturating_sub(HEADER) / 4;
        let mut fds = Vec::new();
        for file in &rights {
            let fd = if fds.len() < most { self.receive_fd(caller, *file, cloexec) } else { None };
            match fd {
                Some(fd) => fds.push(Value::from(fd)),
                None => {
                    control.cut = true;
                    break;
                }
            }
        }
        if !fds.is_empty() {
            let len = 4 * fds.len();
            control.list.push(cmsg(SCM_RIGHTS, len, Value::List(fds)));
            control.len += space(len).min(left);
        }
        // What nobody took is closed.
        rights.into_iter().for_each(|file| self.put_file(file));
        control
    }

    /// A descriptor for a file that has come (`receive_fd`); `None` when the table is full.
    fn receive_fd(&mut self, caller: TaskId, file: FileId, cloexec: bool) -> Option<i32> {
        let fd = self.unused_fd(caller, 0).ok()?;
        self.vfs.files[file].refs += 1;
        self.set_fd(caller, fd, FdEntry { file, cloexec }).ok()?;
        Some(fd)
    }

    /// Says which files leave their process.
    pub(super) fn say_rights_sent(&mut self, caller: TaskId, rights: &[FileId]) {
        for file in rights {
            let what = if self.trace.silent { String::new() } else { self.file_name(*file, caller) };
            self.emit(EventKind::DescriptorSent { what: what.into() });
        }
    }
}
