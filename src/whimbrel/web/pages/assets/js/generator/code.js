// The request as code: a tab for each language, and buttons that copy.

import { SNIPPETS, jsonWithPassword } from "./snippets.js";

const tabs = [...document.querySelectorAll("[data-snippet]")];
const panel = document.getElementById("panel");
const code = document.getElementById("code");
const url = document.getElementById("url");
const withPassword = document.getElementById("with-password");
const copy = document.querySelector('[data-copy="code"]');
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

/** The code of what is written. */
export class Code {
  #readRequest;

  constructor(readRequest) {
    this.#readRequest = readRequest;
    if (!url.value) url.value = location.origin;
    url.addEventListener("input", () => this.show());
    for (const tab of tabs) tab.addEventListener("click", () => this.#choose(tab));
    tabs[0].parentElement.addEventListener("keydown", (event) => this.#step(event));
    copy.addEventListener("click", (event) => this.#copy(event), { capture: true });
  }

  /** Show the code of what is written now. */
  show() {
    const request = this.#readRequest();
    code.textContent = SNIPPETS[this.#chosen()](request, `${url.value.replace(/\/+$/, "")}/send`);
  }

  #chosen() {
    return tabs.find((tab) => tab.ariaSelected === "true").dataset.snippet;
  }

  #choose(chosen) {
    for (const tab of tabs) {
      tab.ariaSelected = String(tab === chosen);
      tab.tabIndex = tab === chosen ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", chosen.id);
    document.getElementById("with-password-field").hidden = chosen.dataset.snippet !== "json";
    this.show();
  }

  #step(event) {
    const at = tabs.indexOf(event.target);
    const next = { Home: 0, End: tabs.length - 1 }[event.key] ?? (at + (STEPS[event.key] ?? NaN) + tabs.length) % tabs.length;
    if (at < 0 || Number.isNaN(next)) return;
    event.preventDefault();
    tabs[next].focus();
    this.#choose(tabs[next]);
  }

  /** Copy the JSON with its password, where that is wanted: it is never on the page itself. */
  async #copy(event) {
    if (!withPassword.checked || this.#chosen() !== "json") return; // js/page.js copies what is shown
    event.stopImmediatePropagation();
    await navigator.clipboard.writeText(jsonWithPassword(this.#readRequest()));
    copy.dataset.copied = "yes";
    setTimeout(() => delete copy.dataset.copied, 1500);
  }
}
