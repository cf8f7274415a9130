//! What a program holds of the kernel: system calls, and nothing else.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Image, Reply, Request, Resume};
use crate::errno::Errno;
use crate::mm::user_data::MemoryAccess;
use crate::syscall::{Call, Ret, Sysno, Value};
use crate::task::signal::Signal;

/// The handle through which a program makes system calls.
#[derive(Clone)]
pub struct Sys {
    mailbox: Rc<Mailbox>,
    image: Arc<Image>,
}

struct Mailbox {
    resume: Resume,
    request: RefCell<Option<Request>>,
    reply: RefCell<Option<Reply>>,
    caught: RefCell<Vec<Signal>>,
    /// Standard output that has not been written yet, as stdio buffers it.
    stdout: RefCell<Vec<u8>>,
    /// Standard output could not be written.
    stdout_error: Cell<Option<Errno>>,
    /// The exit status when standard output could not be written (`exit_failure` of gnulib).
    exit_failure: Cell<i32>,
}

/// How many bytes stdio collects before it writes.
const STDIO_BUFFER: usize = 4096;

impl Sys {
    pub(super) fn new(image: Arc<Image>, resume: Resume) -> Sys {
        let mailbox = Rc::new(Mailbox {
            resume,
            request: RefCell::new(None),
            reply: RefCell::new(None),
            caught: RefCell::new(Vec::new()),
            stdout: RefCell::new(Vec::new()),
            stdout_error: Cell::new(None),
            exit_failure: Cell::new(1),
        });
        Sys { mailbox, image }
    }

    /// The same process, its code told that it was called with other arguments: what a multi-call program
    /// hands to the applet that it has chosen.
    #[must_use]
    pub fn with_argv(&self, argv: Vec<String>) -> Sys {
        let image = Arc::new(Image { argv, ..(*self.image).clone() });
        Sys { mailbox: Rc::clone(&self.mailbox), image }
    }

    pub(super) fn take_request(&self) -> Option<Request> {
        self.mailbox.request.borrow_mut().take()
    }

    pub(super) fn put_reply(&self, reply: Reply) {
        *self.mailbox.reply.borrow_mut() = Some(reply);
    }

    // --- what the program was started with ---

    /// `argv`, the program's own name included.
    pub fn argv(&self) -> &[String] {
        &self.image.argv
    }

    /// The name by which the program was called, without directories: what it puts before its messages.
    pub fn name(&self) -> &str {
        let name = self.argv().first().map_or("", String::as_str);
        name.rsplit('/').next().unwrap_or(name)
    }

    /// The name of the program in the registry, whatever it was called by.
    pub fn program(&self) -> &str {
        &self.image.program
    }

    /// The environment at the start of the program.
    pub fn envp(&self) -> &[String] {
        &self.image.envp
    }

