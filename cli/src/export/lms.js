// Between the page and a learning management system: SCORM 1.2 (`API`) and SCORM 2004 (`API_1484_11`). What the page says
// of progress is reported; what the system kept is put back before the page starts. Without a system the page starts as always.
const KEPT = ["ringside.session", "ringside.lesson", "ringside.cursor"];

function find(name) {
  for (const start of [window.parent, window.opener]) {
    let at = start;
    for (let steps = 0; at && steps < 20; steps += 1) {
      try { if (at[name]) return at[name]; } catch { break; }
      if (at === at.parent) break;
      at = at.parent;
    }
  }
  return null;
}

const old = find("API");
const api = find("API_1484_11");
const names = api
  ? { init: "Initialize", get: "GetValue", set: "SetValue", commit: "Commit", end: "Terminate", state: "cmi.suspend_data" }
  : { init: "LMSInitialize", get: "LMSGetValue", set: "LMSSetValue", commit: "LMSCommit", end: "LMSFinish", state: "cmi.suspend_data" };
const lms = api ?? old;
const most = api ? 64000 : 4096;
const set = (name, value) => lms[names.set](name, String(value));

const lesson = new URLSearchParams(location.search).get("lesson");
let resumed = false;
if (lms) {
  lms[names.init]("");
  try {
    const kept = JSON.parse(lms[names.get](names.state) || "null");
    for (const name of KEPT) localStorage.removeItem(name);
    if (kept) {
      KEPT.forEach((name, i) => { if (kept[i] != null) localStorage.setItem(name, kept[i]); });
      resumed = true;
    }
  } catch { /* What was kept is damaged: the lesson begins anew. */ }
}
if (lesson && !resumed) history.replaceState(null, "", `#lesson=${lesson}`);

function report({ score, max, complete }) {
  if (api) {
    set("cmi.score.min", 0); set("cmi.score.max", max); set("cmi.score.raw", score);
    if (max > 0) set("cmi.score.scaled", score / max);
    set("cmi.completion_status", complete ? "completed" : "incomplete");
    if (complete) set("cmi.success_status", score === max ? "passed" : "failed");
  } else {
    set("cmi.core.score.min", 0); set("cmi.core.score.max", max); set("cmi.core.score.raw", score);
    set("cmi.core.lesson_status", complete ? "completed" : "incomplete");
  }
}

function keep() {
  const text = JSON.stringify(KEPT.map((name) => localStorage.getItem(name)));
  // A session that is too long is not kept by the system; the browser still has it.
  if (text.length <= most) set(names.state, text);
  lms[names.commit]("");
}

if (lms) {
  addEventListener("ringside", (event) => {
    report(JSON.parse(event.detail));
    // The page keeps its session just after it has said this.
    setTimeout(keep, 300);
  });
  addEventListener("pagehide", () => { keep(); lms[names.end](""); });
}
await import("./boot.js");
