//! Conversations between local sockets, as Linux 6.18 has them.

use crate::errno::Errno;
use crate::kernel::Trace;
use crate::pv_ops::NoMachine;
use crate::step::Running;
use crate::syscall::{Call, Ret, Sysno, Value};
use crate::task::TaskId;
use crate::testing::run;
use crate::world::{Config, World};

const STREAM: i64 = 1;
const DGRAM: i64 = 2;
const SEQPACKET: i64 = 5;
const NONBLOCK: i64 = 0o4000;
const SOL_SOCKET: i64 = 1;
const SO_PASSCRED: i64 = 16;
const SO_PEERCRED: i64 = 17;

/// What has come: text, number of descriptors, credentials, flags.
type Arrival = (String, usize, Option<Vec<i64>>, i64);

/// A world with the shell as the caller.
struct Lab(Running<NoMachine>);

impl Lab {
    fn new() -> Lab {
        Lab(Running::new(World::boot(Config::default()), NoMachine))
    }

    fn call(&mut self, nr: Sysno, args: Vec<Value>) -> Result<Ret, Errno> {
        let result = self.0.call_as(TaskId(2), Call { nr, args }, &mut Trace::new());
        assert_eq!(self.0.world.check(), Ok(()));
        result.expect("the call neither sleeps nor ends the task")
    }

    fn int(&mut self, nr: Sysno, args: Vec<Value>) -> Result<i64, Errno> {
        self.call(nr, args).map(|ret| ret.value)
    }

    fn socket(&mut self, kind: i64) -> i64 {
        self.int(Sysno::SOCKET, vec![1.into(), (kind | NONBLOCK).into(), 0.into()]).expect("a socket")
    }

    fn pair(&mut self, kind: i64) -> (i64, i64) {
        let ret = self.call(Sysno::SOCKETPAIR, vec![1.into(), (kind | NONBLOCK).into(), 0.into()]).expect("a pair");
        let fds: Vec<i64> = ret.output(3).as_list().into_iter().flatten().filter_map(Value::as_int).collect();
        (fds[0], fds[1])
    }

    fn named(&mut self, nr: Sysno, fd: i64, name: &str) -> Result<i64, Errno> {
        let addr = Value::record([("sa_family", 1.into()), ("sun_path", name.into())]);
        self.int(nr, vec![fd.into(), addr, (name.len() + 2).into()])
    }

    fn send(&mut self, fd: i64, text: &str) -> Result<i64, Errno> {
        // MSG_NOSIGNAL
        self.int(Sysno::SENDTO, vec![fd.into(), Value::bytes(text.as_bytes()), text.len().into(), 0x4000.into()])
    }

    fn send_with(&mut self, fd: i64, text: &str, kind: i64, data: Value) -> Result<i64, Errno> {
        let iov = Value::record([("iov_base", Value::bytes(text.as_bytes())), ("iov_len", text.len().into())]);
        let control = Value::record([
            ("cmsg_len", 0.into()),
            ("cmsg_level", SOL_SOCKET.into()),
            ("cmsg_type", kind.into()),
            ("cmsg_data", data),
        ]);
        let msg = Value::record([("msg_iov", Value::List(vec![iov])), ("msg_control", Value::List(vec![control]))]);
        self.int(Sysno::SENDMSG, vec![fd.into(), msg, 0.into()])
    }

    fn rights(&mut self, fd: i64, text: &str, fds: &[i64]) -> Result<i64, Errno> {
        self.send_with(fd, text, 1, Value::List(fds.iter().map(|fd| Value::from(*fd)).collect()))
    }

    fn receive(&mut self, fd: i64, count: i64, room: i64) -> Result<Arrival, Errno> {
        let iov = Value::record([("iov_len", count.into())]);
        let msg = Value::record([("msg_iov", Value::List(vec![iov])), ("msg_controllen", room.into())]);
        let ret = self.call(Sysno::RECVMSG, vec![fd.into(), msg, 0.into()])?;
        let msg = ret.output(1);
        let iov = &msg.field("msg_iov").and_then(Value::as_list).expect("a buffer")[0];
        let text = String::from_utf8_lossy(iov.field("iov_base").and_then(Value::as_bytes).unwrap_or_default());
        let (mut fds, mut cred) = (0, None);
        for control in msg.field("msg_control").and_then(Value::as_list).unwrap_or_default() {
            let data = control.field("cmsg_data").expect("data");
            match control.field("cmsg_type").and_then(Value::as_int) {
                Some(1) => fds = data.as_list().map_or(0, <[Value]>::len),
                _ => cred = Some(ids(data)),
            }
        }
        Ok((text.into_owned(), fds, cred, msg.field("msg_flags").and_then(Value::as_int).unwrap_or(0)))
    }

