// Sends what is written, for real, and says what came of it.

import { ask } from "./dry_run.js";
import { element, say } from "./words.js";

const form = document.getElementById("generator");
const button = document.getElementById("send");
const place = document.getElementById("sent");

/** Send the request that `readRequest` returns, whenever the button is pressed. */
export function sendOnClick(readRequest) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    tell("busy", say("sending"));
    const answer = await ask("/generator/send", readRequest());
    button.disabled = false;
    button.focus();
    if (answer === null) tell("bad", say("unreachable"));
    else if (answer.ok) tellNumber(answer.body.mtNum);
    else tellRefusal(answer.body);
  });
}

function tellNumber(number) {
  const messages = form.dataset.console;
  const link = messages ? element("a", { href: messages + number }, say("open")) : null;
  tell("good", element("strong", {}, say("sent", { number })), link);
}

function tellRefusal({ error, extendedDescription }) {
  const head = `${say("code", { code: error.code })}: ${error.description}`;
  tell("bad", element("strong", {}, head), element("span", { class: "said", lang: "en" }, extendedDescription));
}

function tell(kind, ...parts) {
  place.className = `notice ${kind}`;
  place.hidden = false;
  place.replaceChildren(...parts.filter(Boolean));
}
