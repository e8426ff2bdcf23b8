// How a test and its server talk: one JSON document a line. The server says where it listens, keeps a journal of what
// it was asked, obeys commands, and ends when the test does.

import { createInterface } from "node:readline";

// What the servers have to say to whom it may concern must not get between the lines.
console.log = console.info = console.error;

const now = Date.now;
let ahead = 0;
// Every lifetime in these servers is measured with Date.now(): a test lets hours go by without waiting.
Date.now = () => now() + ahead;

export const tell = (line) => process.stdout.write(JSON.stringify(line) + "\n");

/** Let the answer's Date tell the same time as all else here. */
export function date(response) {
  response.setHeader("Date", new Date(Date.now()).toUTCString());
}

/** Listen on a free port and obey: `commands` are functions by name; `advance` is always among them. */
export function serve(server, commands) {
  const known = { ...commands, advance: (seconds) => { ahead += seconds * 1000; } };
  server.listen(0, "127.0.0.1", () => tell({ port: server.address().port }));
  const lines = createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const [name, argument] = JSON.parse(line);
    tell({ done: (await known[name](argument)) ?? null });
  });
  lines.on("close", () => process.exit(0));
}

export const settings = JSON.parse(process.argv[2] ?? "{}");
