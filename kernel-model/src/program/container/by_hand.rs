//! The same container once by `runc` and once by hand, and nobody can tell them apart: there is no such thing as a
//! container in the kernel.

use crate::action::Action;
use crate::console::ConsoleId;
use crate::kernel::Trace;
use crate::namespace::NsKind;
use crate::projection::privileges::Privileges;
use crate::pv_ops::NoMachine;
use crate::security::capability::Cap;
use crate::step::Running;
use crate::task::TaskId;
use crate::world::{Config, World};

/// The same files for both.
const ROOTFS: &[&str] = &[
    "R=/srv/bundle/rootfs; mkdir -p $R/bin $R/proc $R/dev $R/etc $R/tmp",
    "cp /bin/busybox $R/bin/ && chroot $R /bin/busybox --install -s /bin",
    "cp /usr/bin/setpriv /bin/ip $R/bin/; cd /srv/bundle",
];

/// By the runtime.
const BY_RUNC: &[&str] = &[
    r#"cat > config.json <<'E'
{"ociVersion": "1.0.2", "hostname": "box", "root": {"path": "rootfs"},
 "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/sleep", "1000"], "env": ["PATH=/bin"], "cwd": "/",
  "capabilities": {"bounding": ["CAP_KILL", "CAP_CHOWN"], "effective": ["CAP_KILL", "CAP_CHOWN"],
   "permitted": ["CAP_KILL", "CAP_CHOWN"]}, "noNewPrivileges": true},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
 "linux": {"cgroupsPath": "/box", "maskedPaths": ["/proc/keys"], "readonlyPaths": ["/proc/sys"],
  "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}]}}
E"#,
    "runc run -d box",
];

/// By hand: the groups, the namespaces, the mounts, the root, the walls around the process.
const BY_HAND: &[&str] = &[
    r#"cat > /tmp/inside <<'E'
R=/srv/bundle/rootfs
mount --make-rslave /
mount --rbind $R $R
mount -t proc proc $R/proc
for d in "null 3" "random 8" "full 7" "zero 5" "urandom 9"; do set -- $d; mknod -m 666 $R/dev/$1 c 1 $2; done
mknod -m 666 $R/dev/tty c 5 0
ln -s pts/ptmx $R/dev/ptmx
ln -s /proc/self/fd $R/dev/fd
for n in 0 1 2; do set -- stdin stdout stderr; shift $n; ln -s /proc/self/fd/$n $R/dev/$1; done
ip link set lo up
hostname box
cd $R
pivot_root . .
PATH=/bin
hash -r
mount --make-rslave .
umount -l .
cd /
mount --rbind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount --bind /dev/null /proc/keys
exec setpriv --no-new-privs --clear-groups --inh-caps -all --bounding-set -all,+kill,+chown env -i PATH=/bin HOME=/ /bin/sleep 1000
E"#,
    r#"(for h in /sys/fs/cgroup/*/; do [ -e $h/cgroup.procs ] && mkdir -p $h/box && echo 0 > $h/box/cgroup.procs; done
        exec unshare --propagation unchanged -m -u -i -n -p -f sh /tmp/inside) &"#,
    "sleep 1",
];

fn world_after(lines: &[&str]) -> World {
    let mut running = Running::new(World::boot(Config::default()), NoMachine);
    for line in ROOTFS.iter().chain(lines) {
        running.run(400_000, &mut Trace::silent());
        running.inject(&Action::Line { console: ConsoleId(1), text: (*line).to_owned() }, &mut Trace::silent());
        running.run(400_000, &mut Trace::silent());
    }
    running.world
}

/// The process of the container.
fn inside(world: &World) -> TaskId {
    let of_container = |t: &crate::task::Task| t.user.image.argv == ["/bin/sleep", "1000"];
    world.tasks.iter().find(|(_, t)| of_container(t)).map(|(id, _)| id).expect("the container runs")
}

/// Numbers that the kernel hands out become `N`.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_digit() && out.ends_with('N') => {}
            c if c.is_ascii_digit() => out.push('N'),
            c => out.push(c),
        }
    }
    out
}

#[test]
fn a_container_made_by_hand_is_the_same() {
    let (a, b) = (world_after(BY_RUNC), world_after(BY_HAND));
    let (runc, hand) = (inside(&a), inside(&b));
    // Namespaces: which are its own.
    let own = |w: &World, t: TaskId| -> Vec<NsKind> {
        let (first, its) = (w.namespaces_of(TaskId(1)), w.namespaces_of(t));
        its.into_iter().filter(|ns| !first.contains(ns)).map(|ns| ns.kind()).collect()
    };
    assert_eq!(own(&a, runc), own(&b, hand));
    // Mounts, as it sees them.
    assert_eq!(without_numbers(&a.mountinfo_text(runc)), without_numbers(&b.mountinfo_text(hand)));
    // Credentials, capabilities, no_new_privs, filters.
    let privileges = |w: &World, t: TaskId| {
        // Who else passes a check is said of others.
        let text = Privileges::of(w, t, Cap::KILL).text();
        text.split("    so do").next().unwrap_or_default().to_owned()
    };
    let (from_runc, from_hand) = (privileges(&a, runc), privileges(&b, hand));
    assert_eq!(without_numbers(&from_runc), without_numbers(&from_hand));
}
