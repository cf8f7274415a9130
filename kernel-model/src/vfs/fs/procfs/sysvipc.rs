//! `/proc/sysvipc`: the System V objects of the reader's IPC namespace, as in sysvipc(7).

use std::fmt::Write;

use super::node::SysvipcFile;
use crate::ipc::sysv::{Perm, pid_nr_ns};
use crate::kernel::Kernel;
use crate::namespace::pid::PidNsId;
use crate::security::credentials::Cred;
use crate::task::TaskId;

impl Kernel<'_> {
    /// What a file says to `reader`; owners are shown as its opener sees them, pids as the instance does.
    pub(super) fn sysvipc_text(&self, file: SysvipcFile, ns: PidNsId, reader: TaskId, opener: &Cred) -> String {
        let namespace = &self.ipc_namespaces[self.ipc_ns_of(reader)];
        let viewer = &self.user_namespaces[opener.user_ns];
        let owners = |perm: &Perm| {
            let (uid, gid) = (viewer.uid(perm.uid), viewer.gid(perm.gid));
            let (cuid, cgid) = (viewer.uid(perm.cuid), viewer.gid(perm.cgid));
            format!("{uid:>5} {gid:>5} {cuid:>5} {cgid:>5}")
        };
        let begin = |perm: &Perm| format!("{:>10} {:>10}  {:>4o}", perm.key, perm.id, perm.mode);
        let mut text = String::new();
        // Writing to a string cannot fail.
        match file {
            SysvipcFile::Msg => {
                text.push_str("       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n");
                for q in namespace.msg.iter() {
                    let (lspid, lrpid) = (pid_nr_ns(&q.lspid, ns), pid_nr_ns(&q.lrpid, ns));
                    let _ = writeln!(
                        text,
                        "{}  {:>10} {:>10} {lspid:>5} {lrpid:>5} {} {:>10} {:>10} {:>10}",
                        begin(&q.perm),
                        q.cbytes(),
                        q.messages.len(),
                        owners(&q.perm),
                        q.stime,
                        q.rtime,
                        q.ctime
                    );
                }
            }
            SysvipcFile::Sem => {
                text.push_str("       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n");
                for set in namespace.sem.iter() {
                    let _ = writeln!(
                        text,
                        "{} {:>10} {} {:>10} {:>10}",
                        begin(&set.perm),
                        set.sems.len(),
                        owners(&set.perm),
                        set.otime,
                        set.ctime
                    );
                }
            }
            SysvipcFile::Shm => {
                text.push_str("       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n");
                for s in namespace.shm.iter() {
                    let (cpid, lpid) = (pid_nr_ns(&s.cpid, ns), pid_nr_ns(&s.lpid, ns));
                    let _ = writeln!(
                        text,
                        "{} {:>21} {cpid:>5} {lpid:>5}  {:>5} {} {:>10} {:>10} {:>10} {:>21} {:>21}",
                        begin(&s.perm),
                        s.segsz,
                        s.attached.len(),
                        owners(&s.perm),
                        s.atime,
                        s.dtime,
                        s.ctime,
                        0,
                        0
                    );
                }
            }
        }
        text
    }
}
