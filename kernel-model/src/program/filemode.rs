//! Modes of files: their letters, and the changes that chmod(1), mkdir(1), install and find(1) are asked for.

use super::libc::s;

/// The ten characters of `ls -l`.
pub fn mode_string(mode: u32) -> String {
    let kind = match mode & s::IFMT {
        s::IFDIR => 'd',
        s::IFLNK => 'l',
        s::IFCHR => 'c',
        s::IFBLK => 'b',
        s::IFIFO => 'p',
        s::IFSOCK => 's',
        s::IFREG => '-',
        _ => '?',
    };
    let mut out = String::from(kind);
    for (shift, special, letter) in [(6, s::ISUID, 's'), (3, s::ISGID, 's'), (0, s::ISVTX, 't')] {
        let bits = mode >> shift & 7;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (mode & special != 0, bits & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
        });
    }
    out
}

/// What kind of file it is, as stat(1) and `test` messages say.
pub fn kind_name(mode: u32, size: u64) -> &'static str {
    match mode & s::IFMT {
        s::IFREG if size == 0 => "regular empty file",
        s::IFREG => "regular file",
        s::IFDIR => "directory",
        s::IFLNK => "symbolic link",
        s::IFCHR => "character special file",
        s::IFBLK => "block special file",
        s::IFIFO => "fifo",
        s::IFSOCK => "socket",
        _ => "weird file",
    }
}

/// A mode as it is written for chmod(1): octal, or symbolic such as `u+x,go-w`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ModeChange {
    clauses: Vec<Clause>,
    /// An octal mode: the bits, and whether five digits or more said the special bits of a directory too.
    octal: Option<(u32, bool)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Clause {
    /// The bits that `ugoa` name; 0 when none was given and the umask decides.
    who: u32,
    op: char,
    what: What,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum What {
    /// Permission bits for everybody, and `X`.
    Bits { bits: u32, execute_if_any: bool },
    /// As those of `u`, `g` or `o`: the shift of their bits.
    As(u32),
}

impl ModeChange {
    /// Reads a mode; `None` when it is none.
    pub fn parse(text: &str) -> Option<ModeChange> {
        if !text.is_empty() && text.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
            let bits = u32::from_str_radix(text, 8).ok().filter(|b| *b <= 0o7777)?;
            return Some(ModeChange { clauses: Vec::new(), octal: Some((bits, text.len() > 4)) });
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            let start = part.find(['+', '-', '='])?;
            let (who_text, mut rest) = part.split_at(start);
            let mut who = 0;
            for c in who_text.chars() {
                who |= match c {
                    'u' => 0o4700,
                    'g' => 0o2070,
                    'o' => 0o1007,
                    'a' => 0o7777,
                    _ => return None,
                };
            }
            while let Some(op) = rest.chars().next() {
                if !"+-=".contains(op) {
                    return None;
                }
                rest = &rest[1..];
                let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
                let (perms, next) = rest.split_at(end);
                rest = next;
                clauses.push(Clause { who, op, what: What::parse(perms)? });
            }
        }
        Some(ModeChange { clauses, octal: None })
    }

    /// The permission bits that a file with the permission bits of `mode` gets.
    pub fn apply(&self, mode: u32, is_dir: bool, umask: u32) -> u32 {
        if let Some((bits, all_said)) = self.octal {
            let kept = if is_dir && !all_said { mode & 0o6000 } else { 0 };
            return bits | kept;
        }
        let mut mode = mode & 0o7777;
        for clause in &self.clauses {
            let mut bits = match clause.what {
                What::Bits { bits, execute_if_any } => {
                    bits | if execute_if_any && (is_dir || mode & 0o111 != 0) { 0o111 } else { 0 }
                }
                What::As(shift) => (mode >> shift & 7) * 0o111,
            };
            // A set-id bit of a directory is left alone by `=` unless it is named.
            let kept = if is_dir { 0o6000 & !bits } else { 0 };
            let affected = if clause.who == 0 { !umask & 0o7777 } else { clause.who };
            bits &= affected;
            match clause.op {
                '+' => mode |= bits,
                '-' => mode &= !bits,
                _ => {
                    let who = if clause.who == 0 { 0o7777 } else { clause.who };
                    mode = (mode & (!who | kept)) | bits;
                }
            }
        }
        mode
    }
}

impl What {
    fn parse(perms: &str) -> Option<What> {
        match perms {
            "u" => return Some(What::As(6)),
            "g" => return Some(What::As(3)),
            "o" => return Some(What::As(0)),
            _ => {}
        }
        let (mut bits, mut execute_if_any) = (0, false);
        for c in perms.chars() {
            match c {
                'r' => bits |= 0o444,
                'w' => bits |= 0o222,
                'x' => bits |= 0o111,
                'X' => execute_if_any = true,
                's' => bits |= 0o6000,
                't' => bits |= 0o1000,
                _ => return None,
            }
        }
        Some(What::Bits { bits, execute_if_any })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_have_letters() {
        assert_eq!(mode_string(0o100_644), "-rw-r--r--");
        assert_eq!(mode_string(0o041_777), "drwxrwxrwt");
        assert_eq!(mode_string(0o104_755), "-rwsr-xr-x");
        assert_eq!(mode_string(0o102_644), "-rw-r-Sr--");
    }

    #[test]
    fn changes_apply_as_chmod_makes_them() {
        let change = |text: &str, from| ModeChange::parse(text).map(|c| c.apply(from, false, 0o022));
        assert_eq!(change("755", 0), Some(0o755));
        assert_eq!(change("u+x,go-r", 0o644), Some(0o700));
        assert_eq!(change("+w", 0o444), Some(0o644));
        assert_eq!(change("a=rX", 0o755), Some(0o555));
        assert_eq!(change("g=u", 0o640), Some(0o660));
        assert_eq!(change("u+s", 0o755), Some(0o4755));
        assert_eq!(change("=", 0o755), Some(0));
        assert_eq!(change("a-x+r", 0o311), Some(0o644));
        assert_eq!(change("foo", 0), None);
        assert_eq!(change("999", 0), None);
    }

    #[test]
    fn octal_modes_of_up_to_four_digits_leave_set_id_bits_of_directories() {
        assert_eq!(ModeChange::parse("755").map(|c| c.apply(0o2755, true, 0)), Some(0o2755));
        assert_eq!(ModeChange::parse("00755").map(|c| c.apply(0o2755, true, 0)), Some(0o755));
    }
}
