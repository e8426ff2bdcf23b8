// The last five minutes: how many requests, and how long they took.

import { byId, drawn, element, say } from "./element.js";
import { milliseconds, rate, timeOfDay } from "./format.js";

const SECONDS = 300;
const STEP = 3;
const HEIGHT = 118;
const LEFT = 46;
const FOOT = 18;
const TOP = 6;

// What ended in STEP seconds, from beats [at, passed, refused, failed, median, slow, ...].
function stepped(beats, now) {
  const steps = Array.from({ length: SECONDS / STEP }, () => ({ passed: 0, refused: 0, failed: 0, medians: [], slow: null }));
  for (const [at, passed, refused, failed, median, slow] of beats) {
    const step = steps[steps.length - 1 - Math.floor((now - at) / STEP)];
    if (!step) continue;
    step.passed += passed;
    step.refused += refused;
    step.failed += failed;
    if (median !== null) step.medians.push(median);
    if (slow !== null) step.slow = Math.max(step.slow ?? 0, slow);
  }
  return steps.map((step, at) => ({
    ...step,
    at: now - (steps.length - 1 - at) * STEP,
    median: step.medians.length ? step.medians.sort((one, other) => one - other)[Math.floor(step.medians.length / 2)] : null,
  }));
}

function ceiling(value, least) {
  const wanted = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 4, 6, 8, 10].map((factor) => factor * power).find((nice) => nice >= wanted * 0.999);
}

// `label(value)` is what stands at the axis, `tell(step)` what is said of one step, `draw(steps, x, y, width)` the shapes.
class Plot {
  constructor(place, name, least, label, tell, draw) {
    Object.assign(this, { place, name, least, label, tell, draw });
    this.tip = element("div", { class: "tip", hidden: true });
    this.svg = drawn("svg", { role: "img", height: HEIGHT, class: "chart", "aria-label": name });
    place.append(this.svg, this.tip);
    place.addEventListener("pointermove", (event) => this.point(event));
    place.addEventListener("pointerleave", () => this.point(null));
    new ResizeObserver(() => this.steps && this.show(this.steps, this.most)).observe(place);
  }

  show(steps, most) {
    Object.assign(this, { steps, most });
    const width = Math.max(this.place.clientWidth, 200);
    const top = ceiling(most, this.least);
    this.wide = (width - LEFT) / steps.length;
    const x = (at) => LEFT + at * this.wide;
    const y = (value) => TOP + (HEIGHT - FOOT - TOP) * (1 - Math.min(value / top, 1));
    const lines = [0, top / 2, top].map((value) => [
      drawn("path", { class: "grid", d: `M${LEFT} ${Math.round(y(value)) + 0.5}H${width}` }),
      drawn("text", { x: LEFT - 6, y: y(value) + 3.5, "text-anchor": "end" }, this.label(value)),
    ]);
    const minutes = (width > 420 ? [5, 4, 3, 2, 1] : [4, 2]).map((ago) =>
      drawn("text", { x: x(steps.length * (1 - ago / 5)), y: HEIGHT - 4, "text-anchor": ago === 5 ? "start" : "middle" }, `−${ago} min`),
    );
    minutes.push(drawn("text", { x: width - 1, y: HEIGHT - 4, "text-anchor": "end" }, "now"));
    this.cursor = drawn("path", { class: "cursor" });
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.setAttribute("width", width);
    this.svg.replaceChildren(...lines.flat(), ...minutes, ...this.draw(steps, x, y, this.wide), this.cursor);
    this.svg.setAttribute("aria-label", `${this.name} in the last five minutes`);
  }

  point(event) {
    const at = event && this.steps ? Math.floor((event.clientX - this.place.getBoundingClientRect().left - LEFT) / this.wide) : -1;
    const step = this.steps?.[at];
    this.tip.hidden = !step;
    if (!step) return this.cursor?.setAttribute("d", "");
    const x = LEFT + (at + 0.5) * this.wide;
    this.cursor.setAttribute("d", `M${x} ${TOP}V${HEIGHT - FOOT}`);
    this.tip.replaceChildren(element("b", {}, timeOfDay(step.at)), ...this.tell(step).map((line) => element("span", {}, line)));
    this.tip.style.setProperty("left", `${Math.min(x + 10, this.place.clientWidth - 130)}px`);
  }
}

