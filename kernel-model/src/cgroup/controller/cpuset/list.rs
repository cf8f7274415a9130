//! Lists of processors and memory nodes, as files of the kernel have them: `0-1,4`.

use crate::errno::Errno;

/// A set as the files show it, such as `0-1,4` (`%*pbl`).
pub fn list(mask: u64) -> String {
    let mut parts = Vec::new();
    let mut at = 0u32;
    while at < 64 {
        if mask >> at & 1 == 0 {
            at += 1;
            continue;
        }
        let run = (mask >> at).trailing_ones();
        parts.push(if run == 1 { at.to_string() } else { format!("{at}-{}", at + run - 1) });
        at += run;
    }
    parts.join(",")
}

/// Reads a set of numbers below `limit` (`bitmap_parselist`): `0-1,4`, `all`, `N` for the last one,
/// `0-7:1/2` for one of each two.
///
/// # Errors
/// ERANGE for a number that is too large, EOVERFLOW for one that no word holds, EINVAL for the rest.
pub fn parse_list(text: &str, limit: u64) -> Result<u64, Errno> {
    let mut mask = 0u64;
    for region in text.split([',', ' ', '\t', '\n']).filter(|r| !r.is_empty()) {
        let (range, pattern) = match region.split_once(':') {
            Some((range, pattern)) => (range, Some(pattern)),
            None => (region, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range.eq_ignore_ascii_case("all") => (0, limit - 1),
            Some((a, b)) => (list_number(a, limit)?, list_number(b, limit)?),
            None => {
                let n = list_number(range, limit)?;
                (n, n)
            }
        };
        let (used, size) = match pattern.map(|p| p.split_once('/').ok_or(Errno::EINVAL)).transpose()? {
            Some((used, size)) => (list_number(used, limit)?, list_number(size, limit)?),
            None => (last.saturating_add(1), last.saturating_add(1)),
        };
        if first > last || size == 0 || used > size {
            return Err(Errno::EINVAL);
        }
        if last >= limit {
            return Err(Errno::ERANGE);
        }
        let chosen = (first..=last).filter(|n| (n - first) % size < used && *n < 64);
        mask |= chosen.fold(0, |mask, n| mask | 1 << n);
    }
    Ok(mask)
}

fn list_number(text: &str, limit: u64) -> Result<u64, Errno> {
    if text == "N" {
        return Ok(limit - 1);
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Errno::EINVAL);
    }
    text.parse::<u32>().map(u64::from).map_err(|_| Errno::EOVERFLOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_the_kernel_reads_them() {
        let parse = |text| parse_list(text, 2).map(list);
        assert_eq!(parse("0-1").as_deref(), Ok("0-1"));
        assert_eq!(parse(",0").as_deref(), Ok("0"));
        assert_eq!(parse("0, 1").as_deref(), Ok("0-1"));
        assert_eq!(parse("0-1:1/2").as_deref(), Ok("0"));
        assert_eq!(parse("N").as_deref(), Ok("1"));
        assert_eq!(parse("all").as_deref(), Ok("0-1"));
        assert_eq!(parse("").as_deref(), Ok(""));
        for text in ["1-0", "0-", "x", "-1", "0-1:2/1", "0x1"] {
            assert_eq!(parse(text), Err(Errno::EINVAL), "{text}");
        }
        assert_eq!(parse("0-9"), Err(Errno::ERANGE));
        assert_eq!(parse("99999999999"), Err(Errno::EOVERFLOW));
        assert_eq!(list(0b1011_0111), "0-2,4-5,7");
    }
}
