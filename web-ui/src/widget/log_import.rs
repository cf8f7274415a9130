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
    let chosen = {
        let dispatch = dispatch.clone();
        Callback::from(move |event: Event| {
            if let Some(field) = event.target_dyn_into::<web_sys::HtmlInputElement>() {
                take(&dispatch, field.files());
                field.set_value("");
            }
        })
    };
    let open = dispatch.reform(|_: web_sys::MouseEvent| Msg::LogOpen);
    html! {
        <div class="log-import">
            <h2><label for="strace-import">{ t!("Log of strace") }</label></h2>
            <textarea id="strace-import" class="log-import__field" data-testid="strace-import" rows="2" value={draft.clone()}
                placeholder={t!("drop a file here, or paste the output of strace -f")} spellcheck="false" autocomplete="off"
                aria-describedby="strace-error" oninput={typed} />
            <div class="log-import__line">
                <button type="button" disabled={draft.trim().is_empty()} onclick={open}>{ t!("replay") }</button>
                <label class="log-import__file">
                    <input type="file" data-testid="strace-file" aria-label={t!("file with a log of strace")} onchange={chosen} />
                </label>
            </div>
            <p id="strace-error" class="calls__error" role="status">{ error.clone().unwrap_or_default() }</p>
        </div>
    }
}

/// What is done with a file that is dropped: it is read wherever on the page it falls, because what the
/// browser does with it otherwise is to leave the page.
pub fn drop_target(dispatch: &Callback<Msg>) -> (Callback<DragEvent>, Callback<DragEvent>) {
    let files_of = |event: &DragEvent| event.data_transfer().and_then(|d| d.files()).filter(|f| f.length() > 0);
    let over = Callback::from(|event: DragEvent| {
        let types = event.data_transfer().map(|d| d.types());
        if types.is_some_and(|types| types.includes(&"Files".into(), 0)) {
            event.prevent_default();
        }
    });
    let dispatch = dispatch.clone();
    let dropped = Callback::from(move |event: DragEvent| {
        if let Some(files) = files_of(&event) {
            event.prevent_default();
            take(&dispatch, Some(files));
        }
    });
    (over, dropped)
}

/// Reads the first of these files, unless it is too large.
fn take(dispatch: &Callback<Msg>, files: Option<web_sys::FileList>) {
    let Some(file) = files.and_then(|f| f.get(0)) else { return };
    if file.size() > MAX_LOG as f64 {
        let size = file.size() as u64 >> 20;
        let why = t!(
            "{file} has {size} MiB; at most {most} MiB are read. Cut it, for example with head -c 16M",
            file = file.name(),
            size = size,
            most = MAX_LOG >> 20
        );
        return dispatch.emit(Msg::LogTooLarge(why));
    }
    let dispatch = dispatch.clone();
    file::read(&file, move |bytes| dispatch.emit(Msg::LogBytes(bytes)));
}
