//! What the views of the machine have in common: the way to a platform when nobody looks at the machine, bars, addresses.

use hypervisor_model::machine::Platform;
use hypervisor_model::projection::exit_lanes::Count;
use yew::{Callback, Html, html};

use crate::state::Msg;

/// Said instead of a picture while the machine below is not looked at.
pub fn no_machine(dispatch: &Callback<Msg>) -> Html {
    let choose = |platform: Platform| dispatch.reform(move |_: web_sys::MouseEvent| Msg::Platform(platform.code()));
    html! {
        <div class="below-none">
            <p>{ t!("Nobody looks at the machine below this kernel. The same session can be made again on one that tells what it does:") }</p>
            <p class="below-none__choice">
                { for Platform::all().map(|p| html! { <button type="button" title={p.about()} onclick={choose(p)}>{ p.to_string() }</button> }) }
            </p>
        </div>
    }
}

/// Rows of a table with a bar: how much of each in the step, and of all.
pub fn bars(caption: &str, counts: &[Count]) -> Html {
    let most = counts.iter().map(|count| count.all).max().unwrap_or(0).max(1);
    let percent = |n: u64| format!("{}.{}%", n * 1000 / most / 10, n * 1000 / most % 10);
    html! {
        <table class="below-bars">
            <thead><tr><th scope="col">{ caption }</th><th scope="col">{ t!("step") }</th><th scope="col">{ t!("all") }</th><td></td></tr></thead>
            <tbody>
                { for counts.iter().map(|count| html! {
                    <tr class={(count.now > 0).then_some("is-changed")}>
                        <th scope="row">{ &count.name }</th>
                        <td>{ if count.now > 0 { grouped(count.now) } else { "·".to_owned() } }</td>
                        <td>{ grouped(count.all) }</td>
                        <td class="below-bars__bar" aria-hidden="true">
                            <i style={format!("width: {}", percent(count.all))}></i><b style={format!("width: {}", percent(count.now))}></b>
                        </td>
                    </tr>
                }) }
            </tbody>
        </table>
    }
}

/// A number with a thin space between its thousands.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// An address, its halves apart.
pub fn address(at: u64) -> String {
    if at >> 32 == 0 { format!("{at:08x}") } else { format!("{:x} {:08x}", at >> 32, at & 0xffff_ffff) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_and_halves_stand_apart() {
        assert_eq!((grouped(7), grouped(1234567)), ("7".to_owned(), "1\u{2009}234\u{2009}567".to_owned()));
        assert_eq!((address(0x1000), address(0x7fff_1234_5000)), ("00001000".to_owned(), "7fff 12345000".to_owned()));
    }
}
