//! The line discipline, as in `drivers/tty/n_tty.c`: what becomes of a character on its way from whoever types to whoever
//! reads, and of output on its way back.
//!
//! A terminal whose `ICANON` is on hands over whole lines, which can be edited until then; otherwise each character goes
//! through at once. Characters that mean a signal are not handed over at all.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::termios::{Termios, bits, cc};
use crate::task::signal::Signal;

/// The most that a line can have, and the most that waits to be read (`N_TTY_BUF_SIZE`).
const BUFFER: usize = 4096;

/// What has been typed and not yet read.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LineDiscipline {
    /// Lines that can be read, each with what ended it; one that is empty is the end of the file.
    lines: VecDeque<Vec<u8>>,
    /// What can still be edited, or what came in while `ICANON` is off.
    editing: Vec<u8>,
}

/// What a character brings about apart from being kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Effect {
    /// What is echoed.
    pub echo: Vec<u8>,
    /// The signal that the processes in the foreground get.
    pub signal: Option<Signal>,
    /// Output is held up (Ctrl-S) or goes on (Ctrl-Q).
    pub flow: Option<bool>,
}

/// How a character is echoed: control characters as `^X` where `ECHOCTL` is on.
fn shown(termios: &Termios, byte: u8) -> Vec<u8> {
    let is_control = byte < b' ' && byte != b'\t' && byte != b'\n' || byte == 0x7f;
    if is_control && termios.local(bits::ECHOCTL) { vec![b'^', byte ^ 0x40] } else { vec![byte] }
}

impl LineDiscipline {
    /// Takes a character that was typed (`n_tty_receive_char`).
    pub fn receive(&mut self, termios: &Termios, byte: u8) -> Effect {
        let mut effect = Effect::default();
        let byte = match byte {
            b'\r' if termios.input(bits::IGNCR) => return effect,
            b'\r' if termios.input(bits::ICRNL) => b'\n',
            b'\n' if termios.input(bits::INLCR) => b'\r',
            byte => byte,
        };
        if termios.input(bits::IXON) && (termios.is(byte, cc::START) || termios.is(byte, cc::STOP)) {
            effect.flow = Some(termios.is(byte, cc::START));
            return effect;
        }
        if termios.local(bits::ISIG)
            && let Some(signal) = signal_of(termios, byte)
        {
            if !termios.local(bits::NOFLSH) {
                self.flush();
            }
            if termios.local(bits::ECHO) {
                effect.echo = shown(termios, byte);
            }
            effect.signal = Some(signal);
            return effect;
        }
        if termios.local(bits::ICANON) {
            self.edit(termios, byte, &mut effect);
        } else if self.waiting() < BUFFER {
            self.editing.push(byte);
            if termios.local(bits::ECHO) {
                effect.echo = shown(termios, byte);
            }
        }
        effect
    }

    /// A character while lines are being edited (`n_tty_receive_char_canon`).
    fn edit(&mut self, termios: &Termios, byte: u8, effect: &mut Effect) {
        let echoes = termios.local(bits::ECHO);
        let erases_words = termios.local(bits::IEXTEN) && termios.is(byte, cc::WERASE);
        if termios.is(byte, cc::ERASE) || termios.is(byte, cc::KILL) || erases_words {
            self.erase(termios, byte, effect);
        } else if termios.is(byte, cc::EOF) {
            self.lines.push_back(std::mem::take(&mut self.editing));
        } else if byte == b'\n' || termios.is(byte, cc::EOL) || termios.is(byte, cc::EOL2) {
            if echoes || byte == b'\n' && termios.local(bits::ECHONL) {
                effect.echo = shown(termios, byte);
            }
            self.editing.push(byte);
            self.lines.push_back(std::mem::take(&mut self.editing));
        } else if self.waiting() < BUFFER - 1 {
            if echoes {
                effect.echo = shown(termios, byte);
            }
            self.editing.push(byte);
        }
    }

    /// One character, a word or all of the line goes (`eraser`).
    fn erase(&mut self, termios: &Termios, byte: u8, effect: &mut Effect) {
        let echoes = termios.local(bits::ECHO);
        let whole = termios.is(byte, cc::KILL);
        if whole && echoes && !(termios.local(bits::ECHOK) && termios.local(bits::ECHOKE) && termios.local(bits::ECHOE))
        {
            self.editing.clear();
            effect.echo = shown(termios, byte);
            if termios.local(bits::ECHOK) {
                effect.echo.push(b'\n');
            }
            return;
        }
        let word = termios.is(byte, cc::WERASE) && !termios.is(byte, cc::ERASE);
        let mut in_word = false;
        while let Some(last) = self.editing.last().copied() {
            if word {
                let belongs = last.is_ascii_alphanumeric() || last == b'_' || last >= 0x80;
                if in_word && !belongs {
                    break;
                }
                in_word |= belongs;
            }
            self.editing.pop();
            if termios.input(bits::IUTF8) && last & 0xc0 == 0x80 {
                // The rest of one character.
                continue;
            }
            if echoes && !termios.local(bits::ECHOE) {
                effect.echo.extend(shown(termios, byte));
            } else if echoes {
                for _ in shown(termios, last) {
                    effect.echo.extend(b"\x08 \x08");
                }
            }
            if !whole && !word {
                break;
            }
        }
    }

    /// How many bytes wait, whether or not they can be read.
    pub fn waiting(&self) -> usize {
        self.lines.iter().map(Vec::len).sum::<usize>() + self.editing.len()
    }

