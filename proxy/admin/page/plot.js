// One plot over the last five minutes: axes, a cursor, and what is said under it.

import { drawn, element } from "./element.js";
import { timeOfDay } from "./format.js";

const HEIGHT = 118;
const LEFT = 46;
const FOOT = 18;
const TOP = 6;

function ceiling(value, least) {
  const wanted = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 4, 6, 8, 10].map((factor) => factor * power).find((nice) => nice >= wanted * 0.999);
}

// `label(value)` is what stands at the axis, `tell(step)` what is said of one step, and `draw(steps, x, y, width)`
// gives the shapes.
export class Plot {
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
      drawn(
        "text",
        { x: x(steps.length * (1 - ago / 5)), y: HEIGHT - 4, "text-anchor": ago === 5 ? "start" : "middle" },
        `−${ago} min`,
      ),
    );
    minutes.push(drawn("text", { x: width - 1, y: HEIGHT - 4, "text-anchor": "end" }, "now"));
    this.cursor = drawn("path", { class: "cursor" });
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.setAttribute("width", width);
    this.svg.replaceChildren(...lines.flat(), ...minutes, ...this.draw(steps, x, y, this.wide), this.cursor);
    this.svg.setAttribute("aria-label", `${this.name} in the last five minutes`);
  }

  point(event) {
    const at =
      event && this.steps
        ? Math.floor((event.clientX - this.place.getBoundingClientRect().left - LEFT) / this.wide)
        : -1;
    const step = this.steps?.[at];
    this.tip.hidden = !step;
    if (!step) return this.cursor?.setAttribute("d", "");
    const x = LEFT + (at + 0.5) * this.wide;
    this.cursor.setAttribute("d", `M${x} ${TOP}V${HEIGHT - FOOT}`);
    this.tip.replaceChildren(
      element("b", {}, timeOfDay(step.at)),
      ...this.tell(step).map((line) => element("span", {}, line)),
    );
    this.tip.style.setProperty("left", `${Math.min(x + 10, this.place.clientWidth - 130)}px`);
  }
}
