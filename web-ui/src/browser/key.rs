//! Keys as plain data.

use web_sys::KeyboardEvent;

/// A key that was pressed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// As in `KeyboardEvent.key`.
    pub name: String,
    /// Shift was held.
    pub shift: bool,
    /// Ctrl, Alt or Meta was held.
    pub command: bool,
    /// Ctrl was held, and nothing else.
    pub ctrl: bool,
}

impl From<&KeyboardEvent> for Key {
    fn from(event: &KeyboardEvent) -> Self {
        let other = event.alt_key() || event.meta_key();
        Key {
            name: event.key(),
            shift: event.shift_key(),
            command: event.ctrl_key() || other,
            ctrl: event.ctrl_key() && !other,
        }
    }
}
