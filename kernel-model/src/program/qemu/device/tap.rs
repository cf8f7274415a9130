//! Network cards' other ends: TAP devices of the host (`net/tap.c`, `net/tap-linux.c`).

use crate::net::tun::{TUNGETFEATURES, TUNSETIFF, tun_flags};
use crate::program::Sys;
use crate::program::libc::o;
use crate::program::qemu::options::Netdev;
use crate::syscall::{Sysno, Value};

const TUN: &str = "/dev/net/tun";

/// Opens the driver and joins with the device (`tap_open`). The descriptor.
///
/// # Errors
/// What it says instead.
pub async fn open(sys: &Sys, netdev: &Netdev) -> Result<i32, String> {
    let fd = match sys.open(TUN, o::RDWR | o::CLOEXEC | o::NONBLOCK, 0).await {
        Ok(fd) => fd,
        Err(e) => return Err(format!("{}: could not open {TUN}: {e}", netdev.text)),
    };
    let _ = sys.call(Sysno::IOCTL, vec![fd.into(), TUNGETFEATURES.into(), 0.into()]).await;
    let name = netdev.ifname.as_deref().unwrap_or("tap%d");
    let request = Value::record([("ifr_name", name.into()), ("ifr_flags", (tun_flags::TAP | tun_flags::NO_PI).into())]);
    if let Err(e) = sys.call(Sysno::IOCTL, vec![fd.into(), TUNSETIFF.into(), request]).await {
        let place = netdev.ifname.as_ref().map_or_else(|| TUN.to_owned(), |name| format!("{TUN} ({name})"));
        return Err(format!("{}: could not configure {place}: {e}", netdev.text));
    }
    for (what, script) in [("ifup", &netdev.script), ("ifdown", &netdev.downscript)] {
        let default = format!("/etc/qemu-{what}");
        let path = script.as_ref().unwrap_or(&default);
        if what == "ifup" && !matches!(path.as_str(), "no" | "") {
            return Err(match sys.stat(path).await {
                // launch_script: the child could not start it.
                Err(_) => format!("{}: network script {path} failed with status 256", netdev.text),
                Ok(_) => format!("{}: network scripts are not modelled here: use script=no,downscript=no", netdev.text),
            });
        }
    }
    Ok(fd)
}
