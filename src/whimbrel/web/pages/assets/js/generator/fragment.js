// A filled form as the fragment of an address: browsers keep fragments to themselves, so that it
// reaches no server and no log. The password is never in it.

const PREFIX = "#form=";

/** Return the fragment that keeps a request. */
export function toFragment(request) {
  const { password, ...shared } = request;
  const bytes = new TextEncoder().encode(JSON.stringify(shared));
  const base64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return PREFIX + base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Return the request that a fragment keeps; null if it keeps none. */
export function fromFragment(fragment) {
  if (!fragment.startsWith(PREFIX)) return null;
  try {
    const base64 = fragment.slice(PREFIX.length).replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const { password, ...shared } = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return shared;
  } catch {
    return null; // cut off, or not one of ours
  }
}
