// What the keyboard does beyond what a browser does by itself.

import { byId } from "./element.js";

// `does` has a function for each key.
export function listenToKeys(does) {
  const dialog = byId("keys");
  byId("help").addEventListener("click", () => dialog.showModal());
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    if (event.target.matches("input, textarea")) {
      if (event.key === "Escape") does.leave(event.target);
      return;
    }
    if (event.key === "?") return dialog.showModal();
    const isInList = event.target.closest("#requests") !== null || event.target === document.body;
    const key = isInList ? ({ ArrowDown: "j", ArrowUp: "k" }[event.key] ?? event.key) : event.key;
    if (!(key in does)) return;
    event.preventDefault();
    does[key]();
  });
}
