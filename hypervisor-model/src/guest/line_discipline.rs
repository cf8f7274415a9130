//! The line discipline of a guest's terminal (`drivers/tty/n_tty.c`, n_tty(4)): characters become lines.

/// Something typed at a terminal, as its line discipline makes it of characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Typed {
    /// A line.
    Line(String),
    /// VINTR.
    Interrupt,
    /// VEOF at the beginning of a line.
    EndOfInput,
}

/// The line that is being typed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LineDiscipline {
    line: Vec<u8>,
}

impl LineDiscipline {
    /// `n_tty_receive_char`: lines with their editing, and the characters of signals. What is echoed, and what has been typed
    /// with this character.
    pub fn receive(&mut self, byte: u8) -> (Vec<u8>, Option<Typed>) {
        match byte {
            b'\r' | b'\n' => {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                (b"\n".to_vec(), Some(Typed::Line(line)))
            }
            3 => {
                self.line.clear();
                (b"^C\n".to_vec(), Some(Typed::Interrupt))
            }
            4 if self.line.is_empty() => (Vec::new(), Some(Typed::EndOfInput)),
            0x7f if self.line.pop().is_some() => (b"\x08 \x08".to_vec(), None),
            0x7f => (Vec::new(), None),
            _ => {
                self.line.push(byte);
                (vec![byte], None)
            }
        }
    }
}
