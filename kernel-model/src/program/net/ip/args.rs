//! The words of a command line and what is said about wrong ones (`lib/utils.c`).

use std::net::Ipv4Addr;

use super::{WRONG, missing};
use crate::program::Sys;

/// The words that are still to be read.
pub(super) struct Words<'w> {
    sys: Sys,
    rest: std::slice::Iter<'w, &'w str>,
}

impl<'w> Words<'w> {
    pub(super) fn new(sys: &Sys, words: &'w [&'w str]) -> Words<'w> {
        Words { sys: sys.clone(), rest: words.iter() }
    }

    /// The next word, if there is one.
    pub(super) fn next(&mut self) -> Option<&'w str> {
        self.rest.next().copied()
    }

    /// The word that must follow (`NEXT_ARG`).
    pub(super) async fn value(&mut self) -> Result<&'w str, i32> {
        match self.next() {
            Some(word) => Ok(word),
            None => Err(missing(&self.sys).await),
        }
    }

    /// A number that must follow.
    pub(super) async fn number(&mut self, what: &str) -> Result<u32, i32> {
        let word = self.value().await?;
        match parse_number(word) {
            Some(n) => Ok(n),
            None => Err(invarg(&self.sys, what, word).await),
        }
    }

    /// `on` or `off`.
    pub(super) async fn on_off(&mut self, name: &str) -> Result<bool, i32> {
        match self.value().await? {
            "on" => Ok(true),
            "off" => Ok(false),
            other => {
                let text = format!("Error: argument of \"{name}\" must be \"on\" or \"off\", not \"{other}\"\n");
                self.sys.eprint(text).await;
                Err(1)
            }
        }
    }
}

/// A number as strtoul(3) reads it.
fn parse_number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `invarg`.
pub(super) async fn invarg(sys: &Sys, what: &str, word: &str) -> i32 {
    sys.eprint(format!("Error: argument \"{word}\" is wrong: {what}\n")).await;
    WRONG
}

/// `duparg2`: a word that was not expected where `key` could be.
pub(super) async fn garbage(sys: &Sys, key: &str, word: &str) -> i32 {
    sys.eprint(format!("Error: either \"{key}\" is duplicate, or \"{word}\" is a garbage.\n")).await;
    WRONG
}

/// An IPv4 address of one to four parts, as iproute2 reads it: those left off are 0 (`get_addr_ipv4`).
fn dotted(text: &str) -> Option<Ipv4Addr> {
    let mut bytes = [0; 4];
    let mut parts = text.split('.');
    for (i, byte) in bytes.iter_mut().enumerate() {
        match parts.next() {
            Some(part) if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) => *byte = part.parse().ok()?,
            Some(_) => return None,
            None if i == 0 => return None,
            None => break,
        }
    }
    if parts.next().is_some() { None } else { Some(Ipv4Addr::from(bytes)) }
}

/// An address with or without a length; `default`, `any` and `all` are 0.0.0.0/0 (`get_prefix`).
pub(super) fn parse_prefix(text: &str) -> Option<(Ipv4Addr, Option<u8>)> {
    if matches!(text, "default" | "any" | "all") {
        return Some((Ipv4Addr::UNSPECIFIED, Some(0)));
    }
    match text.split_once('/') {
        None => Some((dotted(text)?, None)),
        Some((address, len)) => {
            let len: u8 = len.parse().ok().filter(|l| *l <= 32)?;
            Some((dotted(address)?, Some(len)))
        }
    }
}

/// The same; what is none is told.
pub(super) async fn prefix(sys: &Sys, text: &str) -> Result<(Ipv4Addr, Option<u8>), i32> {
    match parse_prefix(text) {
        Some(prefix) => Ok(prefix),
        None => {
            sys.eprint(format!("Error: any valid prefix is expected rather than \"{text}\".\n")).await;
            Err(1)
        }
    }
}

/// An address without a length (`get_addr`).
pub(super) async fn address(sys: &Sys, text: &str, family: &str) -> Result<Ipv4Addr, i32> {
    match parse_prefix(text) {
        Some((address, None)) => Ok(address),
        _ => {
            sys.eprint(format!("Error: {family} address is expected rather than \"{text}\".\n")).await;
            Err(1)
        }
    }
}

/// An Ethernet address (`ll_addr_a2n`): what is no number is told, and how many bytes there are.
pub(super) async fn lladdr(sys: &Sys, text: &str) -> Result<Vec<u8>, i32> {
    let mut bytes = Vec::new();
    for part in text.split(':') {
        match u8::from_str_radix(part, 16) {
            Ok(byte) if part.len() <= 2 => bytes.push(byte),
            _ => {
                sys.eprint(format!("\"{part}\" is invalid lladdr.\n")).await;
                return Err(1);
            }
        }
    }
    Ok(bytes)
}

/// Bytes of an address as the kernel wants them.
pub(super) fn mac_text(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")
}
