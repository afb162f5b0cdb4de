// The overview as it changes: one stream of server-sent events, while somebody looks at the page.

import { drawChart, fillTable } from "./chart.js";

const RETRY_MS = 30_000;
const tiles = document.getElementById("tiles");
const tables = document.getElementById("tables");
const state = document.getElementById("live-state");
const chart = drawChart(document.getElementById("chart"));
let stream = null;

/** Put a part in the place of the one before; who stands in it by the keyboard, stays there. */
function replace(place, html) {
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  const regions = [...place.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  place.innerHTML = html;
  place.querySelectorAll(".scroll").forEach((one, index) => { one.scrollLeft = regions[index] ?? 0; });
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

/** Say how it stands, where it has changed: a screen reader reads it out. */
function tell(name) {
  const kind = name === "live" ? "live" : "lost";
  if (state.dataset.state === kind && !state.hidden) return;
  state.hidden = false;
  state.dataset.state = kind;
  state.textContent = state.dataset[name];
}

function begin() {
  if (stream || document.hidden) return;
  stream = new EventSource(tiles.dataset.liveUrl);
  stream.addEventListener("tiles", (event) => {
    tell("live");
    replace(tiles, event.data);
  });
  stream.addEventListener("tables", (event) => {
    // Not under the hand of somebody who is selecting a part of it.
    if (!tables.contains(getSelection()?.anchorNode) || getSelection().isCollapsed) {
      replace(tables, event.data);
    }
  });
  stream.addEventListener("chart", (event) => {
    const data = JSON.parse(event.data);
    chart.update(data);
    fillTable(document.getElementById("series"), data);
  });
  stream.addEventListener("signed-out", () => location.reload());
  stream.addEventListener("error", () => {
    const refused = stream.readyState === EventSource.CLOSED;
    tell(refused ? "full" : "lost");
    if (!refused) return; // it tries again by itself
    end();
    setTimeout(begin, RETRY_MS);
  });
}

function end() {
  stream?.close();
  stream = null;
}

// A page that nobody sees takes no connection: browsers have few of them.
document.addEventListener("visibilitychange", () => (document.hidden ? end() : begin()));
addEventListener("pagehide", end);
addEventListener("pageshow", begin);
begin();
