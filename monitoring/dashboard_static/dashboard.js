// Asks dashboard.json every three seconds while somebody looks, and hands it to whatever draws.

import * as charts from "./charts.js";
import { features } from "./features.js";
import * as overview from "./overview.js";
import { at, h, moment, span } from "./words.js";

const EVERY = 3000, LONGEST = 30000, PATIENCE = 10000, POINTS = 120;

let history = []; // that of the server when the page was opened, and what came since
let last = null; // the newest snapshot
let before = null; // the one before it, for rates
let heard = null; // when the last answer came
let failures = 0, timer = null, asking = false;
let wanted = null; // the version that somebody chose

/** Adds the points that are new. Workers keep histories of their own, with other moments: no span is taken twice. */
function remember(points) {
  for (const point of points) {
    const newest = history.at(-1);
    if (!newest || point.at - point.seconds / 2 > newest.at) history.push(point);
  }
  history = history.slice(-POINTS);
}

function rates() {
  if (!before || last.now <= before.now) return {};
  const rows = {};
  for (const version of last.versions) {
    const earlier = before.versions.find((other) => other.version === version.version);
    if (earlier && version.rows >= earlier.rows) rows[version.version] = (version.rows - earlier.rows) / (last.now - before.now);
  }
  return { rows };
}

/** What somebody chose, else the first that rings, else the first. */
function chosen() {
  const named = last.versions.find((version) => version.version === wanted);
  return named ?? last.versions.find((version) => version.monitors.some((monitor) => monitor.ringing)) ?? last.versions[0];
}

function chooser(version) {
  const place = at("chooser");
  place.hidden = last.versions.length < 2;
  const names = last.versions.map((one) => one.version);
  if (place.dataset.names !== JSON.stringify(names)) {
    place.dataset.names = JSON.stringify(names);
    place.replaceChildren(...last.versions.map((one) =>
      h("button", { type: "button", "data-version": one.version, onclick: () => { wanted = one.version; show(); } },
        h("b", {}, one.variant), ` ${one.version}`)));
  }
  for (const button of place.children) button.setAttribute("aria-pressed", String(button.dataset.version === version?.version));
  for (const name of document.querySelectorAll(".chosen")) name.textContent = version?.version ?? "";
}

function show() {
  const snapshot = { ...last, history };
  const version = chosen();
  const speed = rates();
  overview.head(snapshot);
  overview.status(snapshot);
  overview.glance(snapshot, speed);
  overview.versions(snapshot, version?.version, speed);
  overview.alarms(snapshot);
  chooser(version);
  charts.traffic(history, snapshot.versions);
  charts.latency(history);
  if (!version) return;
  overview.latency(version);
  overview.counters(snapshot, version);
  overview.promises(version);
  if (version.outcomes?.outcomes) for (const draw of [charts.pairs, charts.bias, charts.coverage, charts.errors]) draw(version.outcomes, snapshot.target);
  features(version);
}

function stale(wait) {
  const now = Date.now() / 1000;
  const since = heard === null ? "The service does not answer." : `No answer since ${moment(heard, now)} (${span(now - heard)}); what you see is from then.`;
  at("stale").textContent = `${since} Trying again every ${span(wait / 1000)}.`;
  at("stale").hidden = false;
  document.body.classList.add("is-stale");
}

async function ask() {
  if (asking || document.hidden) return;
  asking = true;
  clearTimeout(timer);
  let wait = EVERY;
  try {
    const answer = await fetch("dashboard.json", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const snapshot = await answer.json();
    [before, last] = [last, snapshot];
    heard = Date.now() / 1000;
    failures = 0;
    at("stale").hidden = true;
    document.body.classList.remove("is-stale", "is-waiting");
    remember(last.history);
    show();
  } catch (problem) {
    if (problem instanceof TypeError && failures === 0) console.info(problem.message);
    failures += 1;
    wait = Math.min(LONGEST, EVERY * 2 ** failures);
    stale(wait);
  } finally {
    asking = false;
    if (!document.hidden) timer = setTimeout(ask, wait);
  }
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) ask();
});
ask();
