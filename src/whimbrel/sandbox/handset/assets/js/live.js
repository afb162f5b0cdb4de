/** Server-sent pieces of the page, put where they belong. */

import { localise } from "./times.js";

/** Turn the HTML of one element into that element. The server has escaped all that is not its own. */
function elementOf(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  localise(template.content);
  return template.content.firstElementChild;
}

/** Replace an element by its newer self; keep the focus where it was, or near what is gone. */
function replace(old, fresh) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  old.replaceWith(fresh);
  if (!focused) return;
  const next = document.getElementById(focused.id || "log") ?? document.getElementById("log");
  next?.focus({ preventScroll: true });
}

/** Put a piece in the place of the one with its id. */
function putPiece(html) {
  const fresh = elementOf(html);
  const old = document.getElementById(fresh.id);
  if (old && !old.isEqualNode(fresh)) replace(old, fresh);
}

/** Add a bubble at the end of the log, or renew it. */
function putBubble(log, html) {
  const fresh = elementOf(html);
  const old = document.getElementById(fresh.id);
  const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  if (old) {
    renew(old, fresh);
  } else {
    log.append(fresh);
    log.dispatchEvent(new CustomEvent("bubble", { detail: fresh }));
  }
  if (follows) log.scrollTop = log.scrollHeight;
}

/**
 * Take over what is new about a bubble. What stays the same stays in the page, so that a screen
 * reader says "Read" and not the whole text again, and an image is not fetched twice.
 */
function renew(old, fresh) {
  old.className = fresh.className;
  old.dataset.fate = fresh.dataset.fate;
  for (const part of [".body", ".fate", ".failure"]) {
    const before = old.querySelector(part);
    const after = fresh.querySelector(part);
    if (before && after && !isSame(before, after)) replace(before, after);
    else if (before && !after) before.remove();
    else if (after && !before) old.append(after);
  }
}

function isSame(before, after) {
  const copy = before.cloneNode(true);
  for (const broken of copy.querySelectorAll(".broken")) broken.classList.remove("broken");
  return copy.isEqualNode(after);
}

/** Remove the bubbles that went while the stream was broken. */
function keepOnly(ids) {
  for (const bubble of document.querySelectorAll(".bubble")) {
    if (!ids.has(bubble.id)) bubble.remove();
  }
}

/** Listen to the page's stream; the browser comes back by itself when it breaks. */
export function follow(url, log) {
  const source = new EventSource(url);
  source.addEventListener("piece", (event) => putPiece(event.data));
  source.addEventListener("bubble", (event) => putBubble(log, event.data));
  source.addEventListener("present", (event) => keepOnly(new Set(event.data.split("\n"))));
  source.addEventListener("gone", (event) => document.getElementById(event.data)?.remove());
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}
