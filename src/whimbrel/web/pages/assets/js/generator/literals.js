// How texts are written in other languages, so that whatever is in them stays what it is.

const CONTROL = /[\u0000-\u001f\u007f]/;
const PHP_NAMES = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A text in a POSIX shell. */
export function shell(text) {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** A text in Python or JavaScript: both read JSON's escapes, and lone surrogates are escaped. */
export function escaped(text) {
  return JSON.stringify(text);
}

/** A text in PHP. */
export function php(text) {
  if (!CONTROL.test(text)) return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const inside = Array.from(text, (character) => {
    if ('"\\$'.includes(character)) return `\\${character}`;
    if (!CONTROL.test(character)) return character;
    return PHP_NAMES[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `"${inside.join("")}"`;
}

/** JSON inside a text block of Java. */
export function javaBlock(json) {
  return ascii(json).replaceAll("\\", "\\\\").replaceAll('"""', '""\\"');
}

/** A text in Java. */
export function java(text) {
  return ascii(JSON.stringify(text));
}

/** In ASCII, since in which encoding Java reads a file depends on where it runs. */
function ascii(text) {
  return text.replaceAll(
    /[^\u0000-\u007f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * Write a JSON value as nested literals of a language: `of` has `text`, `word` (for true and false),
 * `open`, `close`, `colon` and `indent`.
 */
export function nested(value, of, depth = 0) {
  if (typeof value === "string") return of.text(value);
  if (typeof value === "boolean") return of.word(value);
  if (value instanceof Raw) return value.code;
  if (typeof value !== "object") return String(value);
  const inner = of.indent.repeat(depth + 1);
  const lines = Object.entries(value).map(
    ([name, one]) => `${inner}${of.text(name)}${of.colon}${nested(one, of, depth + 1)},\n`);
  return `${of.open}\n${lines.join("")}${of.indent.repeat(depth)}${of.close}`;
}

/** Code that stands where a value would. */
export class Raw {
  constructor(code) {
    this.code = code;
  }
}
