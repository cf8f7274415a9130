//! What a process may do: five sets of capabilities as rows of cells, what takes powers away, its ids from inside
//! to outside, and where it would pass a capability check.

use std::rc::Rc;

use kernel_model::event::{EventKind, Family};
use kernel_model::namespace::NsKind;
use kernel_model::projection::Change;
use kernel_model::projection::id_map::IdMapPicture;
use kernel_model::projection::privileges::{Bit, Check, Privileges, SetRow};
use kernel_model::security::capability::{Cap, NAMES};
use yew::{Callback, Html, Properties, classes, component, html, use_state};

use super::{Picture, Subject, View};
use crate::state::Msg;
use crate::widget::mark::{change_class, change_mark};
use crate::widget::namespace::{ns_class, ns_letter};
use crate::widget::seat::{Seats, seat};
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "privileges",
    title: "Privileges",
    subject: Subject::Linux,
    about: "Capabilities, ids and where they count, of the process where you stand",
    concerns: |kind: &EventKind| kind.family() == Family::Capability,
    looks_back: false,
    picture: |moment| {
        // The capability that the step has asked for is the one to look at.
        let asked = moment.events.iter().rev().find_map(|event| match &event.kind {
            EventKind::CapabilityChecked { cap, .. } => Some(*cap),
            _ => None,
        });
        let asked = asked.unwrap_or(Cap::SYS_ADMIN);
        let of = |task| Privileges::of_step(moment.before, moment.after, task, asked);
        let privileges = Rc::new(moment.stand.map_or_else(Privileges::default, of));
        Picture::new(move |look| {
            let (seats, dispatch) = (look.seats.clone(), look.dispatch.clone());
            html! { <PrivilegesView privileges={privileges.clone()} {seats} {dispatch} /> }
        })
    },
};

/// Props of [`PrivilegesView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub privileges: Rc<Privileges>,
    /// Where one can stand.
    #[prop_or_default]
    pub seats: Seats,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn PrivilegesView(Props { privileges, seats, dispatch }: &Props) -> Html {
    let pointed = use_state(|| None::<usize>);
    let point = {
        let pointed = pointed.clone();
        Callback::from(move |cap: Option<usize>| pointed.set(cap))
    };
    let shown = &**privileges;
    html! {
        <section class="view privileges" data-testid="view-privileges" aria-label={t!("What a process may do")}>
            <Twin title={t!("Privileges")} text={Text::of(privileges, Privileges::text)}>
                <p class="seats">{ seat(seats, shown.task, dispatch) }{ " " }{ t!("may") }</p>
                if shown.task.is_some() {
                    <div class="privileges__sets" role="group" aria-label={t!("Capability sets")}>
                        { for shown.sets.iter().map(|set| set_row(set, *pointed, &point)) }
                        <p class="privileges__cap" aria-live="polite">{ cap_line(shown, *pointed) }</p>
                    </div>
                    <ul class="privileges__bits" aria-label={t!("What takes powers away")}>
                        { for shown.no_new_privs.iter().chain(&shown.securebits).map(bit) }
                    </ul>
                    <div class="privileges__maps">
                        { id_map(t!("user ids"), &shown.uids) }
                        { id_map(t!("group ids"), &shown.gids) }
                    </div>
                    <div class="privileges__checks">
                        <h3>{ t!("Who passes a check of {cap}", cap = shown.asked) }</h3>
                        <ul>{ for shown.checks.iter().map(check) }</ul>
                        if shown.checks_left_out > 0 {
                            <p class="view__more">{ t!("and {n} more user namespaces", n = shown.checks_left_out) }</p>
                        }
                    </div>
                }
            </Twin>
        </section>
    }
}

fn set_row(set: &SetRow, pointed: Option<usize>, point: &Callback<Option<usize>>) -> Html {
    html! {
        <div class="privileges__set">
            <span class="privileges__name" title={set.meaning}>{ set.name }</span>
            <span class="privileges__cells" role="img" aria-label={format!("{}: {}", set.name, set.words())}>
                { for set.cells.iter().enumerate().map(|(n, cell)| html! {
                    <i class={classes!("cap", cell.on.then_some("is-on"), (pointed == Some(n)).then_some("is-pointed"),
                            change_class(cell.change), n.is_multiple_of(8).then_some("cap--byte"))}
                        onmouseenter={point.reform(move |_| Some(n))} onmouseleave={point.reform(|_| None)}
                        title={Cap(n as u8).name()}></i>
                }) }
            </span>
            <code class="privileges__mask">{ &set.mask }</code>
            <span class="privileges__words">{ set.words() }</span>
        </div>
    }
}

