// The chart of visits and clicks by day (uPlot). The same figures are in a table on the page.

import { colour } from "./colour.js";

/* global uPlot */

const HEIGHT = 240;
const root = document.documentElement;
const numbers = new Intl.NumberFormat(root.lang);
const short = new Intl.NumberFormat(root.lang, { notation: "compact" });
const named = new Intl.DateTimeFormat(root.lang, { day: "numeric", month: "short", timeZone: "UTC" });
const place = document.getElementById("chart");
const at = document.getElementById("chart-at");
const [days, visits, clicks] = JSON.parse(place.dataset.chart);
const names = days.map((day) => named.format(new Date(`${day}T00:00:00Z`)));

/** Show the figures of a day under the pointer. */
function tell(index) {
  at.textContent = index == null ? "" : `${names[index]}: ${numbers.format(visits[index])} / ${numbers.format(clicks[index])}`;
}

function options() {
  const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
  const line = { width: 2, points: { show: days.length < 40, size: 5 } };
  return {
    width: place.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: false }, y: { range: (_, __, most) => [0, Math.max(4, most * 1.05)] } },
    axes: [
      { ...axis, size: 32, space: 70, incrs: [1, 2, 7, 14, 30, 60, 120, 365], values: (_, splits) => splits.map((one) => names[one] ?? "") },
      { ...axis, size: 50, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6], values: (_, splits) => splits.map((one) => short.format(one)) },
    ],
    series: [
      {},
      { ...line, stroke: colour("visits"), dash: [8, 4] },
      { ...line, stroke: colour("clicks"), fill: colour("clicks", 0.13) },
    ],
    hooks: { setCursor: [(one) => tell(one.cursor.idx)] },
  };
}

let plot = null;
function draw() {
  plot?.destroy();
  plot = new uPlot(options(), [days.map((_, index) => index), visits, clicks], place);
}

if (days.length > 1) {
  draw();
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
} else {
  place.hidden = true;
}
