//! Prepared worlds: sessions to begin with. Each is a list of lines, so that its making can be stepped through like
//! everything else, and it can be changed, shared and rewound.

use hypervisor_model::machine::Platform;
use kernel_model::action::{Action, Stamped, When};
use kernel_model::console::ConsoleId;
use kernel_model::timeline::Session;
use kernel_model::world::Config;

/// A world to begin with.
#[derive(PartialEq, Debug)]
pub struct PreparedWorld {
    /// What it is called.
    pub name: &'static str,
    /// What there is to be seen in it.
    pub about: &'static str,
    /// The view to look at first.
    pub view: &'static str,
    /// Control groups are version 2 only.
    pub cgroup_v2: bool,
    /// The machine below; none for one that nobody looks at.
    pub platform: Option<Platform>,
    /// What is typed, line by line.
    pub lines: &'static [&'static str],
    /// A step of the last line, by its label, at which it is opened; without it, at its end.
    pub opens_at: Option<&'static str>,
}

impl PreparedWorld {
    /// The session that makes it.
    pub fn session(&self) -> Session {
        let line = |text: &&str| Stamped {
            when: When::AtRest,
            action: Action::Line { console: ConsoleId(1), text: (*text).to_owned() },
        };
        let machine = self.platform.map_or(0, Platform::code);
        let config = Config { cgroup_v2: self.cgroup_v2, terminal: true, machine, ..Config::default() };
        Session { config, actions: self.lines.iter().map(line).collect() }
    }
}

/// Writes the configuration of a guest whose disk is one of domain 0's.
const GUEST_WITH_A_DISK: &str = "cat > guest1.cfg <<'END'\nname=\"guest1\"\ntype=\"pv\"\nkernel=\"/bin/true\"\nmemory=192\nvcpus=1\n\
    disk=['format=raw,vdev=xvda,access=rw,script=block-simple,target=/dev/vda']\nEND";

