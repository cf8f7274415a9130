//! The OOM killer, as in `mm/oom_kill.c`: who has to die when there is no memory.

use super::event::MemoryEvent;
use super::memcg::{Charge, MemcgEvent};
use super::{MemcgId, ROOT_MEMCG};
use crate::kernel::Kernel;
use crate::task::signal::Signal;
use crate::task::{ExitStatus, ProcessId, TaskId};
use crate::world::World;

/// The adjustment that makes a process immune (`OOM_SCORE_ADJ_MIN`).
pub const ADJ_MIN: i16 = -1000;

/// What came of running out of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OomOutcome {
    /// Somebody dies.
    Killed,
    /// There is nobody who may be killed.
    NoVictim,
    /// The killer is switched off, and the task has to wait.
    Wait,
}

impl World {
    /// How bad a process is (`oom_badness`): its pages, adjusted by oom_score_adj in thousandths of `total`. `None`
    /// for one that may not be killed.
    pub fn oom_badness(&self, process: ProcessId, total: u64) -> Option<i64> {
        let p = self.processes.get(process)?;
        if self.is_global_init(process) || p.oom_score_adj == ADJ_MIN {
            return None;
        }
        let mm = self.mm.spaces.get(p.mm?)?;
        let points = mm.rss.total() + mm.page_table_pages();
        Some(points as i64 + i64::from(p.oom_score_adj) * (total / 1000) as i64)
    }

    /// What `/proc/PID/oom_score` says: 0 to 1000 for pages, mapped to two thirds and one third for the adjustment.
    pub fn oom_score(&self, process: ProcessId) -> u64 {
        let total = self.mm.total_pages().max(1);
        let Some(badness) = self.oom_badness(process, total) else { return 0 };
        u64::try_from((1000 + badness * 1000 / total as i64) * 2 / 3).unwrap_or(0)
    }

    /// The first process of all.
    fn is_global_init(&self, process: ProcessId) -> bool {
        let leader = self.processes[process].leader;
        self.tasks
            .get(leader)
            .is_some_and(|t| self.pids[t.pid].numbers.first().is_some_and(|(ns, nr)| ns.0 == 1 && *nr == 1))
    }
}

