// Says whether the gateway would take the request, and shows an objection beside what it is about.

import { fieldOf } from "./form.js";
import { placeOf } from "./objection.js";
import { element, say } from "./words.js";

const verdict = document.getElementById("verdict");
const checkedFor = document.getElementById("checked-for");

/** Show that there is nothing to ask about yet. */
export function showIdle() {
  clearObjections();
  tell("busy", say("idle"));
}

/** Show that the gateway is being asked, unless it was asked before. */
export function showAsking() {
  if (!verdict.hasChildNodes()) tell("busy", say("asking"));
}

/** Show an answer; `loginRefused` is what was said of a login that was not used for it. */
export function showVerdict(answer, login, loginRefused) {
  clearObjections();
  if (loginRefused) showObjection(loginRefused);
  if (answer === null) return tell("bad", say("unreachable"));
  const isForLogin = answer.body.checkedFor === "login";
  checkedFor.textContent = isForLogin ? say("forLogin", { login }) : say("forAnybody");
  checkedFor.className = `badge ${isForLogin ? "good" : "quiet"}`;
  if (!answer.ok) {
    checkedFor.textContent = "";
    return showObjection(answer.body, { tellIt: true });
  }
  if (loginRefused) return tellRefusal(loginRefused, "bad");
  const repeats = answer.body.duplicates?.repeats;
  if (repeats) return tell("warn", say("repeats", { number: repeats }));
  return tell("good", say("good"), isForLogin ? null : element("span", { class: "aside" }, say("loginWanted")));
}

/** Show beside its field what the gateway objects to; `tellIt`: in the verdict as well. */
function showObjection(refusal, { tellIt = false } = {}) {
  const text = refusal.extendedDescription;
  const { message, member, isMissing } = placeOf(text);
  const field = member === null ? null : fieldOf(message, member);
  if (field && !(isMissing && !field.dataset.left)) mark(field, refusal);
  if (tellIt) tellRefusal(refusal, isMissing ? "warn" : "bad", isMissing);
}

function tellRefusal({ error, extendedDescription }, kind, isMissing = false) {
  const head = isMissing ? say("missing") : `${say("code", { code: error.code })}: ${error.description}`;
  const code = isMissing ? ` (${say("code", { code: error.code })})` : "";
  tell(kind, element("strong", {}, head + code), element("span", { class: "said", lang: "en" }, extendedDescription));
}

function tell(kind, ...parts) {
  verdict.className = `notice ${kind}`;
  const shown = element("div", {}, ...parts);
  // What is the same is not said again to those who listen.
  if (verdict.textContent !== shown.textContent) verdict.replaceChildren(...shown.childNodes);
}

function mark(field, { error, extendedDescription }) {
  const box = field.closest(".field, fieldset");
  const id = `${field.id}-objection`;
  const code = element("span", { class: "badge bad" }, say("code", { code: error.code }));
  box.classList.add("wrong");
  box.append(element("p", { class: "note objection", id }, code, " ", element("span", { lang: "en" }, extendedDescription)));
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", `${field.getAttribute("aria-describedby") ?? ""} ${id}`.trim());
  const closed = field.closest("details:not([open])");
  if (closed) closed.open = true;
}

function clearObjections() {
  for (const note of document.querySelectorAll(".objection")) {
    const box = note.parentElement;
    const field = box.querySelector("[aria-invalid]");
    box.classList.remove("wrong");
    note.remove();
    if (!field) continue;
    field.removeAttribute("aria-invalid");
    const others = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== note.id);
    if (others.length) field.setAttribute("aria-describedby", others.join(" "));
    else field.removeAttribute("aria-describedby");
  }
}
