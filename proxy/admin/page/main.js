// The status page: signs in, listens to what happens, and hands it to those who show it.

import { Configuration } from "./configuration.js";
import { Detail } from "./detail.js";
import { byId, say, toast } from "./element.js";
import { countdown } from "./format.js";
import { listenToKeys } from "./keys.js";
import { Plots } from "./plots.js";
import { Providers } from "./providers.js";
import { Requests } from "./requests.js";
import { ask, isSignedIn, SignedOut, signIn, signOut, tokenOfLink } from "./session.js";
import { listen } from "./stream.js";
import { nextTheme, showTheme } from "./themes.js";

const OUTCOMES = {
  renewed: "has a new token",
  dropped: "has no token now; the next request obtains one",
  under_way: "is logging in; that takes its time",
  failed: "got no new token",
  held_back: "failed a moment ago and is left alone for now",
};

let status = null;
const detail = new Detail(() => requests.focus());
const requests = new Requests((entry, byKey) => detail.show(entry, status, byKey));
const providers = new Providers(act, (name) => requests.filterBy(`provider:${name}`));
const configuration = new Configuration();
const plots = new Plots();

function showStatus(told) {
  status = told;
  const verdict = byId("verdict");
  verdict.className = `pill ${told.ready ? "ok" : "bad"}`;
  say(verdict, told.ready ? "ready" : told.reason);
  document.title = `${told.ready ? "" : "⚠ "}authproxy · ${told.ready ? "ready" : told.reason}`;
  say(byId("address"), told.listen);
  say(byId("version"), `authproxy ${told.version}`);
  providers.show(told);
  configuration.show(told);
}

const hears = {
  status: showStatus,
  requests: (told) => requests.take(told),
  beats: ({ beats, in_flight: inFlight }) => {
    plots.show(beats, inFlight);
    providers.beat(plots.beats.map((beat) => ({ providers: beat[6] })));
  },
};

async function act(path, name, button) {
  button.disabled = true;
  try {
    const answer = await ask("POST", `${path}?provider=${encodeURIComponent(name)}`);
    const told = await answer.json();
    const why = told.error ? `: ${told.error}` : "";
    const again =
      told.next_attempt_in === null || told.next_attempt_in === undefined
        ? ""
        : `; next attempt in ${countdown(told.next_attempt_in)}`;
    toast(told.outcome ? `${name} ${OUTCOMES[told.outcome]}${why}${again}` : told.title, answer.ok ? "" : "wrong");
  } catch (error) {
    failed(error);
  } finally {
    button.disabled = false;
  }
}

async function reload() {
  const button = byId("reload");
  button.disabled = true;
  try {
    const answer = await ask("POST", "/reload");
    const told = await answer.json();
    if (told.reloaded) toast(`Reloaded: ${told.routes} routes to ${told.providers} providers.`);
    else if (told.errors)
      toast(`Not reloaded, the old one stays: ${told.errors[0].path}: ${told.errors[0].message}`, "wrong");
    else
      toast(
        answer.status === 405 || answer.status === 404 ? "Nothing to reload: it runs without a file." : told.title,
        "wrong",
      );
  } catch (error) {
    failed(error);
  } finally {
    button.disabled = false;
  }
}

function failed(error) {
  if (error instanceof SignedOut)
    showSignIn(
      "This session is over: the proxy was restarted, or its token has changed. Open the new link, or have it shown:",
    );
  else toast("The proxy does not answer.", "wrong");
}

function showSignIn(why = "") {
  for (const id of ["main", "foot", "sign-out"]) byId(id).hidden = true;
  byId("sign-in").hidden = false;
  byId("verdict").className = "pill calm";
  say(byId("verdict"), "not signed in");
  for (const id of ["address", "link"]) say(byId(id), "");
  document.title = "authproxy";
  if (why) say(byId("sign-in-why"), why);
}

async function run() {
  for (const id of ["main", "foot", "sign-out"]) byId(id).hidden = false;
  byId("sign-in").hidden = true;
  const link = byId("link");
  const path = () => `/events${requests.last ? `?after=${requests.last}` : ""}`;
  try {
    await listen(
      path,
      (name, told) => hears[name]?.(told),
      (state) => {
        link.dataset.state = state;
        say(link, state);
      },
    );
  } catch (error) {
    failed(error);
  }
}

byId("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = byId("token");
  const isIn = await signIn(field.value.trim()).catch(() => false);
  field.value = "";
  say(byId("sign-in-error"), isIn ? "" : "That is not the admin token.");
  // What was shown of an earlier session may be of another life of the proxy.
  if (isIn) location.reload();
});
byId("sign-out").addEventListener("click", async () => {
  await signOut();
  location.reload();
});
byId("reload").addEventListener("click", reload);
byId("theme").addEventListener("click", nextTheme);
showTheme();

listenToKeys({
  "/": () => byId("filter").focus(),
  j: () => move(1),
  k: () => move(-1),
  p: () => requests.pause(),
  e: () => requests.showErrors(!requests.onlyErrors),
  c: () => detail.copy(),
  t: nextTheme,
  Escape: () => (detail.isOpen ? detail.close() : requests.filterBy("")),
  leave: (field) => {
    if (field.id === "filter" && field.value) requests.filterBy("");
    else field.blur();
  },
});

function move(by) {
  const entry = requests.step(by);
  if (entry && detail.isOpen) {
    requests.mark(entry.number);
    detail.show(entry, status, false);
  }
}

const token = tokenOfLink();
const came = token ? await signIn(token).catch(() => false) : isSignedIn();
if (came) run();
else showSignIn(token ? "This link is of another start of the proxy. Open the new one, or have it shown:" : "");
