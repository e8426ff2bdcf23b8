// Making elements. Whatever is put in is text and never markup.

export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function drawn(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...present(children));
  return made;
}

// Children as they may be listed: in lists of lists, and null for what is not there.
export const present = (children) =>
  children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== "");

export const byId = (id) => document.getElementById(id);

// A text of the proxy's, in which commands stand between backticks.
export function prose(text) {
  return text.split("`").map((part, at) => (at % 2 ? element("code", {}, part) : part));
}

// Writing to the DOM what it says already costs a layout.
export function say(made, text) {
  if (made.textContent !== text) made.textContent = text;
}

let hiding = 0;

export function toast(text, kind = "") {
  const place = byId("toast");
  place.textContent = text;
  place.className = `toast shown ${kind}`;
  clearTimeout(hiding);
  hiding = setTimeout(() => (place.className = "toast"), kind === "wrong" ? 8000 : 4000);
}
