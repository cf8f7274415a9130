//! The presenter view: what a lecturer has in a second window, with notes, what comes next, and the time. The window of the
//! lecture stays the one that decides: it tells what it shows, and is asked for the next slide as a remote control asks.

use std::rc::Rc;

use kernel_model::event::Granularity;
use kernel_model::timeline::Direction;
use lessons::lesson::Lesson;
use yew::{Callback, Component, Context, Html, Properties, classes, html};

use super::act::FOLDER;
use super::remote::Remote;
use super::slides::{does, title};
use super::text::blocks;
use crate::browser::channel::Channel;
use crate::browser::key::{Keys, Place};
use crate::browser::{clock, fetch, theme, window};
use crate::language::Language;
use crate::state::{Effect, Msg, State};

/// What the window of the lecture says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// The file of the lecture beside the page; empty when none is given.
    pub lecture: String,
    /// The slide.
    pub slide: usize,
    /// Nothing is shown.
    pub blank: bool,
    /// The machine is not as the slide has prepared it.
    pub strayed: bool,
    /// Where in the history the machine is looked at.
    pub place: String,
    /// What happened there, in one sentence.
    pub sentence: String,
}

impl Told {
    /// As it is said: a line each.
    pub fn to_text(&self) -> String {
        let flags = format!("{} {}", u8::from(self.blank), u8::from(self.strayed));
        let sentence = self.sentence.replace('\n', " ");
        format!("told\n{}\n{}\n{flags}\n{}\n{sentence}", self.lecture, self.slide, self.place)
    }

    /// Reads what was said.
    pub fn read(text: &str) -> Option<Told> {
        let mut lines = text.strip_prefix("told\n")?.lines();
        let (lecture, slide, flags) = (lines.next()?.to_owned(), lines.next()?.parse().ok()?, lines.next()?);
        let (place, sentence) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let (blank, strayed) = flags.split_once(' ')?;
        let (place, sentence) = (place.to_owned(), sentence.to_owned());
        Some(Told { lecture, slide, blank: blank == "1", strayed: strayed == "1", place, sentence })
    }
}

/// The file that a lecture came from, within the folder of lessons.
fn file_of(lecture: &Lesson) -> String {
    match Language::of_tag(&lecture.language) {
        Some(language) if language.file().is_some() => format!("{}/{}", language.tag(), lecture.id),
        _ => lecture.id.clone(),
    }
}

/// What the presenter view asks for first: to be told.
const ASK: &str = "ask";

impl State {
    /// What is to be said to a presenter view, when that has changed.
    pub(crate) fn news_for_presenter(&mut self) -> Option<String> {
        let open = self.desk.open.as_ref().filter(|open| self.desk.shown && open.is_lecture());
        let told = open.map_or_else(Told::default, |open| Told {
            lecture: file_of(&open.lesson),
            slide: open.notes.slide,
            blank: open.notes.blank,
            strayed: open.strayed,
            place: format!("{} of {}", self.shown.step.number, self.shown.tape.len),
            sentence: self.shown.step.sentence.clone(),
        });
        let text = told.to_text();
        let is_new = text != self.desk.presented;
        self.desk.presented.clone_from(&text);
        is_new.then_some(text)
    }

    /// A presenter view asks for something.
    pub(super) fn presenter_asks(&mut self, text: &str) -> Vec<Effect> {
        let lecture = self.desk.open.as_ref().is_some_and(|open| open.is_lecture());
        match text {
            ASK => self.desk.presented.clear(),
            _ if !lecture => {}
            "step back" => return self.update(Msg::StepBy(Granularity::Syscall, Direction::Back)),
            "step forward" => return self.update(Msg::StepBy(Granularity::Syscall, Direction::Forward)),
            "prepared" => return self.go_to_prepared(),
            _ => return Remote::named(text).map(|key| self.remote(key)).unwrap_or_default(),
        }
        Vec::new()
    }
}

/// Props of [`Presenter`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// The name of the channel to the window of the lecture.
    pub channel: String,
}

/// What happens in the second window.
#[derive(Clone, PartialEq, Debug)]
pub enum PresenterMsg {
    /// The window of the lecture says something.
    Heard(String),
    /// The file of the lecture has come, or not.
    Arrived(String, Result<Vec<u8>, String>),
    /// A second is over.
    Tick,
    /// The lecturer's time runs, or stands still.
    Run(bool),
    /// The lecturer's time begins again.
    Reset,
    /// Something is asked of the window of the lecture.
    Ask(&'static str),
}

/// The second window.
pub struct Presenter {
    channel: Option<Channel>,
    told: Told,
    lecture: Option<Rc<Lesson>>,
    trouble: Option<String>,
    /// The clock on the wall, in seconds of the day.
    wall: u32,
    /// The lecturer's time so far in milliseconds, without what runs; and since when it runs.
    spent: f64,
    since: Option<f64>,
    _keys: Option<Keys>,
}

impl Component for Presenter {
    type Message = PresenterMsg;
    type Properties = Props;

