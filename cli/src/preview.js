// The preview of a lesson: loads it anew when it was saved, and says what its check finds.
const bar = document.createElement("output");
bar.dataset.testid = "preview";
bar.style.cssText = "position: fixed; inset: auto 0 0 0; z-index: 99; padding: 0.4rem 1rem; max-height: 40vh; overflow: auto;"
  + "font: 0.875rem/1.5 system-ui, sans-serif; white-space: pre-wrap; background: Canvas; color: CanvasText; border-top: 2px solid;";
// Beside the body, which belongs to the page.
document.documentElement.append(bar);

let shown = null;

function show({ faults }) {
  bar.textContent = faults.length === 0 ? "Check: nothing is wrong." : `Check:\n${faults.map((fault) => `- ${fault}`).join("\n")}`;
}

async function look() {
  try {
    const state = await (await fetch("./preview/state", { cache: "no-store" })).json();
    if (state.version === "") {
      // Nothing has been looked at yet.
    } else if (shown === null && sessionStorage.getItem("preview") === null) {
      // The first time: to the lesson at once.
      sessionStorage.setItem("preview", state.version);
      if (state.lesson) location.hash = `lesson=${state.lesson}`;
    } else if (sessionStorage.getItem("preview") !== state.version) {
      sessionStorage.setItem("preview", state.version);
      if (state.lesson) history.replaceState(null, "", `#lesson=${state.lesson}`);
      location.reload();
      return;
    }
    if (shown !== state.version && state.version !== "") {
      show(state);
      shown = state.version;
    }
  } catch {
    bar.textContent = "The preview has ended: start it again.";
    shown = "";
  }
  setTimeout(look, 500);
}
look();
