// The map of vendors' actors: a cell for each, its colour by the wait for a turn, its size by the depth of
// the mailbox. Idle actors are dots.

import { inWords, make, number } from "./format.js";

/** The steps of the colours: the longest wait of each, in milliseconds. */
const STEPS = [
  [1, "wait0", "no wait"],
  [10, "wait1", "up to 10 ms"],
  [100, "wait2", "up to 100 ms"],
  [1000, "wait3", "up to 1 s"],
  [Infinity, "wait4", "longer"],
];
const CELL_MAX = 44;
const CELL_MIN = 4;
const HEIGHT_MAX = 420;
/** The depth at which a cell is as large as it gets. */
const DEPTH_FULL = 8;

let colours = null;
let shown = null;

/** Reads the bytes of a map as it is sent. */
export function decode({ taken, busy, places, live }) {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return { live, places, taken: bytes(taken), busy: bytes(busy) };
}

export function waitOf(code) {
  return code === 0 ? 0 : 0.1 * 2 ** ((code - 1) / 8);
}

function stepOf(ms) {
  return STEPS.findIndex(([most]) => ms <= most);
}

export function forgetColours() {
  colours = null;
}

function palette() {
  if (colours === null) {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    colours = { steps: STEPS.map(([, name]) => read(name)), dot: read("dot"), ink: read("ink"), panel: read("panel") };
  }
  return colours;
}

/** Draws a decoded map, and numbers the hottest. The time that it took is left on the canvas. */
export function drawMap(canvas, map, hottest) {
  const began = performance.now();
  const width = canvas.clientWidth;
  const cell = Math.max(CELL_MIN, Math.min(CELL_MAX, Math.floor(Math.sqrt((width * HEIGHT_MAX) / Math.max(1, map.places)))));
  const across = Math.max(1, Math.floor(width / cell));
  const height = Math.max(60, Math.ceil(map.places / across) * cell);
  const scale = window.devicePixelRatio || 1;
  const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  const { steps, dot, ink, panel } = palette();
  const corner = (place) => [(place % across) * cell, Math.floor(place / across) * cell];

  const small = Math.max(1.5, cell * 0.22);
  const inset = (cell - small) / 2;
  context.fillStyle = dot;
  for (let place = 0; place < map.places; place++) {
    if ((map.taken[place >> 3] & (1 << (place & 7))) === 0) continue;
    context.fillRect((place % across) * cell + inset, Math.floor(place / across) * cell + inset, small, small);
  }
  const byStep = steps.map(() => []);
  for (let index = 0; index < map.busy.length; index += 4) {
    byStep[stepOf(waitOf(map.busy[index + 3]))].push(index);
  }
  byStep.forEach((cells, step) => {
    context.fillStyle = steps[step];
    for (const index of cells) {
      const place = map.busy[index] | (map.busy[index + 1] << 8);
      const depth = Math.min(map.busy[index + 2], DEPTH_FULL);
      const side = Math.max(small + 1, (cell - 1) * (0.45 + (0.55 * depth) / DEPTH_FULL));
      const [x, y] = corner(place);
      context.fillRect(x + (cell - side) / 2, y + (cell - side) / 2, side, side);
    }
  });
  number10(context, hottest, { corner, cell, ink, panel, width });
  shown = { map, across, cell };
  canvas.dataset.drawMs = (performance.now() - began).toFixed(2);
}

/** Writes the numbers of the hottest beside their cells, with a frame around each cell. */
function number10(context, hottest, { corner, cell, ink, panel, width }) {
  const size = Math.max(11, Math.min(15, cell * 0.45));
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.lineWidth = 1.5;
  hottest.forEach(({ place }, index) => {
    if (place === null) return;
    const [x, y] = corner(place);
    const text = String(index + 1);
    context.strokeStyle = ink;
    context.strokeRect(x + 0.75, y + 0.75, cell - 1.5, cell - 1.5);
    const inside = cell >= 20;
    const at = inside ? x + cell / 2 : x + cell + 3 > width - 14 ? x - 3 : x + cell + 3;
    context.textAlign = inside ? "center" : at < x ? "right" : "left";
    context.strokeStyle = panel;
    context.lineWidth = 3;
    context.strokeText(text, at, y + cell / 2 + 0.5);
    context.lineWidth = 1.5;
    context.fillStyle = ink;
    context.fillText(text, at, y + cell / 2 + 0.5);
  });
}

/** The place below a pointer; `null` if there is no actor. */
export function placeAt(canvas, event) {
  if (shown === null) return null;
  const box = canvas.getBoundingClientRect();
  const column = Math.floor((event.clientX - box.left) / shown.cell);
  const line = Math.floor((event.clientY - box.top) / shown.cell);
  const place = line * shown.across + column;
  if (column >= shown.across || place >= shown.map.places) return null;
  return shown.map.taken[place >> 3] & (1 << (place & 7)) ? place : null;
}

/** What a place shows, in words. */
export function describe(place) {
  const { busy } = shown.map;
  for (let index = 0; index < busy.length; index += 4) {
    if ((busy[index] | (busy[index + 1] << 8)) !== place) continue;
    const waiting = Math.max(0, busy[index + 2] - 1);
    return `${number(waiting)} waiting, a turn after ${inWords(waitOf(busy[index + 3]))}. Click for its orders and stock.`;
  }
  return "An idle actor. Click for its vendor.";
}

export function showLegend(list) {
  const entry = (className, text) => make("li", "", make("span", `box ${className}`), text);
  list.replaceChildren(
    entry("wait-idle", "idle"),
    ...STEPS.map(([, name, text]) => entry(name, text)),
    make("li", "", "larger: more wait for it"),
  );
}
