//! Hypercalls as a sequence between lanes: who had the processor, who got it, and what was said.

use kernel_model::machine::report::{Deed, Lane};
use serde::Serialize;

/// An arrow between two lanes, or a mark in one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Arrow {
    /// From which lane.
    pub from: &'static str,
    /// To which lane; the same for something that happens in one.
    pub to: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// In how many others it lies.
    pub depth: u8,
    /// One sentence.
    pub text: String,
}

/// What happened, in order.
pub fn lanes(deeds: &[Deed]) -> Vec<Arrow> {
    let arrow = |deed: &Deed| Arrow {
        from: lane(deed.from),
        to: lane(deed.to),
        name: deed.name,
        depth: deed.depth,
        text: deed.text(),
    };
    deeds.iter().map(arrow).collect()
}

/// Under Xen the process that works for guests' devices is domain 0.
fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Hypervisor => "Xen",
        Lane::DeviceModel | Lane::Device => "domain 0",
        lane => lane.label(),
    }
}

/// The text twin.
pub fn text(arrows: &[Arrow]) -> String {
    let line = |arrow: &Arrow| {
        let indent = "  ".repeat(arrow.depth.into());
        let way = if arrow.from == arrow.to { arrow.to.to_owned() } else { format!("{} -> {}", arrow.from, arrow.to) };
        format!("{indent}{way}: {}\n", arrow.text)
    };
    arrows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::deeds::Deeds;
    use crate::xen::domain::{DomId, VcpuId};
    use crate::xen::io::blkif;
    use crate::xen::io::xenbus::DeviceKind;
    use crate::xen::toolstack::XenSystem;
    use crate::xen::toolstack::config::DomainConfig;

    /// A write of one sector, from the frontend's ring to the disk and back: no step is missing.
    #[test]
    fn a_write_can_be_followed_to_the_disk_and_back() {
        let mut system = XenSystem::new(24 << 8, 2 << 8);
        let config =
            DomainConfig::parse("name='g'\nmemory=2\ndisk=['vdev=xvda,target=/dev/loop0']").expect("it is right");
        let id = system.create(&config).expect("there is room");
        system.connect(id);
        system.host.xen.deeds = Deeds::heard();
        let (_, disk) = system.disks.iter_mut().find(|(d, _)| d.kind == DeviceKind::Vbd).expect("there is one");
        let front = disk.front.as_mut().expect("it is connected");
        front.submit(&mut system.host, blkif::WRITE, 3, 512, b"text").expect("there is room");
        let for_backend = system.host.xen.take_events(VcpuId::first(DomId(0)));
        assert_eq!(for_backend, [disk.back.port().expect("it is connected")]);
        for io in disk.back.interrupt(&mut system.host) {
            let data = disk.content.serve(&io);
            disk.back.done(&mut system.host, io.cookie, Some(&data));
        }
        let for_frontend = system.host.xen.take_events(VcpuId::first(id));
        assert_eq!(for_frontend, [front.port().expect("it is connected")]);
        front.interrupt(&mut system.host);
        assert_eq!(&disk.content.sector(3)[..4], b"text");
        assert_eq!(
            text(&lanes(&system.host.xen.deeds.take())),
            "guest kernel: blkfront puts request 1 for sector 3 into entry 1 of its ring.\n\
             guest kernel -> Xen: The kernel of domain 1 makes hypercall 32, command 4.\n  \
             Xen: An event arrives at port 20 of domain 0.\n\
             domain 0: blkback has taken request 1 off the ring, 1 segments at sector 3, and gives it to the disk.\n\
             domain 0: blkback puts the response to request 1 onto the ring: it is done.\n\
             guest kernel -> Xen: The kernel of domain 0 makes hypercall 32, command 4.\n  \
             Xen: An event arrives at port 8 of domain 1.\n\
             guest kernel: blkfront takes the response to request 1 off its ring: the block layer is told.\n"
        );
    }
}