/// The capability that is pointed at, or those that the step has changed.
fn cap_line(shown: &Privileges, pointed: Option<usize>) -> String {
    if let Some(n) = pointed {
        let has = shown.sets.iter().filter(|set| set.cells.get(n).is_some_and(|cell| cell.on)).map(|set| set.name);
        let has: Vec<&str> = has.collect();
        let sets = if has.is_empty() { t!("no set").to_owned() } else { has.join(", ") };
        return format!("{n} ") + &t!("{cap}: in {sets}", cap = Cap(n as u8), sets = sets);
    }
    let changed: Vec<String> = (0..NAMES.len())
        .filter(|n| shown.sets.iter().any(|set| set.cells.get(*n).is_some_and(|cell| cell.change != Change::Same)))
        .map(|n| Cap(n as u8).name())
        .collect();
    match changed.len() {
        0 => t!("Each cell is one of the 41 capabilities; point at it for its name.").to_owned(),
        1..=6 => t!("Δ changed: {caps}", caps = changed.join(", ")),
        n => t!("Δ {n} capabilities have changed", n = n),
    }
}

fn bit(bit: &Bit) -> Html {
    html! {
        <li class={classes!("privileges__bit", bit.on.then_some("is-on"), change_class(bit.change))}>
            <span aria-hidden="true">{ if bit.on { "■" } else { "□" } }</span>
            { " " }{ bit.name }{ " " }{ if bit.on { t!("on") } else { t!("off") } }{ " " }{ change_mark(bit.change) }
        </li>
    }
}

/// Segments of ids: a column is a segment, a line is a user namespace, the inside on top.
fn id_map(title: &'static str, map: &IdMapPicture) -> Html {
    html! {
        <figure class="id-map" aria-label={t!("{ids}, from inside to outside", ids = title)}>
            <figcaption>{ title }</figcaption>
            <div class="id-map__scroll">
                <table>
                    <tbody>
                        { for map.levels.iter().enumerate().map(|(i, level)| html! {
                            <tr class={classes!(ns_class(NsKind::User, level.ns.0), change_class(level.change))}>
                                <th scope="row">{ ns_letter(NsKind::User, level.ns.0) }{ " " }{ change_mark(level.change) }</th>
                                { for map.segments.iter().map(|segment| {
                                    let none = segment.first.get(i).copied().flatten().is_none();
                                    let own = segment.own.is_some();
                                    html! {
                                        <td class={classes!("id-map__segment", own.then_some("is-own"), none.then_some("is-unmapped"))}>
                                            { segment.range(i) }
                                            if own && segment.count > 1 { <small>{ map.own.get(i).map(|id| t!("it is {id}", id = id)) }</small> }
                                        </td>
                                    }
                                }) }
                                if map.segments.is_empty() {
                                    <td class={classes!("id-map__segment", "is-own", (!map.mapped.get(i).copied().unwrap_or(false)).then_some("is-unmapped"))}>
                                        { map.own.get(i).map(u32::to_string) }
                                        if !level.written { <small>{ t!("no map yet") }</small> }
                                    </td>
                                }
                            </tr>
                        }) }
                    </tbody>
                </table>
            </div>
            if map.left_out > 0 { <p class="view__more">{ t!("and {n} more segments", n = map.left_out) }</p> }
        </figure>
    }
}

fn check(check: &Check) -> Html {
    let Check { ns, inum, level, granted, why, others, others_left_out, change } = check;
    let (sign, word, class) =
        if *granted { ("✓", t!("passes"), "is-granted") } else { ("⊘", t!("refused"), "is-refused") };
    html! {
        <li class={classes!("privileges__check", ns_class(NsKind::User, ns.0), class, change_class(*change))} style={format!("--level: {level}")}>
            <span class="privileges__verdict"><b aria-hidden="true">{ sign }</b>{ " " }{ word }</span>
            <span class="privileges__where">{ ns_letter(NsKind::User, ns.0) }{ format!(" user:[{inum}] ") }{ change_mark(*change) }</span>
            <span class="privileges__why" lang="en">{ why }</span>
            if !others.is_empty() {
                <span class="privileges__others">
                    { t!("others who pass: {names}", names = others.join(", ")) }
                    if *others_left_out > 0 { { " " }{ t!("and {n} more", n = others_left_out) } }
                </span>
            }
        </li>
    }
}
