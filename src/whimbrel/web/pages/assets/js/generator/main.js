// The request generator: what is typed becomes code and a dry run; it can be sent, shared and filled.

import { Code } from "./code.js";
import { emptyDraft, fromRequest, toRequest } from "./draft.js";
import { DryRuns } from "./dry_run.js";
import { readDraft, watchForm, writeDraft } from "./form.js";
import { fromFragment, toFragment } from "./fragment.js";
import { showCounts, showPreview } from "./preview.js";
import { sendOnClick } from "./sending.js";
import { showAsking, showIdle, showVerdict } from "./verdict.js";
import { say } from "./words.js";

const form = document.getElementById("generator");
const share = document.getElementById("share");
const NOTHING = JSON.stringify(toRequest(emptyDraft()));
const readRequest = () => toRequest(readDraft());
const code = new Code(readRequest);

const dryRuns = new DryRuns((answer, loginRefused) => {
  const links = answer?.ok ? answer.body.links : [];
  showVerdict(answer, document.getElementById("login").value, loginRefused);
  showPreview(answer?.ok ? answer.body : null);
  showCounts(links);
});

function changed() {
  code.show();
  if (JSON.stringify(readRequest()) === NOTHING) return showIdle();
  showAsking();
  return dryRuns.soon(readRequest);
}

function fill(request) {
  writeDraft(fromRequest(request));
  changed();
}

watchForm(changed);
sendOnClick(readRequest);
form.addEventListener("change", changed);
form.addEventListener("focusout", (event) => { event.target.dataset.left = "yes"; });

share.addEventListener("click", async () => {
  const link = new URL(location.href);
  link.hash = toFragment(readRequest());
  history.replaceState(null, "", link);
  await navigator.clipboard.writeText(link.href);
  share.dataset.copied = "yes";
  setTimeout(() => delete share.dataset.copied, 1500);
});

document.getElementById("fill").addEventListener("click", () => {
  const note = document.getElementById("paste-note");
  try {
    const request = JSON.parse(document.getElementById("paste").value);
    if (typeof request !== "object" || request === null) throw new SyntaxError();
    fill(request);
    note.textContent = say("filled");
  } catch {
    note.textContent = say("notJson");
  }
});

function fillFromAddress() {
  const shared = fromFragment(location.hash);
  if (shared) fill(shared);
  return shared !== null;
}

addEventListener("hashchange", fillFromAddress);
if (!fillFromAddress()) {
  writeDraft(emptyDraft());
  changed();
}
