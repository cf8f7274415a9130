//! Conversions of printf(3): flags, width, precision, and the texts of numbers.

/// `%` with flags, width and precision, as in printf(3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)] // the flags of printf(3)
pub struct CFormat {
    pub minus: bool,
    pub plus: bool,
    pub space: bool,
    pub alt: bool,
    pub zero: bool,
    /// Thousands separated; there is no separator in the C locale.
    pub quote: bool,
    pub width: usize,
    pub precision: Option<usize>,
}

/// The longest text that a width or precision may ask for.
const LONGEST: usize = 100_000;

impl CFormat {
    /// Sets the width; a negative one means the flag `-`.
    pub fn set_width(&mut self, width: i64) {
        self.minus |= width < 0;
        self.width = (width.unsigned_abs() as usize).min(LONGEST);
    }

    /// Sets the precision; a negative one means none.
    pub fn set_precision(&mut self, precision: i64) {
        self.precision = usize::try_from(precision).ok().map(|p| p.min(LONGEST));
    }

    /// Takes a flag character.
    pub fn set_flag(&mut self, flag: char) -> bool {
        match flag {
            '-' => self.minus = true,
            '+' => self.plus = true,
            ' ' => self.space = true,
            '#' => self.alt = true,
            '0' => self.zero = true,
            '\'' => self.quote = true,
            _ => return false,
        }
        true
    }

    fn pad(&self, prefix: &str, body: &str, zeros_allowed: bool) -> String {
        let length = prefix.chars().count() + body.chars().count();
        let missing = self.width.saturating_sub(length);
        if self.minus {
            format!("{prefix}{body}{}", " ".repeat(missing))
        } else if self.zero && zeros_allowed {
            format!("{prefix}{}{body}", "0".repeat(missing))
        } else {
            format!("{}{prefix}{body}", " ".repeat(missing))
        }
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, _, _) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        }
    }

    fn digits(&self, digits: String) -> String {
        match self.precision {
            Some(0) if digits == "0" => String::new(),
            Some(p) => format!("{}{digits}", "0".repeat(p.saturating_sub(digits.len()))),
            None => digits,
        }
    }

    /// `%d` and `%i`
    pub fn signed(&self, n: i64) -> String {
        let digits = self.digits(n.unsigned_abs().to_string());
        self.pad(self.sign(n < 0), &digits, self.precision.is_none())
    }

    /// `%u`, `%o`, `%x` and `%X`
    pub fn unsigned(&self, n: u64, conversion: char) -> String {
        let mut digits = self.digits(match conversion {
            'o' => format!("{n:o}"),
            'x' => format!("{n:x}"),
            'X' => format!("{n:X}"),
            _ => n.to_string(),
        });
        let prefix = match conversion {
            'o' if self.alt && !digits.starts_with('0') => {
                digits.insert(0, '0');
                ""
            }
            'x' if self.alt && n != 0 => "0x",
            'X' if self.alt && n != 0 => "0X",
            _ => "",
        };
        self.pad(prefix, &digits, self.precision.is_none())
    }

    /// `%s`
    pub fn string(&self, s: &str) -> String {
        let cut: String = match self.precision {
            Some(p) => s.chars().take(p).collect(),
            None => s.to_owned(),
        };
        CFormat { zero: false, ..*self }.pad("", &cut, false)
    }

    /// `%s` of bytes: width and precision count bytes.
    pub fn bytes(&self, s: &[u8]) -> Vec<u8> {
        let cut = &s[..self.precision.unwrap_or(s.len()).min(s.len())];
        let blanks = vec![b' '; self.width.saturating_sub(cut.len())];
        if self.minus { [cut, &blanks].concat() } else { [&blanks, cut].concat() }
    }

    /// `%f`, `%e`, `%g`, `%a` and their capital forms.
    pub fn float(&self, x: f64, conversion: char) -> String {
        let upper = conversion.is_ascii_uppercase();
        let sign = self.sign(x.is_sign_negative());
        let a = x.abs();
        let cased = |s: String| if upper { s.to_uppercase() } else { s };
        if a.is_nan() {
            return self.pad(sign, &cased("nan".into()), false);
        }
        if a.is_infinite() {
            return self.pad(sign, &cased("inf".into()), false);
        }
        let body = match conversion.to_ascii_lowercase() {
            'e' => self.exponential(a, self.precision.unwrap_or(6)),
            'g' => self.general(a),
            'a' => {
                return self.pad(
                    &format!("{sign}{}", if upper { "0X" } else { "0x" }),
                    &cased(self.hexadecimal(a)),
                    true,
                );
            }
            _ => {
                let p = self.precision.unwrap_or(6);
                format!("{a:.p$}{}", if self.alt && p == 0 { "." } else { "" })
            }
        };
        self.pad(sign, &cased(body), true)
    }

    fn exponential(&self, a: f64, precision: usize) -> String {
        let text = format!("{a:.precision$e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let dot = if self.alt && precision == 0 { "." } else { "" };
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}{dot}e{sign}{:02}", exponent.unsigned_abs())
    }

    fn general(&self, a: f64) -> String {
        let precision = self.precision.unwrap_or(6).max(1);
        let scientific = format!("{a:.*e}", precision - 1);
        let exponent: i32 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
        let text = if exponent < -4 || exponent >= precision as i32 {
            self.exponential(a, precision - 1)
        } else {
            format!("{a:.*}", (precision as i32 - 1 - exponent).max(0) as usize)
        };
        if self.alt || !text.contains('.') {
            return text;
        }
        match text.split_once('e') {
            Some((m, e)) => format!("{}e{e}", m.trim_end_matches('0').trim_end_matches('.')),
            None => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        }
    }

    /// As glibc prints a double, all digits: `1.8p+1`.
    fn hexadecimal(&self, a: f64) -> String {
        let bits = a.to_bits();
        let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
        let (lead, power) = match (exponent, fraction) {
            (0, 0) => (0, 0),
            (0, _) => (0, -1022),
            _ => (1, exponent - 1023),
        };
        let all = format!("{fraction:013x}");
        let digits = all.trim_end_matches('0');
        let dot = if digits.is_empty() { "" } else { "." };
        format!("{lead}{dot}{digits}p{power:+}")
    }
}

