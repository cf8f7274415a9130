//! Finds a sequence by the words that a recording has for it.

use super::{Assembled, Mode, Sequence};
use std::borrow::Cow;

/// Words that say nothing to this model.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not modelled: {0}")]
pub struct Unknown(pub String);

/// The sequence that some words stand for, with the code in which it is.
///
/// # Errors
/// The words say nothing to this model.
pub fn find<'g>(guest: &'g Assembled, mode: Mode, text: &str) -> Result<(Cow<'g, Assembled>, Sequence), Unknown> {
    let known = guest.sequences.iter().find(|sequence| sequence.mode == mode && sequence.text == text);
    match known {
        Some(sequence) => Ok((Cow::Borrowed(guest), sequence.clone())),
        None => Err(Unknown(format!("the sequence '{text}' is not known"))),
    }
}
