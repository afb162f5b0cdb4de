// What every page has: buttons that copy, forms that are sent once, boxes that close.

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  await navigator.clipboard.writeText(source.value ?? source.textContent);
  button.dataset.copied = "yes";
  setTimeout(() => delete button.dataset.copied, 1500);
});

// A second click sends nothing a second time: what a form does, it does once.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 2000); // an export leaves the page as it is
});

// A box that opens over the page closes when one looks elsewhere.
document.addEventListener("click", (event) => {
  for (const box of document.querySelectorAll("details.drop[open]")) {
    if (!box.contains(event.target)) box.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const box of document.querySelectorAll("details.drop[open]")) {
    box.open = false;
    box.querySelector("summary").focus();
  }
});
