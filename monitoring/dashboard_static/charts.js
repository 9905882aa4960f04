// The charts that Plotly draws. They are drawn when its script has come; the page does not wait for it.

import { at, count, milliseconds, percent } from "./words.js";
import { error } from "./overview.js";

const OPTIONS = { displayModeBar: false, responsive: true, showTips: false };
const dark = matchMedia("(prefers-color-scheme: dark)");
const DASHES = ["solid", "dash", "dot", "dashdot"];
const drawn = new Map(); // id of the place -> how to draw it again

/** Plotly reads tags and entities in texts: both are made harmless. */
const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const short = (text, most = 24) => plain(text.length > most ? `${text.slice(0, most - 1)}…` : text);
const moments = (points) => points.map((point) => new Date(point.at * 1000));

function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  return Object.fromEntries(["text", "quiet", "line", "surface", "accent", "soft", "alarm", "band"].map((name) => [name, read(name)]));
}

function layout(colour, { nothing = null, ...more }) {
  const axis = { visible: !nothing, gridcolor: colour.line, linecolor: colour.line, zeroline: false, automargin: true, fixedrange: true, tickfont: { color: colour.quiet } };
  return {
    autosize: true, showlegend: false, hovermode: "x unified", dragmode: false, bargap: 0.08,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 11, color: colour.text },
    hoverlabel: { bgcolor: colour.surface, bordercolor: colour.line, font: { color: colour.text } },
    margin: { l: 8, r: 8, t: 8, b: 8 },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { color: colour.quiet } },
    ...more,
    shapes: nothing ? [] : more.shapes,
    annotations: nothing ? [{ text: nothing, showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5, font: { color: colour.quiet } }] : [],
    xaxis: { ...axis, showgrid: false, ...more.xaxis },
    yaxis: { ...axis, rangemode: "tozero", nticks: 5, ...more.yaxis },
  };
}

function draw(id, label, make) {
  const place = at(id);
  place.setAttribute("aria-label", label);
  drawn.set(id, () => draw(id, label, make));
  if (!window.Plotly || !place.offsetParent) return;
  const colour = colours();
  const { traces, ...more } = make(colour);
  window.Plotly.react(place, traces, layout(colour, more), OPTIONS);
}

export const redraw = () => drawn.forEach((again) => again());
dark.addEventListener("change", redraw);
if (!window.Plotly) at("plotly").addEventListener("load", redraw);
const missing = () => { at("chartless").hidden = Boolean(window.Plotly); };
if (document.readyState === "complete") missing();
else window.addEventListener("load", missing);

const WAITING = "the first figures come within a few seconds";
const SAMPLED = "a point an hour, of 30 outcomes or more";

/** The variant, and where two versions have the same one, the version too. */
function called(version, versions) {
  const alone = versions.filter((other) => other.variant === version.variant).length === 1;
  return alone ? version.variant : `${version.variant} ${short(version.version, 12)}`;
}

export function traffic(history, versions) {
  const rows = history.reduce((all, point) => all + Object.values(point.rows).reduce((some, one) => some + one, 0), 0);
  draw("traffic-chart", `Rows per second by version over time; ${count(rows)} rows in the history`, (colour) => ({
    traces: versions.map((version, place) => ({
      type: "scatter", mode: "lines", name: called(version, versions), x: moments(history),
      y: history.map((point) => (point.rows[version.version] ?? 0) / point.seconds),
      line: { color: place ? colour.quiet : colour.accent, width: 1.6, dash: DASHES[place % DASHES.length] },
      hovertemplate: "%{y:.3~s}",
    })),
    showlegend: versions.length > 1 && history.length > 0, nothing: history.length ? null : WAITING,
  }));
}

