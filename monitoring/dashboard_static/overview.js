// What is said in words and tables: the line on top, versions, latency, errors, promises, alarms.

import { at, count, evidence, figures, h, line as alarmAt, milliseconds, moment, percent, rate, signed, span, spoken, table, track } from "./words.js";

const sum = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);
const ringing = (snapshot) => snapshot.alarms.filter((alarm) => alarm.state === "ringing");

/** Replaces children only if the text changed, so that a screen reader does not say it again. */
function say(id, kind, ...children) {
  const fresh = h("div", {}, ...children);
  const place = at(id);
  place.className = `banner ${kind}`;
  if (place.textContent !== fresh.textContent) place.replaceChildren(...fresh.childNodes);
}

export function status(snapshot) {
  const rows = sum(Object.fromEntries(snapshot.versions.map((version, place) => [place, version.rows])));
  const [first, ...more] = ringing(snapshot).sort((one, other) => one.rang_at - other.rang_at);
  const versions = `${snapshot.versions.length} version${snapshot.versions.length === 1 ? "" : "s"}`;
  if (first) {
    say("status", "alarm",
      h("strong", {}, `ALARM since ${moment(first.rang_at, snapshot.now)}: ${first.monitor} of ${first.version}`),
      h("p", {}, first.text),
      h("p", { class: "quiet" }, `The change began about ${moment(first.since, snapshot.now)}.`,
        more.length ? ` ${more.length} more alarm${more.length === 1 ? "" : "s"}: see ` : null,
        more.length ? h("a", { href: "#alarms" }, "Alarms") : null),
      snapshot.problem ? h("p", {}, h("b", {}, "The rollout plan is not followed: "), snapshot.problem) : null);
  } else if (snapshot.problem) {
    say("status", "warn", h("strong", {}, "The rollout plan is not followed."), h("p", {}, snapshot.problem));
  } else if (!snapshot.versions.length) {
    say("status", "warn", h("strong", {}, "No version is live."), h("p", {}, "Models says why."));
  } else if (!rows) {
    const body = snapshot.example ?? '{"features": {…}}';
    const address = new URL("predict", document.baseURI).href;
    say("status", "quiet", h("strong", {}, "No traffic yet."), h("p", {}, "Try"),
      h("pre", { tabindex: 0 }, `curl -s ${address} -H 'Content-Type: application/json' -d '${body.replaceAll("'", "'\\''")}'`));
  } else {
    say("status", "well", h("strong", {}, `All is well: no alarm in ${versions}, ${count(rows)} rows watched.`));
  }
  document.title = `${first ? "ALARM · " : ""}${snapshot.model} · dashboard`;
}

export function head(snapshot) {
  const { model, target, workers } = snapshot;
  at("model").textContent = model;
  at("about").textContent = `predicts ${target.name}${target.unit ? ` in ${target.unit}` : ""}`;
  const plan = snapshot.generation === snapshot.planned_generation ? `${snapshot.generation}` : `${snapshot.generation} of ${snapshot.planned_generation}`;
  at("clock").textContent = [
    `plan ${plan}`,
    `${workers.length} worker${workers.length === 1 ? "" : "s"}`,
    `up ${span(snapshot.now - snapshot.started_at)}`,
    moment(snapshot.now, snapshot.now, true),
  ].join(" · ");
}

/** `rates`: per second between the last two polls, rows by version and errors; empty before the second. */
export function glance(snapshot, rates) {
  const last = snapshot.history.at(-1);
  const looked = sum(snapshot.cache);
  const rows = snapshot.history.slice(-30).reduce((all, point) => all + sum(point.rows), 0);
  const failed = snapshot.history.slice(-30).reduce((all, point) => all + point.errors, 0);
  const waiting = snapshot.workers.reduce((all, worker) => all + worker.waiting_rows, 0);
  figures("glance", [
    ["Rows per second", rate(rates.rows ? sum(rates.rows) : last && sum(last.rows) / last.seconds), `${count(waiting)} waiting`],
    ["P99, last seconds", milliseconds(last?.p99), `median ${milliseconds(last?.p50)}`],
    ["Errors, last 5 min", count(failed), rows + failed ? `per ${count(rows)} rows` : null],
    ["From the cache", percent(looked ? 1 - ((snapshot.cache.computed ?? 0) + (snapshot.cache.unstorable ?? 0)) / looked : null), looked ? `of ${count(looked)} look-ups` : null],
    ["Alarms", count(ringing(snapshot).length), null, ringing(snapshot).length ? "alarm" : null],
    ["Swaps", count(snapshot.swaps), `${count(sum(snapshot.refusals))} refused`],
  ]);
}

function meter(share, text) {
  return h("span", { class: "meter" }, h("span", { class: "fill", style: { width: `${100 * Math.min(1, share ?? 0)}%` } }), h("span", {}, text));
}

export function monitor({ monitor: name, evidence: found, line, ringing: rings }) {
  const words = `${name}: evidence ${evidence(found)}, alarm at ${alarmAt(line)} (log10)${rings ? ", ringing" : ""}`;
  return h("span", { class: `chip ${rings ? "alarm" : "well"}`, title: words },
    h("span", { "aria-hidden": "true" }, `${rings ? "▲" : "✓"} ${name}`), track(found, line), h("span", { class: "hidden" }, words));
}

