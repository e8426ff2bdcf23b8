// Which requests are shown. Words that all have to fit:
//
//   text            in the method, path, status, provider, client, error, or the request's id
//   status:404      or 4xx, or >=400
//   provider:io     and method:, route:, client:, error:
//   slow:100        longer than so many milliseconds
//   -word           what follows must not fit

const FIELDS = {
  method: (entry) => entry.method,
  provider: (entry) => entry.provider,
  route: (entry) => entry.route,
  client: (entry) => entry.client,
  error: (entry) => entry.error?.code,
};

export const isError = (entry) => entry.status >= 400 || entry.error !== null;

export function filter(text) {
  const tests = text.trim().toLowerCase().split(/\s+/).filter(Boolean).map(word);
  return (entry) => tests.every((test) => test(entry));
}

function word(text) {
  if (text.startsWith("-") && text.length > 1) {
    const test = word(text.slice(1));
    return (entry) => !test(entry);
  }
  const [, name, value] = /^(\w+):(.*)$/.exec(text) ?? [null, "", text];
  if (name === "status") return status(value);
  if (name === "slow") return (entry) => entry.times.total > (Number.parseFloat(value) || 0);
  if (name in FIELDS) return (entry) => (FIELDS[name](entry) ?? "").toLowerCase().startsWith(value);
  return (entry) => searched(entry).includes(text);
}

function status(value) {
  if (/^\dxx$/.test(value)) return (entry) => Math.floor(entry.status / 100) === Number(value[0]);
  const least = /^>=?(\d+)$/.exec(value);
  if (least) return (entry) => entry.status >= Number(least[1]) + (value[1] === "=" ? 0 : 1);
  return (entry) => String(entry.status).startsWith(value);
}

function searched(entry) {
  const { id, method, target, status: number, provider, client, error } = entry;
  return [id, method, target, number, provider, client, error?.code].filter(Boolean).join(" ").toLowerCase();
}
