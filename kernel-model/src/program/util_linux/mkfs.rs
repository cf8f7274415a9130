//! `mkfs.ext4` (mke2fs 1.47.0): makes a file system on a disk.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::Spec;
use crate::program::libc::o;
use crate::vfs::fs::ext4::{BYTES_PER_INODE, MAGIC};

crate::program!(
    MKFS_EXT4 = "mkfs.ext4" in "/usr/sbin",
    "create an ext4 file system on a disk",
    main,
    "-q  say nothing
-F  also when the disk has one already"
);

const SPEC: Spec = Spec {
    short: "qF",
    long: &[],
    unmodelled: "-b -i -L -m -N -O -t -T -U -v -n -E -J",
    version: "mke2fs 1.47.0",
    failure: 1,
};

/// Bytes in a block, and blocks in a group.
const BLOCK: u64 = 4096;
const BLOCKS_PER_GROUP: u64 = 32768;

async fn main(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let quiet = options.has('q');
    if !quiet {
        sys.eprint("mke2fs 1.47.0 (5-Feb-2023)\n").await;
    }
    let Some(device) = options.operands.first() else {
        sys.eprint(format!("Usage: {} [-c|-l filename] [-b block-size] [-C cluster-size]\n", sys.name())).await;
        return Err(1);
    };
    if sys.stat(device).await.is_err() {
        let problem = format!("The file {device} does not exist and no size was specified.\n");
        sys.eprint(problem).await;
        return Err(1);
    }
    let mounted = sys.read_file("/proc/mounts").await.unwrap_or_default();
    if mounted.lines().any(|l| l.split(' ').next() == Some(device.as_str())) {
        sys.eprint(format!("{device} is mounted; will not make a filesystem here!\n")).await;
        return Err(1);
    }
    let fd = match sys.open(device, o::RDWR, 0).await {
        Ok(fd) => fd,
        Err(e) => {
            sys.eprint(format!("{}: {e} while trying to determine filesystem size\n", sys.name())).await;
            return Err(1);
        }
    };
    let size = sys.lseek(fd, 0, 2).await.unwrap_or(0);
    if size == 0 {
        sys.eprint(format!("{}: Device size reported to be zero.\n", sys.name())).await;
        return Err(1);
    }
    if let Err(e) = write_superblock(&sys, fd).await {
        sys.eprint(format!("{}: {e} while writing out and closing file system\n", sys.name())).await;
        return Err(1);
    }
    if !quiet {
        report(&sys, size).await;
    }
    Ok(0)
}

/// The first block: nothing, and the magic number in its place.
async fn write_superblock(sys: &Sys, fd: i32) -> Result<(), Errno> {
    let mut block = vec![0; BLOCK as usize];
    block[1024 + 56..1024 + 58].copy_from_slice(&MAGIC);
    sys.lseek(fd, 0, 0).await?;
    sys.write_all(fd, &block).await?;
    let _ = sys.call(crate::syscall::Sysno::FSYNC, vec![fd.into()]).await;
    sys.close(fd).await
}

async fn report(sys: &Sys, size: u64) {
    let blocks = size / BLOCK;
    let inodes = size / BYTES_PER_INODE;
    // Copies of the superblock are in the groups 1 and the powers of 3, 5 and 7.
    let power = |group: u64| {
        [3, 5, 7].into_iter().any(|base: u64| {
            let mut n = base;
            while n < group {
                n *= base;
            }
            n == group
        })
    };
    let groups = blocks.div_ceil(BLOCKS_PER_GROUP);
    let backups: Vec<String> =
        (1..groups).filter(|g| *g == 1 || power(*g)).map(|g| (g * BLOCKS_PER_GROUP).to_string()).collect();
    let id = crate::vfs::fs::devices::random_bytes(sys.clock_gettime(0).await.unwrap_or(0), 16);
    let hex: String = id.iter().map(|b| format!("{b:02x}")).collect();
    let uuid = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    let done = " ".repeat(28);
    sys.print(format!(
        "Creating filesystem with {blocks} 4k blocks and {inodes} inodes\n\
         Filesystem UUID: {uuid}\n\
         Superblock backups stored on blocks: \n\t{}\n\n\
         Allocating group tables: done{done}\n\
         Writing inode tables: done{done}\n\
         Creating journal (8192 blocks): done\n\
         Writing superblocks and filesystem accounting information: done\n\n",
        backups.join(", ")
    ))
    .await;
}
