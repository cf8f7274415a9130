//! A picture and its twin in plain text, which can be copied and is read well by a screen reader.

use std::rc::Rc;

use yew::{Callback, Html, Properties, component, html, use_state};

/// The text of a twin, made only when somebody wants to read it.
#[derive(Clone)]
pub struct Text(Rc<dyn Fn() -> String>);

impl Text {
    /// The text of what is shown.
    pub fn of<T: 'static>(shown: &Rc<T>, text: fn(&T) -> String) -> Text {
        let shown = shown.clone();
        Text(Rc::new(move || text(&shown)))
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// Props of [`Twin`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// Name of the view.
    pub title: &'static str,
    /// The twin.
    pub text: Text,
    /// The picture.
    pub children: Html,
}

/// A view's head and either its picture or its text.
#[component]
pub fn Twin(Props { title, text, children }: &Props) -> Html {
    let as_text = use_state(|| false);
    let toggle = {
        let as_text = as_text.clone();
        Callback::from(move |_| as_text.set(!*as_text))
    };
    html! {
        <>
            <div class="view__head">
                <h2>{ *title }</h2>
                <button type="button" class="quiet" aria-pressed={as_text.to_string()} onclick={toggle}>{ t!("text") }</button>
            </div>
            if *as_text {
                <pre class="view__text" lang="en" tabindex="0" aria-label={t!("{view} as text", view = title)}>{ (text.0)() }</pre>
            } else {
                { children.clone() }
            }
        </>
    }
}
