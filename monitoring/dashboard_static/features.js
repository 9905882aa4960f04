// Small multiples: each feature's live distribution over that of training, and one of them large.

import { large } from "./charts.js";
import { at, count, evidence, h, line as alarmAt, percent, signed, svg, table, track } from "./words.js";

const WIDTH = 240, HEIGHT = 64;
const cards = new Map();
let open = null; // name of the feature in the dialog

const total = (column) => column.live.reduce((all, one) => all + one, 0);

/** Bins that hold something in training or now; the others say nothing. */
export function bins(column) {
  const rows = total(column);
  return column.labels
    .map((label, place) => ({ label, rows: column.live[place], reference: column.reference[place], live: rows ? column.live[place] / rows : 0 }))
    .filter((bin) => bin.rows || bin.reference);
}

function shape(column) {
  const shown = bins(column);
  const step = WIDTH / Math.max(shown.length, 1);
  const top = Math.max(...shown.flatMap((bin) => [bin.reference, bin.live]), 1e-9);
  const y = (share) => HEIGHT - 1 - (share / top) * (HEIGHT - 4);
  const gap = step > 6 ? 1.5 : step * 0.1;
  const outline = shown.map((bin, place) => `${place ? "L" : "M"}${place * step},${y(bin.reference)}H${(place + 1) * step}`).join("");
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    shown.map((bin, place) => svg("rect", { class: "live", x: place * step + gap / 2, width: Math.max(step - gap, 0.3), y: y(bin.live), height: HEIGHT - y(bin.live) })),
    svg("path", { class: "reference", d: outline }));
}

function described(column, line) {
  const rows = total(column);
  const most = bins(column).sort((one, other) => Math.abs(other.live - other.reference) - Math.abs(one.live - one.reference))[0];
  const moved = rows && most ? `; moved most: ${most.label}, ${percent(most.reference)} in training, ${percent(most.live)} now` : "; no rows yet";
  return `${column.name}: evidence ${evidence(column.evidence)}, alarm at ${alarmAt(line)}${moved}. Show it large.`;
}

function movement(column) {
  if (column.moved === null) return "no rows yet";
  return `${percent(column.moved)} moved`;
}

function card(name) {
  const button = h("button", { type: "button", class: "card", onclick: () => show(name) });
  cards.set(name, { button, column: null, line: null });
  return cards.get(name);
}

function fill(entry, column, line) {
  const rings = line !== null && column.evidence !== null && column.evidence >= line;
  Object.assign(entry, { column, line });
  entry.button.setAttribute("aria-label", described(column, line));
  entry.button.classList.toggle("alarm", rings);
  entry.button.replaceChildren(
    h("span", { class: "title" }, h("b", {}, rings ? "▲ " : null, column.name), h("span", { class: "quiet" }, column.unit)),
    shape(column),
    track(column.evidence, line),
    h("span", { class: "foot quiet" }, h("span", {}, movement(column)), h("span", {}, `${evidence(column.evidence)} / ${alarmAt(line)}`)),
  );
}

/** Draw a version's columns, the one with most evidence first. Cards stay the same elements, so focus is not lost. */
export function features(version) {
  const line = version.feature_line;
  const grid = at("features");
  const sorted = [...version.columns].sort((one, other) => (other.evidence ?? -99) - (one.evidence ?? -99));
  const wanted = new Set(sorted.map((column) => column.name));
  for (const [name, entry] of cards) {
    if (wanted.has(name)) continue;
    entry.button.remove();
    cards.delete(name);
  }
  for (const column of sorted) fill(cards.get(column.name) ?? card(column.name), column, line);
  const buttons = sorted.map((column) => cards.get(column.name).button);
  const inUse = grid.contains(document.activeElement) || grid.matches(":hover");
  const complete = buttons.every((button) => button.parentNode === grid);
  const ordered = complete && buttons.every((button, place) => grid.children[place] === button);
  if (!ordered && !(inUse && complete)) grid.replaceChildren(...buttons); // never moved under somebody's hand
  if (open !== null) enlarge();
  inputs(version);
}

function inputs(version) {
  const raw = version.columns.filter((column) => column.out_of_range).map((column) => [column.name, column.out_of_range]);
  const all = [...raw, ...Object.entries(version.out_of_range).filter(([, value]) => value)].sort((one, other) => other[1] - one[1]);
  at("inputs").textContent = all.length
    ? `Outside the ranges of training: ${all.slice(0, 20).map(([name, value]) => `${name} ${count(value)}`).join(", ")}${all.length > 20 ? `, and ${all.length - 20} more` : ""}.`
    : "Nothing was outside the ranges of training.";
}

function show(name) {
  open = name;
  at("large").showModal();
  enlarge();
}

function enlarge() {
  const entry = cards.get(open);
  if (!entry) return at("large").close();
  const { column, line } = entry;
  at("large-title").textContent = column.name;
  at("large-about").textContent = `${count(total(column))} rows${column.unit ? `, in ${column.unit}` : ""}. ${movement(column)}${column.floor === null ? "" : `, of which up to ${percent(column.floor)} is ignored`}. Evidence ${evidence(column.evidence)}; alone it would ring at ${alarmAt(line)} (log10).`;
  large(column, bins(column));
  table("large-bins", ["Bin", "Training", "Live", "Difference", "Rows"], bins(column).map((bin) => ({
    cells: [bin.label, percent(bin.reference), percent(bin.live), signed(`${((bin.live - bin.reference) * 100).toFixed(1)}`, bin.live - bin.reference), count(bin.rows)],
  })));
}

at("close").addEventListener("click", () => at("large").close());
at("large").addEventListener("click", (event) => event.target === at("large") && at("large").close());
at("large").addEventListener("close", () => {
  const entry = cards.get(open);
  open = null;
  entry?.button.focus();
});
