// The last five minutes: how many requests, and how long they took.

import { byId, drawn, element, say } from "./element.js";
import { milliseconds, rate } from "./format.js";
import { Plot } from "./plot.js";

const SECONDS = 300;
const STEP = 3;

// What ended in STEP seconds, from beats [at, passed, refused, failed, median, slow, ...].
function stepped(beats, now) {
  const steps = Array.from({ length: SECONDS / STEP }, () => ({
    passed: 0,
    refused: 0,
    failed: 0,
    medians: [],
    slow: null,
  }));
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
    median: step.medians.length
      ? step.medians.sort((one, other) => one - other)[Math.floor(step.medians.length / 2)]
      : null,
  }));
}

const bars = (steps, x, y, wide) => {
  const paths = { passed: "", refused: "", failed: "" };
  const across = Math.max(wide - 1, 1).toFixed(1);
  steps.forEach((step, at) => {
    let below = 0;
    for (const kind of ["failed", "refused", "passed"]) {
      const above = below + step[kind] / STEP;
      const [top, bottom] = [y(above).toFixed(1), y(below).toFixed(1)];
      if (step[kind]) paths[kind] += `M${x(at).toFixed(1)} ${top}h${across}V${bottom}h-${across}z`;
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
      if (value !== null)
        d += `${isDrawing ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}H${(x(at) + wide).toFixed(1)}`;
      isDrawing = value !== null;
    });
    return drawn("path", { class: kind, d });
  });

export class Plots {
  constructor() {
    this.beats = [];
    this.rate = new Plot(
      byId("rate"),
      "Requests per second",
      1,
      rate,
      (step) => [
        `${rate((step.passed + step.refused + step.failed) / STEP)} a second`,
        step.refused ? `${step.refused} refused (4xx)` : "",
        step.failed ? `${step.failed} failed (5xx)` : "",
      ],
      bars,
    );
    this.time = new Plot(
      byId("time"),
      "Time of requests",
      0.01,
      (value) => (value ? milliseconds(value * 1000).replace(".0 ", " ") : "0"),
      (step) =>
        step.median === null
          ? ["no requests"]
          : [`half within ${milliseconds(step.median * 1000)}`, `95 % within ${milliseconds(step.slow * 1000)}`],
      curves,
    );
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
    figures(
      "rate-now",
      [rate(all(lately) / Math.max(lately.length, 1)), "a second"],
      [String(inFlight), "under way"],
      [
        all(this.beats) ? `${((failed / all(this.beats)) * 100).toFixed(failed ? 1 : 0)} %` : "–",
        "failed",
        failed ? "bad" : "",
      ],
    );
    const medians = lately
      .map((beat) => beat[4])
      .filter((value) => value !== null)
      .sort((one, other) => one - other);
    const slow = Math.max(0, ...lately.map((beat) => beat[5] ?? 0));
    figures(
      "time-now",
      [medians.length ? milliseconds(medians[Math.floor(medians.length / 2)] * 1000) : "–", "half within", "median"],
      [medians.length ? milliseconds(slow * 1000) : "–", "95 % within", "slow"],
    );
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
