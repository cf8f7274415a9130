//! What the address asks for after `#`: parts with `&` between them. A link to a session is `#s=TEXT` alone, as it always was.

use crate::embed::Embed;

/// What the address asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Address {
    /// A session, as the text of a link (`s=TEXT`).
    pub session: Option<String>,
    /// A lesson, by name (`lesson=NAME`).
    pub lesson: Option<String>,
    /// To be the presenter view of the window with this channel (`presenter=NAME`).
    pub presenter: Option<String>,
    /// To be part of another page (`embed=read`, `embed=live`).
    pub embed: Embed,
    /// Of the only pages that may send messages then, where they come from (`origin=https://example.org`).
    pub origin: Option<String>,
    /// The view to look at first, by name (`view=NAME`).
    pub view: Option<String>,
}

impl Address {
    /// Reads what is after `#`, with it or without. What nobody knows is passed over.
    pub fn read(hash: &str) -> Address {
        let mut address = Address::default();
        for part in hash.trim_start_matches('#').split('&') {
            let Some((name, value)) = part.split_once('=') else { continue };
            let value = value.to_owned();
            match name {
                "s" => address.session = Some(value),
                "lesson" => address.lesson = Some(value),
                "presenter" => address.presenter = Some(value),
                "embed" => address.embed = Embed::named(&value),
                "origin" => address.origin = Some(value),
                "view" => address.view = Some(value),
                _ => {}
            }
        }
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_link_and_one_for_a_frame_are_read() {
        assert_eq!(Address::read("#s=AbC_-1").session.as_deref(), Some("AbC_-1"));
        assert_eq!(Address::read("#s=").session.as_deref(), Some(""), "it is said that it is damaged");
        assert_eq!(Address::read("#h-heading"), Address::default());
        let framed = Address::read("#embed=read&view=exits&origin=https://example.org:8080&s=AbC");
        assert_eq!((framed.embed, framed.view.as_deref()), (Embed::Read, Some("exits")));
        assert_eq!(framed.origin.as_deref(), Some("https://example.org:8080"));
        assert_eq!(framed.session.as_deref(), Some("AbC"));
        assert_eq!(Address::read("#embed=yes").embed, Embed::No);
    }
}
