//! What a terminal says before anything has happened: what to type, and what will be seen.

use yew::{Callback, Html, Properties, component, html};

use crate::language::{english, translated};
use crate::state::Msg;

/// Something to try: what it shows, and what is typed for it.
const EXAMPLES: [(&str, &str); 5] = [
    (english("a process that is number 1"), "unshare --pid --fork --mount-proc sh -c 'echo I am $$; ps'"),
    (english("a host name of its own"), "unshare --uts sh -c 'hostname box; hostname'; hostname"),
    (english("root, but only in here"), "unshare --user --map-root-user sh -c 'id; cat /proc/self/uid_map'"),
    (
        english("a container by hand"),
        "unshare --user --map-root-user --pid --fork --mount-proc --uts --ipc --net sh -c 'hostname box; hostname; ps; ls -l /proc/self/ns'",
    ),
    (english("a fork bomb, to be rewound"), "bomb() { bomb | bomb & }; bomb"),
];

/// Props of [`Welcome`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// A few words and a few commands.
#[component]
pub fn Welcome(Props { dispatch }: &Props) -> Html {
    html! {
        <div class="welcome" data-testid="welcome">
            <p>{ t!("This is a shell on a Linux kernel that you can stop and rewind. Type a command, or start with one of these:") }</p>
            <ul>
                { for EXAMPLES.iter().map(|(what, command)| {
                    let try_it = dispatch.reform(move |_: web_sys::MouseEvent| Msg::Try(command));
                    html! {
                        <li><button type="button" class="welcome__example" onclick={try_it}>
                            <span class="welcome__what">{ translated(what) }</span><code>{ *command }</code>
                        </button></li>
                    }
                }) }
            </ul>
            <p>{ t!("Each step that the kernel takes becomes a mark on the ribbon above. Go back along it with ← and →, and see all of the machine as it was then.") }{ " " }<kbd>{ "help" }</kbd>{ " " }{ t!("lists the programs,") }{ " " }<kbd>{ "?" }</kbd>{ " " }{ t!("at the top the keys.") }</p>
        </div>
    }
}
