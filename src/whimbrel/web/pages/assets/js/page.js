// What every page has: the menu on a phone, buttons that copy, and the focus after a new part.

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  await navigator.clipboard.writeText(source.value ?? source.textContent);
  button.dataset.copied = "yes";
  setTimeout(() => delete button.dataset.copied, 1500);
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
