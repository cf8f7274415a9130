//! A new program for a process: execve(2), as in `fs/exec.c`.
//!
//! The file is found and read, `#!` lines lead on to their interpreter, credentials are computed
//! ([`crate::security::exec_creds`]); then there is no way back: other threads end, handlers are reset,
//! descriptors with `FD_CLOEXEC` are closed, and the new program begins.

pub mod file_caps;

use std::sync::Arc;

use super::{Driver, ExitStatus, TaskId, UserMode};
use crate::console::ConsoleId;
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::NsRef;
use crate::program::{Image, Resume};
use crate::security::credentials::Cred;
use crate::task::signal::Signal;
use crate::time::Nanos;
use crate::vfs::Node;
use crate::vfs::fd_table::Fd;
use crate::vfs::fs::FileType;
use crate::vfs::inode::{DentryId, InodeKind};
use crate::vfs::mount::MountFlags;
use crate::vfs::path::VfsPath;
use crate::vfs::permission::Access;

/// How many interpreters may follow each other.
const MAX_INTERPRETERS: usize = 5;
/// How much of a file is looked at to tell what it is (`BINPRM_BUF_SIZE`).
const HEADER: usize = 256;
/// The longest argument (`MAX_ARG_STRLEN`), and the most that all may have together.
const MAX_ARGUMENT: usize = 131_072;
const MAX_ARGUMENTS: usize = 2 << 20;
/// What loading a program costs: the order of magnitude of lat_proc exec.
const EXEC_COST: Nanos = Nanos(200_000);

/// What is to be run (`struct linux_binprm`).
#[derive(Clone, PartialEq, Debug)]
pub struct Binprm {
    /// The file.
    pub place: VfsPath,
    /// The name by which it was called.
    pub filename: String,
    /// The name cannot be used by an interpreter: it goes through a descriptor that will be closed.
    pub path_inaccessible: bool,
    /// Arguments.
    pub argv: Vec<String>,
    /// Environment.
    pub envp: Vec<String>,
}

/// What a file turned out to be.
enum Format {
    /// A program of this name.
    Elf(Arc<str>),
    /// A script: its interpreter, and the one argument that it may give.
    Script(String, Option<String>),
}

