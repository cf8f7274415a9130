// Between the page and a learning management system: SCORM 1.2 (`API`) and SCORM 2004 (`API_1484_11`). What the page says
// of progress is reported; what the system kept is put back before the page starts. Without a system the page starts as always.
import { beside, follow, keepBeside, lesson, restore, start, text } from "./kept.js";

function find(name) {
  for (const from of [window.parent, window.opener]) {
    let at = from;
    for (let steps = 0; at && steps < 20; steps += 1) {
      try { if (at[name]) return at[name]; } catch { break; }
      if (at === at.parent) break;
      at = at.parent;
    }
  }
  return null;
}

const OLD = {
  init: "LMSInitialize", get: "LMSGetValue", set: "LMSSetValue", commit: "LMSCommit", end: "LMSFinish", most: 4096,
  learner: "cmi.core.student_id", exit: "cmi.core.exit", status: "cmi.core.lesson_status", score: "cmi.core.score",
  time: "cmi.core.session_time",
};
const NEW = {
  init: "Initialize", get: "GetValue", set: "SetValue", commit: "Commit", end: "Terminate", most: 64000,
  learner: "cmi.learner_id", exit: "cmi.exit", status: "cmi.completion_status", score: "cmi.score",
  time: "cmi.session_time",
};
// What the system keeps when the session is too long for it: the browser has it.
const BESIDE = "beside";

const api = find("API_1484_11");
const lms = api ?? find("API");
const names = api ? NEW : OLD;
let open = false;

function call(name, ...values) {
  try { return String(lms[names[name]](...values.map(String))); } catch { return ""; }
}

const get = (name) => call("get", name);
const set = (name, value) => call("set", name, value);

let resumed = false;
let complete = false;
// The most points so far, of 100: going back in the history of a lesson takes nothing away.
let best = 0;
let shelf = "";
if (lms && call("init", "") === "true") {
  open = true;
  shelf = `${get(names.learner)} ${lesson ?? ""}`;
  complete = ["completed", "passed"].includes(get(names.status));
  best = Number(get(`${names.score}.raw`)) || 0;
  const kept = get("cmi.suspend_data");
  resumed = restore(kept === BESIDE ? beside(shelf) : kept);
  if (!complete) set(names.status, "incomplete");
  // Whatever ends this, the next visit goes on here.
  set(names.exit, "suspend");
  call("commit", "");
}

function report(progress) {
  complete ||= progress.complete;
  if (progress.max > 0) {
    best = Math.max(best, Math.round((100 * progress.score) / progress.max));
    set(`${names.score}.min`, 0);
    set(`${names.score}.max`, 100);
    set(`${names.score}.raw`, best);
    if (api) set("cmi.score.scaled", best / 100);
  }
  set(names.status, complete ? "completed" : "incomplete");
  if (!api) return;
  const parts = progress.tasks > 0 ? progress.done / progress.tasks : 0;
  set("cmi.progress_measure", complete ? 1 : parts);
  if (complete) set("cmi.success_status", progress.max > 0 && best < 100 ? "failed" : "passed");
}

function keep() {
  const kept = text(names.most);
  if (kept !== null) set("cmi.suspend_data", kept);
  else if (keepBeside(shelf, text(Infinity))) set("cmi.suspend_data", BESIDE);
  call("commit", "");
}

function duration(ms) {
  const seconds = Math.round(ms / 1000);
  if (api) return `PT${seconds}S`;
  const two = (n) => String(n).padStart(2, "0");
  return `${String(Math.floor(seconds / 3600)).padStart(4, "0")}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

function end() {
  keep();
  set(names.time, duration(performance.now()));
  set(names.exit, "suspend");
  call("commit", "");
  call("end", "");
  open = false;
}

if (open) follow({ isOpen: () => open, report, keep, end });
await start(resumed);