/// strtod(3): the number at the beginning and how many bytes belong to it (0: there is none).
pub fn strtod(text: &str) -> (f64, usize) {
    let bytes = text.as_bytes();
    let blanks = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let mut at = blanks;
    let negative = bytes.get(at) == Some(&b'-');
    at += usize::from(matches!(bytes.get(at), Some(b'-' | b'+')));
    let signed = |x: f64| if negative { -x } else { x };
    let word = text.get(at..).unwrap_or_default().to_ascii_lowercase();
    for (name, value) in [("infinity", f64::INFINITY), ("inf", f64::INFINITY), ("nan", f64::NAN)] {
        if word.starts_with(name) {
            return (signed(value), at + name.len());
        }
    }
    if let Some(hex) = word.strip_prefix("0x").filter(|h| h.starts_with(|c: char| c.is_ascii_hexdigit())) {
        let end = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
        return (signed(u64::from_str_radix(&hex[..end], 16).unwrap_or(u64::MAX) as f64), at + 2 + end);
    }
    let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(at);
    at += whole;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        fraction = digits(at + 1);
        if whole + fraction > 0 {
            at += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return (0.0, 0);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'-' | b'+')));
        let exponent = digits(at + 1 + sign);
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    (text[blanks..at].parse().unwrap_or(0.0), at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f(width: i64, precision: Option<usize>, flags: &str) -> CFormat {
        let mut c = CFormat { precision, ..CFormat::default() };
        flags.chars().for_each(|x| assert!(c.set_flag(x)));
        c.set_width(width);
        c
    }

    #[test]
    fn integers_print_as_in_c() {
        assert_eq!(f(5, None, "").signed(-42), "  -42");
        assert_eq!(f(5, None, "0").signed(-42), "-0042");
        assert_eq!(f(-5, None, "").signed(42), "42   ");
        assert_eq!(f(6, Some(4), "0").signed(42), "  0042");
        assert_eq!(f(0, None, "#").unsigned(255, 'x'), "0xff");
        assert_eq!(f(0, None, "#").unsigned(8, 'o'), "010");
    }

    #[test]
    fn floats_print_as_in_c() {
        assert_eq!(f(0, None, "").float(1.5, 'f'), "1.500000");
        assert_eq!(f(0, Some(2), "").float(12345.678, 'e'), "1.23e+04");
        assert_eq!(f(0, None, "").float(0.0001, 'g'), "0.0001");
        assert_eq!(f(0, None, "").float(0.00001, 'g'), "1e-05");
        assert_eq!(f(0, None, "").float(1e6, 'g'), "1e+06");
        assert_eq!(f(0, None, "").float(100000.0, 'g'), "100000");
        assert_eq!(f(8, Some(3), "0").float(-1.5, 'f'), "-001.500");
        assert_eq!(f(0, None, "").float(3.0, 'a'), "0x1.8p+1");
        assert_eq!(f(5, None, "0").float(f64::INFINITY, 'f'), "  inf");
    }

    #[test]
    fn a_number_ends_where_it_ends() {
        assert_eq!(strtod("12abc"), (12.0, 2));
        assert_eq!(strtod(" -1.5e3x"), (-1500.0, 7));
        assert_eq!(strtod(".5"), (0.5, 2));
        assert_eq!(strtod("1e"), (1.0, 1));
        assert_eq!(strtod("x"), (0.0, 0));
        assert_eq!(strtod("0x1F"), (31.0, 4));
    }
}
