// The configuration in use, and what the last attempt to load another one said.

import { byId, element, prose, say } from "./element.js";
import { ago } from "./format.js";

export class Configuration {
  constructor() {
    this.place = byId("configuration");
    this.loaded = element("dd");
    setInterval(() => this.tick(), 1000);
  }

  show({ configuration, listen, routes, providers, token_store: store }) {
    this.loadedAgo = configuration.loaded_ago;
    this.since = performance.now();
    const errors = configuration.errors.map((error) => element("li", {}, prose(error)));
    const trouble = byId("not-taken");
    trouble.hidden = errors.length === 0;
    trouble.replaceChildren(
      element(
        "p",
        { class: "what" },
        "The configuration has changed and was not taken, since it has mistakes. The old one stays in use.",
      ),
      element("ul", {}, errors),
    );
    this.place.replaceChildren(
      element(
        "dl",
        {},
        element("dt", {}, "File"),
        element("dd", { title: configuration.path }, configuration.path.split("/").at(-1) || "–"),
        element("dt", {}, "Loaded"),
        this.loaded,
        element("dt", {}, "Listens"),
        element("dd", {}, listen),
        element("dt", {}, "Has"),
        element("dd", {}, `${count(routes, "route")} to ${count(providers, "provider")}`),
        element("dt", {}, "Tokens"),
        element(
          "dd",
          { class: store.error ? "wrong" : "" },
          store.error ? `${store.kind}: ${store.error}` : `kept in ${store.kind}`,
        ),
      ),
    );
    this.tick();
  }

  tick() {
    if (this.since !== undefined) say(this.loaded, ago(this.loadedAgo + (performance.now() - this.since) / 1000));
  }
}

const count = (list, name) => `${list.length} ${name}${list.length === 1 ? "" : "s"}`;
