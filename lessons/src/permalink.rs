//! A session as a link: the inputs only, small enough to be sent, readable for ever.
//!
//! The text after `#s=` is base64 (the url alphabet, no padding) of one byte that says the version, then
//! the deflated postcard bytes of a [`Permalink`]. postcard does not describe itself, so a version is
//! never changed: a new shape gets a new number, and links of every number before it stay readable.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel_model::timeline::Session;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};
use serde::{Deserialize, Serialize};

/// The version that is written.
const VERSION: u8 = 1;

/// The most bytes that a link may unpack to.
const MAX_UNPACKED: usize = 64 << 20;

/// What a link holds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Permalink {
    /// What was done.
    pub session: Session,
    /// Where it is looked at, in events; `None` at the end.
    pub cursor: Option<u64>,
}

/// Why a text is no session.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum BadLink {
    /// Nothing there.
    #[error("the link holds no session")]
    Empty,
    /// A character that cannot be part of a link.
    #[error("the link is damaged: {0:?} at character {1} cannot be part of it; copy it again as a whole")]
    Character(char, usize),
    /// The end is missing.
    #[error("the link is cut off at its end; copy it again as a whole")]
    CutOff,
    /// A version that this page does not know.
    #[error("the link was made by a newer Ringside (version {0}, this one reads up to {VERSION}); reload this page")]
    Newer(u8),
    /// The bytes do not fit together.
    #[error("the link is damaged: its content does not fit together; copy it again as a whole")]
    Damaged,
    /// More than a session can be.
    #[error("the link unpacks to more than {} MiB and is not a session", MAX_UNPACKED >> 20)]
    TooLarge,
}

impl Permalink {
    /// The text after `#s=`.
    pub fn to_text(&self) -> String {
        // Serialising a plain value into memory cannot fail.
        let plain = postcard::to_allocvec(self).unwrap_or_default();
        let mut bytes = vec![VERSION];
        bytes.extend(compress_to_vec(&plain, 9));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The session in the text after `#s=`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn from_text(text: &str) -> Result<Permalink, BadLink> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadLink::Empty);
        }
        let foreign = |c: &char| !(c.is_ascii_alphanumeric() || *c == '-' || *c == '_');
        if let Some((at, c)) = text.chars().enumerate().find(|(_, c)| foreign(c)) {
            return Err(BadLink::Character(c, at + 1));
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadLink::CutOff)?;
        let (version, packed) = bytes.split_first().ok_or(BadLink::Empty)?;
        if *version > VERSION {
            return Err(BadLink::Newer(*version));
        }
        if *version == 0 {
            return Err(BadLink::Damaged);
        }
        let plain = decompress_to_vec_with_limit(packed, MAX_UNPACKED).map_err(|e| match e.status {
            TINFLStatus::FailedCannotMakeProgress | TINFLStatus::NeedsMoreInput => BadLink::CutOff,
            TINFLStatus::HasMoreOutput => BadLink::TooLarge,
            _ => BadLink::Damaged,
        })?;
        match postcard::take_from_bytes(&plain) {
            Ok((link, [])) => Ok(link),
            _ => Err(BadLink::Damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel_model::action::{Action, Stamped, When};
    use kernel_model::console::ConsoleId;
    use kernel_model::world::Config;

    fn line(text: &str) -> Stamped {
        Stamped { when: When::AtRest, action: Action::Line { console: ConsoleId(1), text: text.to_owned() } }
    }

    fn example() -> Permalink {
        let actions = vec![
            line("unshare --pid --fork --mount-proc sh -c 'echo $$'"),
            Stamped { when: When::AtTurn(77), action: Action::Interrupt { console: ConsoleId(1) } },
            line("hostname box"),
        ];
        Permalink { session: Session { config: Config::default(), actions }, cursor: Some(12) }
    }

    #[test]
    fn a_session_comes_back_from_its_link() {
        let text = example().to_text();
        assert_eq!(Permalink::from_text(&text), Ok(example()));
        assert!(text.len() < 160, "{} characters", text.len());
    }

    /// Links that were given away once. They are never changed; a new version adds to them.
    #[test]
    fn old_links_stay_readable() {
        const GOLDEN: [&str; 1] = [
            "AQFOALH_AAADAAABMXVuc2hhcmUgLS1waWQgLS1mb3JrIC0tbW91bnQtcHJvYyBzaCAtYyAnZWNobyAkJCcBTQEBAAABDGhvc3RuYW1lIGJveAEM",
        ];
        GOLDEN.iter().for_each(|golden| {
            assert_eq!(Permalink::from_text(golden), Ok(example()), "now it would be {}", example().to_text());
        });
    }

    #[test]
    fn every_damage_is_an_error_and_never_another_panic() {
        let text = example().to_text();
        for cut in 0..text.len() {
            assert!(Permalink::from_text(&text[..cut]).is_err(), "cut off at {cut}");
        }
        for at in 0..text.len() {
            let mut damaged = text.clone();
            damaged.replace_range(at..=at, "*");
            assert_eq!(Permalink::from_text(&damaged), Err(BadLink::Character('*', at + 1)));
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            damaged.replace_range(at..=at, other);
            // It may by chance be another session, but it is always an answer.
            let _ = Permalink::from_text(&damaged);
        }
        assert_eq!(Permalink::from_text(""), Err(BadLink::Empty));
        assert_eq!(Permalink::from_text("_w"), Err(BadLink::Newer(255)));
    }
}
