//! Ringside's page, open in a browser, as scenarios see it.
//!
//! Elements are named by their `data-testid`. Whatever waits does so until [`PATIENCE`] is over, and
//! then fails with what it was waiting for.

use anyhow::{Context, Result, bail};
use headless_chrome::protocol::cdp::types::{Event, Method};
use headless_chrome::protocol::cdp::{Emulation, Network, Page as PageDomain, Runtime};
use headless_chrome::{Browser, Tab};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub use headless_chrome::browser::tab::ModifierKey;

/// How long to wait for something that is to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);
/// How long colours may still be on their way after a change of theme.
const SETTLED: Duration = Duration::from_millis(500);

/// Size of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// 1440 by 900.
    Wide,
    /// 390 by 844, a telephone.
    Narrow,
}

impl Screen {
    fn size(self) -> (u32, u32) {
        match self {
            Screen::Wide => (1440, 900),
            Screen::Narrow => (390, 844),
        }
    }
}

/// What the browser says that the reader prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// The page in a tab with storage of its own.
pub struct Page {
    tab: Arc<Tab>,
    address: String,
    errors: Arc<Mutex<Vec<String>>>,
}

impl Page {
    /// A tab for the page at `address`; nothing is loaded yet.
    pub fn new(browser: &Browser, address: &str) -> Result<Self> {
        let tab = browser.new_context()?.new_tab()?;
        tab.set_default_timeout(PATIENCE);
        tab.enable_runtime()?.enable_log()?;
        let errors = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&errors);
        tab.add_event_listener(Arc::new(move |event: &Event| {
            if let Some(error) = error_in(event) {
                sink.lock().unwrap_or_else(PoisonError::into_inner).push(error);
            }
        }))?;
        let page = Page { tab, address: address.to_owned(), errors };
        page.call::<Emulation::SetFocusEmulationEnabled>(json!({ "enabled": true }))?;
        page.resize(Screen::Wide)?;
        Ok(page)
    }

    /// Loads the page; `rest` follows its address, such as `#...`.
    pub fn open(&self, rest: &str) -> Result<()> {
        self.tab.navigate_to(&format!("{}{rest}", self.address))?.wait_until_navigated()?;
        Ok(())
    }

    /// Loads the page and measures in it how long it takes from the beginning of the navigation until an
    /// element is there, visible, and can be used.
    pub fn open_timed(&self, testid: &str) -> Result<Duration> {
        self.call::<PageDomain::AddScriptToEvaluateOnNewDocument>(json!({ "source": format!(
            "(function look() {{ const e = {}; if (e && !e.disabled && e.getClientRects().length) \
             window.usableAt = performance.now(); else requestAnimationFrame(look); }})()",
            element(testid)
        )}))?;
        self.open("")?;
        self.wait_until("window.usableAt")?;
        Ok(Duration::from_secs_f64(self.evaluate::<f64>("usableAt")? / 1e3))
    }

    /// Loads the page again, as the reload button does.
    pub fn reload(&self) -> Result<()> {
        self.tab.reload(false, None)?.wait_until_navigated()?;
        Ok(())
    }

    /// The page's address at the moment, with what is after `#`.
    pub fn location(&self) -> Result<String> {
        self.evaluate("location.href")
    }

    /// Value of a JavaScript expression; a promise is waited for.
    pub fn evaluate<T: DeserializeOwned>(&self, expression: &str) -> Result<T> {
        let done = self.call::<Runtime::Evaluate>(json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
        }))?;
        if let Some(exception) = done.exception_details {
            bail!("{expression}: {}", described(&exception));
        }
        let value = done.result.value.unwrap_or(Value::Null);
        serde_json::from_value(value).with_context(|| format!("the value of {expression}"))
    }

    /// Waits until a JavaScript expression is true.
    pub fn wait_until(&self, expression: &str) -> Result<()> {
        self.wait(expression, |page| Ok(page.evaluate::<bool>(&format!("!!({expression})"))?.then_some(())))
    }

    /// The same for something that takes long, with its own patience in seconds.
    pub fn wait_until_within(&self, expression: &str, seconds: u64) -> Result<()> {
        let begun = Instant::now();
        while !self.evaluate::<bool>(&format!("!!({expression})"))? {
            if begun.elapsed().as_secs() > seconds {
                bail!("waited {seconds} s in vain for {expression}");
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Waits for the element with this `data-testid` to be there and visible.
    pub fn wait_for(&self, testid: &str) -> Result<()> {
        self.wait(testid, |page| {
            let visible = format!("{}?.checkVisibility({{ visibilityProperty: true }}) ?? false", element(testid));
            Ok(page.evaluate::<bool>(&visible)?.then_some(()))
        })
    }

    /// Waits until the element's text contains `part`, and gives the text.
    pub fn wait_for_text(&self, testid: &str, part: &str) -> Result<String> {
        let mut last = String::new();
        self.wait(&format!("{part:?} in {testid}"), |page| {
            last = page.evaluate::<Option<String>>(&format!("{}?.innerText", element(testid)))?.unwrap_or_default();
            Ok(last.contains(part).then(|| last.clone()))
        })
        .with_context(|| format!("the text of {testid} is {:?}", shortened(&last)))
    }

    /// Text of an element, as it is shown.
    pub fn text(&self, testid: &str) -> Result<String> {
        self.wait_for(testid)?;
        self.evaluate(&format!("{}.innerText", element(testid)))
    }

    /// What is typed into a field.
    pub fn value(&self, testid: &str) -> Result<String> {
        self.wait_for(testid)?;
        self.evaluate(&format!("{}.value", element(testid)))
    }

    /// An attribute of an element.
    pub fn attribute(&self, testid: &str, name: &str) -> Result<Option<String>> {
        self.wait_for(testid)?;
        self.evaluate(&format!("{}.getAttribute({name:?})", element(testid)))
    }

    /// `data-testid` of the element that has the keyboard.
    pub fn focused(&self) -> Result<Option<String>> {
        self.evaluate("document.activeElement?.dataset.testid ?? null")
    }

    /// The names of the views whose tabs the stage has.
    pub fn views(&self) -> Result<Vec<String>> {
        self.evaluate("[...document.querySelectorAll('[role=tablist] [role=tab]')].map(t => t.id.replace('tab-', ''))")
    }

    /// Chooses the tab of a view.
    pub fn show_view(&self, view: &str) -> Result<()> {
        self.evaluate::<()>(&format!("document.getElementById('tab-{view}').click()"))?;
        self.wait_until(&format!("document.querySelector('.stage').dataset.main === '{view}'"))
    }

    /// Clicks on the middle of an element with the mouse.
    pub fn click(&self, testid: &str) -> Result<()> {
        self.wait_for(testid)?;
        self.click_on(&element(testid))
    }

    /// Clicks on the button that is called so: by its label, or by what is written on it.
    pub fn click_button(&self, name: &str) -> Result<()> {
        let button = format!(
            "[...document.querySelectorAll('button')].find(b => b.checkVisibility() && \
             (b.getAttribute('aria-label') ?? b.innerText) === {name:?})"
        );
        self.wait_until(&button)?;
        self.click_on(&button)
    }

    fn click_on(&self, element: &str) -> Result<()> {
        let middle = format!(
            "(() => {{ const e = {element}; e.scrollIntoView({{ block: 'nearest', inline: 'nearest' }}); \
             const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        );
        let (x, y) = self.evaluate(&middle)?;
        self.tab.click_point(headless_chrome::browser::tab::point::Point { x, y })?;
        Ok(())
    }

    /// Gives an element the keyboard.
    pub fn focus(&self, testid: &str) -> Result<()> {
        self.wait_for(testid)?;
        self.evaluate(&format!("({}.focus(), null)", element(testid)))
    }

    /// Types into the element that has the keyboard, key by key.
    pub fn type_keys(&self, text: &str) -> Result<()> {
        self.tab.type_str(text)?;
        Ok(())
    }

    /// Puts text where the keyboard is at once, as pasting does for a field.
    pub fn insert(&self, text: &str) -> Result<()> {
        self.tab.send_character(text)?;
        Ok(())
    }

    /// Types a command line into the terminal and presses Enter.
    pub fn enter(&self, command: &str) -> Result<()> {
        self.focus("terminal-input")?;
        self.insert(command)?;
        self.press("Enter")
    }

    /// Presses a key, named as in `KeyboardEvent.key`.
    pub fn press(&self, key: &str) -> Result<()> {
        self.tab.press_key(key)?;
        Ok(())
    }

    /// Presses a key while others are held.
    pub fn press_with(&self, held: &[ModifierKey], key: &str) -> Result<()> {
        self.tab.press_key_with_modifiers(key, Some(held))?;
        Ok(())
    }

    /// Puts a file into a file field.
    pub fn choose_file(&self, testid: &str, file: &Path) -> Result<()> {
        let field = self.tab.wait_for_element(&format!("[data-testid={testid:?}]"))?;
        field.set_input_files(&[&file.to_string_lossy()])?;
        Ok(())
    }

    /// Drops a file onto an element; its content is an expression for what `new File` takes in its list.
    pub fn drop_file(&self, testid: &str, name: &str, content: &str) -> Result<()> {
        self.wait_for(testid)?;
        self.evaluate(&format!(
            "(() => {{ const dataTransfer = new DataTransfer(); \
             dataTransfer.items.add(new File([{content}], {name:?})); \
             for (const type of ['dragenter', 'dragover', 'drop']) \
             {}.dispatchEvent(new DragEvent(type, {{ dataTransfer, bubbles: true, cancelable: true }})); }})()",
            element(testid)
        ))
    }

    /// Makes the window this large.
    pub fn resize(&self, screen: Screen) -> Result<()> {
        let (width, height) = screen.size();
        self.call::<Emulation::SetDeviceMetricsOverride>(json!({
            "width": width, "height": height, "deviceScaleFactor": 1.0, "mobile": screen == Screen::Narrow,
        }))?;
        Ok(())
    }

    /// Lets the browser say that the reader prefers this theme, and little motion: what is looked at next is
    /// then the theme itself and not the way to it.
    pub fn prefer(&self, theme: Theme) -> Result<()> {
        let value = match theme {
            Theme::Light => "light",
            Theme::Dark => "dark",
        };
        self.call::<Emulation::SetEmulatedMedia>(json!({
            "features": [
                { "name": "prefers-color-scheme", "value": value },
                { "name": "prefers-reduced-motion", "value": "reduce" },
            ],
        }))?;
        sleep(SETTLED);
        Ok(())
    }

    /// Lets the browser say that the reader prefers little motion.
    pub fn prefer_reduced_motion(&self) -> Result<()> {
        self.call::<Emulation::SetEmulatedMedia>(json!({
            "features": [{ "name": "prefers-reduced-motion", "value": "reduce" }],
        }))?;
        Ok(())
    }

    /// Steps back and forward again this many times with the keys of the timeline, and gives how long each of these
    /// steps took until the page had shown it, shortest first.
    pub fn step_times(&self, times: usize) -> Result<Vec<Duration>> {
        let taken: Vec<f64> = self.evaluate(&format!(
            "(async () => {{ const timeline = {}, taken = []; timeline.focus(); \
               const step = async key => {{ const before = timeline.value, begun = performance.now(); \
                 timeline.dispatchEvent(new KeyboardEvent('keydown', {{ key, bubbles: true, cancelable: true }})); \
                 for (let turn = 0; timeline.value === before && turn < 2000; turn++) await new Promise(next => {{ \
                   const way = new MessageChannel(); way.port1.onmessage = next; way.port2.postMessage(0); }}); \
                 document.body.offsetHeight; taken.push(performance.now() - begun); }}; \
               for (let i = 0; i < {times}; i++) await step('ArrowLeft'); \
               for (let i = 0; i < {times}; i++) await step('ArrowRight'); \
               return taken.sort((a, b) => a - b); }})()",
            element("timeline")
        ))?;
        Ok(taken.into_iter().map(|ms| Duration::from_secs_f64(ms / 1e3)).collect())
    }

    /// Makes the processor this many times slower for the page.
    pub fn slow_down(&self, times: f64) -> Result<()> {
        self.call::<Emulation::SetCPUThrottlingRate>(json!({ "rate": times }))?;
        Ok(())
    }

    /// Cuts the page off from the network, or connects it again.
    pub fn offline(&self, offline: bool) -> Result<()> {
        self.call::<Network::EmulateNetworkConditions>(json!({
            "offline": offline, "latency": 0.0, "downloadThroughput": -1.0, "uploadThroughput": -1.0,
        }))?;
        Ok(())
    }

    /// How much wider than the window the page is, in pixels: more than 0 means scrolling sideways.
    pub fn overflow(&self) -> Result<i64> {
        self.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    }

    /// Saves a picture of what the window shows.
    pub fn screenshot(&self, file: &Path) -> Result<()> {
        let png = self.tab.capture_screenshot(PageDomain::CaptureScreenshotFormatOption::Png, None, None, true)?;
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, png).with_context(|| format!("cannot write {}", file.display()))
    }

    /// The page on paper, as a PDF.
    pub fn print(&self) -> Result<Vec<u8>> {
        self.tab.print_to_pdf(None).context("the page cannot be printed")
    }

    /// Shows the page as it is printed.
    pub fn on_paper(&self) -> Result<()> {
        self.call::<Emulation::SetEmulatedMedia>(json!({ "media": "print" }))?;
        Ok(())
    }

    /// The errors that the page has written to the browser's console since this was last asked.
    pub fn take_errors(&self) -> Vec<String> {
        std::mem::take(&mut *self.errors.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn wait<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Result<Option<T>>) -> Result<T> {
        let begun = Instant::now();
        loop {
            if let Some(seen) = look(self)? {
                return Ok(seen);
            }
            if begun.elapsed() > PATIENCE {
                bail!("waited {} s in vain for {what}", PATIENCE.as_secs());
            }
            sleep(PAUSE);
        }
    }

    /// One call of the browser's protocol with these parameters.
    fn call<M: Method + Serialize + DeserializeOwned + std::fmt::Debug>(
        &self,
        parameters: Value,
    ) -> Result<M::ReturnObject> {
        let method: M = serde_json::from_value(parameters)?;
        self.tab.call_method(method)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // The browser may be gone already; then so is the tab.
        let _ = self.tab.close_target();
    }
}

/// A JavaScript expression for the element with this `data-testid`.
fn element(testid: &str) -> String {
    format!("document.querySelector('[data-testid={testid:?}]')")
}

fn shortened(text: &str) -> String {
    let length = text.chars().count();
    text.chars().skip(length.saturating_sub(400)).collect()
}

fn error_in(event: &Event) -> Option<String> {
    match event {
        Event::RuntimeExceptionThrown(thrown) => Some(described(&thrown.params.exception_details)),
        Event::RuntimeConsoleAPICalled(called)
            if called.params.Type == Runtime::ConsoleAPICalledEventTypeOption::Error =>
        {
            let words: Vec<String> = called
                .params
                .args
                .iter()
                .filter_map(|arg| arg.value.as_ref().map(Value::to_string).or_else(|| arg.description.clone()))
                .collect();
            Some(words.join(" "))
        }
        Event::LogEntryAdded(added)
            if added.params.entry.level == headless_chrome::protocol::cdp::Log::LogEntryLevel::Error =>
        {
            let entry = &added.params.entry;
            Some(format!("{} {}", entry.text, entry.url.as_deref().unwrap_or_default()))
        }
        _ => None,
    }
}

fn described(exception: &Runtime::ExceptionDetails) -> String {
    let object = exception.exception.as_ref().and_then(|object| object.description.clone());
    object.unwrap_or_else(|| exception.text.clone())
}