export function versions(snapshot, chosen, rates) {
  const headings = ["Version", "Monitors", "Planned", "Share, 5 min", "Ever", "Rows", "Rows/s", "Cached", "P50", "P99", "Live for"];
  const last = snapshot.history.at(-1);
  table("versions", headings, snapshot.versions.map((version) => {
    const total = version.latency.find((stage) => stage.stage === "total");
    const name = [h("span", { class: "name" }, version.version), h("span", { class: `badge ${version.variant}` }, version.variant)];
    const seconds = rates.rows?.[version.version] ?? (last ? (last.rows[version.version] ?? 0) / last.seconds : null);
    return { chosen: version.version === chosen, cells: [
      h("span", {}, name),
      h("span", { class: "chips" }, version.monitors.map(monitor)),
      version.variant === "shadow" ? "–" : percent(version.weight),
      version.variant === "shadow" || version.recent_share === null ? "–" : meter(version.recent_share, percent(version.recent_share)),
      version.variant === "shadow" ? "–" : percent(version.share),
      count(version.rows), rate(seconds), percent(version.rows ? version.cached_rows / version.rows : null),
      milliseconds(total?.p50), milliseconds(total?.p99),
      span(snapshot.now - version.loaded_at),
    ] };
  }));
}

export function latency(version) {
  const slowest = Math.max(...version.latency.map((stage) => stage.p99 ?? 0), 1e-9);
  table("latency", ["Stage", "P50", "P95", "P99"], version.latency.map((stage) => ({
    cells: [stage.stage, milliseconds(stage.p50), milliseconds(stage.p95), meter((stage.p99 ?? 0) / slowest, milliseconds(stage.p99))],
  })), "no rows yet");
}

/** Counters that are seldom looked at, each group in one line. */
export function counters(snapshot, version) {
  const groups = [
    ["Errors", snapshot.errors, "none"],
    ["Refused versions", snapshot.refusals, "none"],
    ["Refused outcomes", snapshot.outcomes_refused, "none"],
    ["Prediction log", snapshot.prediction_log, Object.keys(snapshot.prediction_log).length ? "nothing yet" : "off"],
    ["Cache", snapshot.cache, Object.keys(snapshot.cache).length ? "nothing yet" : "off"],
    [`Of ${version.version}`, { shed: version.shed, timed_out: version.timed_out, ...version.shadow_rows }, "none"],
  ];
  at("counters").replaceChildren(...groups.map(([name, counts, nothing]) => {
    const some = Object.entries(counts).filter(([, value]) => value).sort((one, other) => other[1] - one[1]);
    return h("div", {}, h("h3", {}, name), h("p", {}, some.length
      ? some.map(([code, value]) => h("span", { class: "counter" }, `${spoken(code)} `, h("b", {}, count(value))))
      : h("span", { class: "quiet" }, nothing)));
  }));
}

/** An error on the version's own scale. */
export function error(value, scale, withSign = false) {
  const text = scale === "relative" ? percent(value) : value === null || value === undefined ? "–" : value.toFixed(2);
  return withSign ? signed(text, value) : text;
}

export function promises({ outcomes, variant }) {
  at("no-outcomes").hidden = Boolean(outcomes?.outcomes);
  at("outcomes").hidden = !outcomes?.outcomes;
  if (!outcomes?.outcomes) {
    at("no-outcomes").textContent = variant === "shadow"
      ? "No outcome: a shadow's predictions are answered to nobody, so nobody can say what became of them."
      : "No outcome yet: send what really happened to POST /outcomes, with the prediction_id of the answer.";
    return;
  }
  const { promised, scale } = outcomes;
  const off = promised.tolerated_bias !== null && Math.abs(outcomes.bias ?? 0) > promised.tolerated_bias;
  const name = scale === "relative" ? "Mean absolute error (MAPE)" : "Mean absolute error";
  const unit = { relative: null, typical: "1 is the usual error when trained", quantile: "in quantiles" }[scale];
  figures("promises", [
    ["Outcomes", count(outcomes.outcomes), `${count(outcomes.with_interval)} with interval`],
    ["Bias", error(outcomes.bias, scale, true), promised.tolerated_bias === null ? null : `tolerated ±${error(promised.tolerated_bias, scale)}`, off ? "warn" : null],
    [name, error(outcomes.mean_error, scale), promised.mean_error === null ? unit : `when trained ${error(promised.mean_error, scale)}`],
    ["Coverage", percent(outcomes.coverage), promised.coverage === null ? null : `promised ${percent(promised.coverage)}`],
  ]);
}

export function alarms(snapshot) {
  const order = (alarm) => (alarm.state === "ringing" ? 1e12 : 0) + alarm.rang_at;
  const sorted = [...snapshot.alarms].sort((one, other) => order(other) - order(one));
  at("alarms").replaceChildren(...(sorted.length ? sorted : [null]).map((alarm) => {
    if (!alarm) return h("li", { class: "quiet" }, "No alarm has rung.");
    const rings = alarm.state === "ringing";
    const cleared = alarm.cleared_at === null ? "" : `, cleared ${moment(alarm.cleared_at, snapshot.now)}`;
    return h("li", { class: rings ? "alarm" : "cleared" },
      h("strong", {}, `${rings ? "▲ ringing" : "✓ cleared"}: ${alarm.monitor} of ${alarm.version}`),
      h("p", {}, alarm.text),
      h("p", { class: "quiet" }, `Rang ${moment(alarm.rang_at, snapshot.now)}${cleared}; the change began about ${moment(alarm.since, snapshot.now)}; ${count(alarm.rows)} rows or outcomes.`));
  }));
}
