// Asks the gateway what it would make of a request, a moment after one has stopped typing.

const PAUSE = 350; // milliseconds: longer than between two keys, shorter than a thought
const form = document.getElementById("generator");
const ABOUT_LOGINS = new Set([2, 5, 6]); // codes: from elsewhere, no such login, wrong password

/** Post JSON to one of the generator's own addresses; null if nobody answers. */
export async function ask(path, request, signal) {
  const headers = { "Content-Type": "application/json" };
  if (form.dataset.csrf) headers["X-CSRF-Token"] = form.dataset.csrf;
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(request), signal });
    return { ok: answer.ok, body: await answer.json() };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return null;
  }
}

/**
 * Dry runs of what is typed. A login counts only when both its fields were left: a dry run with half
 * a password is a failed login, and the gateway lets nobody fail often. One that was refused is not
 * tried again until it is changed; meanwhile the rules for everybody say what they can.
 */
export class DryRuns {
  #told;
  #timer;
  #underWay;
  #typing = false;
  #refused = null; // a login and its password, and what was said of them

  /** `told` is called with the answer, and with what was said of the login if it was refused. */
  constructor(told) {
    this.#told = told;
    for (const name of ["login", "password"]) {
      const field = document.getElementById(name);
      field.addEventListener("input", () => { this.#typing = true; });
      field.addEventListener("change", () => { this.#typing = false; });
    }
  }

  /** Ask soon, unless there is something newer to ask by then. */
  soon(readRequest) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.now(readRequest()), PAUSE);
  }

  /** Ask now. */
  async now(request) {
    this.#underWay?.abort();
    this.#underWay = new AbortController();
    try {
      await this.#ask(request, this.#underWay.signal);
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  }

  async #ask(request, signal) {
    const { login, password, ...rest } = request;
    const who = JSON.stringify([login, password]);
    if (login && password && !this.#typing && this.#refused?.who !== who) {
      const answer = await ask("/generator/check", request, signal);
      const code = answer?.body.error?.code;
      if (!ABOUT_LOGINS.has(code)) return this.#told(answer, null);
      this.#refused = { who, body: answer.body };
    }
    const refused = login && password && this.#refused?.who === who ? this.#refused.body : null;
    return this.#told(await ask("/generator/check", rest, signal), refused);
  }
}
