//! The text of a lesson: Markdown, read into the few kinds of blocks that there are. HTML in it is an error, and so are
//! links to anything but web pages and lessons: what a stranger writes cannot run anything.
//!
//! A paragraph that is only `{{task NAME}}`, `{{predict NAME}}`, `{{quiz NAME}}` is the place of one; in lectures
//! `{{scene NAME}}`, `{{view NAME}}` and `{{notes}}` belong to the slide, and a line `---` begins the next.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::lesson::text::{Block, Inline, plain};

/// A piece of the text of a lesson.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    /// Text.
    Text(Vec<Block>),
    /// The place of something.
    Directive {
        /// `task`, `predict`, `quiz`, `scene`, `view`, `notes`.
        name: String,
        /// Its name.
        argument: String,
    },
    /// A line across: the next slide.
    Rule,
}

/// What is wrong with a text.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum BadText {
    /// HTML.
    #[error("HTML is no part of lessons: {0}")]
    Html(String),
    /// A link to something else.
    #[error(
        "the link to `{0}` is refused: links lead to http(s) pages, to `#heading`, or to another lesson as `../NN-slug/`"
    )]
    Link(String),
    /// An image.
    #[error("images are no part of lessons: the machine itself is the picture ({0})")]
    Image(String),
    /// A place of something that there is not.
    #[error("`{{{{{0}}}}}` names nothing that there is in the head")]
    UnknownDirective(String),
}

/// Reads a text.
///
/// # Errors
/// Something that is no part of lessons.
pub fn read(text: &str) -> Result<Vec<Item>, BadText> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut reader = Reader { events: Parser::new_ext(text, options).peekable() };
    let blocks = reader.blocks(None)?;
    let mut items = Vec::new();
    for block in blocks {
        match (directive(&block), block) {
            (Some(directive), _) => items.push(directive),
            (None, Block::Rule) => items.push(Item::Rule),
            (None, block) => match items.last_mut() {
                Some(Item::Text(blocks)) => blocks.push(block),
                _ => items.push(Item::Text(vec![block])),
            },
        }
    }
    Ok(items)
}

/// A line of Markdown, as heads have them; what is no part of lessons is left as text.
pub fn line(text: &str) -> Vec<Inline> {
    let options = Options::ENABLE_STRIKETHROUGH;
    let mut reader = Reader { events: Parser::new_ext(text, options).peekable() };
    match reader.blocks(None) {
        Ok(blocks) => {
            let mut lines = blocks.into_iter().map(|block| match block {
                Block::Paragraph(inline) | Block::Heading { text: inline, .. } => inline,
                other => vec![Inline::Text(crate::lesson::text::plain_blocks(&[other]))],
            });
            let mut all = lines.next().unwrap_or_default();
            for line in lines {
                all.push(Inline::Break);
                all.extend(line);
            }
            all
        }
        Err(_) => vec![Inline::Text(text.to_owned())],
    }
}

/// The place that a paragraph is, if it is one.
fn directive(block: &Block) -> Option<Item> {
    let Block::Paragraph(inline) = block else { return None };
    let text = plain(inline);
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let (name, argument) = inner.split_once(' ').unwrap_or((inner, ""));
    Some(Item::Directive { name: name.to_owned(), argument: argument.trim().to_owned() })
}

struct Reader<'a> {
    events: std::iter::Peekable<Parser<'a>>,
}