/// All of them, the simplest first.
pub const WORLDS: &[PreparedWorld] = &[
    PreparedWorld {
        name: "The bare lab",
        about: "A machine as it has booted: init, a shell, and one namespace of each kind.",
        view: "process-tree",
        cgroup_v2: false,
        platform: None,
        lines: &[],
        opens_at: None,
    },
    PreparedWorld {
        name: "A container by hand",
        about: "unshare makes every wall of a container. Its first process is number 1 inside.",
        view: "pid-views",
        cgroup_v2: false,
        platform: None,
        lines: &[
            "unshare --mount --uts --ipc --net --pid --fork --mount-proc sh -c 'hostname box; sleep 1000; true' & sleep 1",
            "lsns",
        ],
        opens_at: None,
    },
    PreparedWorld {
        name: "A docker container",
        about: "docker run, step by step: images, overlayfs, namespaces, limits, masked paths.",
        view: "ns-graph",
        cgroup_v2: false,
        platform: None,
        lines: &[
            "docker run -d --name web --memory 64m --pids-limit 20 alpine sleep 1000",
            "docker ps",
            "docker exec web ps",
        ],
        opens_at: None,
    },
    PreparedWorld {
        name: "Root without privileges",
        about: "User 1000 becomes root in a user namespace of its own, and in there only.",
        view: "privileges",
        cgroup_v2: false,
        platform: None,
        lines: &[
            "setpriv --reuid=1000 --regid=1000 --clear-groups unshare --user --map-root-user --pid --fork --mount-proc sh -c 'id; sleep 1000; true' & sleep 1",
            "cat /proc/$!/uid_map",
        ],
        opens_at: None,
    },
    PreparedWorld {
        name: "PID namespaces in each other",
        about: "Three levels deep: one process with three numbers.",
        view: "pid-views",
        cgroup_v2: false,
        platform: None,
        lines: &[
            "unshare --pid --fork --mount-proc sh -c 'unshare --pid --fork --mount-proc sleep 1000; true' & sleep 1",
            "ps -ef",
        ],
        opens_at: None,
    },
    PreparedWorld {
        name: "A mount that travels",
        about: "A shared mount, a slave that receives, a private one that does not.",
        view: "mounts",
        cgroup_v2: false,
        platform: None,
        lines: &[
            "mkdir -p /mnt/shared; mount -t tmpfs shared /mnt/shared; mount --make-shared /mnt/shared",
            "unshare --mount --propagation slave sleep 1000 & unshare --mount --propagation private sleep 1000 & sleep 1",
            "mkdir /mnt/shared/usb; mount -t tmpfs usb /mnt/shared/usb",
        ],
        opens_at: None,
    },
    PreparedWorld {
        name: "Control groups, version 1",
        about: "A quota of processor time and a limit of memory, both of them hit.",
        view: "cgroups",
        cgroup_v2: false,
        platform: None,
        lines: &[
            "cd /sys/fs/cgroup; mkdir memory/box cpu/box; echo 4M > memory/box/memory.limit_in_bytes; echo 20000 > cpu/box/cpu.cfs_quota_us",
            "sh -c 'echo $$ > memory/box/tasks; head -c 8M /dev/zero | tail | wc -c'",
            "sh -c 'echo $$ > cpu/box/tasks; timeout 0.5 sh -c \"while :; do :; done\"'",
        ],
        opens_at: None,
    },
    PreparedWorld {
        name: "Control groups, version 2",
        about: "The same limits in the one hierarchy of today.",
        view: "cgroups",
        cgroup_v2: true,
        platform: None,
        lines: &[
            "cd /sys/fs/cgroup; echo +cpu +memory +pids > cgroup.subtree_control; mkdir box; echo 4M > box/memory.max; echo 20000 100000 > box/cpu.max; echo 8 > box/pids.max",
            "sh -c 'echo $$ > box/cgroup.procs; head -c 8M /dev/zero | tail | wc -c'",
            "sh -c 'echo $$ > box/cgroup.procs; timeout 0.5 sh -c \"while :; do :; done\"'; cat box/memory.events",
        ],
        opens_at: None,
    },
    PreparedWorld {
        name: "Two networks and a cable",
        about: "Two network namespaces, a veth pair, and a ping from one to the other.",
        view: "network",
        cgroup_v2: false,
        platform: None,
        lines: &[
            "ip netns add red; ip netns add blue; ip link add veth-red type veth peer name veth-blue",
            "ip link set veth-red netns red; ip link set veth-blue netns blue",
            "ip -n red addr add 10.0.0.1/24 dev veth-red; ip -n red link set veth-red up",
            "ip -n blue addr add 10.0.0.2/24 dev veth-blue; ip -n blue link set veth-blue up",
            "ip netns exec red ping -c 1 10.0.0.2",
        ],
        opens_at: None,
    },
    PreparedWorld {
        name: "A process that hides",
        about: "A mount over its directory in /proc: ps does not see it, kill does.",
        view: "proc-views",
        cgroup_v2: false,
        platform: None,
        lines: &[
            "sleep 1000 & mkdir /tmp/empty; mount --bind /tmp/empty /proc/$!",
            "ps -ef",
            "kill -0 $! && echo $! is alive",
        ],
        opens_at: None,
    },
    PreparedWorld {
        name: "A guest on Xen",
        about: "Domain 0, a guest beside it, and one write of the guest's on its way to the disk.",
        view: "hypercalls",
        cgroup_v2: false,
        platform: Some(Platform::XenPv64),
        lines: &[
            GUEST_WITH_A_DISK,
            "xl create guest1.cfg",
            "xl console guest1",
            "dd if=/dev/zero of=/dev/xvda bs=4096 count=1 conv=fsync",
        ],
        opens_at: None,
    },
    PreparedWorld {
        name: "One write on Xen",
        about: "From a process in a guest to domain 0's disk and back: opened at the write. Step forward with it.",
        view: "hypercalls",
        cgroup_v2: false,
        platform: Some(Platform::XenPv64),
        lines: &[
            GUEST_WITH_A_DISK,
            "xl create guest1.cfg",
            "xl console guest1",
            "mkfs.ext4 -q /dev/xvda; mount /dev/xvda /mnt; sync; echo 'once upon a time' > /tmp/story",
            "dd if=/tmp/story of=/mnt/story conv=fsync",
        ],
        opens_at: Some("\"once upon a time"),
    },
    PreparedWorld {
        name: "One ping on Xen",
        about: "From a process in a guest to domain 0 and back, by two rings: opened at the call that sends it.",
        view: "hypercalls",
        cgroup_v2: false,
        platform: Some(Platform::XenPv64),
        lines: &[
            "ip link add xenbr0 type bridge; ip addr add 10.0.0.1/24 dev xenbr0; ip link set xenbr0 up",
            "cat > guest1.cfg <<'END'\nname=\"guest1\"\ntype=\"pv\"\nkernel=\"/bin/true\"\nmemory=192\nvcpus=1\n\
             vif=['mac=00:16:3e:00:00:01,script=vif-bridge']\nEND",
            "xl create guest1.cfg",
            "xl console guest1",
            "ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up; ping -c 1 10.0.0.1",
            "ping -c 1 10.0.0.1",
        ],
        opens_at: Some("sendto("),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Lab, Motion};
    use crate::view;
    use kernel_model::projection::label::label;
    use kernel_model::projection::machine::seen;

    #[test]
    fn each_world_comes_to_rest_and_says_nothing_is_wrong() {
        for world in WORLDS {
            assert!(view::named(world.view).is_some(), "{} wants a view that is not there", world.name);
            let mut lab = Lab::restore(world.session(), None).opening_at(world.opens_at);
            let mut slices = 0;
            while lab.motion() == Motion::Running {
                lab.run(|| true);
                slices += 1;
                assert!(slices < 1000, "{} does not come to rest", world.name);
            }
            if let Some(step) = world.opens_at {
                let shown = lab.timeline.current_event().expect("there is one");
                let (inner, theirs, _) = seen(&shown, lab.timeline.head(), lab.timeline.machine_at_head());
                assert!(label(&inner.kind, theirs).contains(step), "{} opens at {shown:?}", world.name);
                assert!(lab.is_past(), "{}", world.name);
                let end = lab.len();
                lab.seek(end);
            }
            let (lines, _) = {
                lab.transcript.follow(&mut lab.timeline, true);
                lab.transcript.lines(ConsoleId(1), lab.position())
            };
            let text: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
            for wrong in ["not found", "nvalid", "annot", "No such", "denied", "not permitted", "not modelled", "usage"]
            {
                let line = text.iter().find(|line| line.contains(wrong) && !line.contains("Unable to find image"));
                assert_eq!(line, None, "{}: {text:#?}", world.name);
            }
        }
    }
}
