// The requests of the last two minutes to one provider, failures in their own colour.

import { drawn } from "./element.js";

const BARS = 60;
const SECONDS = 2;
const HEIGHT = 22;

// `counts` has [requests, failures] of each second.
export function sparkline(counts) {
  const sums = [];
  for (let at = counts.length; at > 0 && sums.length < BARS; at -= SECONDS) {
    const part = counts.slice(Math.max(0, at - SECONDS), at);
    sums.unshift([0, 1].map((which) => part.reduce((sum, one) => sum + one[which], 0)));
  }
  const most = Math.max(1, ...sums.map(([all]) => all));
  const total = sums.reduce((sum, [all]) => sum + all, 0);
  const paths = { good: "", bad: "" };
  sums.forEach(([all, failed], at) => {
    const x = (BARS - sums.length + at) * 2;
    const tall = Math.round((all / most) * HEIGHT * 10) / 10;
    const wrong = Math.round((failed / most) * HEIGHT * 10) / 10;
    if (tall > wrong) paths.good += `M${x} ${HEIGHT - tall}h1.4V${HEIGHT - wrong}h-1.4z`;
    if (wrong > 0) paths.bad += `M${x} ${HEIGHT - wrong}h1.4V${HEIGHT}h-1.4z`;
  });
  return drawn(
    "svg",
    {
      viewBox: `0 0 ${BARS * 2} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `${total} requests in two minutes`,
    },
    drawn("path", { class: "base", d: `M0 ${HEIGHT - 0.5}h${BARS * 2}` }),
    drawn("path", { class: "passed", d: paths.good }),
    drawn("path", { class: "failed", d: paths.bad }),
  );
}