impl Reader<'_> {
    /// Blocks up to the end of `until`, or of the text.
    fn blocks(&mut self, until: Option<TagEnd>) -> Result<Vec<Block>, BadText> {
        let mut blocks = Vec::new();
        let mut loose: Vec<Inline> = Vec::new();
        while let Some(event) = self.events.next() {
            if let Event::End(end) = &event
                && Some(*end) == until
            {
                break;
            }
            let Some(inline) = self.inline(&event)? else {
                // Items of a tight list have their words without a paragraph.
                if !loose.is_empty() {
                    blocks.push(Block::Paragraph(std::mem::take(&mut loose)));
                }
                if let Some(block) = self.block(event)? {
                    blocks.push(block);
                }
                continue;
            };
            loose.extend(inline);
        }
        if !loose.is_empty() {
            blocks.push(Block::Paragraph(loose));
        }
        Ok(blocks)
    }

    fn block(&mut self, event: Event<'_>) -> Result<Option<Block>, BadText> {
        Ok(Some(match event {
            Event::Rule => Block::Rule,
            Event::Html(html) => return Err(BadText::Html(html.trim().to_owned())),
            Event::Start(tag) => match tag {
                Tag::Paragraph => Block::Paragraph(self.line(TagEnd::Paragraph)?),
                Tag::Heading { level, .. } => {
                    let text = self.line(TagEnd::Heading(level))?;
                    Block::Heading { level: level_number(level), anchor: anchor(&plain(&text)), text }
                }
                Tag::List(start) => Block::List { start, items: self.items(start.is_some())? },
                Tag::CodeBlock(kind) => self.code(&kind),
                Tag::BlockQuote(kind) => Block::Quote(self.blocks(Some(TagEnd::BlockQuote(kind)))?),
                Tag::Table(_) => self.table()?,
                Tag::HtmlBlock => return Err(BadText::Html(self.text_up_to(TagEnd::HtmlBlock))),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        }))
    }

    fn items(&mut self, numbered: bool) -> Result<Vec<Vec<Block>>, BadText> {
        let mut items = Vec::new();
        while let Some(event) = self.events.next() {
            match event {
                Event::Start(Tag::Item) => items.push(self.blocks(Some(TagEnd::Item))?),
                Event::End(TagEnd::List(of)) if of == numbered => break,
                _ => {}
            }
        }
        Ok(items)
    }

    fn code(&mut self, kind: &CodeBlockKind<'_>) -> Block {
        let info = match kind {
            CodeBlockKind::Fenced(info) => info.to_string(),
            CodeBlockKind::Indented => String::new(),
        };
        let text = self.text_up_to(TagEnd::CodeBlock);
        let mut words = info.split_whitespace();
        let language = words.next().unwrap_or_default().to_owned();
        let run = words.any(|word| word == "run");
        Block::Code { language, run, text: text.trim_end_matches('\n').to_owned() }
    }

    fn table(&mut self) -> Result<Block, BadText> {
        let mut rows = Vec::new();
        let mut row = Vec::new();
        while let Some(event) = self.events.next() {
            match event {
                Event::Start(Tag::TableCell) => row.push(self.line(TagEnd::TableCell)?),
                Event::End(TagEnd::TableHead | TagEnd::TableRow) => rows.push(std::mem::take(&mut row)),
                Event::End(TagEnd::Table) => break,
                _ => {}
            }
        }
        let head = if rows.is_empty() { Vec::new() } else { rows.remove(0) };
        Ok(Block::Table { head, rows })
    }

    /// Pieces up to the end of `until`.
    fn line(&mut self, until: TagEnd) -> Result<Vec<Inline>, BadText> {
        let mut line = Vec::new();
        while let Some(event) = self.events.next() {
            if event == Event::End(until) {
                break;
            }
            line.extend(self.inline(&event)?.unwrap_or_default());
        }
        Ok(join(line))
    }

    /// The pieces that an event begins; `None` when it begins no piece of a line.
    fn inline(&mut self, event: &Event<'_>) -> Result<Option<Vec<Inline>>, BadText> {
        Ok(Some(vec![match event {
            Event::Text(text) => Inline::Text(text.to_string()),
            Event::Code(code) => Inline::Code(code.to_string()),
            Event::SoftBreak => Inline::Text(" ".to_owned()),
            Event::HardBreak => Inline::Break,
            Event::InlineHtml(html) => return Err(BadText::Html(html.to_string())),
            Event::Start(Tag::Emphasis) => Inline::Emphasis(self.line(TagEnd::Emphasis)?),
            Event::Start(Tag::Strong) => Inline::Strong(self.line(TagEnd::Strong)?),
            Event::Start(Tag::Strikethrough) => Inline::Emphasis(self.line(TagEnd::Strikethrough)?),
            Event::Start(Tag::Link { dest_url, .. }) => {
                let to = dest_url.to_string();
                let text = self.line(TagEnd::Link)?;
                if !is_allowed(&to) {
                    return Err(BadText::Link(to));
                }
                Inline::Link { to, text }
            }
            Event::Start(Tag::Image { dest_url, .. }) => return Err(BadText::Image(dest_url.to_string())),
            _ => return Ok(None),
        }]))
    }

    fn text_up_to(&mut self, until: TagEnd) -> String {
        let mut all = String::new();
        for event in self.events.by_ref() {
            match event {
                Event::Text(text) | Event::Html(text) => all.push_str(&text),
                Event::End(end) if end == until => break,
                _ => {}
            }
        }
        all
    }
}