const bars = (steps, x, y, wide) => {
  const paths = { passed: "", refused: "", failed: "" };
  steps.forEach((step, at) => {
    let below = 0;
    for (const kind of ["failed", "refused", "passed"]) {
      const above = below + step[kind] / STEP;
      if (step[kind]) paths[kind] += `M${x(at).toFixed(1)} ${y(above).toFixed(1)}h${Math.max(wide - 1, 1).toFixed(1)}V${y(below).toFixed(1)}h${-Math.max(wide - 1, 1).toFixed(1)}z`;
      below = above;
    }
  });
  return Object.entries(paths).map(([kind, d]) => drawn("path", { class: kind, d }));
};

const curves = (steps, x, y, wide) =>
  ["slow", "median"].map((kind) => {
    let d = "";
    let isDrawing = false;
    steps.forEach((step, at) => {
      const value = step[kind];
      // A step of its own, so that a single one can be seen too.
      if (value !== null) d += `${isDrawing ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}H${(x(at) + wide).toFixed(1)}`;
      isDrawing = value !== null;
    });
    return drawn("path", { class: kind, d });
  });

export class Plots {
  constructor() {
    this.beats = [];
    this.rate = new Plot(byId("rate"), "Requests per second", 1, rate, (step) => [
      `${rate((step.passed + step.refused + step.failed) / STEP)} a second`,
      step.refused ? `${step.refused} refused (4xx)` : "",
      step.failed ? `${step.failed} failed (5xx)` : "",
    ], bars);
    this.time = new Plot(byId("time"), "Time of requests", 0.01, (value) => (value ? milliseconds(value * 1000).replace(".0 ", " ") : "0"), (step) =>
      step.median === null ? ["no requests"] : [`half within ${milliseconds(step.median * 1000)}`, `95 % within ${milliseconds(step.slow * 1000)}`], curves);
  }

  show(beats, inFlight) {
    this.beats = [...this.beats, ...beats].slice(-SECONDS);
    if (!this.beats.length) return;
    const now = this.beats.at(-1)[0];
    const steps = stepped(this.beats, now);
    this.rate.show(steps, Math.max(...steps.map((step) => (step.passed + step.refused + step.failed) / STEP)));
    this.time.show(steps, Math.max(...steps.map((step) => step.slow ?? 0)));
    this.figures(now, inFlight);
  }

  figures(now, inFlight) {
    const lately = this.beats.filter(([at]) => at > now - 10);
    const sum = (beats, at) => beats.reduce((total, beat) => total + beat[at], 0);
    const all = (beats) => sum(beats, 1) + sum(beats, 2) + sum(beats, 3);
    const failed = sum(this.beats, 3);
    figures("rate-now", [rate(all(lately) / Math.max(lately.length, 1)), "a second"], [String(inFlight), "under way"], [
      all(this.beats) ? `${((failed / all(this.beats)) * 100).toFixed(failed ? 1 : 0)} %` : "–", "failed", failed ? "bad" : ""]);
    const medians = lately.map((beat) => beat[4]).filter((value) => value !== null).sort((one, other) => one - other);
    const slow = Math.max(0, ...lately.map((beat) => beat[5] ?? 0));
    figures("time-now", [medians.length ? milliseconds(medians[Math.floor(medians.length / 2)] * 1000) : "–", "half within", "median"],
      [medians.length ? milliseconds(slow * 1000) : "–", "95 % within", "slow"]);
  }
}

function figures(id, ...shown) {
  const place = byId(id);
  if (place.childElementCount !== shown.length) {
    place.replaceChildren(...shown.map(() => element("span", {}, element("b"), element("small"))));
  }
  shown.forEach(([value, name, kind], at) => {
    const figure = place.children[at];
    figure.className = kind ?? "";
    say(figure.firstChild, value);
    say(figure.lastChild, name);
  });
}
