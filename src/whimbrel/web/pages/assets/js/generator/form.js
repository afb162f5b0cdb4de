// The form on the page: its messages, which come and go, and what is written in it.

import { MOST_MESSAGES, emptyDraft, emptyMessage } from "./draft.js";
import { say } from "./words.js";

const form = document.getElementById("generator");
const list = document.getElementById("messages");
const template = document.getElementById("message-template");
const addButton = document.getElementById("add");
const days = [...document.querySelectorAll("[name=weekday]")];
const ONCE = Object.keys(emptyDraft()).filter((name) => !["messages", "weekdaysSchedule"].includes(name));

/** Return what is written in the form (see `draft.js`). */
export function readDraft() {
  const draft = { messages: items().map(readMessage) };
  for (const name of ONCE) draft[name] = document.getElementById(name).value;
  draft.weekdaysSchedule = days.filter((day) => day.checked).map((day) => day.value).join("");
  return draft;
}

/** Write a draft into the form; the password stays what it is. */
export function writeDraft(draft) {
  for (const name of ONCE) if (name !== "password") document.getElementById(name).value = draft[name];
  for (const day of days) day.checked = draft.weekdaysSchedule.includes(day.value);
  list.replaceChildren(...draft.messages.map(newItem));
  arrange();
  openWhatIsFilled();
}

/** Return the field of a member; `message` counts from 0, null is the request itself. */
export function fieldOf(message, member) {
  const item = message === null ? null : items()[message];
  return item?.querySelector(`[data-member="${member}"]`) ?? document.getElementById(member);
}

/** Return where a message's text is counted. */
export function countOf(message) {
  return items()[message]?.querySelector(".count");
}

/** Call `changed` whenever something is written, and when messages come or go. */
export function watchForm(changed) {
  form.addEventListener("input", () => { arrange(); changed(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  addButton.addEventListener("click", () => {
    const item = newItem(emptyMessage(items().at(-1).querySelector("[data-member=type]").value === "SMS" ? "WHATSAPP" : "SMS"));
    list.append(item);
    arrange();
    item.querySelector("[data-member=text]").focus();
    changed();
  });
  list.addEventListener("click", (event) => {
    if (!event.target.closest("[data-remove]")) return;
    event.target.closest(".link").remove();
    arrange();
    addButton.focus();
    changed();
  });
}

function items() {
  return [...list.children];
}

function readMessage(item) {
  const read = (member) => item.querySelector(`[data-member="${member}"]`).value;
  return Object.fromEntries(Object.keys(emptyMessage()).map((member) => [member, read(member)]));
}

function newItem(message) {
  const item = template.content.firstElementChild.cloneNode(true);
  for (const [member, value] of Object.entries(message)) {
    item.querySelector(`[data-member="${member}"]`).value = value;
  }
  for (const select of item.querySelectorAll("select")) {
    if (select.selectedIndex < 0) select.selectedIndex = 0; // a value that the form has not
  }
  return item;
}

/** Number the messages, and show of each what its channel and content have. */
function arrange() {
  items().forEach((item, at) => {
    renumber(item, at + 1);
    item.querySelector(".number").textContent = say("message", { number: at + 1 });
    item.querySelector(".between").hidden = at === 0;
    item.querySelector("[data-remove]").hidden = items().length === 1;
    const isSms = item.querySelector("[data-member=type]").value === "SMS";
    const content = item.querySelector("[data-member=content]");
    if (isSms) content.value = "TEXT";
    content.closest(".field").hidden = isSms;
    for (const part of item.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== content.value;
  });
  addButton.disabled = items().length >= MOST_MESSAGES;
  addButton.title = addButton.disabled ? say("atMost", { count: MOST_MESSAGES }) : "";
}

/** Give a message's elements ids of their own: they end in its number. */
function renumber(item, number) {
  for (const one of item.querySelectorAll("[id], [for], [aria-describedby], [aria-labelledby]")) {
    for (const name of ["id", "for", "aria-describedby", "aria-labelledby"]) {
      const value = one.getAttribute(name);
      if (value) one.setAttribute(name, value.replaceAll(/-(N|\d+)(?=-|\s|$)/g, `-${number}`));
    }
  }
}

function openWhatIsFilled() {
  for (const box of form.querySelectorAll("details#hours, details#others")) {
    const fields = [...box.querySelectorAll("[data-member]")];
    box.open = fields.some((field) => field.value !== "") || (box.id === "hours" && days.some((day) => day.checked));
  }
}
