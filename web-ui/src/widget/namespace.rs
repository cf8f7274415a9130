//! Namespaces in pictures: one letter and hue a kind, one tint an instance, the same in every view.

use kernel_model::namespace::NsKind;
use yew::{Classes, Html, classes, html};

/// How many tints there are before they repeat; the number beside the letter tells on.
const TINTS: u32 = 6;

/// The classes that set hue and tint.
pub fn ns_class(kind: NsKind, instance: u32) -> Classes {
    let tint = if instance <= 1 { 0 } else { (instance - 2) % (TINTS - 1) + 1 };
    classes!("ns", format!("ns--{}", kind.name()), format!("ns--tint-{tint}"))
}

/// The letter of a namespace in its tint, with the number of the instance.
pub fn ns_letter(kind: NsKind, instance: u32) -> Html {
    html! {
        <span class="ns-letter" aria-hidden="true">{ kind.letter() }if instance > 1 { <sub>{ instance }</sub> }</span>
    }
}

/// `pid:[4026531836]`
pub fn ns_title(kind: NsKind, inum: u32) -> String {
    format!("{}:[{inum}]", kind.name())
}
