// Light or dark, before anything is painted: so this is no module, and waits for nothing.
"use strict";
(() => {
  const kept = localStorage.getItem("authproxy.theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
})();