    fn create(ctx: &Context<Self>) -> Self {
        theme::show(theme::kept());
        window::set_title("Ringside: presenter");
        let link = ctx.link().clone();
        let channel = Channel::open(&ctx.props().channel, move |text| link.send_message(PresenterMsg::Heard(text)));
        if let Some(channel) = &channel {
            channel.say(ASK);
        }
        let link = ctx.link().clone();
        let keys = Keys::listen(move |key, place| {
            let arrow = match (key.command, key.name.as_str()) {
                (false, "ArrowRight") => Some(Remote::Next),
                (false, "ArrowLeft") => Some(Remote::Back),
                _ => None,
            };
            // There is no list of slides here.
            let place = if place == Place::Elsewhere { Place::Lesson } else { place };
            let remote = arrow.or_else(|| Remote::of(key, place).filter(|remote| *remote != Remote::Overview));
            remote.inspect(|remote| link.send_message(PresenterMsg::Ask(remote.name()))).is_some()
        });
        tick(ctx);
        Presenter {
            channel,
            told: Told::default(),
            lecture: None,
            trouble: None,
            wall: clock::on_the_wall(),
            spent: 0.0,
            since: Some(clock::now()),
            _keys: keys,
        }
    }

    fn update(&mut self, ctx: &Context<Self>, msg: PresenterMsg) -> bool {
        match msg {
            PresenterMsg::Heard(text) => {
                let Some(told) = Told::read(&text) else { return false };
                if told.lecture != self.told.lecture {
                    self.lecture = None;
                    self.trouble = None;
                    load(ctx, &told.lecture);
                }
                self.told = told;
            }
            PresenterMsg::Arrived(name, result) if name == self.told.lecture => {
                match result.and_then(|bytes| Lesson::unpack(&bytes).map_err(|why| why.to_string())) {
                    Ok(lecture) => self.lecture = Some(Rc::new(lecture)),
                    Err(why) => self.trouble = Some(t!("The lesson cannot be loaded: {why}.", why = why)),
                }
            }
            PresenterMsg::Arrived(..) => return false,
            PresenterMsg::Tick => {
                self.wall = clock::on_the_wall();
                tick(ctx);
            }
            PresenterMsg::Run(true) => self.since = self.since.or_else(|| Some(clock::now())),
            PresenterMsg::Run(false) => self.spent += self.since.take().map_or(0.0, |since| clock::now() - since),
            PresenterMsg::Reset => {
                self.spent = 0.0;
                self.since = self.since.map(|_| clock::now());
            }
            PresenterMsg::Ask(what) => {
                if let Some(channel) = &self.channel {
                    channel.say(what);
                }
                return false;
            }
        }
        true
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        html! {
            <div class="presenter">
                { self.clocks(ctx) }
                { match &self.lecture {
                    Some(lecture) => self.slides(lecture, ctx),
                    None => html! {
                        <main class="presenter__nothing"><p role="status">{ self.trouble.clone().unwrap_or_else(|| {
                            t!("No lecture is being given in the window that has opened this one. Open one there: it is followed here.").to_owned()
                        }) }</p></main>
                    },
                } }
            </div>
        }
    }
}

fn tick(ctx: &Context<Presenter>) {
    let link = ctx.link().clone();
    clock::later(1000, move || link.send_message(PresenterMsg::Tick));
}

/// Names of lessons are names of files beside the page, and of nothing else.
fn load(ctx: &Context<Presenter>, name: &str) {
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-/".contains(c)) || name.starts_with('/')
    {
        return;
    }
    let (link, name) = (ctx.link().clone(), name.to_owned());
    fetch::load(&format!("{FOLDER}{name}"), move |result| link.send_message(PresenterMsg::Arrived(name, result)));
}

impl Presenter {
    /// The time on the wall, and the lecturer's own.
    fn clocks(&self, ctx: &Context<Self>) -> Html {
        let running = self.since.is_some();
        let spent = (self.spent + self.since.map_or(0.0, |since| clock::now() - since)) / 1000.0;
        let spent = spent.max(0.0) as u32;
        let planned = self.lecture.as_ref().map_or(0, |lecture| lecture.minutes);
        let late = planned > 0 && spent > planned * 60;
        html! {
            <header class="presenter__head">
                <h1>{ self.lecture.as_ref().map_or(t!("Presenter").to_owned(), |lecture| lecture.title.clone()) }</h1>
                <p class={classes!("presenter__spent", late.then_some("is-late"))}>
                    <b role="timer" aria-label={t!("since the beginning")} data-testid="presenter-spent">{ format!("{:02}:{:02}", spent / 60, spent % 60) }</b>
                    if planned > 0 { <span>{ t!("of {n} min", n = planned) }</span> }
                    <button type="button" class="quiet" onclick={ctx.link().callback(move |_: web_sys::MouseEvent| PresenterMsg::Run(!running))}>
                        { if running { t!("stop") } else { t!("go on") } }
                    </button>
                    <button type="button" class="quiet" onclick={ctx.link().callback(|_: web_sys::MouseEvent| PresenterMsg::Reset)}>{ t!("from 0") }</button>
                </p>
                <p class="presenter__wall" aria-label={t!("the time")} data-testid="presenter-wall">{ format!("{:02}:{:02}", self.wall / 3600, self.wall / 60 % 60) }</p>
            </header>
        }
    }

