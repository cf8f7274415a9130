// Loads the page's wasm. Until that has happened #boot is all there is to see; it says what went
// wrong when something did.
try {
  if (typeof WebAssembly !== "object") throw new Error("this browser has no WebAssembly");
  const { default: load } = await import("./ringside.js");
  await load({ module_or_path: new URL("./ringside_bg.wasm", import.meta.url) });
  document.getElementById("boot")?.remove();
} catch (error) {
  const boot = document.getElementById("boot") ?? document.body.appendChild(document.createElement("div"));
  boot.setAttribute("role", "alert");
  boot.textContent = `Ringside could not be loaded: ${error.message}. `
    + "Reload the page; if that does not help, a file beside this page is missing or the browser is too old.";
  throw error;
}
