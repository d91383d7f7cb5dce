// Takes the stream and hands every moment to the parts of the page.

import { showAudit } from "./audit.js";
import { drawCharts, forgetCharts, makeCharts } from "./charts.js";
import { showCheckout, showOrders } from "./checkout.js";
import { figures } from "./figures.js";
import { showFirstRow, showLost, showTitle } from "./first_row.js";
import { clock, inWords, number, say } from "./format.js";
import { showHottest, showSinks } from "./hottest.js";
import { choose, chosenPlace, countBusy, decode, describe, drawMap, forgetChoice, forgetColours, placeAt, showLegend } from "./map.js";
import { openVendor, prepareVendor } from "./vendor.js";

/** Without a moment for so long the connection counts as lost. */
const SILENT_AFTER_MS = 4000;
const OPEN_AGAIN_AFTER_MS = 1500;
/** A connection that was opened and stays silent is given up after so long: its other end may be gone. */
const GIVE_UP_AFTER_MS = 4000;

const byId = (id) => document.getElementById(id);
const canvas = byId("map");
let newest = null;
let heardAt = performance.now();
let lastMomentMs = null;
let source = null;
let openedAt = 0;
/** The files of the page that the service has. An upgrade has others. */
let page = null;
let isDrawing = false;

function open() {
  source?.close();
  openedAt = performance.now();
  source = new EventSource("/ops/stream");
  source.addEventListener("history", (event) => {
    heard();
    figures.begin(JSON.parse(event.data));
  });
  source.addEventListener("moment", (event) => {
    heard();
    const moment = JSON.parse(event.data);
    page ??= moment.page;
    if (moment.page !== page) {
      location.reload();
      return;
    }
    lastMomentMs = moment.at_ms;
    figures.add(moment);
    newest = moment;
    say(byId("connection"), "live");
    byId("connection").dataset.state = "live";
    document.body.classList.remove("stale");
    // The title is what is seen of a hidden tab.
    showTitle(moment.verdict);
    draw();
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
  if (newest !== null) showLost(lastMomentMs);
  newest = null;
}

/** Draws once with the next frame. A hidden tab has none, and would keep each request for one. */
function draw() {
  if (isDrawing || document.hidden) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    show();
  });
}

function show() {
  if (newest === null) return;
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
  showAudit(moment);
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
canvas.addEventListener("keydown", (event) => {
  const isEnter = event.key === "Enter" && chosenPlace() !== null;
  const place = isEnter ? chosenPlace() : choose(event.key);
  if (place === null) return;
  // The dialog's button has the focus by the time at which the key does what it does by itself.
  event.preventDefault();
  if (isEnter) openVendor(`at-${place}`);
  say(byId("map-tip"), describe(place));
  draw();
});
canvas.addEventListener("blur", () => {
  // A vendor's dialog gives the focus back, and the choice with it.
  if (document.querySelector("dialog[open]") !== null) return;
  forgetChoice();
  say(byId("map-tip"), "");
  draw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  forgetColours();
  forgetCharts();
  show();
});
document.addEventListener("visibilitychange", draw);
addEventListener("resize", draw);
setInterval(() => {
  const now = performance.now();
  if (now - heardAt <= SILENT_AFTER_MS) return;
  lost();
  if (now - openedAt > GIVE_UP_AFTER_MS) open();
}, 1000);
open();
