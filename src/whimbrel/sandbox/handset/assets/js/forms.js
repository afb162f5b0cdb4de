/** Forms that stay on the page: what they bring about comes back by the live stream. */

/** Send a form; return why it was refused, or nothing. */
async function send(form) {
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      headers: { Accept: "application/json" },
    });
    return answer.ok ? "" : (await answer.json()).error;
  } catch (error) {
    return String(error.message ?? error);
  }
}

/** Send every form below an element that changes something; `tell` is given each refusal, or "". */
export function takeOver(element, tell) {
  element.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    event.preventDefault();
    const reason = await send(form);
    tell(reason);
    if (!reason && "clears" in form.dataset) {
      form.querySelector("textarea").value = "";
      form.querySelector("textarea").dispatchEvent(new Event("input", { bubbles: true }));
    }
  });
}

/** Let a text area grow with its text, and send its form at Enter; Shift+Enter begins a line. */
export function growAndSend(area) {
  area.addEventListener("input", () => {
    area.rows = Math.min(5, area.value.split("\n").length);
  });
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      area.form.requestSubmit();
    }
  });
}
