//! Where a log of strace comes in: dropped, chosen as a file, or pasted as text.

use kernel_model::strace::parse::MAX_LOG;
use yew::{Callback, DragEvent, Event, Html, InputEvent, Properties, TargetCast, component, html};

use crate::browser::{clock, file};
use crate::state::Msg;

/// Props of [`LogImport`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is in the field.
    pub draft: String,
    /// Why the last one could not be read.
    pub error: Option<String>,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The field.
#[component]
pub fn LogImport(Props { draft, error, dispatch }: &Props) -> Html {
    let typed = {
        let dispatch = dispatch.clone();
        Callback::from(move |event: InputEvent| {
            let text = event.target_dyn_into::<web_sys::HtmlTextAreaElement>().map(|f| f.value()).unwrap_or_default();
            // Several lines at once were pasted, not typed.
            let pasted = text.trim_end().contains('\n');
            dispatch.emit(Msg::LogDraft(text));
            if pasted {
                // After the field has shown what was pasted, so that it is emptied in the end.
                let dispatch = dispatch.clone();
                clock::next_frame(move || dispatch.emit(Msg::LogOpen));
            }
        })
    };
    let take = |dispatch: &Callback<Msg>, files: Option<web_sys::FileList>| {
        let Some(file) = files.and_then(|f| f.get(0)) else { return };
        if file.size() > MAX_LOG as f64 {
            let size = file.size() as u64 >> 20;
            let why = format!(
                "{} has {size} MiB; at most {} MiB are read. Cut it, for example with head -c 16M",
                file.name(),
                MAX_LOG >> 20
            );
            return dispatch.emit(Msg::LogTooLarge(why));
        }
        let dispatch = dispatch.clone();
        file::read(&file, move |bytes| dispatch.emit(Msg::LogBytes(bytes)));
    };
    let chosen = {
        let dispatch = dispatch.clone();
        Callback::from(move |event: Event| {
            if let Some(field) = event.target_dyn_into::<web_sys::HtmlInputElement>() {
                take(&dispatch, field.files());
                field.set_value("");
            }
        })
    };
    let dropped = {
        let dispatch = dispatch.clone();
        Callback::from(move |event: DragEvent| {
            let files = event.data_transfer().and_then(|d| d.files());
            if files.as_ref().is_some_and(|f| f.length() > 0) {
                event.prevent_default();
                take(&dispatch, files);
            }
        })
    };
    let open = dispatch.reform(|_: web_sys::MouseEvent| Msg::LogOpen);
    html! {
        <div class="log-import">
            <h2><label for="strace-import">{ "Log of strace" }</label></h2>
            <textarea id="strace-import" class="log-import__field" data-testid="strace-import" rows="2" value={draft.clone()}
                placeholder="drop a file here, or paste the output of strace -f" spellcheck="false" autocomplete="off"
                aria-describedby="strace-error" oninput={typed} ondrop={dropped} />
            <div class="log-import__line">
                <button type="button" disabled={draft.trim().is_empty()} onclick={open}>{ "replay" }</button>
                <label class="log-import__file">
                    <input type="file" data-testid="strace-file" aria-label="file with a log of strace" onchange={chosen} />
                </label>
            </div>
            <p id="strace-error" class="calls__error" role="status">{ error.clone().unwrap_or_default() }</p>
        </div>
    }
}