/// Neighbouring words as one.
fn join(line: Vec<Inline>) -> Vec<Inline> {
    let mut joined: Vec<Inline> = Vec::with_capacity(line.len());
    for piece in line {
        match (joined.last_mut(), piece) {
            (Some(Inline::Text(before)), Inline::Text(text)) => before.push_str(&text),
            (_, piece) => joined.push(piece),
        }
    }
    joined
}

/// Whether a link may lead there.
pub fn is_allowed(to: &str) -> bool {
    let web = to.starts_with("https://") || to.starts_with("http://");
    let lesson = to.strip_prefix("../").is_some_and(|rest| {
        let name = rest.split('#').next().unwrap_or_default().trim_end_matches('/');
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    });
    !to.contains(char::is_whitespace) && (web || lesson || to.starts_with('#'))
}

fn level_number(level: HeadingLevel) -> u8 {
    (level as u8).min(4)
}

/// What links call a heading: its words in small letters with hyphens.
pub fn anchor(text: &str) -> String {
    let letters = text.chars().filter(|c| c.is_alphanumeric() || c.is_whitespace() || *c == '-');
    let letters: String = letters.flat_map(char::to_lowercase).collect();
    letters.split_whitespace().collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_run_is_refused() {
        for text in [
            "<script>alert(1)</script>",
            "words <img src=x onerror=alert(1)> words",
            "<div onclick='x'>",
            "[here](javascript:alert(1))",
            "[here](JavaScript:alert(1))",
            "[here](data:text/html;base64,AAAA)",
            "[here](//elsewhere/x)",
            "[here](../../etc/passwd)",
            "<javascript:alert(1)>",
            "![x](https://elsewhere/x.png)",
        ] {
            assert!(read(text).is_err(), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn text_is_read_into_blocks() {
        let text = "# One\n\nA *b* `c` [d](https://e).\nnext\n\n- x\n- y\n  1. z\n\n```console run\nls\n```\n\n{{task a}}\n\n| h |\n| --- |\n| i |\n\n---\n\n> q\n";
        let items = read(text).expect("a text");
        assert_eq!(items.len(), 5, "{items:#?}");
        let Item::Text(blocks) = &items[0] else { panic!("{items:#?}") };
        assert!(matches!(&blocks[0], Block::Heading { level: 1, anchor, .. } if anchor == "one"));
        assert!(matches!(&blocks[2], Block::List { start: None, items } if items.len() == 2 && items[1].len() == 2));
        assert_eq!(blocks[3], Block::Code { language: "console".into(), run: true, text: "ls".into() });
        assert_eq!(items[1], Item::Directive { name: "task".into(), argument: "a".into() });
        assert_eq!(items[3], Item::Rule);
    }
}
