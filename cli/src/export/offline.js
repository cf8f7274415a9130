// After one visit the page works without a network: everything is kept by sw.js.
if ("serviceWorker" in navigator) {
  navigator.serviceWorker.register("./sw.js").catch(() => { /* The page works as well without it. */ });
}
