//! Invariants of a world that a test can ask for after every step, and the counting that they rest on.

use std::collections::BTreeMap;

use crate::namespace::NsRef;
use crate::vfs::Node;
use crate::vfs::file::FileKind;
use crate::world::World;

impl World {
    /// How often each namespace is referred to, counted from scratch.
    fn count_references(&self) -> BTreeMap<NsRef, u32> {
        let mut counts: BTreeMap<NsRef, u32> = BTreeMap::new();
        let mut hold = |ns: NsRef| *counts.entry(ns).or_default() += 1;
        for (_, task) in self.tasks.iter() {
            hold(NsRef::User(task.cred.user_ns));
            if !task.state.has_exited() {
                task.nsproxy.refs().into_iter().for_each(&mut hold);
            }
        }
        for (_, pid) in self.pids.iter() {
            pid.numbers.iter().for_each(|(ns, _)| hold(NsRef::Pid(*ns)));
        }
        for (_, file) in self.vfs.files.iter() {
            if let FileKind::Path(path) = &file.kind
                && let Node::Ns(ns) = path.node
            {
                hold(ns);
            }
        }
        for (_, file) in self.vfs.files.iter() {
            file.cgroup_ns.into_iter().for_each(|ns| hold(NsRef::Cgroup(ns)));
        }
        for (_, socket) in self.sockets.iter().filter(|(_, s)| !s.orphan) {
            hold(NsRef::Net(socket.net));
        }
        for (_, mount) in self.vfs.mounts.iter() {
            if let Node::Ns(ns) = mount.root {
                hold(ns);
            }
        }
        for (_, sb) in self.vfs.supers.iter() {
            hold(NsRef::User(sb.user_ns));
            if let crate::vfs::fs::FsKind::Proc(ns) = sb.kind {
                hold(NsRef::Pid(ns));
            }
        }
        for (id, ns) in self.ipc_namespaces.iter() {
            ns.shm.iter().flat_map(|segment| &segment.attached).for_each(|_| hold(NsRef::Ipc(id)));
        }
        for (_, ns) in self.pid_namespaces.iter() {
            ns.parent.into_iter().for_each(|p| hold(NsRef::Pid(p)));
        }
        for ns in self.all_namespaces() {
            if let Some(common) = self.ns_common(ns)
                && ns != NsRef::User(common.owner)
            {
                hold(NsRef::User(common.owner));
            }
        }
        counts
    }

    /// Every namespace that exists, by kind and then by age.
    pub fn all_namespaces(&self) -> Vec<NsRef> {
        let mut all: Vec<NsRef> = Vec::new();
        all.extend(self.cgroup_namespaces.ids().map(NsRef::Cgroup));
        all.extend(self.ipc_namespaces.ids().map(NsRef::Ipc));
        all.extend(self.mnt_namespaces.ids().map(NsRef::Mnt));
        all.extend(self.net_namespaces.ids().map(NsRef::Net));
        all.extend(self.pid_namespaces.ids().map(NsRef::Pid));
        all.extend(self.time_namespaces.ids().map(NsRef::Time));
        all.extend(self.user_namespaces.ids().map(NsRef::User));
        all.extend(self.uts_namespaces.ids().map(NsRef::Uts));
        all
    }

    /// Sets all reference counts to what they are: at boot, when everything was put in by hand.
    pub(crate) fn settle_references(&mut self) {
        let counts = self.count_references();
        for ns in self.all_namespaces() {
            // The first namespaces are never freed.
            let own = counts.get(&ns).copied().unwrap_or(0) + u32::from(self.is_first(ns));
            if let Some(common) = self.ns_common_mut(ns) {
                common.refs = own;
            }
        }
    }

    fn is_first(&self, ns: NsRef) -> bool {
        let number = match ns {
            NsRef::Cgroup(id) => id.0,
            NsRef::Ipc(id) => id.0,
            NsRef::Mnt(id) => id.0,
            NsRef::Net(id) => id.0,
            NsRef::Pid(id) => id.0,
            NsRef::Time(id) => id.0,
            NsRef::User(id) => id.0,
            NsRef::Uts(id) => id.0,
        };
        number == 1
    }

    /// Checks the invariants.
    ///
    /// # Errors
    /// A sentence about the first one that is broken.
    pub fn check(&self) -> Result<(), String> {
        self.check_references()?;
        self.check_pids()?;
        self.check_mounts()?;
        self.check_memory()?;
        self.check_block()?;
        self.check_network()?;
        self.check_processes()?;
        self.check_cgroups()?;
        self.check_sched()
    }

    fn check_references(&self) -> Result<(), String> {
        let counts = self.count_references();
        for ns in self.all_namespaces() {
            let counted = counts.get(&ns).copied().unwrap_or(0) + u32::from(self.is_first(ns));
            let kept = self.ns_common(ns).map_or(0, |c| c.refs);
            if counted != kept {
                return Err(format!("{ns:?} is referred to {counted} times but counts {kept}"));
            }
            if counted == 0 {
                return Err(format!("{ns:?} exists although nothing keeps it alive"));
            }
        }
        match counts.keys().find(|ns| self.ns_common(**ns).is_none()) {
            Some(gone) => Err(format!("{gone:?} is referred to but does not exist")),
            None => Ok(()),
        }
    }

    fn check_pids(&self) -> Result<(), String> {
        for (id, pid) in self.pids.iter() {
            for (level, (ns, nr)) in pid.numbers.iter().enumerate() {
                let Some(namespace) = self.pid_namespaces.get(*ns) else {
                    return Err(format!("{id:?} has number {nr} in {ns:?}, which does not exist"));
                };
                if namespace.level != level {
                    return Err(format!("number {nr} of {id:?} is at level {level}, {ns:?} is not"));
                }
                if namespace.numbers.get(nr) != Some(&id) {
                    return Err(format!("{ns:?} does not know that {nr} is {id:?}"));
                }
            }
            if let Some(task) = pid.task
                && self.tasks.get(task).is_none_or(|t| t.pid != id)
            {
                return Err(format!("{id:?} names {task:?}, which does not know it"));
            }
        }
        for (ns, namespace) in self.pid_namespaces.iter() {
            for (nr, pid) in &namespace.numbers {
                if self.pids.get(*pid).is_none_or(|p| p.number_in(ns) != Some(*nr)) {
                    return Err(format!("{nr} in {ns:?} is {pid:?}, which does not have that number"));
                }
            }
        }
        Ok(())
    }

    fn check_processes(&self) -> Result<(), String> {
        for (id, process) in self.processes.iter() {
            if let Some(parent) = process.parent
                && self.processes.get(parent).is_none_or(|p| !p.children.contains(&id))
            {
                return Err(format!("{id:?} has the parent {parent:?}, which does not know it"));
            }
            for child in &process.children {
                if self.processes.get(*child).is_none_or(|c| c.parent != Some(id)) {
                    return Err(format!("{id:?} has the child {child:?}, which does not know it"));
                }
            }
            for thread in &process.threads {
                if self.tasks.get(*thread).is_none_or(|t| t.process != id) {
                    return Err(format!("{id:?} has the thread {thread:?}, which does not know it"));
                }
            }
        }
        Ok(())
    }
}
