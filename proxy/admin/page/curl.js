// A request as a command line: to the proxy, which knows the credential, and never to the vendor.

export function curl(entry, listen, wantsToken) {
  const words = ["curl", entry.method === "HEAD" ? "-I" : "-i"];
  if (!["GET", "HEAD"].includes(entry.method)) words.push("-X", quoted(entry.method));
  const [base, file] = reached(listen);
  if (file) words.push("--unix-socket", quoted(file));
  words.push(quoted(base + entry.target));
  if (wantsToken) words.push("-H", '"X-AuthProxy-Token: $AUTHPROXY_TOKEN"');
  if (entry.request_bytes > 0) words.push("--data-binary", "@body");
  return words.join(" ");
}

// What has to be put in by hand before the command does the same.
export function missing(entry) {
  const found = [...(entry.target ?? "").matchAll(/([^?&=/]*)=?\*\*\*/g)].map(
    (match) => match[1] || "a part of the path",
  );
  if (entry.request_bytes > 0) found.push("the body, as a file named body");
  return found;
}

function reached(listen) {
  if (listen.startsWith("unix:")) return ["http://localhost", listen.slice("unix:".length)];
  return [`http://${listen.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")}`, null];
}

const quoted = (text) => (/^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
