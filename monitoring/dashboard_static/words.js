// Numbers and times as people read them, and elements made without markup: text is only ever text.

const SVG = "http://www.w3.org/2000/svg";

function made(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "style") for (const [rule, to] of Object.entries(value)) node.style.setProperty(rule, to);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** An element. Children are nodes or text; `style` is an object, for inline style attributes are forbidden here. */
export const h = (tag, attributes = {}, ...children) => made(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) => made(document.createElementNS(SVG, tag), attributes, children);
export const at = (id) => document.getElementById(id);

const known = (value) => typeof value === "number" && Number.isFinite(value);
const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** 1,234 and 1.2 M: whole up to 99,999, then three figures. */
export function count(value) {
  if (!known(value)) return "–";
  const size = Math.abs(value);
  if (size < 100000) return grouped.format(value);
  if (size < 1e6) return `${grouped.format(value / 1e3)} k`;
  return size < 1e9 ? `${(value / 1e6).toPrecision(3)} M` : `${(value / 1e9).toPrecision(3)} G`;
}

export function rate(value) {
  if (!known(value)) return "–";
  return value === 0 || value >= 100 ? count(value) : value >= 10 ? value.toFixed(1) : value.toPrecision(2);
}

/** A share as percent. Never rounds something to 0 or to 100. */
export function percent(share, digits = 1) {
  if (!known(share)) return "–";
  const least = 0.1 ** digits;
  const value = share * 100;
  if (value > 0 && value < least) return `< ${least.toFixed(digits)} %`;
  if (value < 100 && value > 100 - least) return `> ${(100 - least).toFixed(digits)} %`;
  return `${value.toFixed(digits).replace(/\.0+$/, "")} %`;
}

export const signed = (text, value) => (known(value) && value > 0 ? `+${text}` : text.replace("-", "−"));

export function milliseconds(seconds) {
  if (!known(seconds)) return "–";
  const ms = seconds * 1000;
  return ms >= 1000 ? `${seconds.toFixed(1)} s` : `${ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}

export const evidence = (value) => (known(value) ? Math.max(value, 0).toFixed(1) : "0.0");
export const line = (value) => (known(value) ? value.toFixed(1) : "–");

const SPANS = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];

/** "9 days", "3 hours": the largest unit of which there are two, else the next smaller. */
export function span(seconds) {
  const whole = Math.max(0, seconds);
  const [size, unit] = SPANS.find(([length]) => whole >= 2 * length) ?? SPANS[3];
  const units = Math.floor(whole / size);
  return `${units} ${unit}${units === 1 ? "" : "s"}`;
}

/** A moment: the time alone on the same day, else with the date. In full: with the date and the second. */
export function moment(unix, now, full = false) {
  const then = new Date(unix * 1000);
  const time = then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: full ? "2-digit" : undefined });
  if (!full && then.toDateString() === new Date(now * 1000).toDateString()) return time;
  return `${then.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })}, ${time}`;
}

/** Evidence as a bar, with a mark at the alarm line. */
export function track(found, line) {
  const share = line && known(found) ? Math.min(1, Math.max(0, found) / (line * 1.25)) : 0;
  return h("span", { class: "track", "aria-hidden": "true" },
    h("span", { class: "fill", style: { width: `${100 * share}%` } }), h("span", { class: "line" }));
}

/** Words for a code: dropped_rows becomes dropped rows. */
export const spoken = (code) => code.replaceAll("_", " ");

/** The rows of a table body, anew, or words where there is none. A cell is text or a node; its heading is repeated for phones. */
export function table(id, headings, rows, nothing = "nothing yet") {
  const [head, body] = [at(id).tHead, at(id).tBodies[0]];
  head.replaceChildren(h("tr", {}, headings.map((heading) => h("th", { scope: "col" }, heading))));
  body.replaceChildren(
    ...(rows.length ? [] : [h("tr", {}, h("td", { class: "nothing quiet", colspan: headings.length }, nothing))]),
    ...rows.map(({ cells, chosen }) =>
      h("tr", { class: chosen ? "is-chosen" : null },
        cells.map((cell, place) => h(place ? "td" : "th", { scope: place ? null : "row", "data-heading": headings[place], class: cell === "–" ? "unknown" : null }, cell)))),
  );
}

/** Pairs of a description list: [name, figure, note, state]. */
export function figures(id, items) {
  at(id).replaceChildren(
    ...items.map(([name, figure, note, state]) =>
      h("div", { class: state ?? null }, h("dt", {}, name), h("dd", {}, figure, note ? h("small", {}, note) : null))),
  );
}
