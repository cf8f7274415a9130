//! `docs/device-exits.md` says what the model counts: the same transfer by an emulated device and by virtio.

use anyhow::{Result, ensure};
use expect_test::expect_file;
use hypervisor_model::machine::{BareMetal, Host};
use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::EventKind;
use kernel_model::kernel::Trace;
use kernel_model::machine::report::{DeedKind, Lane, Report};
use kernel_model::step::Running;
use kernel_model::world::Config;
use std::collections::BTreeMap;
use std::fmt::Write;

const CONSOLE: ConsoleId = ConsoleId(1);
/// The registers of the serial port, by which the line is typed to the guest.
const SERIAL: std::ops::RangeInclusive<u64> = 0x3f8..=0x3ff;

const HEAD: &str = "\
# Exits by device

`UPDATE_EXPECT=1 cargo test -p ringside-tests --test device_exits` writes this page; the same test fails when it is stale.

The same transfer of a guest of KVM by a device that QEMU emulates register by register and by a virtio device: how often the
guest exits for it, by reason, and how many of these exits go on to user space, where QEMU does what the register means. The
model counts them; nothing was put in. An access to the PCI devices' memory is an `EPT_MISCONFIG`, one to a port an
`IO_INSTRUCTION`. A doorbell of virtio is one of the former, too, but KVM signals an eventfd and the guest goes on at once:
nothing goes to user space. What the transfer has in common by either device is in both columns: the end of each interrupt
(`MSR_WRITE`), having nothing to do (`HLT`). The console, by which the line is typed to the guest, is left out as far as it has
registers of its own.
";

struct Transfer {
    title: &'static str,
    line: &'static str,
    /// Name, options of QEMU, and what stands for DISK in the line.
    devices: [(&'static str, &'static str, &'static str); 2],
}

const TRANSFERS: &[Transfer] = &[
    Transfer {
        title: "A stream of 8893 bytes from the guest to its host, over TCP and a bridge",
        line: "seq 1 2000 | nc -q 1 10.0.0.1 99",
        devices: [
            ("e1000", "-nic tap,ifname=tap1,script=no,downscript=no,model=e1000", ""),
            ("virtio-net", "-nic tap,ifname=tap1,script=no,downscript=no,model=virtio-net-pci", ""),
        ],
    },
    Transfer {
        title: "64 blocks of 4096 bytes read from a disk",
        line: "dd if=/dev/DISK of=/dev/null bs=4096 count=64",
        devices: [
            ("IDE", "-drive file=/tmp/disk,if=ide", "sda"),
            ("virtio-blk", "-drive file=/tmp/disk,if=virtio", "vda"),
        ],
    },
    Transfer {
        title: "64 blocks of 4096 bytes written to a disk",
        line: "dd if=/dev/zero of=/dev/DISK bs=4096 count=64 conv=fsync",
        devices: [
            ("IDE", "-drive file=/tmp/disk,if=ide", "sda"),
            ("virtio-blk", "-drive file=/tmp/disk,if=virtio", "vda"),
        ],
    },
];

/// Exits by reason: all, and those that went to user space.
type Exits = BTreeMap<&'static str, (u64, u64)>;

struct Lab(Running<Host<BareMetal>>);

impl Lab {
    /// What appears after a line was typed, and the exits that it caused but those of the console.
    fn line(&mut self, text: &str) -> (String, Exits) {
        let mut trace = Trace::new();
        self.0.inject(&Action::Line { console: CONSOLE, text: text.to_owned() }, &mut trace);
        assert!(self.0.run(2_000_000, &mut trace), "{text} does not end");
        let (mut shown, mut exits) = (String::new(), Exits::new());
        for event in &trace.events {
            match &event.kind {
                EventKind::Output { bytes, .. } => shown.push_str(&String::from_utf8_lossy(bytes)),
                EventKind::Machine(Report::Did(deed)) if deed.kind == DeedKind::Exit => {
                    // Exits without a reason of this kind are those of memory, which either device's guest has alike.
                    let is_serial = deed.number("port").is_some_and(|port| SERIAL.contains(&port));
                    if !is_serial && deed.number("reason").is_some() {
                        let count = exits.entry(deed.name).or_default();
                        count.0 += 1;
                        count.1 += u64::from(deed.to == Lane::DeviceModel);
                    }
                }
                _ => {}
            }
        }
        (shown, exits)
    }
}

fn measure(line: &str, options: &str) -> Result<Exits> {
    let mut running = Running::boot(Config { terminal: true, ..Config::default() }, Host::default());
    assert!(running.run(100_000, &mut Trace::silent()));
    let mut lab = Lab(running);
    lab.line("ip link add br0 type bridge; ip addr add 10.0.0.1/24 dev br0; ip link set br0 up");
    lab.line("ip tuntap add dev tap1 mode tap; ip link set tap1 master br0; ip link set tap1 up");
    lab.line("mkfifo /tmp/in; head -c 1M /dev/zero > /tmp/disk");
    lab.line(&format!(
        "qemu-system-x86_64 -enable-kvm -m 128 -nographic {options} < /tmp/in > /tmp/out & exec 6> /tmp/in; sleep 1"
    ));
    if options.starts_with("-nic") {
        lab.line("echo 'ip addr add 10.0.0.11/24 dev eth0; ip link set eth0 up; ping -c 1 10.0.0.1' >&6; sleep 3");
        lab.line("nc -l -p 99 > /tmp/got & sleep 1");
    }
    let (_, exits) = lab.line(&format!("echo '{line}' >&6; sleep 5"));
    let (shown, _) = lab.line("cat /tmp/out; wc -c < /tmp/got");
    ensure!(shown.contains("262144 bytes") || shown.contains("8893"), "{line}: {shown}");
    Ok(exits)
}

fn document() -> Result<String> {
    let mut text = HEAD.to_owned();
    for Transfer { title, line, devices } in TRANSFERS {
        let [(one, _, _), (two, _, _)] = devices;
        let mut columns = Vec::new();
        for (_, options, disk) in devices {
            columns.push(measure(&line.replace("DISK", disk), options)?);
        }
        write!(text, "\n## {title}\n\n`{line}`\n\n")?;
        writeln!(text, "| reason | {one} | to user space | {two} | to user space |")?;
        writeln!(text, "| --- | ---: | ---: | ---: | ---: |")?;
        let reasons: std::collections::BTreeSet<_> = columns.iter().flat_map(|exits| exits.keys()).collect();
        for reason in reasons {
            write!(text, "| {reason} |")?;
            for exits in &columns {
                let (all, user) = exits.get(reason).copied().unwrap_or_default();
                write!(text, " {all} | {user} |")?;
            }
            text.push('\n');
        }
        write!(text, "| all |")?;
        for exits in &columns {
            let (all, user) = exits.values().fold((0, 0), |(all, user), (n, of_them)| (all + n, user + of_them));
            write!(text, " {all} | {user} |")?;
        }
        text.push('\n');
        let user = |exits: &Exits| exits.values().map(|(_, user)| user).sum::<u64>();
        ensure!(user(&columns[0]) > user(&columns[1]), "{title}: virtio goes to user space less often");
    }
    Ok(text)
}

#[test]
fn the_document_of_exits_by_device_is_not_stale() -> Result<()> {
    expect_file!["../../docs/device-exits.md"].assert_eq(&document()?);
    Ok(())
}
