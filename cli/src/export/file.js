// The page opened as a file: a browser then loads neither modules nor files beside the page, so that this classic script has
// all of them. WASM and FILES (by the names that the page loads them by) are written before it by `ringside export`.
(() => {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const load = window.fetch.bind(window);
  window.fetch = (what, how) => {
    const name = String(what);
    if (Object.hasOwn(FILES, name)) return Promise.resolve(new Response(bytes(FILES[name])));
    return name.startsWith("./") ? Promise.resolve(new Response("", { status: 404 })) : load(what, how);
  };
  const start = () => {
    const boot = document.getElementById("boot");
    wasm_bindgen({ module_or_path: bytes(WASM) }).then(() => boot.remove(), (error) => {
      boot.setAttribute("role", "alert");
      boot.textContent = `Ringside could not be started: ${error.message}.`;
      throw error;
    });
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
})();
