//! What must be true of the scheduler between two turns.

use super::queue::{Entity, QueueId};
use super::{CPU_POSSIBLE, cpus};
use crate::task::TaskState;
use crate::time::Nanos;
use crate::world::World;

impl World {
    /// Checks the scheduler's invariants.
    ///
    /// # Errors
    /// A sentence about the first one that is broken.
    pub(crate) fn check_sched(&self) -> Result<(), String> {
        self.check_processors()?;
        self.check_queues()?;
        self.check_placement()?;
        super::psi::check(self)
    }

    /// Every nanosecond of a processor was used by a task, or nobody used it.
    fn check_processors(&self) -> Result<(), String> {
        for cpu in cpus() {
            let p = &self.sched.cpus[cpu.index()];
            if p.busy() + p.idle != p.clock {
                return Err(format!("processor {cpu}: busy {} and idle {} are not {}", p.busy(), p.idle, p.clock));
            }
        }
        let busy = cpus().fold(Nanos(0), |sum, cpu| sum + self.sched.cpus[cpu.index()].busy());
        let living = self.tasks.iter().fold(Nanos(0), |sum, (_, t)| sum + t.cpu_time);
        let used = living + self.sched.time_of_the_dead + self.sched.time_of_nobody;
        if busy != used {
            return Err(format!("processors were busy for {busy}, tasks ran for {used}"));
        }
        Ok(())
    }

    fn check_queues(&self) -> Result<(), String> {
        for (id, rq) in &self.sched.queues {
            let mut load = 0;
            let mut weighted = 0i128;
            for (deadline, entity) in &rq.entities {
                let se = self.entity(*entity, id.cpu);
                if !se.queued || se.deadline != *deadline {
                    return Err(format!("{entity:?} stands in {id:?} and does not know it"));
                }
                load += se.weight;
                weighted += i128::from(se.vruntime) * i128::from(se.weight);
            }
            if (load, weighted) != (rq.load, rq.weighted_vruntime) {
                return Err(format!(
                    "the sums of {id:?} are {:?}, counted {:?}",
                    (rq.load, rq.weighted_vruntime),
                    (load, weighted)
                ));
            }
            let tasks = self.count_queued(*id, rq.entities.iter().map(|(_, e)| *e));
            if tasks != rq.tasks {
                return Err(format!("{id:?} has {tasks} tasks and counts {}", rq.tasks));
            }
            if rq.throttled_since.is_some() && rq.se.queued {
                return Err(format!("{id:?} is throttled and stands in its parent's queue"));
            }
        }
        Ok(())
    }

    fn count_queued(&self, queue: QueueId, entities: impl Iterator<Item = Entity>) -> u32 {
        entities
            .map(|e| match e {
                Entity::Task(_) => 1,
                Entity::Group(group) => self.queue(QueueId { group, ..queue }).tasks,
            })
            .sum()
    }

    /// A task that can run is queued, one that sleeps is not, and it is only where it may run.
    fn check_placement(&self) -> Result<(), String> {
        for (id, t) in self.tasks.iter() {
            let queued = t.sched.se.queued;
            if queued && t.state != TaskState::Runnable || !queued && self.is_runnable(id) {
                return Err(format!("{id:?} is {:?} and {} queued", t.state, if queued { "is" } else { "is not" }));
            }
            if queued && t.cpus_allowed & CPU_POSSIBLE & t.sched.cpu.bit() == 0 {
                return Err(format!("{id:?} is queued on processor {}, where it may not run", t.sched.cpu));
            }
        }
        Ok(())
    }
}
