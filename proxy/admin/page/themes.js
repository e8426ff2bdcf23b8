// Light, dark, or as the system has it; remembered for the next time.

import { byId } from "./element.js";

const KEPT = "authproxy.theme";
const NAMES = { "": "Auto", light: "Light", dark: "Dark" };

export function showTheme() {
  const kept = document.documentElement.dataset.theme ?? "";
  const button = byId("theme");
  button.textContent = NAMES[kept];
  button.setAttribute("aria-label", `Theme: ${NAMES[kept]}`);
}

export function nextTheme() {
  const root = document.documentElement;
  const order = Object.keys(NAMES);
  const next = order[(order.indexOf(root.dataset.theme ?? "") + 1) % order.length];
  if (next) {
    root.dataset.theme = next;
    localStorage.setItem(KEPT, next);
  } else {
    delete root.dataset.theme;
    localStorage.removeItem(KEPT);
  }
  showTheme();
}
