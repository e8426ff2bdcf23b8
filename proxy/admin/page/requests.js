// The list of requests: as many as a person can look at, the newest first.

import { byId, element, say } from "./element.js";
import { filter, isError } from "./filter.js";
import { row } from "./rows.js";

const MOST_KEPT = 1000;
const MOST_SHOWN = 250;

export class Requests {
  // `choose(entry, byKey)` opens one.
  constructor(choose) {
    this.list = byId("rows");
    this.kept = [];
    this.waiting = [];
    this.missed = 0;
    this.last = 0;
    this.scale = 100;
    this.chosen = null;
    this.hasBegun = this.onlyErrors = this.isPaused = false;
    this.choose = (entry, byKey) => {
      this.mark(entry.number);
      choose(entry, byKey);
    };
    byId("filter").addEventListener("input", () => this.draw());
    byId("all").addEventListener("click", () => this.showErrors(false));
    byId("errors").addEventListener("click", () => this.showErrors(true));
    byId("pause").addEventListener("click", () => this.pause());
    byId("clear").addEventListener("click", () => this.clear());
    this.list.addEventListener("focusin", (event) => this.rove(event.target.closest(".row")));
    this.draw();
  }

  take({ entries, missed }) {
    const fresh = entries.filter((entry) => entry.number > this.last);
    if (fresh.length) this.last = fresh.at(-1).number;
    // What went before the page was opened was not missed.
    if (this.hasBegun) this.missed += missed;
    this.hasBegun = true;
    if (this.isPaused) this.waiting = [...this.waiting, ...fresh].slice(-MOST_KEPT);
    else this.add(fresh);
    this.tell();
  }

  add(fresh) {
    if (!fresh.length) return;
    this.kept = [...fresh.reverse(), ...this.kept].slice(0, MOST_KEPT);
    const scale = this.longest();
    // Bars are compared with each other, so a new longest one changes all of them; seldom, or nothing would be quiet.
    if (scale > this.scale * 1.5 || scale < this.scale / 4) return this.draw();
    const fits = this.test();
    const rows = fresh
      .filter(fits)
      .slice(0, MOST_SHOWN)
      .map((entry) => this.row(entry));
    this.list.prepend(...rows);
    while (this.list.childElementCount > MOST_SHOWN) this.list.lastElementChild.remove();
    this.settle();
  }

  draw() {
    this.scale = Math.max(this.longest(), 5);
    const fits = this.test();
    const shown = [];
    for (const entry of this.kept) {
      if (fits(entry)) shown.push(this.row(entry));
      if (shown.length === MOST_SHOWN) break;
    }
    this.list.replaceChildren(...shown);
    this.settle();
    this.tell();
  }

  row(entry) {
    const made = row(entry, this.scale, this.choose);
    if (entry.number === this.chosen) made.firstChild.setAttribute("aria-current", "true");
    return made;
  }

  // One of twenty may be longer than the whole width.
  longest() {
    const times = this.kept
      .slice(0, MOST_SHOWN)
      .map((entry) => entry.times.total)
      .sort((one, other) => one - other);
    return times[Math.floor(times.length * 0.95)] ?? 0;
  }

  test() {
    const fits = filter(byId("filter").value);
    return (entry) => (!this.onlyErrors || isError(entry)) && fits(entry);
  }

  settle() {
    const rows = [...this.list.querySelectorAll(".row")];
    if (rows.length && !rows.some((one) => one.tabIndex === 0)) rows[0].tabIndex = 0;
    const nothing = byId("nothing");
    nothing.hidden = rows.length > 0;
    say(
      nothing,
      this.kept.length
        ? "No request fits the filter."
        : "No request so far. Send one through the proxy, and it shows here.",
    );
  }

  tell() {
    const parts = [`${this.kept.length}`];
    if (this.isPaused && this.waiting.length) parts.push(`${this.waiting.length} new`);
    if (this.missed) parts.push(`${this.missed.toLocaleString("en")} went by too fast`);
    say(byId("count"), parts.join(" · "));
    document.body.classList.toggle("paused", this.isPaused);
  }

  showErrors(wanted) {
    this.onlyErrors = wanted;
    byId("all").setAttribute("aria-pressed", String(!wanted));
    byId("errors").setAttribute("aria-pressed", String(wanted));
    this.draw();
  }

  pause() {
    this.isPaused = !this.isPaused;
    const button = byId("pause");
    button.setAttribute("aria-pressed", String(this.isPaused));
    if (!this.isPaused) {
      const waiting = this.waiting;
      this.waiting = [];
      this.add(waiting);
    }
    this.tell();
  }

  clear() {
    this.kept = [];
    this.waiting = [];
    this.missed = 0;
    this.draw();
  }

  filterBy(text) {
    byId("filter").value = text;
    this.draw();
  }

  mark(number) {
    this.chosen = number;
    this.list.querySelector("[aria-current]")?.removeAttribute("aria-current");
    this.list.querySelector(`[data-number="${number}"]`)?.setAttribute("aria-current", "true");
  }

  // Up or down from where one is; the first row if one is nowhere.
  step(by) {
    const rows = [...this.list.querySelectorAll(".row")];
    const here = rows.findIndex((one) => one === document.activeElement || one.dataset.number === String(this.chosen));
    const next = rows[here < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, here + by))];
    next?.focus();
    return next ? this.kept.find((entry) => String(entry.number) === next.dataset.number) : undefined;
  }

  focus() {
    (this.list.querySelector("[aria-current]") ?? this.list.querySelector('[tabindex="0"]'))?.focus();
  }

  // Tab leads to one row of the list, arrows to the others.
  rove(to) {
    if (!to) return;
    this.list.querySelectorAll('[tabindex="0"]').forEach((one) => (one.tabIndex = -1));
    to.tabIndex = 0;
  }
}
