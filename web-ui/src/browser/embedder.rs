//! The page around a frame: what it says, and what is said to it. It is heard only when it is the parent of this window, and,
//! when the address names an origin, from there; it is answered where it has spoken from and nowhere else.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{JSON, Object, Reflect};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::MessageEvent;

use crate::embed::{Order, Told};

/// The page around the frame.
#[derive(Clone, Default)]
pub struct Embedder {
    /// Where it is from, once it has spoken or the address says so.
    origin: Rc<RefCell<Option<String>>>,
}

impl Embedder {
    /// Listens to it for as long as the page lives, and says that it can be spoken to.
    pub fn listen(only: Option<String>, then: impl Fn(Order) + 'static) -> Embedder {
        let embedder = Embedder { origin: Rc::new(RefCell::new(only.clone())) };
        let Some(window) = web_sys::window() else { return embedder };
        let Some(parent) = window.parent().ok().flatten().filter(|parent| *parent != window) else { return embedder };
        let origin = Rc::clone(&embedder.origin);
        let around = parent.clone();
        let listener = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let is_around = event.source().is_some_and(|source| Object::is(&source, &around));
            let is_allowed = only.as_ref().is_none_or(|only| *only == event.origin());
            if !is_around || !is_allowed {
                return;
            }
            if let Some(order) = read(&event.data()) {
                origin.replace(Some(event.origin()));
                then(order);
            }
        });
        let target = listener.as_ref().unchecked_ref();
        let _ = window.add_event_listener_with_callback("message", target);
        // It lives as long as the page.
        listener.forget();
        // There is nothing in it that anybody must not know.
        let _ = parent
            .post_message(&r#"{"type":"ringside-ready"}"#.into(), embedder.origin.borrow().as_deref().unwrap_or("*"));
        embedder
    }

    /// Tells it where the machine is looked at, as a text of JSON.
    pub fn tell(&self, told: &Told) {
        let origin = self.origin.borrow();
        // A page from a file has no origin that could be named: "null" is nobody's address.
        let Some(origin) = origin.as_deref().map(|origin| if origin == "null" { "*" } else { origin }) else { return };
        let Some(parent) = web_sys::window().and_then(|w| w.parent().ok().flatten()) else { return };
        let message = Object::new();
        let set = |name: &str, value: JsValue| {
            let _ = Reflect::set(&message, &name.into(), &value);
        };
        set("type", "ringside-state".into());
        set("step", (told.step as f64).into());
        set("steps", (told.steps as f64).into());
        set("atRest", told.at_rest.into());
        set("sentence", told.sentence.as_str().into());
        set("view", told.view.into());
        if let Some(session) = &told.session {
            set("session", session.as_str().into());
        }
        if let Ok(text) = JSON::stringify(&message) {
            let _ = parent.post_message(&text, origin);
        }
    }
}

/// An order: an object, or the text of one in JSON.
fn read(data: &JsValue) -> Option<Order> {
    let object = match data.as_string() {
        Some(text) => JSON::parse(&text).ok()?,
        None => data.clone(),
    };
    if !object.is_object() {
        return None;
    }
    Order::read(|name| {
        let value = Reflect::get(&object, &name.into()).ok()?;
        value.as_string().or_else(|| value.as_f64().map(|number| number.to_string()))
    })
}
