// The details of one vendor, in a dialog that is kept current while it is open.

import { clock, inWords, make, number, say, words } from "./format.js";

const AGAIN_AFTER_MS = 2000;
const byId = (id) => document.getElementById(id);

let timer = null;
let asked = null;

/** Opens the details: `named` is a vendor's id, or `at-17` for the vendor at a place of the map. */
export function openVendor(named) {
  asked = named;
  say(byId("vendor-name"), "Vendor");
  say(byId("vendor-id"), "");
  byId("vendor-body").replaceChildren(make("p", "quiet", "Asking PostgreSQL …"));
  if (!byId("vendor").open) byId("vendor").showModal();
  refresh(named);
}

export function prepareVendor() {
  byId("vendor-close").addEventListener("click", () => byId("vendor").close());
  byId("vendor").addEventListener("close", () => {
    asked = null;
    clearTimeout(timer);
  });
}

async function refresh(named) {
  clearTimeout(timer);
  let details;
  try {
    const answer = await fetch(`/ops/vendors/${encodeURIComponent(named)}`);
    details = await answer.json();
  } catch {
    details = { error: { message: "The service does not answer." } };
  }
  if (asked !== named) return;
  if (details.error) {
    byId("vendor-body").replaceChildren(make("p", "", details.error.message));
  } else {
    // The place may be another vendor's by the next time.
    asked = details.id;
    show(details);
  }
  const again = asked;
  timer = setTimeout(() => refresh(again), AGAIN_AFTER_MS);
}

function show({ id, name, product, now, outcomes, products, orders }) {
  say(byId("vendor-name"), name ?? "A vendor without a name");
  say(byId("vendor-id"), product ? `${id}, ordered most: ${product}` : id);
  const facts = make("dl", "facts", ...[
    ["Waiting", now ? number(Math.max(0, now.depth - 1)) : "–"],
    ["Wait for a turn", now ? inWords(now.wait_ms) : "–"],
    ["Lines a second", now ? number(now.lines_per_s) : "–"],
    ["Turns a second", now ? number(now.turns_per_s) : "–"],
  ].map(([label, value]) => make("div", "", make("dt", "", label), make("dd", "", value))));
  const lines = outcomes.reduce((sum, it) => sum + it.lines, 0);
  byId("vendor-body").replaceChildren(
    facts,
    make("h3", "", `Lines of its newest orders (${number(lines)})`),
    table(["Outcome", "Lines"], outcomes.map((it) => [it.rejection_reason ? words(it.rejection_reason) : "reserved", number(it.lines)])),
    make("h3", "", "Its products that were ordered most"),
    table(["Product", "Lines", "Available", "Reserved"], products.map((it) => [it.title, number(it.lines), number(it.available_qty), number(it.reserved_qty)])),
    make("h3", "", "Its newest orders"),
    table(["Placed at", "Status", "Lines", "Total"], orders.map((it) => [clock(Date.parse(it.created_at)), words(it.status), number(it.lines), it.total])),
  );
}

function table(heads, rows) {
  if (rows.length === 0) return make("p", "quiet", "none");
  const align = (index) => (index === 0 || (heads[index] === "Status") ? "" : "number");
  const head = heads.map((text, index) => {
    const cell = make("th", align(index), text);
    cell.scope = "col";
    return cell;
  });
  return make("table", "",
    make("thead", "", make("tr", "", ...head)),
    make("tbody", "", ...rows.map((row) => make("tr", "", ...row.map((text, index) => make("td", align(index), text))))));
}
