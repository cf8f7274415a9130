//! What goes over the connection (`migration/savevm.c`, `migration/ram.c`): a head, sections with pages of memory, one a
//! round, sections with the state of devices and of the processor, and an end.
//!
//! Records of pages are as QEMU has them: an address with flags in its low bits, and the page. What is in the other sections
//! is written as this model keeps it.

/// `QEMU_VM_FILE_MAGIC`, `QEMU_VM_FILE_VERSION`.
const MAGIC: [u8; 8] = [0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3];
/// `QEMU_VM_SECTION_PART`: a round of pages.
const SECTION_PART: u8 = 2;
/// `QEMU_VM_SECTION_FULL`: state.
const SECTION_FULL: u8 = 4;
/// `QEMU_VM_EOF`.
const END: u8 = 0;
/// `RAM_SAVE_FLAG_*`.
const FLAG_ZERO: u64 = 2;
const FLAG_MEM_SIZE: u64 = 4;
const FLAG_PAGE: u64 = 8;
const FLAG_EOS: u64 = 0x10;
const FLAGS: u64 = PAGE - 1;
/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// The longest state that is taken.
const SECTION_MAX: usize = 16 << 20;

/// A stream as it is written.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// The head: how much memory there is.
    pub fn head(&mut self, memory: u64) {
        self.0.extend(MAGIC);
        self.begin_pages();
        self.word(memory | FLAG_MEM_SIZE);
        self.end_pages();
    }

    fn word(&mut self, word: u64) {
        self.0.extend(word.to_be_bytes());
    }

    /// Pages follow.
    pub fn begin_pages(&mut self) {
        self.0.push(SECTION_PART);
    }

    /// A page with its bytes; without them one that is zero.
    pub fn page(&mut self, gpa: u64, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => {
                self.word(gpa | FLAG_PAGE);
                self.0.extend_from_slice(bytes);
            }
            None => {
                self.word(gpa | FLAG_ZERO);
                self.0.push(0);
            }
        }
    }

    /// No more pages follow.
    pub fn end_pages(&mut self) {
        self.word(FLAG_EOS);
    }

    /// A state.
    pub fn section(&mut self, name: &str, state: &[u8]) {
        self.0.push(SECTION_FULL);
        self.0.push(name.len() as u8);
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend((state.len() as u32).to_be_bytes());
        self.0.extend_from_slice(state);
    }

    /// The end.
    pub fn end(&mut self) {
        self.0.push(END);
    }
}

/// Part of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// How much memory the guest has.
    Memory(u64),
    /// A page, without bytes one that is zero.
    Page(u64, Option<Vec<u8>>),
    /// A state with its name.
    Section(String, Vec<u8>),
    /// The end.
    End,
}

/// What is not a stream of a migration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Invalid;

/// A stream as it comes in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reader {
    /// Bytes that are not a whole record yet.
    pub buffer: Vec<u8>,
    /// The head was there.
    pub has_begun: bool,
    /// Pages follow.
    pub in_pages: bool,
}

impl Reader {
    /// The records that are whole.
    ///
    /// # Errors
    /// [`Invalid`]: it is no such stream.
    pub fn take(&mut self) -> Result<Vec<Record>, Invalid> {
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = &buffer[..];
        let mut records = Vec::new();
        loop {
            let before = rest;
            match self.next(&mut rest)? {
                Some(record) => records.extend(record),
                None => {
                    self.buffer = before.to_vec();
                    return Ok(records);
                }
            }
        }
    }

    /// The next part: `None` when it is not whole, `Some(None)` when it says nothing.
    fn next(&mut self, rest: &mut &[u8]) -> Result<Option<Option<Record>>, Invalid> {
        if !self.has_begun {
            let Some(magic) = take(rest, MAGIC.len()) else { return Ok(None) };
            if magic != MAGIC {
                return Err(Invalid);
            }
            self.has_begun = true;
            return Ok(Some(None));
        }
        if self.in_pages {
            return self.page(rest);
        }
        let Some(kind) = take(rest, 1) else { return Ok(None) };
        match kind[0] {
            SECTION_PART => {
                self.in_pages = true;
                Ok(Some(None))
            }
            SECTION_FULL => {
                let Some(name) = take(rest, 1).and_then(|n| take(rest, n[0].into())) else { return Ok(None) };
                let name = String::from_utf8(name.to_vec()).map_err(|_| Invalid)?;
                let Some(len) = take(rest, 4) else { return Ok(None) };
                let len = len.iter().fold(0, |all, b| all << 8 | usize::from(*b));
                if len > SECTION_MAX {
                    return Err(Invalid);
                }
                Ok(take(rest, len).map(|state| Some(Record::Section(name, state.to_vec()))))
            }
            END => Ok(Some(Some(Record::End))),
            _ => Err(Invalid),
        }
    }

    fn page(&mut self, rest: &mut &[u8]) -> Result<Option<Option<Record>>, Invalid> {
        let Some(word) = take(rest, 8) else { return Ok(None) };
        let word = word.iter().fold(0, |all, b| all << 8 | u64::from(*b));
        let at = word & !FLAGS;
        match word & FLAGS {
            FLAG_MEM_SIZE => Ok(Some(Some(Record::Memory(at)))),
            FLAG_PAGE => Ok(take(rest, PAGE as usize).map(|bytes| Some(Record::Page(at, Some(bytes.to_vec()))))),
            FLAG_ZERO => Ok(take(rest, 1).map(|_| Some(Record::Page(at, None)))),
            FLAG_EOS => {
                self.in_pages = false;
                Ok(Some(None))
            }
            _ => Err(Invalid),
        }
    }
}

/// The next bytes, if there are so many.
fn take<'t>(rest: &mut &'t [u8], len: usize) -> Option<&'t [u8]> {
    let (bytes, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_comes_in_as_it_went_out_however_it_is_cut() {
        let mut writer = Writer::default();
        writer.head(64 << 20);
        writer.begin_pages();
        writer.page(0x3000, Some(&[7; 4096]));
        writer.page(0x4000, None);
        writer.end_pages();
        writer.section("devices", b"state");
        writer.end();
        for cut in [1, 9, 4000, 1 << 20] {
            let (mut reader, mut records) = (Reader::default(), Vec::new());
            for part in writer.0.chunks(cut) {
                reader.buffer.extend_from_slice(part);
                records.extend(reader.take().expect("a stream"));
            }
            let page = Record::Page(0x3000, Some(vec![7; 4096]));
            let section = Record::Section("devices".to_owned(), b"state".to_vec());
            let all = [Record::Memory(64 << 20), page, Record::Page(0x4000, None), section, Record::End];
            assert_eq!(records, all, "{cut}");
        }
    }

    #[test]
    fn something_else_is_no_stream() {
        let mut reader = Reader { buffer: b"GET / HTTP/1.0\r\n".to_vec(), ..Reader::default() };
        assert_eq!(reader.take(), Err(Invalid));
        let mut reader = Reader { buffer: vec![9], has_begun: true, in_pages: false };
        assert_eq!(reader.take(), Err(Invalid));
    }
}
