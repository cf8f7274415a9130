//! Sizes for people, as `-h` prints them: `512`, `1.5K`, `20M`, rounded up.

/// The size in powers of 1024, rounded up.
pub fn human(size: u64) -> String {
    scaled(size, 1024, "KMGTPE")
}

/// The size in powers of 1000, rounded up.
pub fn human_si(size: u64) -> String {
    scaled(size, 1000, "kMGTPE")
}

fn scaled(size: u64, base: u128, units: &str) -> String {
    let size = u128::from(size);
    if size < base {
        return size.to_string();
    }
    let mut unit = 1;
    for letter in units.chars() {
        unit *= base;
        let tenths = (size * 10).div_ceil(unit);
        if tenths < 100 {
            return format!("{}.{}{letter}", tenths / 10, tenths % 10);
        }
        let whole = size.div_ceil(unit);
        if whole < base {
            return format!("{whole}{letter}");
        }
    }
    format!("{}{}", size.div_ceil(unit), units.chars().last().unwrap_or(' '))
}

/// A number with a suffix, as `head -c 1K`, `dd bs=1M` and `tail` read it: b 512, kB 1000, K 1024 and so on.
/// `None` when it is no number; `Some(None)` when it is too large.
pub fn parse_size(text: &str) -> Option<Option<u64>> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    if digits.is_empty() {
        return None;
    }
    let factor = match suffix {
        "" | "c" => Some(1),
        "b" => Some(512),
        "w" => Some(2),
        _ => {
            let mut letters = suffix.chars();
            let power = match letters.next()? {
                'k' | 'K' => 1,
                'm' | 'M' => 2,
                'g' | 'G' => 3,
                't' | 'T' => 4,
                'p' | 'P' => 5,
                'e' | 'E' => 6,
                'z' | 'Z' => 7,
                'y' | 'Y' => 8,
                _ => return None,
            };
            match letters.as_str() {
                "" | "iB" => 1024_u64.checked_pow(power),
                "B" | "D" => 1000_u64.checked_pow(power),
                _ => return None,
            }
        }
    };
    Some(digits.parse::<u64>().ok().zip(factor).and_then(|(n, f)| n.checked_mul(f)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up() {
        assert_eq!(human(0), "0");
        assert_eq!(human(1023), "1023");
        assert_eq!(human(1024), "1.0K");
        assert_eq!(human(1025), "1.1K");
        assert_eq!(human(10 * 1024), "10K");
        assert_eq!(human(10 * 1024 - 1), "10K");
        assert_eq!(human(1024 * 1024 - 1), "1.0M");
        assert_eq!(human_si(999_999), "1.0M");
    }

    #[test]
    fn numbers_have_suffixes() {
        assert_eq!(parse_size("64k"), Some(Some(65_536)));
        assert_eq!(parse_size("1kB"), Some(Some(1000)));
        assert_eq!(parse_size("2b"), Some(Some(1024)));
        assert_eq!(parse_size("99999999999999999999"), Some(None));
        assert_eq!(parse_size("1x"), None);
        assert_eq!(parse_size("x"), None);
    }
}