    /// The value of an environment variable.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.envp().iter().find_map(|v| v.split_once('=').filter(|(n, _)| *n == name).map(|(_, v)| v))
    }

    /// Whether this is the shell of a console.
    pub fn is_console_shell(&self) -> bool {
        self.image.console.is_some()
    }

    /// The state that was saved last; [`Resume::Start`] when the program begins.
    pub fn resume(&self) -> &Resume {
        &self.mailbox.resume
    }

    // --- leaving the program ---

    async fn request(&self, request: Request) -> Reply {
        *self.mailbox.request.borrow_mut() = Some(request);
        let reply = AwaitReply(&self.mailbox).await;
        self.mailbox.caught.borrow_mut().extend(reply.caught.iter().copied());
        reply
    }

    /// Makes a system call.
    ///
    /// # Errors
    /// The call's own.
    pub async fn call(&self, nr: Sysno, args: Vec<Value>) -> Result<Ret, Errno> {
        self.request(Request::Call(Call { nr, args })).await.result
    }

    /// The same, for calls whose only result is a number.
    ///
    /// # Errors
    /// The call's own.
    pub async fn call_int(&self, nr: Sysno, args: Vec<Value>) -> Result<i64, Errno> {
        Ok(self.call(nr, args).await?.value)
    }

    /// Waits for the next command line of the shell's console.
    pub async fn await_line(&self) -> String {
        match self.request(Request::AwaitLine).await.result {
            Ok(ret) => ret.output(0).as_str().unwrap_or_default().to_owned(),
            Err(_) => String::new(),
        }
    }

    /// Says that the command line of the console has been carried out.
    pub async fn command_done(&self, status: i32) {
        self.request(Request::CommandDone(status)).await;
    }

    /// Saves the state from which the program is to go on; what led there is forgotten. Everything that
    /// the program still needs must be in `state`: buffered output has to be flushed before.
    pub async fn save(&self, state: Resume) {
        self.request(Request::Save(state)).await;
    }

    /// Spends processor time. Loops that make no calls must do this now and then.
    pub async fn compute(&self, nanoseconds: u64) {
        self.request(Request::Compute(nanoseconds)).await;
    }

    /// Writes to memory of its own: pages that were not there yet come into being, and are charged.
    pub async fn touch(&self, addr: u64, bytes: u64) {
        if bytes > 0 {
            self.request(Request::Touch { addr, bytes, write: true }).await;
        }
    }

    /// Passes a point for tracing.
    pub(crate) async fn tell(&self, event: super::qemu::migration::event::MigrationEvent) {
        self.request(Request::Tell(event)).await;
    }

    async fn memory(&self, addr: u64, access: MemoryAccess) -> Result<Value, Errno> {
        Ok(self.request(Request::Memory { addr, access }).await.result?.output(0).clone())
    }

    /// Reads the value that a thread has stored at this address.
    ///
    /// # Errors
    /// None that a program could meet: a bad address is SIGSEGV.
    pub async fn load(&self, addr: u64) -> Result<Value, Errno> {
        self.memory(addr, MemoryAccess::Load).await
    }

    /// Stores a value at an address for other threads.
    ///
    /// # Errors
    /// As of [`Sys::load`].
    pub async fn store(&self, addr: u64, value: Value) -> Result<(), Errno> {
        self.memory(addr, MemoryAccess::Store(value)).await.map(drop)
    }

    /// Stores a word and gives the old one, as one step; with `expected` only if the old one is that.
    ///
    /// # Errors
    /// As of [`Sys::load`].
    pub async fn exchange(&self, addr: u64, new: u32, expected: Option<u32>) -> Result<u32, Errno> {
        let old = self.memory(addr, MemoryAccess::Exchange { new, expected }).await?;
        Ok(old.as_int().unwrap_or(0) as u32)
    }

    /// Reads bytes of memory that the machine below sees.
    ///
    /// # Errors
    /// EFAULT: the machine keeps none.
    pub async fn load_bytes(&self, addr: u64, len: usize) -> Result<Vec<u8>, Errno> {
        Ok(self.memory(addr, MemoryAccess::LoadBytes(len)).await?.as_bytes().unwrap_or_default().to_vec())
    }

    /// Writes bytes to memory that the machine below sees.
    ///
    /// # Errors
    /// EFAULT: the machine keeps none.
    pub async fn store_bytes(&self, addr: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.memory(addr, MemoryAccess::StoreBytes(bytes.into())).await.map(drop)
    }

    /// The signals that were caught since this was asked last, oldest first.
    pub fn take_caught(&self) -> Vec<Signal> {
        self.mailbox.caught.take()
    }

    // --- standard output as stdio has it ---

    /// Puts text into the buffer of standard output, as printf(3).
    pub async fn print(&self, text: impl AsRef<[u8]>) {
        self.mailbox.stdout.borrow_mut().extend_from_slice(text.as_ref());
        if self.mailbox.stdout.borrow().len() >= STDIO_BUFFER {
            self.flush().await;
        }
    }

    /// Writes the buffer of standard output, as fflush(3). An error is kept for [`Sys::stdout_error`].
    pub async fn flush(&self) {
        let bytes = self.mailbox.stdout.take();
        if bytes.is_empty() {
            return;
        }
        if let Err(e) = self.write_all(1, &bytes).await {
            self.mailbox.stdout_error.set(Some(e));
        }
    }

    /// Throws the buffer of standard output away, as `_exit(2)` does.
    pub fn discard_stdout(&self) {
        self.mailbox.stdout.take();
    }

    /// The error of standard output, if writing to it has failed.
    pub fn stdout_error(&self) -> Option<Errno> {
        self.mailbox.stdout_error.get()
    }

    /// The exit status when standard output could not be written; 1 unless the program says otherwise.
    pub fn exit_failure(&self) -> i32 {
        self.mailbox.exit_failure.get()
    }

    /// Sets [`Sys::exit_failure`].
    pub fn set_exit_failure(&self, status: i32) {
        self.mailbox.exit_failure.set(status);
    }

    /// Writes a message to standard error at once, after what is already printed.
    pub async fn eprint(&self, text: impl AsRef<[u8]>) {
        // A failing standard error has nowhere to be reported.
        let _ = self.write_all(2, text.as_ref()).await;
    }

    /// Writes everything, in as many calls as the kernel needs.
    ///
    /// # Errors
    /// Those of write(2).
    pub async fn write_all(&self, fd: i32, mut bytes: &[u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            let n = self.write(fd, bytes).await?;
            bytes = &bytes[n.min(bytes.len())..];
        }
        Ok(())
    }
}

/// Ready as soon as the kernel has answered.
struct AwaitReply<'a>(&'a Mailbox);

impl Future for AwaitReply<'_> {
    type Output = Reply;
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Reply> {
        match self.0.reply.borrow_mut().take() {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        }
    }
}
