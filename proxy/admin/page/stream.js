// Server-sent events, by fetch: an EventSource could not send the session's header.

import { ask, SignedOut } from "./session.js";

const LONGEST_PAUSE = 8000;

// Tells `hear(name, value)` of every event, and `state(text)` of the connection; ends with SignedOut. `path()` is asked
// for at each attempt.
export async function listen(path, hear, state) {
  let pause = 500;
  for (;;) {
    try {
      const answer = await ask("GET", path());
      if (answer.ok) {
        pause = 500;
        state("live");
        await read(answer.body, hear);
      } else if (answer.status === 503) {
        state("other pages are open, waiting");
      }
    } catch (error) {
      if (error instanceof SignedOut) throw error;
    }
    state("reconnecting");
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

async function read(body, hear) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const found = /^event: (\w+)\ndata: (.*)$/.exec(text.slice(0, end));
      text = text.slice(end + 2);
      if (found) hear(found[1], JSON.parse(found[2]));
    }
  }
}
