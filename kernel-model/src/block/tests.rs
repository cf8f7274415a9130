//! Sessions: a disk, what limits do to it, and when what was written gets there.

use crate::block::event::BlockEvent;
use crate::event::{Event, EventKind};
use crate::session::Session;
use crate::world::Config;

impl Session {
    /// A world whose disk is mounted at `/mnt`; the shell is there.
    fn mounted(config: Config) -> Session {
        let mut session = Session::new(config);
        assert_eq!(session.line("mkfs.ext4 -q /dev/vda; mount /dev/vda /mnt; cd /mnt"), "");
        session
    }

    /// How long a line takes, in tenths of a second.
    fn tenths(&mut self, line: &str) -> u64 {
        let before = self.running.world.clock;
        let said = self.line(line);
        assert_eq!(said, "", "{line}");
        (self.running.world.clock - before).0 / 100_000_000
    }

    fn held_back(&self) -> usize {
        let throttled = |e: &&Event| matches!(e.kind, EventKind::Block(BlockEvent::Throttled { .. }));
        self.last_events().iter().filter(throttled).count()
    }
}

fn v2() -> Session {
    let mut s = Session::mounted(Config { cgroup_v2: true, ..Config::default() });
    s.line("G=/sys/fs/cgroup/g; echo '+io +memory' > /sys/fs/cgroup/cgroup.subtree_control; mkdir $G; echo $$ > $G/cgroup.procs");
    s
}

#[test]
fn a_disk_has_to_have_a_file_system() {
    let mut s = Session::mounted(Config::default());
    assert_eq!(
        s.line("mount | grep vda; ls; stat -f -c %T ."),
        "/dev/vda on /mnt type ext4 (rw,relatime)\nlost+found\next2/ext3\n"
    );
    s.line("echo kept > f; cd /; umount /mnt; mount -t ext4 /dev/vda /srv");
    assert_eq!(s.line("cat /srv/f; umount /srv"), "kept\n");
    s.line("dd if=/dev/zero of=/dev/vda bs=4k count=1 status=none");
    assert_eq!(
        s.line("mount -t ext4 /dev/vda /mnt"),
        "mount: /mnt: wrong fs type, bad option, bad superblock on /dev/vda, missing codepage or helper program, or other error.\n       dmesg(1) may have more information after failed mount system call.\n[exit 32]\n"
    );
    assert_eq!(s.line("cat /proc/partitions"), "major minor  #blocks  name\n\n 254        0    1048576 vda\n");
    assert_eq!(
        s.line("mkfs.ext4 /dev/vda 2>&1 | grep -v UUID | head -4"),
        "mke2fs 1.47.0 (5-Feb-2023)\nCreating filesystem with 262144 4k blocks and 65536 inodes\nSuperblock backups stored on blocks: \n\t32768, 98304, 163840, 229376\n"
    );
}

#[test]
fn io_max_holds_writes_back() {
    let mut s = v2();
    assert_eq!(s.tenths("dd if=/dev/zero of=a bs=1M count=4 oflag=direct status=none"), 0);
    assert_eq!(s.held_back(), 0);
    s.line("echo '254:0 wbps=1048576 riops=max' > $G/io.max");
    assert_eq!(s.line("cat $G/io.max"), "254:0 rbps=max wbps=1048576 riops=max wiops=max\n");
    let tenths = s.tenths("dd if=/dev/zero of=a bs=1M count=4 oflag=direct status=none");
    assert!((36..44).contains(&tenths), "{tenths}");
    assert!(s.held_back() > 0);
    assert_eq!(s.line("cat $G/io.stat"), "254:0 rbytes=0 wbytes=8388608 rios=0 wios=8 dbytes=0 dios=0\n");
    let pressure = s.line("grep some $G/io.pressure | sed 's/.*total=//'");
    assert!(pressure.trim().parse::<u64>().is_ok_and(|us| us > 3_000_000), "{pressure}");
    // Reads are not limited, and what is written past the page cache is not in it.
    assert_eq!(s.tenths("dd if=a of=/dev/null bs=1M status=none"), 0);
    assert_eq!(s.line("cat $G/io.stat"), "254:0 rbytes=4194304 wbytes=8388608 rios=4 wios=8 dbytes=0 dios=0\n");
    assert_eq!(s.line("awk '/^file /' $G/memory.stat"), "file 4194304\n");
    // The second time it is in memory.
    assert_eq!(s.line("dd if=a of=/dev/null bs=1M status=none; cut -d' ' -f2 $G/io.stat"), "rbytes=4194304\n");
}

