// The verdict and the tiles below it.

import { clock, duration, inWords, make, number, say } from "./format.js";

const MARKS = { well: "●", warning: "▲", bad: "■" };
const STATES = { well: "All is well.", warning: "Something needs attention.", bad: "Checkouts are affected." };
const byId = (id) => document.getElementById(id);

let announcedState = null;
let announcedProblems = "";

export function showFirstRow(moment) {
  showVerdict(moment);
  showTiles(moment);
}

function showVerdict({ verdict, at_ms: now }) {
  const { state, text, since_ms: since, problems } = verdict;
  byId("verdict").dataset.state = state;
  say(byId("mark"), MARKS[state]);
  say(byId("sentence"), text);
  say(byId("since"), `${state === "well" ? "Well" : "So"} since ${clock(since)} (${inWords(now - since)})`);
  const list = byId("problems");
  const lines = problems.map(({ text, since_ms: began, state }) => `${MARKS[state]} ${text}, since ${clock(began)}`);
  // One problem is in the sentence already.
  const shown = problems.length > 1 ? lines : [];
  const wanted = shown.join("\n");
  if (list.dataset.shown !== wanted) {
    list.dataset.shown = wanted;
    list.replaceChildren(...shown.map((line) => make("li", "", line)));
  }
  // A screen reader hears of changes of the state, not of every second's rate.
  const keys = problems.map((problem) => problem.key).join();
  if (state !== announcedState || keys !== announcedProblems) {
    announcedState = state;
    announcedProblems = keys;
    byId("announced").textContent = [STATES[state], ...problems.map((problem) => problem.text)].join(" ");
  }
}

/** The title of the tab. */
export function showTitle({ state, text }) {
  document.title = `${MARKS[state]} splitcart: ${text}`;
}

/** Nothing is known any more: what was last known must not look like the present. */
export function showLost(since) {
  const text = `Nothing is known since ${clock(since)}: the connection to the service is lost`;
  byId("verdict").dataset.state = "none";
  say(byId("mark"), "✕");
  say(byId("sentence"), text);
  say(byId("since"), "");
  byId("problems").replaceChildren();
  byId("problems").dataset.shown = "";
  byId("announced").textContent = text;
  document.title = `✕ splitcart: ${text}`;
  announcedState = null;
}

function tile(id, value, state, unit = "") {
  const element = byId(id);
  if (element.dataset.shown !== value + unit) {
    element.dataset.shown = value + unit;
    element.replaceChildren(value, ...(unit ? [make("small", "", ` ${unit}`)] : []));
  }
  element.closest(".tile").dataset.state = state;
}

function showTiles({ headline, limits, sinks, postgresql, redis, verdict }) {
  const has = (key) => verdict.problems.find((problem) => problem.key === key)?.state;
  tile("t-rate", number(headline.created_per_s), "none");
  tile("t-p50", ...withState(headline.p50_ms, "none"));
  tile("t-p99", ...withState(headline.p99_ms, has("slow") ?? "none"));
  tile("t-refused", number(headline.refused_per_s), headline.refused_per_s > 0 ? "bad" : "none");
  tile("t-failed", number(headline.failed_per_s), headline.failed_per_s > 0 ? "bad" : "none");
  tile("t-queue", number(headline.queue_depth), has("queue") ?? has("stalled") ?? "none");
  say(byId("t-queue-max"), `of at most ${number(limits.queue_max)}`);
  const oldest = Math.max(0, ...sinks.map((sink) => sink.oldest_s));
  const waiting = sinks.reduce((sum, sink) => sum + sink.waiting, 0);
  const troubled = verdict.problems.some((problem) => problem.key.startsWith("sink "));
  tile("t-outbox", ...withState(oldest * 1000, troubled ? "warning" : "none"));
  say(byId("t-outbox-count"), `${number(waiting)} waiting`);
  server("t-postgresql", postgresql, "bad");
  server("t-redis", redis, "warning");
}

function withState(ms, state) {
  const [value, unit] = duration(ms);
  return [value, state, unit];
}

function server(id, { problem, since_ms: since }, bad) {
  if (problem === null) tile(id, "● answers", "well");
  else tile(id, `${MARKS[bad]} ${problem}, since ${clock(since)}`, bad);
}
