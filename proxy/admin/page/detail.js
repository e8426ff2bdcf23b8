// The request that was chosen: what the proxy added and removed, and where the time went.

import { curl, missing } from "./curl.js";
import { byId, element, present, prose, toast } from "./element.js";
import { bytes, moment } from "./format.js";
import { statusKind } from "./rows.js";
import { waterfall } from "./way.js";

const CREDENTIALS = {
  none: "none went along",
  static: "fixed",
  signed: "a signature of its own",
  cached: "a token that was at hand",
  fetched: "a token that had to be obtained first",
};

export class Detail {
  constructor(closed) {
    this.place = byId("detail");
    this.closed = closed;
    this.entry = null;
  }

  get isOpen() {
    return !this.place.hidden;
  }

  // `status` is the proxy's state, from which it is known what a route and its provider add.
  show(entry, status, takesFocus) {
    this.entry = entry;
    this.status = status;
    const title = element(
      "h3",
      { tabindex: -1 },
      element("b", {}, entry.method),
      " ",
      entry.target ?? "what was no request",
    );
    this.place.hidden = false;
    const parts = [
      element(
        "header",
        {},
        element("span", { class: `status ${statusKind(entry)}` }, String(entry.status)),
        title,
        element(
          "button",
          { type: "button", class: "quiet close", "aria-label": "Close", onclick: () => this.close() },
          "✕",
        ),
      ),
      this.trouble(entry),
      section("Where the time went", waterfall(entry)),
      section("Added by the proxy", this.added(entry)),
      section("Removed from what the caller sent", this.removed(entry)),
      section("About it", this.facts(entry)),
      this.command(entry),
    ];
    this.place.replaceChildren(...present(parts));
    this.place.scrollTop = 0;
    if (takesFocus) title.focus();
  }

  close() {
    if (!this.isOpen) return;
    this.place.hidden = true;
    this.entry = null;
    this.closed();
  }

  async copy() {
    if (!this.entry?.target) return;
    const text = this.curl(this.entry);
    await copied(text);
    const left = missing(this.entry);
    toast(left.length ? `Copied. Put in: ${left.join(", ")}.` : "Copied: a request to the proxy, without a secret.");
  }

  trouble(entry) {
    if (entry.error) {
      return element(
        "div",
        { class: "trouble" },
        element("p", { class: "what" }, entry.error.code.replaceAll("_", " ")),
        element("p", {}, prose(entry.error.title)),
      );
    }
    if (entry.status === 499)
      return element(
        "div",
        { class: "trouble mild" },
        element("p", {}, "The caller hung up before the answer was complete."),
      );
    if (entry.status >= 400)
      return element(
        "div",
        { class: "trouble mild" },
        element("p", {}, `This is ${entry.provider}'s answer, passed on as it came.`),
      );
    return null;
  }

  added(entry) {
    const provider = this.status.providers.find((one) => one.name === entry.provider);
    const route = this.status.routes.find((one) => one.prefix === entry.route);
    if (!provider || !("connect" in entry.times))
      return element("p", { class: "none" }, "nothing: it did not get so far");
    const own = entry.credential === "none" && !entry.error && entry.status !== 499 ? [] : provider.adds;
    const items = [
      ...own.map((one) => [one, "the credential"]),
      ...(route?.adds ?? []).map((one) => [one, "the route"]),
    ];
    if (!items.length) return element("p", { class: "none" }, "nothing: it went without a credential");
    return names(items.map(([{ kind, name, value }, by]) => [kind, name, value, by]));
  }

  removed(entry) {
    if (entry.removed === null)
      return element("p", { class: "none" }, "not looked at: no page was open, or too many came at once");
    if (!entry.removed.length) return element("p", { class: "none" }, "nothing");
    return names(entry.removed.map(([kind, name, why]) => [kind, name, null, why]));
  }

  facts(entry) {
    const facts = [
      ["Came", moment(entry.at)],
      ["Route", entry.route ? `${entry.route} → ${entry.provider}` : "none"],
      ["Credential", entry.error && entry.credential === "none" ? "–" : CREDENTIALS[entry.credential]],
      ["Bodies", `${bytes(entry.request_bytes)} sent, ${bytes(entry.response_bytes)} received`],
      entry.repeats ? ["Attempts", String(entry.repeats + 1)] : null,
      entry.client ? ["Client", entry.client] : null,
      ["In the log", entry.id],
    ];
    return element(
      "dl",
      {},
      facts.filter(Boolean).map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
    );
  }

  command(entry) {
    if (!entry.target) return null;
    const button = element("button", { type: "button", id: "copy", onclick: () => this.copy() }, "Copy as curl");
    return section(
      "The same again, through the proxy",
      element("pre", { class: "command", tabindex: 0 }, this.curl(entry)),
      button,
    );
  }

  curl(entry) {
    return curl(entry, this.status.listen, this.status.wants_token);
  }
}

const section = (title, ...content) => element("section", {}, element("h4", {}, title), ...content);

function names(items) {
  const rows = items.map(([kind, name, value, why]) =>
    element(
      "li",
      {},
      element(
        "code",
        {},
        kind === "parameter" ? `?${name}` : name,
        value === null ? "" : [kind === "parameter" ? "=" : ": ", element("span", {}, value)],
      ),
      element("small", {}, why),
    ),
  );
  return element("ul", { class: "names" }, rows);
}

// The clipboard is for pages by https or from this machine; elsewhere the old way has to do.
async function copied(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = element("textarea", { class: "unseen" });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
