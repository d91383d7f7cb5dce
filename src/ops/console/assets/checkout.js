// The way of a checkout: where the time of the last minute went, and the batches and lanes on the way.

import { figures } from "./figures.js";
import { inWords, make, number, say, words } from "./format.js";

/** What each stage is: waiting, PostgreSQL, Redis, own work, or unknown. */
const KINDS = {
  queue: "waiting", retries: "waiting", turns: "waiting",
  begin: "database", reads: "database", writes: "database", reservation: "database", commit: "database",
  redis: "redis", rendering: "work", rest: "other",
};
/** Why a batch was closed. */
const CLOSED = { idle: "no other ran", enough: "enough waited", full: "full", others_slow: "others slow" };
const byId = (id) => document.getElementById(id);

export function showCheckout(moment) {
  showWay(moment.last_minute);
  showBatches(moment.last_minute);
  showLanes(moment);
}

/** Rows with a name, a bar and texts. Elements are made once. */
function showRows(box, rows, isShort) {
  while (box.children.length > rows.length) box.lastChild.remove();
  rows.forEach(({ name, kind, share, texts }, index) => {
    let row = box.children[index];
    if (!row) {
      const bar = make("div", "gauge", make("span", ""));
      row = make("div", isShort ? "row short" : "row", make("span", ""), bar, ...texts.map((_, nr) => make("span", nr === 0 ? "value" : "part")));
      box.append(row);
    }
    say(row.children[0], name);
    const bar = row.querySelector(".gauge span");
    bar.className = kind;
    bar.style.width = `${(share * 100).toFixed(1)}%`;
    texts.forEach((text, nr) => say(row.children[nr + 2], text));
  });
}

function showWay({ stages, timed }) {
  const total = stages.reduce((sum, stage) => sum + stage.value, 0);
  const answered = Math.max(1, Math.round(timed));
  say(byId("way-total"), total > 0 ? `last minute, ${inWords((total / answered) * 1000)} on average` : "nothing in the last minute");
  const bar = byId("way-bar");
  while (bar.children.length < stages.length) bar.append(make("span", ""));
  stages.forEach(({ name, value }, index) => {
    bar.children[index].className = value > 0 ? (KINDS[name] ?? "other") : "none";
    bar.children[index].style.flexGrow = total > 0 ? (value / total).toFixed(4) : "0";
  });
  const most = Math.max(1e-9, ...stages.map((stage) => stage.value));
  showRows(byId("way-rows"), stages.map(({ name, value }) => ({
    name: words(name),
    kind: KINDS[name] ?? "other",
    share: value / most,
    texts: [total > 0 ? inWords((value / answered) * 1000) : "–", total > 0 ? `${((value / total) * 100).toFixed(0)} %` : ""],
  })));
}

function showBatches({ batch_sizes: sizes, closed }) {
  const batches = sizes.reduce((sum, it) => sum + it.value, 0);
  say(byId("batches-total"), batches > 0 ? `last minute, ${number(Math.round(batches))}` : "none in the last minute");
  showShares(byId("batch-sizes"), sizes, (name, index) => (index > 1 && name !== "more" ? `up to ${name}` : name));
  showShares(byId("batch-closed"), closed, (name) => CLOSED[name] ?? words(name));
}

function showShares(box, shares, naming) {
  const total = Math.max(1e-9, shares.reduce((sum, it) => sum + it.value, 0));
  showRows(box, shares.map(({ name, value }, index) => ({
    name: naming(name, index),
    kind: "database",
    share: value / total,
    texts: [total > 1e-6 ? `${((value / total) * 100).toFixed(0)} %` : "–"],
  })), true);
}

/** Named numbers; those that need attention are marked. */
export function showFacts(list, facts) {
  while (list.children.length > facts.length) list.lastChild.remove();
  while (list.children.length < facts.length) list.append(make("div", "", make("dt", ""), make("dd", "")));
  facts.forEach(([name, value, attention], index) => {
    const entry = list.children[index];
    say(entry.children[0], name);
    say(entry.children[1], value);
    entry.className = attention ? "attention" : "";
  });
}

function showLanes({ figures: now, limits }) {
  showFacts(byId("lanes"), [
    ["Slots in use", `${number(now["queue.running"])} of ${number(limits.slots)}`],
    ["Overdue", number(now["queue.overdue"]), now["queue.overdue"] > 0],
    ["In the slow lane", number(now["queue.slow_lane"])],
    ["Set aside", number(now["queue.set_aside"]), now["queue.set_aside"] > 0],
    ["Busy rows", number(now["rows.held"]), now["rows.held"] > 0],
    ["Wait at vendors", number(now["vendors.depth"])],
  ]);
}

export function showOrders({ figures: now }) {
  const total = (...statuses) => statuses.reduce((sum, status) => sum + figures.total(`orders.${status}`), 0);
  const count = (...statuses) => number(Math.round(total(...statuses)));
  showFacts(byId("orders"), [
    ["Decided", count("accepted", "partially_accepted", "rejected")],
    ["Fulfilled", count("fulfilled")],
    ["Canceled", count("canceled")],
    ["Expired", count("expired")],
    ["Wait for a decision", number(now["orders.undecided"])],
    ["The oldest for", inWords((now["orders.undecided_s"] ?? 0) * 1000)],
    ["Moves waiting", number(now["orders.queue"])],
    ["Late orders waiting", number(now["expiry.waiting"]), now["expiry.waiting"] > 0],
    ["Latest by", inWords((now["expiry.overdue_s"] ?? 0) * 1000), now["expiry.overdue_s"] > 300],
    ["Webhooks waiting", number(now["webhooks.waiting"])],
  ]);
}