export function latency(history) {
  const last = history.at(-1);
  const trace = (name, key, color, dash) => ({
    type: "scatter", mode: "lines", name, x: moments(history), y: history.map((point) => (point[key] === null ? null : point[key] * 1000)),
    line: { color, width: 1.6, dash }, hovertemplate: "%{y:.3~g} ms",
  });
  const failed = history.filter((point) => point.errors);
  draw("latency-chart", `Latency over time; now median ${milliseconds(last?.p50)}, P99 ${milliseconds(last?.p99)}`, (colour) => ({
    traces: [
      trace("P50", "p50", colour.accent, "solid"), trace("P99", "p99", colour.quiet, "dash"),
      { type: "bar", name: "errors", x: moments(failed), y: failed.map((point) => point.errors), yaxis: "y2", marker: { color: colour.alarm, opacity: 0.55 }, hovertemplate: "%{y}" },
    ],
    showlegend: history.length > 0, nothing: history.length ? null : WAITING,
    yaxis: { ticksuffix: " ms" },
    yaxis2: { visible: failed.length > 0, overlaying: "y", side: "right", showgrid: false, fixedrange: true, rangemode: "tozero", nticks: 4, tickfont: { color: colour.alarm }, automargin: true, tickmode: "auto", tickformat: "d", range: [0, Math.max(10, ...failed.map((point) => point.errors)) * 1.6] },
  }));
}

const size = (value) => new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(value);

export function pairs(outcomes, target) {
  const found = outcomes.pairs;
  at("pairs-chart").closest("figure").hidden = !found;
  if (!found) return;
  const names = [`under ${size(found.edges[0])}`, ...found.edges.map((edge, place) => `${size(edge)}${place + 1 < found.edges.length ? ` to ${size(found.edges[place + 1])}` : " or more"}`)];
  const sums = found.counts.map((row) => row.reduce((all, one) => all + one, 0));
  const shares = names.map((_, actual) => found.counts.map((row, predicted) => (sums[predicted] ? row[actual] / sums[predicted] : null)));
  const right = found.counts.reduce((all, row, place) => all + row[place], 0) / Math.max(1, sums.reduce((all, one) => all + one, 0));
  const every = Math.ceil(found.edges.length / 5); // more would run into each other on a phone
  const ticks = found.edges.map((_, place) => place).filter((place) => place % every === 0);
  const axis = (title) => ({ title: { text: title, standoff: 6 }, tickvals: ticks.map((place) => place + 0.5), ticktext: ticks.map((place) => size(found.edges[place])), showgrid: false, tickangle: 0 });
  const unit = target.unit ? `, ${short(target.unit)}` : "";
  draw("pairs-chart", `Predicted against actual: ${percent(right)} of outcomes fall into the bin that was predicted`, (colour) => ({
    traces: [{
      type: "heatmap", z: shares, colorscale: [[0, colour.surface], [1, colour.accent]], zmin: 0, showscale: false, xgap: 1, ygap: 1,
      customdata: names.map((actual) => names.map((predicted) => [predicted, actual])),
      hovertemplate: "predicted %{customdata[0]}<br>actual %{customdata[1]}<br>%{z:.0%} of these predictions<extra></extra>",
    }],
    hovermode: "closest",
    xaxis: axis(`predicted${unit}`), yaxis: { ...axis("actual"), rangemode: "normal" },
    shapes: names.map((_, place) => ({ type: "rect", x0: place - 0.5, x1: place + 0.5, y0: place - 0.5, y1: place + 0.5, line: { color: colour.text, width: 1 } })),
  }));
}

export function bias(outcomes) {
  const { history, promised, scale } = outcomes;
  const factor = scale === "relative" ? 100 : 1;
  const tolerated = promised.tolerated_bias === null ? null : promised.tolerated_bias * factor;
  draw("bias-chart", `Bias over time; overall ${error(outcomes.bias, scale, true)}, tolerated ±${error(promised.tolerated_bias, scale)}`, (colour) => ({
    traces: [{
      type: "scatter", mode: "lines+markers", x: moments(history), y: history.map((point) => (point.bias === null ? null : point.bias * factor)),
      marker: { size: 4, color: colour.accent }, line: { color: colour.accent, width: 1.4 }, customdata: history.map((point) => point.outcomes),
      hovertemplate: `%{y:.2f}${scale === "relative" ? " %" : ""} of %{customdata} outcomes<extra></extra>`,
    }],
    nothing: history.length ? null : SAMPLED,
    yaxis: { rangemode: "normal", ticksuffix: scale === "relative" ? " %" : "", zeroline: true, zerolinecolor: colour.quiet },
    shapes: tolerated === null ? [] : [{ type: "rect", xref: "paper", x0: 0, x1: 1, y0: -tolerated, y1: tolerated, fillcolor: colour.band, line: { width: 0 }, layer: "below" }],
  }));
}