    fn pass_cred(&mut self, fd: i64, on: i64) {
        let args = vec![fd.into(), SOL_SOCKET.into(), SO_PASSCRED.into(), Value::List(vec![on.into()]), 4.into()];
        self.int(Sysno::SETSOCKOPT, args).expect("an option");
    }

    fn poll(&mut self, fd: i64) -> i64 {
        let entry = Value::record([("fd", fd.into()), ("events", 0x2007.into())]);
        let ret = self.call(Sysno::POLL, vec![Value::List(vec![entry]), 1.into(), 0.into()]).expect("poll");
        ret.output(0).as_list().and_then(|l| l[0].field("revents")?.as_int()).expect("revents")
    }
}

fn ids(ucred: &Value) -> Vec<i64> {
    ["pid", "uid", "gid"].iter().filter_map(|name| ucred.field(name)?.as_int()).collect()
}

#[test]
fn a_stream_is_read_as_far_as_the_next_descriptors() {
    let mut lab = Lab::new();
    let (a, b) = lab.pair(STREAM);
    lab.send(a, "ab").expect("sent");
    lab.rights(a, "cd", &[0]).expect("sent");
    lab.send(a, "ef").expect("sent");
    assert_eq!(lab.receive(b, 100, 1000), Ok(("abcd".into(), 1, None, 0)));
    assert_eq!(lab.receive(b, 100, 1000), Ok(("ef".into(), 0, None, 0)));
    lab.rights(a, "xyz", &[0, 1]).expect("sent");
    assert_eq!(lab.receive(b, 1, 1000), Ok(("x".into(), 2, None, 0)));
    assert_eq!(lab.receive(b, 10, 1000), Ok(("yz".into(), 0, None, 0)));
    lab.rights(a, "xyz", &[0, 1]).expect("sent");
    assert_eq!(lab.receive(b, 10, 20), Ok(("xyz".into(), 1, None, 8)));
    lab.rights(a, "xyz", &[0, 1]).expect("sent");
    assert_eq!(lab.receive(b, 10, 0), Ok(("xyz".into(), 0, None, 8)));
    let (read, write) = lab.pair(STREAM);
    lab.rights(a, "t", &[write]).expect("sent");
    lab.int(Sysno::CLOSE, vec![write.into()]).expect("open");
    assert_eq!(lab.poll(read), 0x4, "the end that travels is open");
    assert_eq!(lab.receive(b, 10, 1000).map(|r| r.1), Ok(1));
    assert_eq!(lab.poll(read), 0x4);
    lab.int(Sysno::CLOSE, vec![write.into()]).expect("the same number again");
    assert_eq!(lab.poll(read), 0x2015);
    assert_eq!(lab.rights(a, "q", &[999]), Err(Errno::EBADF));
    assert_eq!(lab.send_with(a, "q", 7, Value::Null), Err(Errno::EINVAL));
}

#[test]
fn credentials_come_when_they_were_wanted_in_time() {
    let mut lab = Lab::new();
    let (a, b) = lab.pair(STREAM);
    lab.pass_cred(b, 1);
    lab.send(a, "1").expect("sent");
    let own = lab.int(Sysno::GETPID, vec![]).expect("a number");
    assert_eq!(lab.receive(b, 10, 100), Ok(("1".into(), 0, Some(vec![own, 0, 0]), 0)));
    lab.pass_cred(b, 0);
    lab.send(a, "2").expect("sent");
    lab.pass_cred(b, 1);
    lab.send(a, "3").expect("sent");
    assert_eq!(lab.receive(b, 10, 100), Ok(("2".into(), 0, Some(vec![0, 65534, 65534]), 0)));
    assert_eq!(lab.receive(b, 10, 100), Ok(("3".into(), 0, Some(vec![own, 0, 0]), 0)));
    let says = |pid: i64, uid: i64| Value::record([("pid", pid.into()), ("uid", uid.into()), ("gid", 6.into())]);
    assert_eq!(lab.send_with(a, "x", 2, says(999_999, 0)), Err(Errno::ESRCH));
    assert_eq!(lab.send_with(a, "x", 2, says(1, 5)), Ok(1));
    assert_eq!(lab.receive(b, 10, 100), Ok(("x".into(), 0, Some(vec![1, 5, 6]), 0)));
    let args = vec![a.into(), SOL_SOCKET.into(), SO_PEERCRED.into()];
    assert_eq!(ids(lab.call(Sysno::GETSOCKOPT, args).expect("an answer").output(3)), [own, 0, 0]);
    let lone = lab.socket(STREAM);
    let args = vec![lone.into(), SOL_SOCKET.into(), SO_PEERCRED.into()];
    assert_eq!(ids(lab.call(Sysno::GETSOCKOPT, args).expect("an answer").output(3)), [0, -1, -1]);
}

