//! Images: there is no network to get any from, so a few are built in. Pulling one writes its files as a layer
//! below `/var/lib/docker/overlay2`.

use super::super::golang::errno;
use super::super::json::Json;
use super::{Docker, OVERLAY, hex};
use crate::boot::files::executable;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;
use crate::program::registry;
use crate::vfs::content::Content;

/// Where it is written which images there are.
const REPOSITORIES: &str = "/var/lib/docker/image/overlay2/repositories.json";

/// An image that is built in.
pub(super) struct Image {
    pub(super) name: &'static str,
    pub(super) tag: &'static str,
    /// What runs when nothing else is asked for.
    pub(super) cmd: &'static [&'static str],
    /// Whether its programs are links to busybox.
    busybox: bool,
    release: &'static str,
}

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Programs that no image brings along.
const NOT_IN_IMAGES: [&str; 4] = ["runc", "docker", "containerd-shim-runc-v2", "busybox"];

/// The images that are built in.
pub(super) const IMAGES: &[Image] = &[
    Image { name: "busybox", tag: "latest", cmd: &["sh"], busybox: true, release: "" },
    Image {
        name: "alpine",
        tag: "latest",
        cmd: &["/bin/sh"],
        busybox: true,
        release: "NAME=\"Alpine Linux\"\nID=alpine\nPRETTY_NAME=\"Alpine-like, built in\"\n",
    },
    Image {
        name: "debian",
        tag: "latest",
        cmd: &["bash"],
        busybox: false,
        release: "PRETTY_NAME=\"Debian-like, built in\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n",
    },
];

impl Image {
    /// The image that a reference names: `busybox`, `library/busybox:latest`.
    pub(super) fn find(reference: &str) -> Option<&'static Image> {
        let (name, tag) = reference.split_once(':').unwrap_or((reference, "latest"));
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        let name = name.strip_prefix("library/").unwrap_or(name);
        IMAGES.iter().find(|i| i.name == name && i.tag == tag)
    }

    /// The environment of its programs.
    pub(super) fn env(&self) -> Vec<String> {
        vec![PATH.to_owned()]
    }

    /// 64 hexadecimal digits that are always the same for the same image.
    pub(super) fn id(&self) -> String {
        let seed = self.name.bytes().fold(0x5eed_u64, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
        hex(&crate::vfs::fs::devices::random_bytes(seed, 32))
    }

    /// The directory of its layer.
    pub(super) fn layer(&self) -> String {
        format!("{OVERLAY}/{}", self.id())
    }
}

/// Whether an image has been pulled.
pub(super) async fn is_here(sys: &Sys, image: &Image) -> bool {
    known(sys).await.get(&format!("{}:{}", image.name, image.tag)).is_some()
}

async fn known(sys: &Sys) -> Json {
    let text = sys.read_file(REPOSITORIES).await.unwrap_or_default();
    Json::parse(&text).unwrap_or(Json::Object(Vec::new()))
}

/// `docker pull`, which prints how it goes; for others, whose output is that of a container, that goes to standard error.
pub(super) async fn pull(docker: &Docker, reference: &str) -> Result<i32, i32> {
    let sys = &docker.sys;
    let is_asked_for = docker.is("pull");
    let tell = async |text: String| if is_asked_for { sys.print(text).await } else { sys.eprint(text).await };
    let Some(image) = Image::find(reference) else {
        let names: Vec<&str> = IMAGES.iter().map(|i| i.name).collect();
        return Err(docker
            .daemon_error(&format!(
                "there is no network here, and no image {reference} is built in (there are: {})",
                names.join(", ")
            ))
            .await);
    };
    if is_asked_for && !reference.contains(':') {
        tell("Using default tag: latest\n".to_owned()).await;
    }
    tell(format!("{}: Pulling from library/{} (built in: there is no network)\n", image.tag, image.name)).await;
    let status = if is_here(sys, image).await {
        "Image is up to date for"
    } else {
        if let Err(e) = unpack(sys, image).await {
            return Err(docker.daemon_error(&format!("failed to register layer: {}", errno(e))).await);
        }
        tell(format!("{}: Pull complete\n", &image.id()[..12])).await;
        "Downloaded newer image for"
    };
    tell(format!("Status: {status} {}:{}\n", image.name, image.tag)).await;
    if is_asked_for {
        tell(format!("docker.io/library/{}:{}\n", image.name, image.tag)).await;
    }
    sys.flush().await;
    Ok(0)
}