impl Kernel<'_> {
    /// Has `task` run a file (`bprm_execve`). After success it is a new program, and there is nobody left to
    /// return to.
    ///
    /// # Errors
    /// Those of execve(2).
    pub(crate) fn exec(&mut self, task: TaskId, mut bprm: Binprm) -> Result<(), Errno> {
        check_arguments(&bprm)?;
        if bprm.argv.is_empty() {
            bprm.argv.push(String::new());
        }
        let called_as = bprm.filename.clone();
        let mut depth = 0;
        let (dentry, program) = loop {
            let dentry = self.may_exec(task, bprm.place)?;
            match self.format_of(dentry)? {
                Format::Elf(program) => break (dentry, program),
                Format::Script(interpreter, argument) => {
                    depth += 1;
                    if depth > MAX_INTERPRETERS {
                        return Err(Errno::ELOOP);
                    }
                    if bprm.path_inaccessible {
                        return Err(Errno::ENOENT);
                    }
                    let script = std::mem::replace(&mut bprm.filename, interpreter.clone());
                    let rest = bprm.argv.drain(1..).collect::<Vec<_>>();
                    bprm.argv = [Some(interpreter.clone()), argument, Some(script)].into_iter().flatten().collect();
                    bprm.argv.extend(rest);
                    let follow = crate::vfs::walk::LookupFlags::FOLLOW;
                    bprm.place = self.walk(task, crate::program::libc::AT_FDCWD, &interpreter, follow)?;
                }
            }
        };
        let mut new = self.exec_creds(task, bprm.place, dentry)?;
        self.security_bprm_creds_for_exec(task, bprm.place, &mut new)?;
        self.begin_new_exec(task, &bprm, dentry, &called_as, new);
        self.start_program(task, program, bprm);
        Ok(())
    }

    /// Whether the file may be executed (`do_open_execat`).
    fn may_exec(&mut self, task: TaskId, place: VfsPath) -> Result<DentryId, Errno> {
        let attr = self.attr(place);
        let noexec = self.vfs.mounts[place.mnt].flags.contains(MountFlags::NOEXEC);
        match (attr.file_type, place.node) {
            (FileType::Symlink, _) => Err(Errno::ELOOP),
            (FileType::Regular, _) if noexec => Err(Errno::EACCES),
            (FileType::Regular, Node::Tree(dentry)) => {
                self.inode_permission(task, place, Access::EXEC)?;
                if self.is_open_for_writing(dentry) {
                    return Err(Errno::ETXTBSY);
                }
                Ok(dentry)
            }
            (FileType::Regular, _) => {
                self.inode_permission(task, place, Access::EXEC)?;
                Err(Errno::EACCES)
            }
            _ => Err(Errno::EACCES),
        }
    }

    /// Whether somebody could change the file while it runs (`deny_write_access`). Descriptors that
    /// memfd_create(2) gives are not counted.
    fn is_open_for_writing(&self, dentry: DentryId) -> bool {
        let d = &self.vfs.dentries[dentry];
        if d.unlinked && d.name.starts_with("memfd:") {
            return false;
        }
        let inode = d.inode;
        self.vfs.files.iter().any(|(_, file)| match file.path().map(|p| p.node) {
            Some(Node::Tree(d)) => {
                file.can_write() && self.vfs.dentries.get(d).is_some_and(|other| other.inode == inode)
            }
            _ => false,
        })
    }

    /// Looks at the beginning of a file (`search_binary_handler`).
    fn format_of(&self, dentry: DentryId) -> Result<Format, Errno> {
        let InodeKind::Regular(content) = &self.inode_of(dentry).kind else { return Err(Errno::EACCES) };
        let header = content.read(0, HEADER);
        let text = String::from_utf8_lossy(&header);
        if let Some(program) = text.strip_prefix("\x7fELF\nprogram ") {
            return program.lines().next().map(|name| Format::Elf(name.into())).ok_or(Errno::ENOEXEC);
        }
        if is_elf_executable(&header) {
            // From outside: what it does is not known, and its file's name stands for it.
            return Ok(Format::Elf(self.vfs.dentries[dentry].name.as_str().into()));
        }
        let line = text.strip_prefix("#!").ok_or(Errno::ENOEXEC)?.lines().next().unwrap_or("");
        let line = line.trim_matches([' ', '\t']);
        let (interpreter, argument) = match line.split_once([' ', '\t']) {
            Some((interpreter, argument)) => (interpreter, Some(argument.trim_matches([' ', '\t']).to_owned())),
            None => (line, None),
        };
        if interpreter.is_empty() { Err(Errno::ENOEXEC) } else { Ok(Format::Script(interpreter.to_owned(), argument)) }
    }

    /// The point of no return (`begin_new_exec`): what the old program had and the new one must not.
    fn begin_new_exec(&mut self, task: TaskId, bprm: &Binprm, dentry: DentryId, called_as: &str, new: Cred) {
        self.end_other_threads(task);
        let process = self.tasks[task].process;
        self.exit_shm(process);
        self.finish_vfork(task);
        self.enter_time_namespace(task);

        // First of all: the descriptor that is closed below may be the last that holds the file.
        if let Some(old) = self.processes[process].exe.replace(bprm.place) {
            self.put_path(old);
        }
        let old = Arc::clone(&self.tasks[task].cred);
        let unreadable = self.inode_permission_as(&old, bprm.place, Access::READ).is_err();
        let mm_user_ns = if unreadable { self.dump_namespace(&old, dentry) } else { old.user_ns };
        self.processes[process].mm_user_ns = mm_user_ns;
        self.processes[process].dumpable = !unreadable && old.euid == old.uid && old.egid == old.gid;
        if new.euid != old.uid || new.egid != old.gid {
            self.tasks[task].pdeath_signal = None;
        }

        self.unshare_files_for_exec(task);
        self.close_on_exec(task);
        let sighand = self.tasks[task].sighand;
        if self.sighands[sighand].users > 1 {
            let mut own = self.sighands[sighand].clone();
            own.users = 1;
            self.release_sighand(sighand);
            self.tasks[task].sighand = self.sighands.add(own);
        }
        let sighand = self.tasks[task].sighand;
        self.sighands[sighand].reset_handlers();
        let name = called_as.rsplit('/').next().unwrap_or(called_as);
        self.tasks[task].comm = cut(name, 15);
        let p = &mut self.processes[process];
        p.did_exec = true;
        p.exit_signal = Some(Signal::CHLD);
        self.commit_creds(task, new);
    }

    /// A new program enters the time namespace that was made for children (`exec_task_namespaces`); from then
    /// on its clocks are fixed.
    fn enter_time_namespace(&mut self, task: TaskId) {
        let proxy = &mut self.tasks[task].nsproxy;
        let (old, new) = (proxy.time, proxy.time_for_children);
        if old == new {
            return;
        }
        proxy.time = new;
        self.time_namespaces[new].frozen_offsets = true;
        self.hold_ns(NsRef::Time(new));
        self.emit(EventKind::NamespaceEntered { ns: NsRef::Time(new), task });
        self.release_ns(NsRef::Time(old));
    }

    /// Other threads end, and the caller becomes the leader of what is left (`de_thread`).
    fn end_other_threads(&mut self, task: TaskId) {
        let process = self.tasks[task].process;
        let leader = self.processes[process].leader;
        let killed = ExitStatus::Killed { signal: Signal::KILL, core: false };
        for thread in self.processes[process].threads.clone() {
            if thread != task {
                self.exit_task(thread, killed);
            }
        }
        if leader == task || !self.tasks.contains(leader) {
            return;
        }
        // The caller takes over the leader's number.
        let (own, leaders) = (self.tasks[task].pid, self.tasks[leader].pid);
        self.tasks[task].pid = leaders;
        self.tasks[leader].pid = own;
        self.pids[leaders].task = Some(task);
        self.pids[own].task = Some(leader);
        self.processes[process].leader = task;
        for (ns, nr) in self.pids[leaders].numbers.clone() {
            if nr == 1 {
                self.pid_namespaces[ns].child_reaper = Some(task);
            }
        }
        self.release_task(leader);
    }

    /// The innermost user namespace whose root may look into a program that the caller cannot read (`would_dump`).
    fn dump_namespace(&self, cred: &Cred, dentry: DentryId) -> crate::namespace::user::UserNsId {
        let inode = self.inode_of(dentry);
        let mut at = cred.user_ns;
        while let Some(ns) = self.user_namespaces.get(at)
            && let Some(parent) = ns.parent
        {
            let mapped = ns.uid_map.from_kernel(inode.uid.0).is_some() && ns.gid_map.from_kernel(inode.gid.0).is_some();
            if mapped {
                break;
            }
            at = parent;
        }
        at
    }

    fn unshare_files_for_exec(&mut self, task: TaskId) {
        let Some(files) = self.tasks[task].files else { return };
        if self.vfs.fd_tables[files].users > 1 {
            let own = self.copy_files(files, false);
            self.vfs.fd_tables[files].users -= 1;
            self.tasks[task].files = Some(own);
        }
    }

    fn close_on_exec(&mut self, task: TaskId) {
        let Some(files) = self.tasks[task].files else { return };
        let fds: Vec<Fd> = self.vfs.fd_tables[files].fds.iter().filter(|(_, e)| e.cloexec).map(|(fd, _)| *fd).collect();
        for fd in fds {
            // Each of them is open.
            let _ = self.close_fd(task, fd);
        }
    }

    /// Puts the new program in place of the old one.
    fn start_program(&mut self, task: TaskId, program: Arc<str>, bprm: Binprm) {
        let exe = self.d_path(bprm.place, task);
        let old = &self.tasks[task].user;
        let (driver, console) = (old.driver, old.image.console);
        let image = Image {
            console: console.filter(|_| keeps_console(&program, &bprm.argv) && console_of(self, task).is_some()),
            program,
            exe: exe.clone(),
            argv: bprm.argv,
            envp: bprm.envp,
        };
        self.exec_mm(task, &image.program, &image.exe);
        let argv: Arc<[String]> = image.argv.clone().into();
        let epoch = self.next_epoch();
        self.tasks[task].user = UserMode {
            image: Arc::new(image),
            driver,
            epoch,
            resume: Resume::Start,
            replies: imbl::Vector::new(),
            bytes_read: 0,
        };
        self.spend(EXEC_COST);
        self.emit(EventKind::ProgramExecuted { path: exe.into(), argv });
        if driver == Driver::Program {
            // Asked for from outside, it may have slept in a call of the old program.
            self.wake(task);
        }
    }
}