#[test]
fn each_type_says_in_its_own_way_that_nobody_is_there() {
    let mut lab = Lab::new();
    let (s, q, d) = (lab.socket(STREAM), lab.socket(SEQPACKET), lab.socket(DGRAM));
    assert_eq!(lab.receive(s, 1, 0).map(drop), Err(Errno::EINVAL));
    assert_eq!(lab.send(s, "x"), Err(Errno::ENOTCONN));
    assert_eq!(lab.receive(q, 1, 0).map(drop), Err(Errno::ENOTCONN));
    assert_eq!(lab.send(q, "x"), Err(Errno::ENOTCONN));
    assert_eq!(lab.send(d, "x"), Err(Errno::ENOTCONN));
    assert_eq!(lab.int(Sysno::LISTEN, vec![s.into(), 1.into()]), Err(Errno::EINVAL));
    assert_eq!(lab.int(Sysno::LISTEN, vec![d.into(), 1.into()]), Err(Errno::EOPNOTSUPP));
    assert_eq!(lab.named(Sysno::CONNECT, d, "\0no"), Err(Errno::ECONNREFUSED));
    assert_eq!(lab.named(Sysno::CONNECT, d, "/etc/passwd"), Err(Errno::ECONNREFUSED));
    assert_eq!(lab.named(Sysno::CONNECT, d, "/nowhere"), Err(Errno::ENOENT));
    assert_eq!((lab.poll(s), lab.poll(d)), (0x14, 0x4));
    let pair = |lab: &mut Lab, args: [i64; 3]| lab.int(Sysno::SOCKETPAIR, args.map(Value::from).to_vec());
    assert_eq!(pair(&mut lab, [2, 1, 0]), Err(Errno::EOPNOTSUPP));
    assert_eq!(pair(&mut lab, [1, 4, 0]), Err(Errno::ESOCKTNOSUPPORT));
    assert_eq!(pair(&mut lab, [1, 1, 5]), Err(Errno::EPROTONOSUPPORT));
}

#[test]
fn abstract_names_are_taken_by_type_and_connections_wait() {
    let mut lab = Lab::new();
    let (d, e, other) = (lab.socket(DGRAM), lab.socket(STREAM), lab.socket(STREAM));
    assert_eq!(lab.named(Sysno::BIND, d, "\0one"), Ok(0));
    assert_eq!(lab.named(Sysno::BIND, d, "\0two"), Err(Errno::EINVAL));
    assert_eq!(lab.named(Sysno::BIND, e, "\0one"), Ok(0));
    assert_eq!(lab.named(Sysno::BIND, other, "\0one"), Err(Errno::EADDRINUSE));
    assert_eq!(lab.named(Sysno::CONNECT, other, "\0one"), Err(Errno::ECONNREFUSED));
    lab.int(Sysno::LISTEN, vec![e.into(), 0.into()]).expect("it listens");
    let (first, second) = (lab.socket(STREAM), lab.socket(STREAM));
    assert_eq!(lab.named(Sysno::CONNECT, first, "\0one"), Ok(0));
    assert_eq!(lab.named(Sysno::CONNECT, second, "\0one"), Err(Errno::EAGAIN));
    lab.send(first, "early").expect("sent");
    let accepted = lab.int(Sysno::ACCEPT, vec![e.into()]).expect("a connection");
    assert_eq!(lab.receive(accepted, 10, 0).map(|r| r.0), Ok("early".into()));
    assert_eq!(lab.named(Sysno::CONNECT, first, "\0one"), Err(Errno::EISCONN));
    lab.send(first, "unread").expect("sent");
    lab.int(Sysno::CLOSE, vec![accepted.into()]).expect("open");
    assert_eq!(lab.receive(first, 10, 0).map(drop), Err(Errno::ECONNRESET));
    assert_eq!(lab.receive(first, 10, 0).map(|r| r.0), Ok(String::new()));
    assert_eq!(lab.send(first, "x"), Err(Errno::EPIPE));
    // Whoever waits to be accepted hears that nobody listens any more.
    assert_eq!(lab.named(Sysno::CONNECT, second, "\0one"), Ok(0));
    lab.int(Sysno::CLOSE, vec![e.into()]).expect("open");
    assert_eq!(lab.receive(second, 10, 0).map(drop), Err(Errno::ECONNRESET));
}

