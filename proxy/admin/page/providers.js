// A card for each provider: its token's life, its trouble, and what can be done about it.

import { byId, element, prose, say } from "./element.js";
import { ago, countdown } from "./format.js";
import { sparkline } from "./sparkline.js";

const STATES = {
  ok: ["ok", "ok"],
  idle: ["calm", "idle"],
  static: ["calm", "fixed"],
  waiting: ["warn", "waiting"],
  refused: ["bad", "refused"],
};

// `act(path, name)` has a token refreshed or dropped; `only(name)` shows the requests of one provider.
export class Providers {
  constructor(act, only) {
    this.act = act;
    this.only = only;
    this.cards = new Map();
    setInterval(() => this.cards.forEach((card) => card.tick()), 500);
  }

  show(status) {
    const names = new Set(status.providers.map((provider) => provider.name));
    for (const [name, card] of this.cards) {
      if (!names.has(name)) {
        card.place.remove();
        this.cards.delete(name);
      }
    }
    for (const provider of status.providers) {
      let card = this.cards.get(provider.name);
      if (!card) {
        card = new Card(provider.name, this.act, this.only);
        this.cards.set(provider.name, card);
      }
      byId("providers").append(card.place);
      card.show(
        provider,
        status.routes.filter((route) => route.provider === provider.name),
      );
    }
  }

  beat(beats) {
    this.cards.forEach((card, name) => card.beat(beats.map((one) => one.providers[name] ?? [0, 0])));
  }
}

class Card {
  constructor(name, act, only) {
    this.state = element("span", { class: "pill" });
    this.kind = element("p", { class: "kind" });
    this.url = element("p", { class: "url" });
    this.bar = element("span", { class: "left" });
    this.due = element("span", { class: "due" });
    this.meter = element(
      "div",
      {
        class: "life",
        role: "meter",
        "aria-label": `Life of the token of ${name}`,
        "aria-valuemin": 0,
        "aria-valuemax": 100,
      },
      this.bar,
      this.due,
    );
    this.left = element("strong");
    this.next = element("span");
    this.past = element("p", { class: "past" });
    this.trouble = element("div", { class: "trouble", hidden: true });
    this.spark = element("div", { class: "spark" });
    this.refresh = element("button", { type: "button", onclick: () => act("/refresh", name, this.refresh) }, "Refresh");
    this.refresh.setAttribute("aria-label", `Refresh the token of ${name}`);
    this.drop = element("button", { type: "button", onclick: () => act("/drop", name, this.drop) }, "Drop");
    this.drop.setAttribute("aria-label", `Drop the token of ${name}`);
    this.doing = element("div", { class: "doing" }, this.refresh, this.drop);
    const title = element("button", { type: "button", class: "name", onclick: () => only(name) }, name);
    title.setAttribute("title", "Show only its requests");
    this.place = element(
      "article",
      { class: "card provider", "aria-label": name },
      element("header", {}, element("h3", {}, title), this.state),
      this.kind,
      this.url,
      element("div", { class: "token" }, this.meter, element("p", { class: "times" }, this.left, this.next), this.past),
      this.trouble,
      element("footer", {}, this.spark, this.doing),
    );
  }

  show(provider, routes) {
    this.provider = provider;
    this.since = performance.now();
    const isSigned = provider.state === "static" && provider.scheme.includes("signature");
    const [kind, text] = isSigned ? ["calm", "signed"] : STATES[provider.state];
    this.state.className = `pill ${kind}`;
    say(this.state, text);
    say(this.kind, [provider.preset, provider.scheme.replaceAll("_", " ")].filter(Boolean).join(" · "));
    say(this.url, `${routes.map((route) => route.prefix).join(" ") || "(no route)"} → ${provider.base_url}`);
    this.place.dataset.state = provider.state;
    const hasToken = provider.state !== "static";
    this.doing.hidden = this.meter.hidden = !hasToken;
    this.drop.disabled = provider.state !== "ok";
    this.trouble.hidden = provider.last_error === null;
    const said = `${provider.last_error}|${provider.hint}`;
    if (!this.trouble.hidden && this.said !== said) {
      this.said = said;
      this.wait = element("p");
      this.trouble.replaceChildren(
        element("p", { class: "what" }, provider.last_error),
        element("p", {}, prose(provider.hint ?? "")),
        this.wait,
      );
    }
    this.tick();
  }

  tick() {
    if (!this.provider) return;
    const { state, expires_in: expires, refresh_in: due, obtained_ago: age, next_attempt_in: next } = this.provider;
    const gone = (performance.now() - this.since) / 1000;
    if (this.wait)
      say(
        this.wait,
        next === null
          ? ""
          : next > gone
            ? `Next attempt in ${countdown(next - gone)}.`
            : "Next attempt with the next request.",
      );
    if (state === "static") {
      const isSigned = /hmac/.test(this.provider.scheme);
      say(this.left, isSigned ? "a signature for each request" : "a fixed credential");
      return say(this.past, "nothing to obtain, nothing that expires");
    }
    const left = expires === null ? null : expires - gone;
    const share = state !== "ok" ? 0 : left === null ? 1 : Math.max(0, Math.min(1, left / (expires + age)));
    this.bar.style.setProperty("width", `${share * 100}%`);
    this.bar.dataset.low = state === "ok" && left !== null && due !== null && due < gone;
    this.due.hidden = state !== "ok" || left === null || due === null;
    if (!this.due.hidden) this.due.style.setProperty("left", `${((expires - due) / (expires + age)) * 100}%`);
    say(this.left, this.life(state, left));
    say(
      this.next,
      state !== "ok" || due === null || left === null
        ? ""
        : due > gone
          ? `renewed from ${countdown(due - gone)} on`
          : "to be renewed",
    );
    say(this.past, this.history(age === null ? null : age + gone));
    this.meter.setAttribute("aria-valuenow", Math.round(share * 100));
    this.meter.setAttribute("aria-valuetext", this.left.textContent);
  }

  life(state, left) {
    if (state !== "ok")
      return { idle: "no token: obtained with the next request", waiting: "no token yet", refused: "no token" }[state];
    if (left === null) return "never expires";
    return left > 0 ? `expires in ${countdown(left)}` : "expired: obtained with the next request";
  }

  history(age) {
    const { generation, logins } = this.provider;
    const parts = [];
    if (age !== null) parts.push(`obtained ${ago(age)}`);
    if (generation) parts.push(`token no. ${generation}`);
    if (logins) parts.push(`${logins} ${logins === 1 ? "login" : "logins"}`);
    return parts.join(" · ") || "not needed so far";
  }

  beat(counts) {
    this.spark.replaceChildren(sparkline(counts));
  }
}