/// Whether this is the beginning of an executable for this machine (`load_elf_binary`): the magic number, the
/// type, and x86-64.
fn is_elf_executable(header: &[u8]) -> bool {
    const ET_EXEC: u8 = 2;
    const ET_DYN: u8 = 3;
    const EM_X86_64: u8 = 62;
    header.starts_with(b"\x7fELF") && matches!(header.get(16..20), Some([ET_EXEC | ET_DYN, 0, EM_X86_64, 0]))
}

/// A shell that replaces the shell of a console reads on from there, unless it was given something to do.
fn keeps_console(program: &str, argv: &[String]) -> bool {
    program == "bash" && argv.len() == 1
}

/// Arguments and environment must fit (`bprm_stack_limits`).
fn check_arguments(bprm: &Binprm) -> Result<(), Errno> {
    let all = || bprm.argv.iter().chain(&bprm.envp);
    let total: usize = all().map(|s| s.len() + 1 + 8).sum();
    if total > MAX_ARGUMENTS || all().any(|s| s.len() >= MAX_ARGUMENT) { Err(Errno::E2BIG) } else { Ok(()) }
}

/// At most `bytes` bytes of a name.
pub(crate) fn cut(name: &str, bytes: usize) -> String {
    let end = (0..=bytes.min(name.len())).rev().find(|n| name.is_char_boundary(*n)).unwrap_or(0);
    name[..end].to_owned()
}

/// The console whose shell a task is.
pub(crate) fn console_of(k: &Kernel<'_>, task: TaskId) -> Option<ConsoleId> {
    k.consoles.iter().find(|(_, c)| c.shell == task).map(|(id, _)| id)
}