#[test]
fn how_much_fits_is_counted_in_memory_of_the_sender() {
    let cases = [(STREAM, 1, 278), (STREAM, 193, 167), (STREAM, 3777, 44), (STREAM, 16_000, 13), (DGRAM, 8000, 13)];
    for (kind, size, count) in cases.into_iter().chain([(SEQPACKET, 32_449, 6), (DGRAM, 705, 93)]) {
        let mut lab = Lab::new();
        let (a, b) = lab.pair(kind);
        let text = "x".repeat(size);
        let mut sent = 0;
        while lab.send(a, &text).is_ok() {
            sent += 1;
        }
        assert_eq!(sent, count, "{size} bytes of type {kind}");
        assert_eq!(lab.receive(b, size as i64, 0).map(|r| r.0.len()), Ok(size));
        assert!(lab.send(a, "x").is_ok());
    }
    let mut lab = Lab::new();
    let (a, _) = lab.pair(STREAM);
    assert_eq!(lab.send(a, &"x".repeat(300_000)), Ok(219_264));
    let (a, _) = lab.pair(DGRAM);
    assert_eq!(lab.send(a, &"x".repeat(212_961)), Err(Errno::EMSGSIZE));
}

#[test]
fn poll_sees_the_other_end_go() {
    let mut lab = Lab::new();
    let (a, b) = lab.pair(STREAM);
    assert_eq!(lab.poll(a), 0x4);
    lab.int(Sysno::SHUTDOWN, vec![b.into(), 1.into()]).expect("shut");
    assert_eq!((lab.poll(a), lab.poll(b)), (0x2005, 0x4));
    lab.int(Sysno::CLOSE, vec![b.into()]).expect("open");
    assert_eq!(lab.poll(a), 0x2015);
    let (a, b) = lab.pair(SEQPACKET);
    lab.send(a, "abcdef").expect("sent");
    assert_eq!(lab.receive(b, 3, 0), Ok(("abc".into(), 0, None, 0x20)));
    lab.int(Sysno::CLOSE, vec![a.into()]).expect("open");
    assert_eq!(lab.receive(b, 3, 0).map(|r| r.0), Ok(String::new()));
    assert_eq!(lab.send(b, "x"), Err(Errno::EPIPE));
    let (a, b) = lab.pair(DGRAM);
    lab.int(Sysno::CLOSE, vec![b.into()]).expect("open");
    assert_eq!(lab.send(a, "x"), Err(Errno::ECONNREFUSED));
    assert_eq!(lab.send(a, "x"), Err(Errno::ENOTCONN));
}

#[test]
fn datagrams_wait_up_to_a_number() {
    let mut lab = Lab::new();
    let (d, v) = (lab.socket(DGRAM), lab.socket(DGRAM));
    lab.named(Sysno::BIND, d, "/tmp/d").expect("a name");
    lab.named(Sysno::CONNECT, v, "/tmp/d").expect("connected");
    let sent = (0..20).take_while(|_| lab.send(v, ".").is_ok()).count();
    assert_eq!(sent, 11);
    assert_eq!(lab.poll(v), 0);
    lab.receive(d, 1, 0).expect("a datagram");
    assert_eq!(lab.poll(v), 4);
    lab.int(Sysno::CLOSE, vec![d.into()]).expect("open");
    assert_eq!(lab.send(v, "x"), Err(Errno::ECONNREFUSED));
}

#[test]
fn a_file_leads_to_a_socket_across_network_namespaces_and_an_abstract_name_does_not() {
    let out = run(&[
        "nc -v -lU /tmp/s > /tmp/got & sleep 0.1",
        "echo hello | unshare --net nc -N -U /tmp/s; cat /tmp/got; ls -l /tmp/s | cut -c1-10",
        "nc -U /tmp/s",
        "unshare --mount sh -c 'mount -t tmpfs none /tmp; nc -U /tmp/s'",
        "nc -U /etc/passwd; nc -lU /nonexistent/x; nc -lU",
    ]);
    assert_eq!(
        out,
        "Bound on /tmp/s\nListening on /tmp/s\nConnection received on /tmp/s\nhello\nsrwxr-xr-x\n\
         nc: /tmp/s: Connection refused\n[exit 1]\n\
         nc: /tmp/s: No such file or directory\n[exit 1]\n\
         nc: /etc/passwd: Connection refused\nnc: No such file or directory\nnc: missing socket pathname\n[exit 1]\n"
    );
}