export function coverage(outcomes) {
  const { history, promised } = outcomes;
  draw("coverage-chart", `Coverage over time; overall ${percent(outcomes.coverage)}, promised ${percent(promised.coverage)}`, (colour) => ({
    traces: [{
      type: "scatter", mode: "lines+markers", x: moments(history), y: history.map((point) => point.coverage),
      marker: { size: 4, color: colour.accent }, line: { color: colour.accent, width: 1.4 }, hovertemplate: "%{y:.1%}<extra></extra>",
    }],
    nothing: history.length ? null : SAMPLED,
    yaxis: { rangemode: "normal", tickformat: ".0%" },
    shapes: promised.coverage === null ? [] : [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: promised.coverage, y1: promised.coverage, line: { color: colour.text, width: 1.2, dash: "dash" } }],
  }));
}

/** Bins are of unequal width, so the height is the share for each unit of error; the far 0.5 % on each side are left out. */
export function errors(outcomes) {
  const { error_edges: edges, error_counts: counts, scale } = outcomes;
  const factor = scale === "relative" ? 100 : 1;
  const all = counts.reduce((sum, one) => sum + one, 0);
  const bars = counts.slice(1, -1).map((rows, place) => ({ low: edges[place] * factor, high: edges[place + 1] * factor, share: rows / Math.max(all, 1) }));
  let below = counts[0] / Math.max(all, 1);
  const inner = bars.filter((bar) => (below += bar.share) > 0.005 && below - bar.share < 0.995);
  draw("errors-chart", `Distribution of ${count(all)} errors`, (colour) => ({
    traces: [{
      type: "bar", x: inner.map((bar) => (bar.low + bar.high) / 2), width: inner.map((bar) => bar.high - bar.low),
      y: inner.map((bar) => bar.share / (bar.high - bar.low)), marker: { color: colour.accent, opacity: 0.75, line: { width: 0 } },
      customdata: inner.map((bar) => [bar.low, bar.high, bar.share]),
      hovertemplate: "%{customdata[0]:.1f} to %{customdata[1]:.1f}: %{customdata[2]:.1%} of outcomes<extra></extra>",
    }],
    hovermode: "closest",
    xaxis: { ticksuffix: scale === "relative" ? " %" : "", zeroline: true, zerolinecolor: colour.text },
    yaxis: { showticklabels: false },
  }));
}

export function large(column, bins) {
  const places = bins.map((_, place) => place);
  draw("large-chart", `${column.name}: live traffic over training, in the ${bins.length} bins of the table below`, (colour) => ({
    traces: [
      { type: "bar", name: "live", x: places, y: bins.map((bin) => bin.live), marker: { color: colour.accent, opacity: 0.7 }, hovertemplate: "%{y:.2%}" },
      { type: "bar", name: "training", x: places, y: bins.map((bin) => bin.reference), marker: { color: "rgba(0,0,0,0)", line: { color: colour.text, width: 1.4 } }, hovertemplate: "%{y:.2%}" },
    ],
    barmode: "overlay", showlegend: true,
    xaxis: { tickvals: bins.length > 30 ? undefined : places, ticktext: bins.length > 30 ? undefined : bins.map((bin) => short(bin.label, 18)), showticklabels: bins.length <= 30 },
    yaxis: { tickformat: ".0%" },
  }));
}
