//! The sheet of a session that is to be given away: as a link, in a frame of another page, as a file; and a file that somebody
//! has given.

use yew::{Callback, Event, Html, Properties, TargetCast, component, html};

use super::dialog::Dialog;
use crate::browser::{address, file};
use crate::embed::Embed;
use crate::state::Msg;

/// Props of [`Share`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is after `#s=` in the link.
    pub session: String,
    /// What was said last about copying.
    pub said: String,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The sheet.
#[component]
pub fn Share(Props { session, said, dispatch }: &Props) -> Html {
    let send = |msg: Msg| dispatch.reform(move |_: web_sys::MouseEvent| msg.clone());
    let page = address::page();
    let frame = |embed: Embed| Msg::CopyText(embed.frame(&page, session));
    let chosen = {
        let dispatch = dispatch.clone();
        Callback::from(move |event: Event| {
            let Some(field) = event.target_dyn_into::<web_sys::HtmlInputElement>() else { return };
            if let Some(file) = field.files().and_then(|files| files.get(0)) {
                let dispatch = dispatch.clone();
                file::read(&file, move |bytes| dispatch.emit(Msg::SessionFile(bytes)));
            }
        })
    };
    html! {
        <Dialog title={t!("Share this session")} dispatch={dispatch.clone()}>
            <div class="share">
                <section>
                    <h3>{ t!("As a link") }</h3>
                    <p>{ t!("It makes the same session again for whoever opens it, at this step. What you have typed is in it, and nothing else.") }</p>
                    <input type="text" readonly=true class="share__link" aria-label={t!("Link to this session")} value={format!("{page}#s={session}")} />
                    <p class="share__said" role="status" data-testid="share-said">{ said }</p>
                </section>
                <section>
                    <h3>{ t!("In a page of yours") }</h3>
                    <p>{ t!("A frame with the stage and the timeline; a live one has a terminal too. It keeps nothing in the reader's browser, and takes messages from the page around it.") }</p>
                    <p class="share__choice">
                        <button type="button" onclick={send(frame(Embed::Read))}>{ t!("copy a frame to look at") }</button>
                        <button type="button" onclick={send(frame(Embed::Live))}>{ t!("copy a live frame") }</button>
                        <a href="./embed.html" target="_blank" rel="noopener">{ t!("an example page") }</a>
                    </p>
                </section>
                <section>
                    <h3>{ t!("As a file") }</h3>
                    <p class="share__choice">
                        <button type="button" onclick={send(Msg::DownloadSession)} data-testid="session-download">{ t!("download this session") }</button>
                        <label>{ t!("open one:") }{ " " }<input type="file" data-testid="session-file" onchange={chosen} /></label>
                    </p>
                </section>
            </div>
        </Dialog>
    }
}
