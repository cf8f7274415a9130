// What the page keeps in the browser, as one text that a learning management system can keep instead, and the start of the
// page with what was kept.
const NAMES = ["ringside.session", "ringside.lesson", "ringside.cursor"];

const storage = (() => {
  try { return window.localStorage; } catch { return null; }
})();

/** The lesson that this is for; null for the whole course. */
export const lesson = new URLSearchParams(location.search).get("lesson");

/** What is kept, as a text of at most so many characters; null when it does not fit. */
export function text(most) {
  const kept = NAMES.map((name) => storage?.getItem(name) ?? null);
  const all = JSON.stringify(kept);
  if (all.length <= most) return all;
  // The first line is the session that is shown; the others are its other futures.
  const shown = JSON.stringify([kept[0]?.split("\n", 1)[0] ?? null, ...kept.slice(1)]);
  return shown.length <= most ? shown : null;
}

/** Keeps a text beside the page, for a system that has no room for it. */
export function keepBeside(name, text) {
  try { storage?.setItem(`ringside.beside.${name}`, text); return true; } catch { return false; }
}

/** What was kept beside the page. */
export function beside(name) {
  return storage?.getItem(`ringside.beside.${name}`) ?? null;
}

/** Puts back what was kept, in the place of what the browser has. Whether there was something. */
export function restore(text) {
  let kept = null;
  try { kept = JSON.parse(text || "null"); } catch { /* It is damaged: the lesson begins anew. */ }
  for (const name of NAMES) storage?.removeItem(name);
  if (!Array.isArray(kept) || typeof kept[1] !== "string") return false;
  NAMES.forEach((name, i) => { if (typeof kept[i] === "string") storage?.setItem(name, kept[i]); });
  return true;
}

/** Whether what the page says of progress is about the lesson that this is for. */
function concerns(progress) {
  return lesson === null || progress.lesson === lesson;
}

/** Tells a system what the page says of progress and keeps, as long as it `isOpen`: `report`, `keep`, and `end` with the page. */
export function follow({ isOpen, report, keep, end }) {
  addEventListener("ringside", (event) => {
    const progress = JSON.parse(event.detail);
    if (!isOpen() || !concerns(progress)) return;
    report(progress);
    // The page keeps its session just after it has said this.
    setTimeout(() => { if (isOpen()) keep(); }, 300);
  });
  addEventListener("pagehide", () => { if (isOpen()) end(); });
  // A page that comes back as it was has no system any more.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

/** Starts the page: where it was left, or at the beginning of the lesson. */
export async function start(resumed) {
  if (lesson && !resumed) history.replaceState(null, "", `#lesson=${encodeURIComponent(lesson)}`);
  await import("./boot.js");
}