/// Writes the files of an image as a layer.
async fn unpack(sys: &Sys, image: &Image) -> Result<(), Errno> {
    let root = format!("{}/diff", image.layer());
    docker_dirs(sys).await?;
    for dir in ["", "/bin", "/dev", "/etc", "/home", "/proc", "/root", "/run", "/sbin", "/sys", "/usr", "/usr/bin"] {
        super::mkdir_all(sys, &format!("{root}{dir}")).await?;
    }
    for dir in ["/usr/sbin", "/usr/local/bin", "/var/log"] {
        super::mkdir_all(sys, &format!("{root}{dir}")).await?;
    }
    for (dir, mode) in [("/root", 0o700), ("/tmp", 0o1777), ("/var/tmp", 0o1777)] {
        super::mkdir_all(sys, &format!("{root}{dir}")).await?;
        sys.chmod(&format!("{root}{dir}"), mode).await?;
    }
    let passwd = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n";
    file(sys, &format!("{root}/etc/passwd"), 0o644, passwd.as_bytes()).await?;
    file(sys, &format!("{root}/etc/group"), 0o644, b"root:x:0:\ndaemon:x:1:\ntty:x:5:\nnogroup:x:65534:\n").await?;
    if !image.release.is_empty() {
        file(sys, &format!("{root}/etc/os-release"), 0o644, image.release.as_bytes()).await?;
    }
    let program = |name: &str| Content::to_vec(&executable(name));
    if image.busybox {
        file(sys, &format!("{root}/bin/busybox"), 0o755, &program("busybox")).await?;
        for applet in crate::program::coreutils::busybox::applets() {
            sys.symlink("busybox", &format!("{root}/bin/{applet}")).await?;
        }
    } else {
        for p in registry::programs().filter(|p| !NOT_IN_IMAGES.contains(&p.name)) {
            let dir = if p.dir.ends_with("sbin") { "/usr/sbin" } else { "/usr/bin" };
            file(sys, &format!("{root}{dir}/{}", p.name), 0o755, &program(p.name)).await?;
        }
        sys.symlink("/usr/bin/bash", &format!("{root}/bin/sh")).await?;
        sys.symlink("/usr/bin/bash", &format!("{root}/bin/bash")).await?;
    }
    let mut all = known(sys).await;
    let now = sys.clock_gettime(0).await.unwrap_or(0);
    let entry = Json::object([("id", image.id().as_str().into()), ("pulled", (now as i64).into())]);
    all.set(&format!("{}:{}", image.name, image.tag), entry);
    file(sys, REPOSITORIES, 0o600, all.compact().as_bytes()).await
}

/// The directories below `/var/lib/docker`.
pub(super) async fn docker_dirs(sys: &Sys) -> Result<(), Errno> {
    for dir in ["/var/lib/docker/containers", "/var/lib/docker/image/overlay2", OVERLAY] {
        super::mkdir_all(sys, dir).await?;
    }
    Ok(())
}

/// Writes a whole file.
///
/// # Errors
/// Those of the file system.
pub(super) async fn file(sys: &Sys, path: &str, mode: u32, bytes: &[u8]) -> Result<(), Errno> {
    let fd = sys.open(path, o::WRONLY | o::CREAT | o::TRUNC | o::CLOEXEC, mode).await?;
    let written = sys.write_all(fd, bytes).await;
    sys.close(fd).await?;
    written
}

/// `docker images`
pub(super) async fn images(docker: &Docker) -> Result<i32, i32> {
    let sys = &docker.sys;
    let now = sys.clock_gettime(0).await.unwrap_or(0);
    let head = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    for (name, entry) in known(sys).await.fields() {
        let (repository, tag) = name.split_once(':').unwrap_or((name, "latest"));
        let id = entry.get("id").and_then(Json::as_str).unwrap_or_default();
        let pulled = entry.get("pulled").and_then(Json::as_int).unwrap_or(0) as u64;
        if docker.has("quiet") {
            sys.print(format!("{}\n", &id[..id.len().min(12)])).await;
            continue;
        }
        let age = format!("{} ago", super::ps::human(now.saturating_sub(pulled)));
        rows.push(vec![repository.to_owned(), tag.to_owned(), id[..id.len().min(12)].to_owned(), age]);
    }
    if !docker.has("quiet") {
        sys.print(super::super::golang::table(10, &rows)).await;
    }
    Ok(0)
}
