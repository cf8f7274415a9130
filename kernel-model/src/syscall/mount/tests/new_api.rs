//! The calls that make a mount step by step: fsopen, open_tree, move_mount, mount_setattr.

use super::*;

/// A call whose result is a number.
fn number(lab: &mut Lab, nr: Sysno, args: Vec<Value>) -> Result<i64, Errno> {
    let root = lab.root;
    lab.call(root, nr, args).map(|ret| ret.value)
}

const EMPTY_PATHS: i64 = 4 | 64;

#[test]
fn a_detached_tree_is_attached_by_its_descriptor_or_goes_with_it() {
    let mut lab = Lab::new();
    let root = lab.root;
    let mounts = lab.world().vfs.mounts.len();
    let clone = |lab: &mut Lab| number(lab, Sysno::OPEN_TREE, vec![AT_FDCWD.into(), "/dev".into(), 0x8001.into()]);
    assert_eq!(
        number(&mut lab, Sysno::OPEN_TREE, vec![AT_FDCWD.into(), "/".into(), 0x8000.into()]),
        Err(Errno::EINVAL)
    );
    assert_eq!(number(&mut lab, Sysno::OPEN_TREE, vec![AT_FDCWD.into(), Value::Null, 0.into()]), Err(Errno::EFAULT));
    let fd = clone(&mut lab).unwrap_or(-1);
    assert_eq!(lab.world().vfs.mounts.len(), mounts + 4);
    assert_eq!(number(&mut lab, Sysno::CLOSE, vec![fd.into()]), Ok(0));
    assert_eq!(lab.world().vfs.mounts.len(), mounts, "nobody held the tree any more");
    let fd = clone(&mut lab).unwrap_or(-1);
    let attach = vec![fd.into(), "".into(), AT_FDCWD.into(), "/mnt/a".into(), EMPTY_PATHS.into()];
    assert_eq!(number(&mut lab, Sysno::MOVE_MOUNT, attach.clone()), Ok(0));
    assert_eq!(lab.table(root, "/mnt/a").len(), 4);
    assert_eq!(number(&mut lab, Sysno::MOVE_MOUNT, attach), Err(Errno::EINVAL), "it is under a shared mount now");
    assert_eq!(number(&mut lab, Sysno::CLOSE, vec![fd.into()]), Ok(0));
    assert_eq!(lab.table(root, "/mnt/a").len(), 4);
}

#[test]
fn a_file_system_is_made_step_by_step() {
    let mut lab = Lab::new();
    let root = lab.root;
    let supers = lab.world().vfs.supers.len();
    assert_eq!(number(&mut lab, Sysno::FSOPEN, vec!["nofs".into(), 0.into()]), Err(Errno::ENODEV));
    assert_eq!(number(&mut lab, Sysno::FSOPEN, vec!["tmpfs".into(), 2.into()]), Err(Errno::EINVAL));
    let fd = number(&mut lab, Sysno::FSOPEN, vec!["tmpfs".into(), 1.into()]).unwrap_or(-1);
    let config = |lab: &mut Lab, cmd: i64, key: Value, value: Value| {
        number(lab, Sysno::FSCONFIG, vec![fd.into(), cmd.into(), key, value, 0.into()])
    };
    assert_eq!(number(&mut lab, Sysno::FSMOUNT, vec![fd.into(), 0.into(), 0.into()]), Err(Errno::EINVAL));
    assert_eq!(config(&mut lab, 1, "size".into(), "zz".into()), Err(Errno::EINVAL));
    assert_eq!(config(&mut lab, 1, "size".into(), "1m".into()), Ok(0));
    assert_eq!(config(&mut lab, 0, "ro".into(), Value::Null), Ok(0));
    assert_eq!(config(&mut lab, 6, "key".into(), Value::Null), Err(Errno::EINVAL));
    assert_eq!(config(&mut lab, 9, Value::Null, Value::Null), Err(Errno::EOPNOTSUPP));
    assert_eq!(config(&mut lab, 6, Value::Null, Value::Null), Ok(0));
    assert_eq!(config(&mut lab, 6, Value::Null, Value::Null), Err(Errno::EBUSY));
    let tree = number(&mut lab, Sysno::FSMOUNT, vec![fd.into(), 0.into(), 2.into()]).unwrap_or(-1);
    let attach = vec![tree.into(), "".into(), AT_FDCWD.into(), "/mnt/a".into(), EMPTY_PATHS.into()];
    assert_eq!(number(&mut lab, Sysno::MOVE_MOUNT, attach), Ok(0));
    let row = lab.world().mount_table(root).pop().expect("it is there");
    assert_eq!(
        (row.options.join(","), row.super_options.join(",")),
        ("rw,nosuid,relatime".into(), "ro,size=1024k".into())
    );
    assert_eq!(number(&mut lab, Sysno::CLOSE, vec![tree.into()]), Ok(0));
    assert_eq!(number(&mut lab, Sysno::CLOSE, vec![fd.into()]), Ok(0));
    assert_eq!(lab.umount(root, "/mnt/a", 0), Ok(()));
    assert_eq!(lab.world().vfs.supers.len(), supers);
}

#[test]
fn mount_setattr_changes_a_tree_at_once() {
    let mut lab = Lab::new();
    let root = lab.root;
    let set = |lab: &mut Lab, path: &str, flags: i64, set: u64, clear: u64, propagation: u64| {
        let attr = Value::record([
            ("attr_set", set.into()),
            ("attr_clr", clear.into()),
            ("propagation", propagation.into()),
            ("userns_fd", 0.into()),
        ]);
        number(lab, Sysno::MOUNT_SETATTR, vec![AT_FDCWD.into(), path.into(), flags.into(), attr, 32.into()])
    };
    let none = vec![(-9).into(), Value::Null, 0.into(), Value::Null, 0.into()];
    assert_eq!(number(&mut lab, Sysno::MOUNT_SETATTR, none), Err(Errno::EINVAL));
    assert_eq!(set(&mut lab, "/mnt/a", 0, 1, 0, 0), Err(Errno::EINVAL), "no mount point");
    assert_eq!(set(&mut lab, "/dev", 0, 0x10, 0, 0), Err(Errno::EINVAL), "the old access time is not cleared");
    assert_eq!(set(&mut lab, "/dev", 0, 1 << 40, 0, 0), Err(Errno::EINVAL));
    assert_eq!(set(&mut lab, "/dev", 0x8000, 0x14, 0x72, ms::PRIVATE), Ok(0));
    for row in lab.world().mount_table(root).iter().filter(|row| row.mount_point.starts_with("/dev")) {
        assert!(row.tags.is_empty() && row.options.contains(&"nodev".to_owned()), "{row:?}");
        assert!(row.options.contains(&"noatime".to_owned()) && !row.options.contains(&"nosuid".to_owned()), "{row:?}");
    }
}