    /// Whether a read would find something: a line, or as many characters as `VMIN` says (`input_available_p`).
    pub fn is_readable(&self, termios: &Termios) -> bool {
        if termios.local(bits::ICANON) {
            return !self.lines.is_empty();
        }
        let least = if termios.cc[cc::TIME] == 0 { usize::from(termios.cc[cc::MIN]).max(1) } else { 1 };
        self.waiting() >= least
    }

    /// How many bytes FIONREAD tells.
    pub fn readable_bytes(&self, termios: &Termios) -> usize {
        if termios.local(bits::ICANON) { self.lines.iter().map(Vec::len).sum() } else { self.waiting() }
    }

    /// Whether characters are held back because nobody reads; a line that is too long loses its end instead.
    pub fn is_full(&self, termios: &Termios) -> bool {
        !termios.local(bits::ICANON) && self.waiting() >= BUFFER - 1
    }

    /// Takes at most `count` bytes: of one line, or of all that there is.
    pub fn read(&mut self, termios: &Termios, count: usize) -> Vec<u8> {
        if !termios.local(bits::ICANON) {
            let mut all: Vec<u8> = self.lines.drain(..).flatten().collect();
            all.append(&mut self.editing);
            self.editing = all.split_off(count.min(all.len()));
            return all;
        }
        let Some(mut line) = self.lines.pop_front() else { return Vec::new() };
        if line.len() > count {
            let rest = line.split_off(count);
            self.lines.push_front(rest);
        }
        line
    }

    /// The settings change: what has come in character by character becomes a line (`n_tty_set_termios`).
    pub fn settings_changed(&mut self, old: &Termios, new: &Termios) {
        if new.local(bits::ICANON) && !old.local(bits::ICANON) && self.waiting() > 0 {
            let mut all: Vec<u8> = self.lines.drain(..).flatten().collect();
            all.append(&mut self.editing);
            self.lines.push_back(all);
        }
    }

    /// What has been typed is forgotten.
    pub fn flush(&mut self) {
        *self = LineDiscipline::default();
    }
}

/// The signal that a character means.
fn signal_of(termios: &Termios, byte: u8) -> Option<Signal> {
    [(cc::INTR, Signal::INT), (cc::QUIT, Signal::QUIT), (cc::SUSP, Signal::TSTP)]
        .into_iter()
        .find(|(place, _)| termios.is(byte, *place))
        .map(|(_, signal)| signal)
}

/// Output on its way to whoever sees it (`do_output_char`).
pub fn process_output(termios: &Termios, bytes: &[u8]) -> Vec<u8> {
    if termios.oflag & bits::OPOST == 0 {
        return bytes.to_vec();
    }
    let mut out = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\n' if termios.oflag & bits::ONLCR != 0 => out.extend(b"\r\n"),
            b'\r' if termios.oflag & bits::OCRNL != 0 => out.push(b'\n'),
            byte => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is echoed while this is typed, and what can be read line by line afterwards.
    fn typed(termios: &Termios, bytes: &[u8]) -> (String, Vec<String>) {
        let mut line = LineDiscipline::default();
        let mut echo = Vec::new();
        for byte in bytes {
            echo.extend(line.receive(termios, *byte).echo);
        }
        let mut lines = Vec::new();
        while line.is_readable(termios) {
            lines.push(String::from_utf8_lossy(&line.read(termios, 100)).into_owned());
        }
        (String::from_utf8_lossy(&echo).into_owned(), lines)
    }

    #[test]
    fn a_line_can_be_edited_until_it_ends() {
        let usual = Termios::default();
        assert_eq!(typed(&usual, b"ab\x7fc\r"), ("ab\x08 \x08c\n".to_owned(), vec!["ac\n".to_owned()]));
        assert_eq!(typed(&usual, b"one two\x17\x01\n").1, ["one \x01\n"]);
        assert_eq!(typed(&usual, b"all\x15x\n").0, "all\x08 \x08\x08 \x08\x08 \x08x\n");
        // Ctrl-D ends what is there, and at the beginning of a line the file.
        assert_eq!(typed(&usual, b"part\x04\x04").1, ["part", ""]);
    }

    #[test]
    fn control_characters_are_signals_and_throw_away_what_was_typed() {
        let usual = Termios::default();
        let mut line = LineDiscipline::default();
        line.receive(&usual, b'x');
        let effect = line.receive(&usual, 3);
        assert_eq!((effect.signal, effect.echo.as_slice(), line.waiting()), (Some(Signal::INT), b"^C".as_slice(), 0));
        assert_eq!(line.receive(&usual, 0o23).flow, Some(false));
        let raw = Termios { iflag: 0, oflag: 0, lflag: 0, ..usual };
        assert_eq!(line.receive(&raw, 3), Effect::default());
        assert_eq!(line.read(&raw, 10), [3]);
    }

    #[test]
    fn without_canonical_mode_a_read_waits_for_as_many_characters_as_vmin_says() {
        let mut raw = Termios { iflag: 0, lflag: 0, ..Termios::default() };
        raw.cc[cc::MIN] = 2;
        let mut line = LineDiscipline::default();
        line.receive(&raw, b'a');
        assert!(!line.is_readable(&raw));
        line.receive(&raw, b'b');
        assert!(line.is_readable(&raw));
        // What has come in is a line as soon as there are lines again.
        line.settings_changed(&raw, &Termios::default());
        assert_eq!(line.read(&Termios::default(), 10), b"ab");
    }

    #[test]
    fn a_newline_becomes_two_characters_on_its_way_out() {
        assert_eq!(process_output(&Termios::default(), b"a\nb"), b"a\r\nb");
        assert_eq!(process_output(&Termios { oflag: 0, ..Termios::default() }, b"a\n"), b"a\n");
    }
}
