/** A phone's screen. */

import { growAndSend, takeOver } from "./forms.js";
import { follow } from "./live.js";
import { localise } from "./times.js";

const main = document.querySelector("main");
const log = document.getElementById("log");
const reason = document.getElementById("reason");
const area = document.querySelector(".composer textarea");

/** Show the address of an image that does not load; error events do not bubble. */
function markBroken(image) {
  image.closest(".picture")?.classList.add("broken");
}

/** Offer to answer whoever wrote last, unless an answer is being written. */
function offer(bubble) {
  const choice = area.form.elements.to;
  const address = `${bubble.dataset.channel}:${bubble.dataset.address}`;
  const isKnown = [...choice.options].some((option) => option.value === address);
  if (isKnown && !area.value) choice.value = address;
}

localise(document);
log.scrollTop = log.scrollHeight;
log.addEventListener("error", (event) => markBroken(event.target), true);
log.addEventListener("load", () => { log.scrollTop = log.scrollHeight; }, true);
for (const image of log.querySelectorAll("img")) {
  if (image.complete && !image.naturalWidth) markBroken(image);
}
takeOver(main, (text) => { reason.textContent = text; });
if (area) {
  growAndSend(area);
  log.addEventListener("bubble", (event) => offer(event.detail));
}
follow(main.dataset.live, log);
