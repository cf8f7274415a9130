//! A lesson as a file for the page: one byte that says the version of the shape, then deflated postcard bytes.
//!
//! The page and the files are always built together; the version is there for what a cache may have kept.

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Lesson;

/// The version of the shape that is written and read.
const VERSION: u8 = 2;
/// The most bytes that a lesson may unpack to.
const MAX_UNPACKED: usize = 4 << 20;

/// Why some bytes are no lesson.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadLesson {
    /// Another version of the page made it.
    #[error("the lesson was made for another version of this page; reload the page")]
    OtherVersion,
    /// The bytes do not fit together.
    #[error("the lesson is damaged; reload the page")]
    Damaged,
}

pub(super) fn pack(value: &impl Serialize) -> Vec<u8> {
    // Serialising a plain value into memory cannot fail.
    let plain = postcard::to_allocvec(value).unwrap_or_default();
    let mut bytes = vec![VERSION];
    bytes.extend(compress_to_vec(&plain, 9));
    bytes
}

pub(super) fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BadLesson> {
    match bytes.split_first() {
        Some((&VERSION, packed)) => {
            let plain = decompress_to_vec_with_limit(packed, MAX_UNPACKED).map_err(|_| BadLesson::Damaged)?;
            postcard::from_bytes(&plain).map_err(|_| BadLesson::Damaged)
        }
        Some(_) => Err(BadLesson::OtherVersion),
        None => Err(BadLesson::Damaged),
    }
}

impl Lesson {
    /// The bytes of the file.
    pub fn pack(&self) -> Vec<u8> {
        pack(self)
    }

    /// The lesson in some bytes.
    ///
    /// # Errors
    /// They hold none.
    pub fn unpack(bytes: &[u8]) -> Result<Lesson, BadLesson> {
        unpack(bytes)
    }
}
