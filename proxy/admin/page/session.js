// Signing in, and asking the proxy with both halves of the session: the cookie, which no script sees, and this one.

const KEPT = "authproxy.csrf";

export class SignedOut extends Error {}

// The token in the address bar, if the page was opened by the link; it does not stay there.
export function tokenOfLink() {
  const found = /^#token=([\w-]+)$/.exec(location.hash);
  if (found) history.replaceState(null, "", location.pathname);
  return found ? found[1] : null;
}

export async function signIn(token) {
  const answer = await fetch("/sign-in", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
  if (!answer.ok) return false;
  localStorage.setItem(KEPT, (await answer.json()).csrf);
  return true;
}

export async function signOut() {
  await ask("POST", "/sign-out").catch(() => null);
  localStorage.removeItem(KEPT);
}

export const isSignedIn = () => localStorage.getItem(KEPT) !== null;

// The answer, whatever its status. Throws SignedOut where the session is over: the proxy was restarted, or its token
// has changed.
export async function ask(method, path, signal = undefined) {
  const headers = { "X-AuthProxy-CSRF": localStorage.getItem(KEPT) ?? "" };
  const answer = await fetch(path, { method, headers, signal, cache: "no-store" });
  if (answer.status === 403) {
    localStorage.removeItem(KEPT);
    throw new SignedOut();
  }
  return answer;
}
