//! Something to be said at the top of the page.

use yew::{Callback, Html, Properties, component, html};

use crate::notice::{Notice, Offer};
use crate::state::Msg;

/// Props of [`NoticeBar`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is said, if anything.
    pub notice: Option<Notice>,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The bar; empty when there is nothing to say.
#[component]
pub fn NoticeBar(Props { notice, dispatch }: &Props) -> Html {
    let send = |msg: Msg| dispatch.reform(move |_: web_sys::MouseEvent| msg.clone());
    html! {
        <div class="notice" role="status" data-testid="notice">
            if let Some(notice) = notice {
                <div class={if notice.problem { "notice__bar is-problem" } else { "notice__bar" }}>
                    <p>{ &notice.text }</p>
                    { match notice.offer {
                        Offer::Nothing => Html::default(),
                        Offer::Download(..) | Offer::DownloadSession => html! { <button type="button" onclick={send(Msg::TakeOffer)}>{ t!("download it") }</button> },
                        Offer::GoBack => html! { <button type="button" onclick={send(Msg::TakeOffer)}>{ t!("back to the one before") }</button> },
                    } }
                    <button type="button" class="quiet" onclick={send(Msg::Dismiss)}>{ t!("close") }</button>
                </div>
            }
        </div>
    }
}