#[test]
fn what_is_written_goes_to_the_disk_later() {
    let mut s = v2();
    s.line("echo '254:0 wbps=1048576' > $G/io.max");
    assert_eq!(s.tenths("dd if=/dev/zero of=a bs=1M count=2 status=none"), 0);
    assert_eq!(s.line("awk '/^file_dirty /' $G/memory.stat; cat $G/io.stat"), "file_dirty 2097152\n");
    let tenths = s.tenths("sync");
    assert!((16..24).contains(&tenths), "{tenths}");
    assert_eq!(
        s.line("awk '/^file_dirty /' $G/memory.stat; cut -d' ' -f3 $G/io.stat"),
        "file_dirty 0\nwbytes=2097152\n"
    );
    // In time it goes by itself.
    s.line("echo x > b; sleep 31");
    assert_eq!(s.line("awk '/^file_dirty /' $G/memory.stat"), "file_dirty 0\n");
}

#[test]
fn the_page_cache_makes_room() {
    let mut s = v2();
    s.line("echo 8M > $G/memory.max");
    s.line("dd if=/dev/zero of=a bs=1M count=20 status=none");
    s.line("dd if=a of=/dev/null bs=1M status=none");
    assert_eq!(
        s.line(
            "awk '{ print ($1 <= 8 * 1048576) }' $G/memory.current; awk '/oom_kill / { print $2 }' $G/memory.events"
        ),
        "1\n0\n"
    );
    assert_eq!(s.line("echo 4M > $G/memory.reclaim; awk '{ print ($1 <= 5 * 1048576) }' $G/memory.current"), "1\n");
}

#[test]
fn version_1_limits_what_goes_past_the_page_cache() {
    let mut s = Session::mounted(Config::default());
    s.line("G=/sys/fs/cgroup/blkio/g; mkdir $G; echo $$ > $G/cgroup.procs; echo '254:0 20' > $G/blkio.throttle.write_iops_device");
    assert_eq!(s.line("cat $G/blkio.throttle.write_iops_device"), "254:0 20\n");
    let tenths = s.tenths("dd if=/dev/zero of=a bs=4k count=40 oflag=direct status=none");
    assert!((16..24).contains(&tenths), "{tenths}");
    assert_eq!(s.line("grep Write $G/blkio.throttle.io_serviced"), "254:0 Write 40\n");
    // What is written back is nobody's.
    s.line("dd if=/dev/zero of=b bs=4k count=40 status=none; sync");
    assert_eq!(s.line("grep Write $G/blkio.throttle.io_serviced"), "254:0 Write 40\n");
    assert_eq!(
        s.line("echo '254:0 0' > $G/blkio.throttle.write_iops_device; cat $G/blkio.throttle.write_iops_device"),
        ""
    );
    assert_eq!(
        s.line("dd if=/dev/zero of=c bs=1000 count=1 oflag=direct status=none"),
        "dd: error writing 'c': Invalid argument\n[exit 1]\n"
    );
    assert_eq!(
        s.line("echo '8:0 5' > $G/blkio.throttle.write_iops_device"),
        "sh: line 10: echo: write error: No such device\n[exit 1]\n"
    );
}

#[test]
fn sync_waits_for_the_disk() {
    let mut s = Session::mounted(Config::default());
    s.line("stress -q -i 1 -t 1");
    assert_eq!(s.line("awk '{ print ($8 > 100) }' /proc/diskstats"), "1\n");
}
