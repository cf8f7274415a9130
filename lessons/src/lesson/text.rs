//! Text of a lesson: the few kinds of blocks that Markdown has here, as a tree. Whoever draws it makes elements of it;
//! there is no HTML in it, and links lead to web pages and other lessons only.

use serde::{Deserialize, Serialize};

/// A block of text.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Block {
    /// A heading of level 1 to 4.
    Heading {
        /// Its level.
        level: u8,
        /// What links within the lesson call it.
        anchor: String,
        /// Its text.
        text: Vec<Inline>,
    },
    /// A paragraph.
    Paragraph(Vec<Inline>),
    /// A list.
    List {
        /// The first number of a numbered one.
        start: Option<u64>,
        /// Its items.
        items: Vec<Vec<Block>>,
    },
    /// Something that is shown as it is.
    Code {
        /// What language it is in.
        language: String,
        /// It can be typed at the terminal as it is, with a button.
        run: bool,
        /// The text without its last newline.
        text: String,
    },
    /// A quotation, or an aside.
    Quote(Vec<Block>),
    /// A table.
    Table {
        /// Its headings.
        head: Vec<Vec<Inline>>,
        /// Its rows.
        rows: Vec<Vec<Vec<Inline>>>,
    },
    /// A line across.
    Rule,
}

/// A piece of a line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Inline {
    /// Words.
    Text(String),
    /// Something that a machine says or is told.
    Code(String),
    /// Stressed.
    Emphasis(Vec<Inline>),
    /// Important.
    Strong(Vec<Inline>),
    /// A link.
    Link {
        /// Where to: `https://…`, `http://…`, `#anchor`, or another lesson as `../NN-slug/`.
        to: String,
        /// What one sees.
        text: Vec<Inline>,
    },
    /// A new line.
    Break,
}

/// The words of a line without any marks.
pub fn plain(line: &[Inline]) -> String {
    let piece = |inline: &Inline| match inline {
        Inline::Text(text) | Inline::Code(text) => text.clone(),
        Inline::Emphasis(inner) | Inline::Strong(inner) | Inline::Link { text: inner, .. } => plain(inner),
        Inline::Break => " ".to_owned(),
    };
    line.iter().map(piece).collect()
}

/// The words of blocks without any marks, one block a line.
pub fn plain_blocks(blocks: &[Block]) -> String {
    let lines = |cells: &[Vec<Inline>]| cells.iter().map(|cell| plain(cell)).collect::<Vec<_>>().join(" ");
    let block = |block: &Block| match block {
        Block::Heading { text, .. } | Block::Paragraph(text) => plain(text),
        Block::List { items, .. } => items.iter().map(|item| plain_blocks(item)).collect::<Vec<_>>().join("\n"),
        Block::Code { text, .. } => text.clone(),
        Block::Quote(inner) => plain_blocks(inner),
        Block::Table { head, rows } => {
            let rows = std::iter::once(head).chain(rows).map(|row| lines(row));
            rows.collect::<Vec<_>>().join("\n")
        }
        Block::Rule => String::new(),
    };
    blocks.iter().map(block).collect::<Vec<_>>().join("\n")
}

/// Gives every text in a line to `change`.
pub(super) fn each_text(line: &mut [Inline], change: &mut dyn FnMut(&mut String)) {
    for inline in line {
        match inline {
            Inline::Text(text) | Inline::Code(text) => change(text),
            Inline::Emphasis(inner) | Inline::Strong(inner) | Inline::Link { text: inner, .. } => {
                each_text(inner, change);
            }
            Inline::Break => {}
        }
    }
}

/// Gives every text in blocks to `change`.
pub(super) fn each_text_of_blocks(blocks: &mut [Block], change: &mut dyn FnMut(&mut String)) {
    for block in blocks {
        match block {
            Block::Heading { text, .. } | Block::Paragraph(text) => each_text(text, change),
            Block::List { items, .. } => items.iter_mut().for_each(|item| each_text_of_blocks(item, change)),
            Block::Code { text, .. } => change(text),
            Block::Quote(inner) => each_text_of_blocks(inner, change),
            Block::Table { head, rows } => {
                let cells = head.iter_mut().chain(rows.iter_mut().flatten());
                cells.for_each(|cell| each_text(cell, change));
            }
            Block::Rule => {}
        }
    }
}
