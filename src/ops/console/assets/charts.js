// The charts of the last quarter of an hour.

import { figures } from "./figures.js";
import { clock, make, number, say, short, words } from "./format.js";

const HEIGHT = 130;
const WINDOW_S = 15 * 60;
const DASHES = [[], [7, 4], [2, 3], [], [10, 3, 2, 3], [1, 4]];
/** A chart has a colour and a dash for so many lines. */
const LINES_MAX = DASHES.length;
const OTHERS = ["key_reused", "cart_not_found", "already_converted", "forbidden", "cart_expired", "cart_changed", "invalid", "stock_changed"];

const one = (name, label) => ({ label, read: () => figures.column(name) });
const many = (names, label) => ({ label, read: () => figures.sum(names) });

/** A line for each sink; if there are too many, the last of these lines is the sum of the rest. */
function bySink(sinks, figure, suffix, most) {
  const own = sinks.length > most ? sinks.slice(0, most - 1) : sinks;
  const rest = sinks.slice(own.length);
  const names = (some) => some.map((sink) => `sink.${sink}.${figure}`);
  return [
    ...own.map((sink) => one(...names([sink]), `${sink}${suffix}`)),
    ...(rest.length > 0 ? [many(names(rest), `${rest.length} others${suffix}`)] : []),
  ];
}

/** The charts: a title, a unit, the lines. */
function definitions(sinks) {
  const lines = (label, ...names) => many(names.map((name) => `lines.${name}`), label);
  return [
    ["Checkouts a second", [
      one("checkouts.created", "created"),
      one("checkouts.replayed", "replayed"),
      many(OTHERS.map((name) => `checkouts.${name}`), "refused by rules"),
      many(["checkouts.overloaded", "checkouts.unavailable", "checkouts.failed"], "overload or failure"),
    ]],
    ["Time of a checkout, ms", [one("latency.p50_ms", "half within"), one("latency.p99_ms", "99 of 100 within")]],
    ["Lines rejected a second", [
      lines("no stock", "insufficient_inventory", "filled_rest"),
      lines("product gone", "product_unavailable"),
      lines("vendor not eligible", "vendor_license_invalid", "vendor_subscription_inactive", "vendor_state_mismatch"),
      lines("order incomplete", "vendor_order_incomplete"),
      lines("purchase limit", "purchase_limit_reached"),
    ]],
    ["Waiting checkouts", [
      one("queue.depth", "in the queue"),
      one("queue.set_aside", "set aside"),
      one("queue.slow_lane", "slow lane"),
      one("vendors.depth", "transactions at vendors"),
    ]],
    ["Checkouts per batch", [one("batch.size", "average")]],
    ["Connections to PostgreSQL in use", ["checkout", "carts", "orders", "inventory", "http"].map((pool) => one(`pool.${pool}`, pool))],
    ["Replays a second, by source", [one("replays.redis", "Redis"), one("replays.postgresql", "PostgreSQL")]],
    ["Events published a second", bySink(sinks, "published", "", LINES_MAX)],
    ["Events waiting and dead letters", [
      ...bySink(sinks, "waiting", " waiting", LINES_MAX - 1),
      many(sinks.map((sink) => `sink.${sink}.dead`), "dead letters"),
    ]],
    ["Started again a second", [one("batch.stock_moved", "stock moved"), one("batch.retries", "retries alone"), one("redis.failures", "Redis failures")]],
    ["Refused a second, by reason", ["queue_full", "would_wait_too_long", "waited_too_long", "too_many_set_aside", "draining"].map((reason) => one(`refused.${reason}`, words(reason)))],
    ["Orders moved a second", [
      many(["orders.accepted", "orders.partially_accepted"], "accepted"),
      one("orders.rejected", "rejected"),
      one("orders.fulfilled", "fulfilled"),
      one("orders.canceled", "canceled"),
      one("orders.expired", "expired"),
    ]],
  ];
}

let charts = [];
let sinkNames = "";

/** Makes the charts, again if the sinks or the colours are others. */
export function makeCharts(sinks) {
  const names = sinks.join();
  if (charts.length > 0 && names === sinkNames) return;
  sinkNames = names;
  const box = document.getElementById("charts");
  charts.forEach((chart) => chart.plot.destroy());
  box.replaceChildren();
  charts = definitions(sinks).map(([title, lines]) => makeChart(box, title, lines));
}

export function forgetCharts() {
  sinkNames = "";
}

function makeChart(box, title, lines) {
  const frame = make("figure", "chart", make("figcaption", "", title));
  const plotBox = make("div", "plot");
  plotBox.setAttribute("aria-hidden", "true");
  const values = lines.map(() => make("b", ""));
  const legend = make("ul", "legend", ...lines.map((line, index) => make("li", "", make("span", `stroke s${index + 1}`), line.label, values[index])));
  frame.append(legend, plotBox);
  box.append(frame);
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const axis = { stroke: colour("quiet"), font: "11px system-ui, sans-serif", grid: { stroke: colour("faint"), width: 1 }, ticks: { show: false } };
  const chart = { lines, values, frame, plot: null, hovered: null };
  chart.plot = new uPlot({
    width: Math.max(200, frame.clientWidth - 26),
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, sync: { key: "console" }, points: { size: 5 }, drag: { x: false, y: false } },
    scales: {
      x: { time: true, range: () => { const now = figures.at.at(-1) ?? Date.now() / 1000; return [now - WINDOW_S, now]; } },
      y: { range: (_, __, most) => [0, Math.max(most === null ? 0 : most * 1.12, 1)] },
    },
    axes: [
      { ...axis, size: 22, space: 70, values: (_, times) => times.map((at) => clock(at * 1000).slice(0, 5)) },
      { ...axis, size: 44, space: 28, values: (_, numbers) => numbers.map(short) },
    ],
    series: [{}, ...lines.map((line, index) => ({ label: line.label, stroke: colour(`c${index + 1}`), width: index === 3 ? 2.5 : 1.6, dash: DASHES[index], points: { show: false } }))],
    hooks: { setCursor: [(plot) => { chart.hovered = plot.cursor.idx; tell(chart); }] },
  }, [figures.at, ...lines.map((line) => line.read())], plotBox);
  return chart;
}

/** Writes the values at the pointer, or the newest ones, beside the names of the lines. */
function tell(chart) {
  if (chart.plot === null) return;
  const index = chart.hovered ?? figures.at.length - 1;
  chart.values.forEach((value, line) => say(value, number(chart.plot.data[line + 1]?.[index])));
}

export function drawCharts() {
  for (const chart of charts) {
    const width = Math.max(200, chart.frame.clientWidth - 26);
    if (Math.abs(width - chart.plot.width) > 1) chart.plot.setSize({ width, height: HEIGHT });
    chart.plot.setData([figures.at, ...chart.lines.map((line) => line.read())]);
    tell(chart);
  }
}