impl Kernel<'_> {
    /// No room in `over`, or in the machine when that is the root, and nothing to reclaim (`mem_cgroup_oom`).
    pub(super) fn memcg_oom(&mut self, task: TaskId, over: MemcgId, user: bool) -> OomOutcome {
        if over != ROOT_MEMCG {
            self.count_memory_event(over, MemcgEvent::Oom, 1);
            if self.mm.memcgs[over].oom_kill_disable {
                return if user { OomOutcome::Wait } else { OomOutcome::NoVictim };
            }
        }
        if self.memcg_out_of_memory(task, over) { OomOutcome::Killed } else { OomOutcome::NoVictim }
    }

    /// Chooses and kills somebody in a group (`mem_cgroup_out_of_memory`). Whether there was somebody.
    pub(crate) fn memcg_out_of_memory(&mut self, task: TaskId, over: MemcgId) -> bool {
        if self.is_dying(task) {
            return true;
        }
        let total = if over == ROOT_MEMCG { self.mm.total_pages() } else { self.mm.memcgs[over].max };
        let Some((victim, points)) = self.select_bad_process(over, total) else {
            self.emit_memory(MemoryEvent::NobodyToKill { memcg: over });
            return false;
        };
        self.oom_kill_process(task, over, victim, points);
        true
    }

    /// The worst of those that may be killed; the youngest where several are as bad.
    fn select_bad_process(&self, over: MemcgId, total: u64) -> Option<(ProcessId, i64)> {
        let mut chosen = None;
        for (id, process) in self.processes.iter() {
            if !self.mm.is_below(self.memcg_of(process.leader), over) {
                continue;
            }
            let Some(points) = self.oom_badness(id, total) else { continue };
            if chosen.is_none_or(|(_, best)| points >= best) {
                chosen = Some((id, points));
            }
        }
        chosen
    }

    /// Kills the chosen process and, where its group asks for it, the whole group (`oom_kill_process`).
    fn oom_kill_process(&mut self, task: TaskId, over: MemcgId, victim: ProcessId, points: i64) {
        let group = self.oom_group_of(victim, over);
        self.oom_kill_one(task, over, victim, points);
        let Some(group) = group else { return };
        if !self.mm.memcgs.contains(group) {
            return;
        }
        self.count_memory_event(group, MemcgEvent::OomGroupKill, 1);
        self.emit_memory(MemoryEvent::GroupKilled { memcg: group });
        let members: Vec<ProcessId> = self
            .processes
            .iter()
            .filter(|(id, p)| {
                self.mm.is_below(self.memcg_of(p.leader), group)
                    && p.oom_score_adj != ADJ_MIN
                    && p.mm.is_some()
                    && !self.is_global_init(*id)
            })
            .map(|(id, _)| id)
            .collect();
        for member in members {
            let total = self.mm.memcgs.get(over).map_or(self.mm.total_pages(), |m| m.max);
            let points = self.oom_badness(member, total).unwrap_or(0);
            self.oom_kill_one(task, over, member, points);
        }
    }

    /// The highest group between the victim's and the full one whose members die together
    /// (`mem_cgroup_get_oom_group`).
    fn oom_group_of(&self, victim: ProcessId, over: MemcgId) -> Option<MemcgId> {
        let own = self.memcg_of(self.processes[victim].leader);
        if !self.mm.memcgs[own].v2 || own == ROOT_MEMCG || !self.mm.is_below(own, over) {
            return None;
        }
        let mut group = None;
        for id in self.mm.lineage(own) {
            if self.mm.memcgs[id].oom_group {
                group = Some(id);
            }
            if id == over {
                break;
            }
        }
        group
    }

    /// SIGKILL for a process and for all others that share its memory (`__oom_kill_process`). The memory of a victim
    /// that is not running is there at once, as the OOM reaper sees to it.
    fn oom_kill_one(&mut self, task: TaskId, over: MemcgId, victim: ProcessId, points: i64) {
        let Some(process) = self.processes.get(victim) else { return };
        let (Some(mm), leader) = (process.mm, process.leader) else { return };
        if self.is_dying(leader) {
            return;
        }
        let memcg = self.memcg_of(leader);
        self.count_memory_event(memcg, MemcgEvent::OomKill, 1);
        self.mm.counters.oom_kill += 1;
        let rss = self.mm.spaces[mm].rss.total();
        self.emit_memory(MemoryEvent::Killed { over, memcg, victim: leader, points, rss });
        let sharers: Vec<ProcessId> = self
            .processes
            .iter()
            .filter(|(id, p)| p.mm == Some(mm) && !self.is_global_init(*id))
            .map(|(id, _)| id)
            .collect();
        for process in sharers {
            self.kill_now(task, process);
        }
    }

    /// Kills a process from within a call of `task`: at once, unless that would end `task`, too. Then the signal does
    /// it on the way out of the call.
    fn kill_now(&mut self, task: TaskId, process: ProcessId) {
        self.send_signal(process, Signal::KILL, None);
        let Some(p) = self.processes.get(process) else { return };
        let leader = p.leader;
        let takes_caller_along = self.tasks.get(task).is_some_and(|t| {
            t.process == process || (self.is_namespace_init(leader) && self.sees_number(leader, task))
        });
        if !takes_caller_along && self.is_dying(leader) {
            self.exit_group(leader, ExitStatus::Killed { signal: Signal::KILL, core: false });
        }
    }

    /// Whether `task` has a number in the PID namespace of `init`.
    fn sees_number(&self, init: TaskId, task: TaskId) -> bool {
        let ns = self.pids[self.tasks[init].pid].ns();
        self.tasks.get(task).is_some_and(|t| self.pids[t.pid].number_in(ns).is_some())
    }

    /// Looks for pages that can be dropped: the page cache of files on devices (`try_to_free_mem_cgroup_pages`).
    /// Anonymous memory and files in memory would need swap, and there is none.
    pub(crate) fn reclaim(&mut self, memcg: MemcgId, wanted: u64) -> u64 {
        let mut pages = 0;
        if self.mm.subtree(memcg, Charge::File) > 0 {
            let protected = self.protected_groups(memcg);
            pages = self.shrink_page_cache(memcg, wanted, |m| protected.min.contains(&m) || protected.low.contains(&m));
            if pages == 0 && !protected.low.is_empty() {
                // Nothing else is left: what memory.low protects goes, too.
                pages = self.shrink_page_cache(memcg, wanted, |m| protected.min.contains(&m));
                if pages > 0 {
                    protected.low.iter().for_each(|m| self.count_memory_event(*m, MemcgEvent::Low, 1));
                }
            }
        }
        self.emit_memory(MemoryEvent::Reclaimed { memcg, wanted, pages });
        pages
    }
}
