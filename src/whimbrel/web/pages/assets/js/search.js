// Leaves out of a search's address what was not filled in, so that it is short enough to share.

document.addEventListener("htmx:configRequest", (event) => {
  if (!event.target.matches("form.search")) return;
  const fields = event.detail.parameters;
  for (const [name, value] of Object.entries(fields)) {
    if (value === "") delete fields[name];
  }
  if (!fields.from && !fields.to) delete fields.zone;
});
