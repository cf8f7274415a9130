//! Text in XML.

/// Text for XML 1.0, which has no place for most control characters.
pub fn escaped(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() || c > '\u{fffd}' { ' ' } else { c }).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
