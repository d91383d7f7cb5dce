// Takes the stream and hands every moment to the parts of the page.

import { drawCharts, forgetCharts, makeCharts } from "./charts.js";
import { showCheckout, showOrders } from "./checkout.js";
import { figures } from "./figures.js";
import { showFirstRow } from "./first_row.js";
import { clock, inWords, number, say } from "./format.js";
import { showHottest, showSinks } from "./hottest.js";
import { countBusy, decode, describe, drawMap, forgetColours, placeAt, showLegend } from "./map.js";
import { openVendor, prepareVendor } from "./vendor.js";

/** Without a moment for so long the connection counts as lost. */
const SILENT_AFTER_MS = 4000;
const OPEN_AGAIN_AFTER_MS = 1500;

const byId = (id) => document.getElementById(id);
const canvas = byId("map");
let newest = null;
let heardAt = performance.now();
let lastMomentMs = null;
let source = null;

function open() {
  source = new EventSource("/ops/stream");
  source.addEventListener("history", (event) => {
    heard();
    figures.begin(JSON.parse(event.data));
  });
  source.addEventListener("moment", (event) => {
    heard();
    const moment = JSON.parse(event.data);
    lastMomentMs = moment.at_ms;
    figures.add(moment);
    newest = moment;
    say(byId("connection"), "live");
    byId("connection").dataset.state = "live";
    document.body.classList.remove("stale");
    requestAnimationFrame(show);
  });
  source.addEventListener("error", () => {
    lost();
    // A browser comes back by itself, except after an answer that was no stream.
    if (source.readyState === EventSource.CLOSED) setTimeout(open, OPEN_AGAIN_AFTER_MS);
  });
}

function heard() {
  heardAt = performance.now();
}

function lost() {
  const since = lastMomentMs === null ? "" : ` since ${clock(lastMomentMs)}`;
  say(byId("connection"), `connection lost${since}, trying again`);
  byId("connection").dataset.state = "lost";
  document.body.classList.add("stale");
}

function show() {
  // A hidden tab keeps the figures and draws nothing.
  if (newest === null || document.hidden) return;
  const moment = newest;
  say(byId("about"), `${moment.version} at ${location.host}, up for ${inWords(moment.at_ms - moment.began_at_ms)}`);
  showFirstRow(moment);
  const map = decode(moment.map);
  say(byId("map-count"), `${number(map.live)} live, ${number(countBusy(map))} at work`);
  drawMap(canvas, map, moment.hottest);
  showHottest(moment.hottest, openVendor);
  showSinks(moment.sinks);
  showCheckout(moment);
  showOrders(moment);
  makeCharts(moment.sinks.map((sink) => sink.name));
  drawCharts();
  document.body.dataset.shownAt = String(moment.at_ms);
}

showLegend(byId("map-legend"));
prepareVendor();
canvas.addEventListener("click", (event) => {
  const place = placeAt(canvas, event);
  if (place !== null) openVendor(`at-${place}`);
});
canvas.addEventListener("pointermove", (event) => {
  const place = placeAt(canvas, event);
  say(byId("map-tip"), place === null ? "" : describe(place));
});
canvas.addEventListener("pointerleave", () => say(byId("map-tip"), ""));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  forgetColours();
  forgetCharts();
  show();
});
document.addEventListener("visibilitychange", show);
addEventListener("resize", () => requestAnimationFrame(show));
setInterval(() => {
  if (performance.now() - heardAt > SILENT_AFTER_MS) lost();
}, 1000);
open();
