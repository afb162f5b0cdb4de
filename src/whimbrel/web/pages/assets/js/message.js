// Keeps one message's page up to date as long as anything of it is under way.
//
// The server renders the live part anew; each piece of it (`data-part`) that differs from what was
// shown before is replaced, and nothing else, so that scrolling, focus and opened boxes stay as
// they are. What is new in the timeline is told to screen readers, once.

const PAUSE = 2000; // milliseconds between two looks

const live = document.getElementById("live");
const shown = new Map([...live.querySelectorAll("[data-part]")].map((part) => [part.id, part.outerHTML]));

/** Ask for the live part; null where there is none now, and the page stays as it is. */
async function ask() {
  try {
    const answer = await fetch(live.dataset.from, { headers: { "hx-request": "true" } });
    if (answer.status === 401) window.location.reload(); // signed out meanwhile
    if (!answer.ok) return null;
    return new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
  } catch {
    return null; // the gateway is away for a moment
  }
}

/** Tell whether somebody is busy with a part: it keeps its focus, or its box stands open. */
function isInUse(part) {
  return part.contains(document.activeElement) || part.querySelector("details.drop[open]") !== null;
}

/** Open in the new part what was open in the old one. */
function keepOpen(old, fresh) {
  for (const box of old.querySelectorAll("details[open][id]")) {
    const same = fresh.querySelector(`details#${CSS.escape(box.id)}`);
    if (same) same.open = true;
  }
}

/** Put a part where it belongs: behind the one that precedes it in the fresh page. */
function insert(part, parent) {
  const before = part.previousElementSibling;
  const anchor = before ? document.getElementById(before.id) : null;
  const added = document.importNode(part, true);
  added.classList.add("is-new");
  if (anchor) anchor.after(added);
  else parent.prepend(added);
}

function renew(fresh) {
  const news = [];
  let waits = false;
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const source = part.outerHTML;
    const old = document.getElementById(part.id);
    if (old === null) {
      insert(part, part.parentElement.id ? document.getElementById(part.parentElement.id) : live);
      const title = part.querySelector("[data-title]");
      if (title) news.push(title.textContent.trim());
    } else if (shown.get(part.id) !== source) {
      if (isInUse(old)) {
        waits = true; // for the next look
        continue;
      }
      const renewed = document.importNode(part, true);
      keepOpen(old, renewed);
      old.replaceWith(renewed);
    }
    shown.set(part.id, source);
  }
  live.dataset.over = waits ? "no" : fresh.dataset.over;
  if (news.length) document.getElementById("news").textContent = news.join(". ");
}

async function look() {
  if (!document.hidden) {
    const fresh = await ask();
    if (fresh) renew(fresh);
  }
  if (live.dataset.over !== "yes") setTimeout(look, PAUSE);
}

if (live.dataset.over !== "yes") setTimeout(look, PAUSE);
