//! What the views of Xen have in common: the way to a platform that has it, names of domains, words of what changed.

use std::rc::Rc;

use hypervisor_model::machine::Platform;
use hypervisor_model::machine::xen::host::XenParts;
use hypervisor_model::projection::xen::{NOTHING, parts_of};
use yew::{Callback, Html, html};

use super::Moment;
use crate::state::Msg;

/// The picture that is made of Xen before and after the step; none on a machine without.
pub fn picture_of<T>(moment: &Moment<'_>, of: impl FnOnce(XenParts<'_>, XenParts<'_>) -> T) -> Option<Rc<T>> {
    let (before, after) = moment.machines;
    parts_of(before.as_ref(), after.as_ref()).map(|(before, after)| Rc::new(of(before, after)))
}

/// Said instead of a picture on a machine without Xen, with the way to one.
pub fn no_xen(dispatch: &Callback<Msg>) -> Html {
    let choose = |platform: Platform| dispatch.reform(move |_: web_sys::MouseEvent| Msg::Platform(platform.code()));
    html! {
        <div class="below-none">
            <p><span lang="en">{ NOTHING }</span>{ " " }{ t!("The same session can be made again as domain 0 on a machine with Xen:") }</p>
            <p class="below-none__choice">
                { for [Platform::XenPv64, Platform::XenPv32].into_iter().map(|p| html! { <button type="button" title={p.about()} onclick={choose(p)}>{ p.to_string() }</button> }) }
            </p>
        </div>
    }
}

/// A domain as Xen's messages name it, with the colour of its frames: domain 0's is the host's, everybody else's the guests'.
pub fn domain_tag(domain: u16) -> Html {
    let class = if domain == 0 { "xen-domain is-host" } else { "xen-domain is-guest" };
    html! { <b {class}>{ format!("d{domain}") }</b> }
}
