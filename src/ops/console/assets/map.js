// The map of vendors' actors: a cell for each, its colour by the wait for a turn, its size by what is asked
// of the vendor: lines a second, and transactions that wait. Idle actors are dots.

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
/** The bytes of a busy actor in a map. */
const BUSY_BYTES = 5;
/** A waiting transaction makes a vendor as hot as so many lines a second, here as in the service. */
const LINES_PER_WAITING = 20;
/** The heat at which a cell is as large as it gets. */
const HEAT_FULL = 100;

let colours = null;
let shown = null;
/** The place that was chosen by keys. */
let chosen = null;

/** Reads the bytes of a map as it is sent. */
export function decode({ taken, busy, places, live }) {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return { live, places, taken: bytes(taken), busy: bytes(busy) };
}

/** The value of a step of a logarithmic scale. */
function valueOf(step, from) {
  return step === 0 ? 0 : from * 2 ** ((step - 1) / 8);
}

/** The wait in milliseconds of the busy actor at an index of the bytes. */
function waitAt(busy, index) {
  return valueOf(busy[index + 3], 0.1);
}

function heatAt(busy, index) {
  return valueOf(busy[index + 4], 0.1) + Math.max(0, busy[index + 2] - 1) * LINES_PER_WAITING;
}

/** The number of busy actors. */
export function countBusy(map) {
  return map.busy.length / BUSY_BYTES;
}

function stepOf(ms) {
  return STEPS.findIndex(([most]) => ms <= most);
}

export function forgetColours() {
  colours = null;
}

/** A colour such as `#1f6fd1` as a pixel: red in the lowest byte, and opaque. */
function pixel(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

function palette() {
  if (colours === null) {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    colours = { steps: STEPS.map(([, name]) => pixel(read(name))), dot: pixel(read("dot")), ink: read("ink"), panel: read("panel") };
  }
  return colours;
}

/** The pixels of the canvas, kept between two drawings. */
let pixels = null;

/** Draws a decoded map, and numbers the hottest. Pixels are set one by one: ten thousand rectangles of the
 * canvas would take longer than a frame. */
export function drawMap(canvas, map, hottest) {
  const width = canvas.clientWidth;
  const cell = Math.max(CELL_MIN, Math.min(CELL_MAX, Math.floor(Math.sqrt((width * HEIGHT_MAX) / Math.max(1, map.places)))));
  const across = Math.max(1, Math.floor(width / cell));
  const height = Math.max(60, Math.ceil(map.places / across) * cell);
  const scale = window.devicePixelRatio || 1;
  const [wide, high] = [Math.max(1, Math.round(width * scale)), Math.round(height * scale)];
  const context = canvas.getContext("2d");
  if (canvas.width !== wide || canvas.height !== high || pixels === null) {
    canvas.width = wide;
    canvas.height = high;
    canvas.style.height = `${height}px`;
    pixels = context.createImageData(wide, high);
  }
  const { steps, dot, ink, panel } = palette();
  const points = new Uint32Array(pixels.data.buffer);
  points.fill(0);
  /** Fills a square in the middle of the cell at a place. */
  const fill = (place, side, colour) => {
    const length = Math.max(1, Math.round(side * scale));
    const inset = (cell * scale - length) / 2;
    const left = Math.round((place % across) * cell * scale + inset);
    const top = Math.round(Math.floor(place / across) * cell * scale + inset);
    for (let line = top; line < top + length; line++) {
      points.fill(colour, line * wide + left, Math.min((line + 1) * wide, line * wide + left + length));
    }
  };
  const small = Math.max(1.5, cell * 0.22);
  for (let place = 0; place < map.places; place++) {
    if ((map.taken[place >> 3] & (1 << (place & 7))) !== 0) fill(place, small, dot);
  }
  const { busy } = map;
  for (let index = 0; index < busy.length; index += BUSY_BYTES) {
    const heat = Math.min(1, Math.log2(1 + heatAt(busy, index)) / Math.log2(1 + HEAT_FULL));
    const side = Math.max(small + 1, (cell - 2) * (0.35 + 0.65 * heat));
    fill(busy[index] | (busy[index + 1] << 8), side, steps[stepOf(waitAt(busy, index))]);
  }
  context.putImageData(pixels, 0, 0);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  const corner = (place) => [(place % across) * cell, Math.floor(place / across) * cell];
  writeNumbers(context, hottest, { corner, cell, ink, panel, width });
  if (chosen !== null) frame(context, corner(chosen), { cell, ink });
  shown = { map, across, cell };
}

/** Draws a frame around the cell that was chosen, unlike those of the hottest. */
function frame(context, [x, y], { cell, ink }) {
  context.strokeStyle = ink;
  context.lineWidth = 3;
  context.setLineDash([4, 3]);
  context.strokeRect(x + 1.5, y + 1.5, cell - 3, cell - 3);
  context.setLineDash([]);
}

/** Writes the numbers of the hottest beside their cells, with a frame around each cell. */
function writeNumbers(context, hottest, { corner, cell, ink, panel, width }) {
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

function isTaken(place) {
  return (shown.map.taken[place >> 3] & (1 << (place & 7))) !== 0;
}

/** Moves the choice to the next actor in the direction of a key. Returns its place; `null` for other keys, and
 * if there is no actor. */
export function choose(key) {
  if (shown === null) return null;
  const { across, map: { places } } = shown;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across, Home: 1, End: -1 }[key];
  if (step === undefined) return null;
  let place = key === "End" ? places : key === "Home" || chosen === null ? -1 : chosen;
  const by = chosen === null && key !== "End" ? 1 : step;
  do place += by; while (place >= 0 && place < places && !isTaken(place));
  if (place >= 0 && place < places) chosen = place;
  return chosen;
}

export function chosenPlace() {
  return chosen;
}

export function forgetChoice() {
  chosen = null;
}

/** The place below a pointer; `null` if there is no actor. */
export function placeAt(canvas, event) {
  if (shown === null) return null;
  const box = canvas.getBoundingClientRect();
  const column = Math.floor((event.clientX - box.left) / shown.cell);
  const line = Math.floor((event.clientY - box.top) / shown.cell);
  const place = line * shown.across + column;
  if (column >= shown.across || place >= shown.map.places) return null;
  return isTaken(place) ? place : null;
}

/** What a place shows, in words. */
export function describe(place) {
  const { busy } = shown.map;
  for (let index = 0; index < busy.length; index += BUSY_BYTES) {
    if ((busy[index] | (busy[index + 1] << 8)) !== place) continue;
    const waiting = Math.max(0, busy[index + 2] - 1);
    const lines = number(valueOf(busy[index + 4], 0.1));
    return `${lines} lines a second, ${number(waiting)} waiting, a turn after ${inWords(waitAt(busy, index))}. Click or press Enter for its orders and stock.`;
  }
  return "An idle actor. Click or press Enter for its vendor.";
}

export function showLegend(list) {
  const entry = (className, text) => make("li", "", make("span", `box ${className}`), text);
  list.replaceChildren(
    entry("wait-idle", "idle"),
    ...STEPS.map(([, name, text]) => entry(name, text)),
    make("li", "", "larger: more lines are asked of it, or more wait"),
  );
}