    fn slides(&self, lecture: &Lesson, ctx: &Context<Self>) -> Html {
        let at = self.told.slide.min(lecture.slides.len().saturating_sub(1));
        let ask = |what: &'static str| ctx.link().callback(move |_: web_sys::MouseEvent| PresenterMsg::Ask(what));
        // Commands of the text are typed in the window of the lecture.
        let nowhere = Callback::noop();
        let Some(slide) = lecture.slides.get(at) else { return Html::default() };
        let next = lecture.slides.get(at + 1);
        html! {
            <>
                <main class="presenter__main">
                    <section class={classes!("presenter__now", self.told.blank.then_some("is-blank"))} aria-label={t!("This slide")}>
                        <h2 data-testid="presenter-place">{ t!("{n} of {all}", n = at + 1, all = lecture.slides.len()) }
                            if self.told.blank { { ", " }{ t!("blank") } }
                        </h2>
                        <div class="slide" tabindex="0" role="group" aria-label={t!("Slide")}>{ blocks(&slide.text, &nowhere) }</div>
                    </section>
                    <section class="presenter__next" aria-label={t!("What comes next")}>
                        <h2>{ match next { Some(_) => t!("next"), None => t!("this is the last one") } }</h2>
                        if let Some(next) = next {
                            <div class="slide" data-testid="presenter-next" tabindex="0" role="group" aria-label={title(next, at + 1)}>
                                { blocks(&next.text, &nowhere) }
                                { does(lecture, next) }
                            </div>
                        }
                    </section>
                    <section class="presenter__notes" aria-label={t!("Notes")} data-testid="presenter-notes" tabindex="0">
                        <h2>{ t!("notes") }</h2>
                        { blocks(&slide.notes, &nowhere) }
                    </section>
                </main>
                <footer class="presenter__foot">
                    <button type="button" class="slides__turn" disabled={at == 0} onclick={ask("back")}>{ t!("back") }</button>
                    <button type="button" class="slides__turn" disabled={next.is_none()} onclick={ask("next")} data-testid="presenter-forward">{ t!("next") }</button>
                    <button type="button" aria-pressed={self.told.blank.to_string()} onclick={ask("blank")}>{ t!("blank") }</button>
                    <p class="presenter__machine" data-testid="presenter-machine">
                        <span>{ t!("machine, step {place}:", place = self.told.place) }{ " " }</span>{ &self.told.sentence }
                    </p>
                    <button type="button" onclick={ask("step back")} >{ t!("call back") }</button>
                    <button type="button" onclick={ask("step forward")} >{ t!("call forward") }</button>
                    <button type="button" class={classes!(self.told.strayed.then_some("is-strayed"))} onclick={ask("prepared")}>{ t!("machine as prepared") }</button>
                </footer>
            </>
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard() {
        let told = Told {
            lecture: "100-lecture".to_owned(),
            slide: 4,
            blank: true,
            strayed: false,
            place: "3 of 9".to_owned(),
            sentence: "The kernel\nlooks.".to_owned(),
        };
        let heard = Told::read(&told.to_text());
        assert_eq!(heard, Some(Told { sentence: "The kernel looks.".to_owned(), ..told }));
        assert_eq!(Told::read(&Told::default().to_text()), Some(Told::default()));
        for garbled in ["", "told", "told\n\nx\n0 0\n\n", "ask"] {
            assert_eq!(Told::read(garbled), None);
        }
    }
}
