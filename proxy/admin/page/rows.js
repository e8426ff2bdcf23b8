// The row of one request.

import { element } from "./element.js";
import { bytes, milliseconds, timeOfDay } from "./format.js";
import { wayBar } from "./way.js";

export function statusKind({ status, error }) {
  if (status === 499) return "calm";
  if (status >= 500 || (error && status < 400)) return "bad";
  if (status >= 400) return "warn";
  return status >= 300 ? "info" : "ok";
}

// `scale` is in milliseconds: how long the longest bar is.
export function row(entry, scale, choose) {
  const time = milliseconds(entry.times.total);
  const button = element(
    "button",
    {
      type: "button",
      class: "row",
      tabindex: -1,
      "data-number": entry.number,
      onclick: (event) => choose(entry, event.detail === 0),
    },
    element("time", {}, timeOfDay(entry.at)),
    element("span", { class: "method" }, entry.method),
    path(entry),
    element("span", { class: `status ${statusKind(entry)}` }, String(entry.status)),
    element(
      "span",
      { class: "provider" },
      entry.provider ?? "–",
      entry.client ? element("small", {}, entry.client) : null,
    ),
    element("span", { class: "took" }, wayBar(entry, scale), element("span", {}, time)),
    element("span", { class: "size" }, bytes(entry.response_bytes)),
  );
  return element("li", {}, button);
}

function path(entry) {
  const target = entry.target ?? "what was no request";
  const prefix = entry.route && target.startsWith(entry.route) ? entry.route : "";
  const [rest, query] = target.slice(prefix.length).split(/(?=\?)/, 2);
  return element(
    "span",
    { class: "path", title: target },
    prefix ? element("b", {}, prefix) : null,
    rest,
    query ? element("i", {}, query) : null,
    entry.error ? element("em", {}, entry.error.code.replaceAll("_", " ")) : null,
    entry.repeats ? element("em", { class: "mild" }, "repeated") : null,
  );
}
