// How numbers, times and words are written.

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const clockFormat = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** A number with as many digits as matter. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 0.05) return "<0.1";
  if (size < 9.95 && !Number.isInteger(value)) return value.toFixed(1);
  return grouped.format(value);
}

/** A short number for an axis. */
export function short(value) {
  if (Math.abs(value) >= 1e6) return `${+(value / 1e6).toFixed(1)}M`;
  if (Math.abs(value) >= 1e3) return `${+(value / 1e3).toFixed(1)}k`;
  return String(+value.toFixed(2));
}

/** A duration in milliseconds: its number and its unit. */
export function duration(ms) {
  if (ms === null || ms === undefined) return ["–", ""];
  if (ms < 0.05) return [ms > 0 ? "<0.1" : "0", "ms"];
  if (ms < 9.95) return [ms.toFixed(1), "ms"];
  if (ms < 999.5) return [ms.toFixed(0), "ms"];
  if (ms < 9950) return [(ms / 1e3).toFixed(1), "s"];
  if (ms < 120e3) return [(ms / 1e3).toFixed(0), "s"];
  if (ms < 7200e3) return [(ms / 60e3).toFixed(0), "min"];
  if (ms < 172800e3) return [(ms / 3600e3).toFixed(0), "h"];
  return [(ms / 86400e3).toFixed(0), "days"];
}

export function inWords(ms) {
  return duration(ms).join(" ").trim();
}

export function clock(ms) {
  return clockFormat.format(ms);
}

/** A label as words: `insufficient_inventory` becomes `insufficient inventory`. */
export function words(label) {
  return label.replaceAll("_", " ");
}

/** Sets a text if it is another one, so that a browser lays out only what has changed. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes an element with a class and texts or elements in it. */
export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}
