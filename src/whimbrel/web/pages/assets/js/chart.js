// The chart of messages over time (uPlot), its legend, and the table with the same figures.

import { colour } from "./colour.js";

/* global uPlot */

const KINDS = ["accepted", "submitted", "delivered", "read", "failed"];
const DASHES = { submitted: [8, 4], read: [2, 4], failed: [10, 3, 2, 3] };
const HEIGHT = 260;
const DAY = 86_400_000;

const root = document.documentElement;
const language = root.lang;
const zone = document.querySelector("[data-zone]")?.dataset.zone ?? "UTC";
const numbers = new Intl.NumberFormat(language);
const short = new Intl.NumberFormat(language, { notation: "compact" });

function times(options) {
  return new Intl.DateTimeFormat(language, { timeZone: zone, hourCycle: "h23", ...options });
}

const clock = times({ hour: "2-digit", minute: "2-digit" });
const day = times({ day: "numeric", month: "short" });
const exact = times({ dateStyle: "medium", timeStyle: "short" });
// As the page itself writes moments.
const machine = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });

/** Return the axis' labels: days where the range is of days, else times. */
function labels(splits, span) {
  let before = "";
  return splits.map((second) => {
    const date = new Date(second * 1000);
    if (span > 2 * DAY) {
      const shown = day.format(date);
      if (shown === before) return "";
      before = shown;
      return shown;
    }
    const time = clock.format(date);
    return time === "00:00" ? day.format(date) : time;
  });
}

/**
 * Draw the chart of `place`, whose data is in its attribute.
 * @returns {{update: (data: number[][]) => void}}
 */
export function drawChart(place) {
  let data = JSON.parse(place.dataset.chart);
  const buttons = [...document.querySelectorAll(".legend button")];
  const at = document.getElementById("chart-at");
  const hidden = new Set();
  let plot = null;

  function showAt(index) {
    at.textContent = index == null ? "" : exact.format(new Date(data[0][index] * 1000));
    buttons.forEach((button, line) => {
      button.querySelector(".at").textContent = index == null ? "" : numbers.format(data[line + 1][index]);
    });
  }

  function options() {
    const quiet = colour("quiet");
    const axis = { stroke: quiet, grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    const span = (data[0].at(-1) - data[0][0]) * 1000;
    return {
      width: place.clientWidth,
      height: HEIGHT,
      tzDate: (second) => uPlot.tzDate(new Date(second * 1000), zone),
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { y: { range: (_, __, most) => [0, Math.max(4, most * 1.05)] } },
      axes: [
        { ...axis, space: 70, values: (_, splits) => labels(splits, span) },
        { ...axis, size: 56, incrs: [1, 2, 5].flatMap((n) => [...Array(9).keys()].map((e) => n * 10 ** e)).sort((a, b) => a - b), values: (_, splits) => splits.map((one) => short.format(one)) },
      ],
      series: [
        {},
        ...KINDS.map((kind, index) => ({
          show: !hidden.has(index),
          stroke: colour(kind),
          width: 2,
          dash: DASHES[kind],
          points: { show: false },
        })),
      ],
      hooks: { setCursor: [(one) => showAt(one.cursor.idx)] },
    };
  }

  function draw() {
    plot?.destroy();
    plot = new uPlot(options(), data, place);
  }

  buttons.forEach((button, index) => {
    button.disabled = false;
    button.addEventListener("click", () => {
      const shown = hidden.delete(index) || !hidden.add(index);
      button.setAttribute("aria-pressed", String(shown));
      plot.setSeries(index + 1, { show: shown });
    });
  });
  draw();
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  return {
    update(fresh) {
      data = fresh;
      plot.setData(data);
    },
  };
}

/** Write the figures into the table of `box`, while it is open. */
export function fillTable(box, data) {
  box.data = data;
  box.ontoggle ??= () => fillTable(box, box.data);
  if (!box.open) return;
  const rows = data[0].map((second, index) => {
    const row = document.createElement("tr");
    const head = row.appendChild(document.createElement("th"));
    head.scope = "row";
    head.textContent = machine.format(new Date(second * 1000));
    for (const line of data.slice(1)) {
      const cell = row.appendChild(document.createElement("td"));
      cell.className = "number";
      cell.textContent = numbers.format(line[index]);
    }
    return row;
  });
  box.querySelector("tbody").replaceChildren(...rows.reverse());
}
