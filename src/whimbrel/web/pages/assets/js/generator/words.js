// What the page's scripts say, in the visitor's language; the template has the texts.

const words = document.getElementById("words").dataset;
const UNITS = [[86_400, "spanD"], [3_600, "spanH"], [60, "spanMin"], [1, "spanS"]]; // seconds

/** Return a text with `{name}` filled in. */
export function say(name, values = {}) {
  return words[name].replaceAll(/\{(\w+)\}/g, (_, key) => values[key]);
}

/** Write how long something lasts, in the greatest unit that leaves no rest. */
export function span(seconds) {
  const [size, name] = UNITS.find(([size]) => seconds % size === 0 && seconds >= size) ?? UNITS.at(-1);
  return say(name, { count: seconds / size });
}

/** Write a moment as the gateway tells it (ISO 8601), as people read it. */
export function clockTime(iso) {
  return iso.slice(0, 19).replace("T", " ");
}

/** Make an element; children are elements and texts. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}
