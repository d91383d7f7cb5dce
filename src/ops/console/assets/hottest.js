// The table of the hottest vendors, and the one of the sinks.

import { inWords, make, number, say } from "./format.js";

/** Shows rows of texts in a table, and makes new elements only where a row is new. */
function fill(body, rows, makeRow) {
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((row, index) => {
    if (index >= body.rows.length) body.append(makeRow());
    const cells = body.rows[index].cells;
    row.forEach((text, column) => say(cells[column].querySelector("button") ?? cells[column], text));
  });
}

export function showHottest(hottest, open) {
  const body = document.querySelector("#hottest tbody");
  const rows = hottest.map((it, index) => [
    String(index + 1),
    it.name ?? `vendor …${it.id.slice(-6)}`,
    it.product ?? "",
    number(it.lines_per_s),
    number(it.turns_per_s),
    number(it.waiting),
    inWords(it.wait_ms),
  ]);
  fill(body, rows, () => {
    const row = make("tr", "");
    const button = make("button", "");
    button.type = "button";
    button.addEventListener("click", () => open(row.dataset.vendor));
    row.append(
      make("td", "number"),
      make("td", "name", button),
      make("td", "wide"),
      make("td", "number"),
      make("td", "number wide"),
      make("td", "number"),
      make("td", "number"),
    );
    return row;
  });
  hottest.forEach((it, index) => {
    body.rows[index].dataset.vendor = it.id;
  });
  document.getElementById("hottest").hidden = hottest.length === 0;
  document.getElementById("no-hot").hidden = hottest.length > 0;
}

export function showSinks(sinks) {
  const body = document.querySelector("#sinks tbody");
  const rows = sinks.map((sink) => [
    sink.name,
    sink.down_because === null ? "● takes events" : `▲ ${sink.down_because}`,
    number(sink.published_per_s),
    number(sink.waiting),
    inWords(sink.oldest_s * 1000),
    number(sink.dead),
  ]);
  fill(body, rows, () => {
    const row = make("tr", "");
    row.append(make("td", ""), make("td", ""), ...[1, 2, 3, 4].map(() => make("td", "number")));
    return row;
  });
  sinks.forEach((sink, index) => {
    body.rows[index].cells[1].className = sink.down_because === null ? "well" : "bad";
  });
}
