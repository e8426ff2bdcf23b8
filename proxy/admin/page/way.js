// Where the time of a request went.

import { element } from "./element.js";
import { milliseconds } from "./format.js";

const PARTS = {
  before: ["Before it was sent", "checking it, and waiting for a body that has to be signed"],
  authorize: ["Credential", "a token at hand, a login, or a signature"],
  connect: ["Connection", "one that was kept, a new one, or its turn for one"],
  wait: ["First byte", "sent, and waited for the vendor's answer to begin"],
  relay: ["Answer", "passed on as it came"],
};
const AGAIN = ["First attempt", "failed, and was repeated"];

export const partsOf = (entry) => Object.keys(PARTS).filter((name) => name in entry.times);

// One bar; `scale` is the longest time of those that are compared, in milliseconds.
export function wayBar(entry, scale) {
  const bar = element("span", { class: "way", "aria-hidden": "true" });
  bar.style.setProperty("width", `${Math.max(4, Math.sqrt(Math.min(entry.times.total / scale, 1)) * 100)}%`);
  for (const name of partsOf(entry)) {
    const part = element("i", { class: name });
    part.style.setProperty("flex-grow", String(Math.max(entry.times[name], 0.0001)));
    bar.append(part);
  }
  return bar;
}

// A row for each part, the bars one behind the other.
export function waterfall(entry) {
  const total = Math.max(entry.times.total, 0.001);
  let before = 0;
  const rows = partsOf(entry).map((name) => {
    const [title, meaning] = name === "before" && entry.repeats ? AGAIN : PARTS[name];
    const bar = element("i", { class: name });
    bar.style.setProperty("margin-left", `${Math.min((before / total) * 100, 99)}%`);
    bar.style.setProperty("width", `${Math.max((entry.times[name] / total) * 100, 1)}%`);
    before += entry.times[name];
    return element(
      "tr",
      { title: meaning },
      element("th", { scope: "row" }, title),
      element("td", { class: "bar", "aria-hidden": "true" }, bar),
      element("td", { class: "number" }, milliseconds(entry.times[name])),
    );
  });
  rows.push(
    element(
      "tr",
      { class: "sum" },
      element("th", { scope: "row" }, "All"),
      element("td"),
      element("td", { class: "number" }, milliseconds(entry.times.total)),
    ),
  );
  return element("table", { class: "waterfall" }, element("tbody", {}, rows));
}
