//! Keys as plain data.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
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

/// Where the keyboard was when a key was pressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In something that takes letters.
    Field,
    /// In the lesson.
    Lesson,
    /// Anywhere else, or nowhere.
    Elsewhere,
}

impl Place {
    fn of(event: &KeyboardEvent) -> Place {
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let within = |selector: &str| {
            target.as_ref().is_some_and(|element| element.closest(selector).is_ok_and(|found| found.is_some()))
        };
        if within("input:not([type=range]):not([type=radio]):not([type=checkbox]), textarea, select") {
            Place::Field
        } else if within(".lesson") {
            Place::Lesson
        } else {
            Place::Elsewhere
        }
    }
}

/// Keys anywhere in the page, as long as this lives.
pub struct Keys(Closure<dyn FnMut(KeyboardEvent)>);

impl Keys {
    /// Calls with each key before anybody else gets it; when that returns true nobody else does.
    pub fn listen(then: impl Fn(&Key, Place) -> bool + 'static) -> Option<Keys> {
        let listener = Closure::<dyn FnMut(KeyboardEvent)>::new(move |event: KeyboardEvent| {
            if then(&Key::from(&event), Place::of(&event)) {
                event.prevent_default();
                event.stop_propagation();
            }
        });
        let target = listener.as_ref().unchecked_ref();
        web_sys::window()?.add_event_listener_with_callback_and_bool("keydown", target, true).ok()?;
        Some(Keys(listener))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(window) = web_sys::window() {
            let target = self.0.as_ref().unchecked_ref();
            let _ = window.remove_event_listener_with_callback_and_bool("keydown", target, true);
        }
    }
}
