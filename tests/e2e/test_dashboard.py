"""The dashboard in a real browser: what it says in every state, and that it is readable, strict and alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from monitoring.snapshot import HISTORY_POINTS, Snapshot
from tests import sample_snapshot
from tests.browser import PHONE, WIDE, Looked, Scheme, chromium, look
from tests.dashboard_server import DashboardServer, dashboard
from tests.sample_snapshot import CANARY, SHADOW, STABLE

CHARTS = ("traffic", "latency", "pairs", "bias", "coverage", "errors")

FAST_TIMERS = "const slow = window.setTimeout; window.setTimeout = (run, wait) => slow(run, wait / 50);"
"""Makes a page's three seconds sixty milliseconds."""

SAMPLES = ("well", "ringing", "no_traffic", "wide", "narrow", "hostile")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all; every look has a window of its own."""
    with chromium() as running:
        yield running


@pytest.fixture
def server() -> Iterator[DashboardServer]:
    """A service with alarms ringing, until a test changes that."""
    with dashboard(sample_snapshot.ringing()) as running:
        yield running


def sample(name: str) -> Snapshot:
    """A snapshot by its name."""
    found: Snapshot = getattr(sample_snapshot, name)()
    return found


def wait_for_figures(looked: Looked) -> None:
    """Wait until the page has drawn its first answer, charts included."""
    looked.page.wait_for_selector("#versions tbody th")
    looked.page.wait_for_selector("#traffic-chart .main-svg")


@pytest.mark.parametrize("name", SAMPLES)
def test_every_page_fits_its_window_complains_of_nothing_and_asks_nobody_else(
    server: DashboardServer, browser: Browser, name: str
) -> None:
    server.snapshot = sample(name)
    with look(browser, f"{server.url}/dashboard", PHONE) as looked:
        wait_for_figures(looked)
        for width, height in (PHONE, (320, 640), (820, 1180), WIDE):
            looked.page.set_viewport_size({"width": width, "height": height})
            assert looked.overflow() <= 0, width
        assert looked.hosts == {urlsplit(server.url).netloc}
        assert looked.complaints == []
        assert looked.page.evaluate("window.pwned") is None
        assert looked.page.locator("main script, main iframe, main img, main a[href^='http']").count() == 0


def test_an_alarm_is_the_first_thing_that_is_said(server: DashboardServer, browser: Browser) -> None:
    with look(browser, f"{server.url}/dashboard") as looked:
        wait_for_figures(looked)
        assert looked.text("#status").startswith("ALARM since")
        assert "Predictions are 7.4 % too low (median of 4,230 outcomes)" in looked.text("#status")
        assert "1 more alarm" in looked.text("#status")
        assert looked.page.title() == "ALARM · house_prices · dashboard"
        alarms = looked.page.locator("#alarms li").all_inner_texts()
        assert [text.split(":")[0] for text in alarms] == ["▲ ringing", "▲ ringing", "✓ cleared"]
        first, *others = looked.page.locator("#features button").all()
        assert "▲ living_area_sqft" in first.inner_text()
        assert sum("▲" in card.inner_text() for card in others) == 0


def test_all_is_well_is_said_in_words(server: DashboardServer, browser: Browser) -> None:
    server.snapshot = sample("well")
    with look(browser, f"{server.url}/dashboard") as looked:
        wait_for_figures(looked)
        assert looked.text("#status") == "All is well: no alarm in 3 versions, 1.24 M rows watched."
        versions = looked.page.locator("#versions tbody tr").all_inner_texts()
        assert [name in row for name, row in zip((STABLE, CANARY, SHADOW), versions, strict=True)] == [True] * 3
        assert "90.1 %" in versions[0]
        assert [text.split()[0] for text in looked.page.locator("#latency tbody tr").all_inner_texts()] == [
            *("validate", "queue", "preprocess", "predict", "total")
        ]
        assert "validation 1,204" in looked.text("#counters")
        assert "\N{MINUS SIGN}1.2 %" in looked.text("#promises")
        assert "promised 90 %" in looked.text("#promises")
        assert "lot_ratio 44" in looked.text("#inputs")


def test_every_chart_is_drawn_and_says_in_words_what_it_shows(server: DashboardServer, browser: Browser) -> None:
    with look(browser, f"{server.url}/dashboard") as looked:
        wait_for_figures(looked)
        for chart in CHARTS:
            place = looked.page.locator(f"#{chart}-chart")
            assert place.locator(".main-svg").count()
            assert len(place.get_attribute("aria-label") or "") > 20


def test_without_traffic_there_is_a_command_to_try_that_the_shell_takes(
    server: DashboardServer, browser: Browser
) -> None:
    server.snapshot = sample("no_traffic")
    with look(browser, f"{server.url}/dashboard") as looked:
        wait_for_figures(looked)
        assert looked.text("#status strong") == "No traffic yet."
        command = looked.text("#status pre")
        assert command.startswith(f"curl -s {server.url}/predict -H 'Content-Type: application/json' -d '{{")
        assert '"building_type": "single_family"' in command
        assert looked.text("#no-outcomes").startswith("No outcome yet: send what really happened")


def test_before_the_first_answer_the_page_says_that_it_waits(server: DashboardServer, browser: Browser) -> None:
    server.held.clear()
    with look(browser, f"{server.url}/dashboard") as looked:
        assert looked.text("#status") == "Waiting for the first figures …"
        assert not looked.page.locator("#versions").is_visible()
        server.held.set()
        wait_for_figures(looked)
        assert looked.text("#status").startswith("ALARM")


def test_a_service_that_does_not_answer_is_told_and_its_return_too(server: DashboardServer, browser: Browser) -> None:
    server.failing = True
    with look(browser, f"{server.url}/dashboard", script=FAST_TIMERS) as looked:
        looked.shows("The service does not answer.")
        server.failing = False
        wait_for_figures(looked)
        assert not looked.page.locator("#stale").is_visible()
        server.failing = True
        looked.shows("what you see is from then")
        assert looked.text("#versions").count(STABLE) == 1  # the last figures stay
        server.failing = False
        looked.page.locator("#stale").wait_for(state="hidden")


def test_a_plan_that_is_not_followed_is_told(server: DashboardServer, browser: Browser) -> None:
    problem = "version 20170630-0 is refused: its golden set differs; roll back or publish it again"
    changes: dict[str, Any] = {"problem": problem, "planned_generation": 18}
    server.snapshot = sample("well").model_copy(update=changes)
    with look(browser, f"{server.url}/dashboard") as looked:
        wait_for_figures(looked)
        assert looked.text("#status").startswith("The rollout plan is not followed.")
        assert problem in looked.text("#status")
        assert "plan 17 of 18" in looked.text("#clock")


def test_an_alarm_does_not_hide_that_the_plan_is_not_followed(server: DashboardServer, browser: Browser) -> None:
    server.snapshot = sample("ringing").model_copy(update={"problem": "version x is refused"})
    with look(browser, f"{server.url}/dashboard") as looked:
        wait_for_figures(looked)
        assert "ALARM" in looked.text("#status")
        assert "The rollout plan is not followed: version x is refused" in looked.text("#status")


def test_without_a_live_version_the_page_says_so(server: DashboardServer, browser: Browser) -> None:
    server.snapshot = sample("well").model_copy(update={"versions": []})
    with look(browser, f"{server.url}/dashboard") as looked:
        looked.shows("No version is live.")
        assert looked.complaints == []


def test_another_version_is_shown_when_it_is_chosen_and_stays_chosen(server: DashboardServer, browser: Browser) -> None:
    with look(browser, f"{server.url}/dashboard") as looked:
        wait_for_figures(looked)
        assert looked.text("#outcomes-title") == f"Outcomes of {STABLE}"
        shadow = looked.page.locator("#chooser button", has_text=SHADOW)
        shadow.focus()
        looked.page.keyboard.press("Enter")
        assert looked.text("#outcomes-title") == f"Outcomes of {SHADOW}"
        assert looked.text("#no-outcomes").startswith("No outcome: a shadow's predictions are answered to nobody")
        assert "predicted 18,020" in looked.text("#counters")
        server.snapshot = server.snapshot.model_copy(update={"now": server.snapshot.now + 3, "swaps": 7})
        looked.page.locator("#glance dd", has_text="7").wait_for()
        assert looked.text("#outcomes-title") == f"Outcomes of {SHADOW}"
        assert shadow.get_attribute("aria-pressed") == "true"
        assert looked.page.evaluate("document.activeElement.dataset.version") == SHADOW


def test_a_feature_opens_large_by_keyboard_and_closes_with_escape(server: DashboardServer, browser: Browser) -> None:
    with look(browser, f"{server.url}/dashboard") as looked:
        wait_for_figures(looked)
        card = looked.page.locator("#features button").first
        assert "evidence 12.7, alarm at 6.6; moved most: 2920 or more" in (card.get_attribute("aria-label") or "")
        card.focus()
        looked.page.keyboard.press("Enter")
        assert looked.text("#large-title") == "living_area_sqft"
        assert looked.page.locator("#large-chart .main-svg").count()
        assert "2920 or more" in looked.text("#large-bins")
        looked.page.keyboard.press("Escape")
        assert not looked.page.locator("#large").is_visible()
        assert card.evaluate("card => card === document.activeElement")


def test_text_that_would_like_to_be_markup_stays_text(server: DashboardServer, browser: Browser) -> None:
    server.snapshot = sample("hostile")
    with look(browser, f"{server.url}/dashboard") as looked:
        wait_for_figures(looked)
        assert looked.text("#model") == sample_snapshot.HOSTILE
        looked.page.locator("#features button").first.click()
        assert looked.page.locator("#large-chart .main-svg").count()
        looked.page.locator("#large-chart").hover(position={"x": 200, "y": 120})
        assert looked.page.evaluate("window.pwned") is None
        assert looked.page.locator("a[href*='evil']").count() == 0
        assert looked.complaints == []


def test_the_page_rests_while_nobody_looks(server: DashboardServer, browser: Browser) -> None:
    hide = """Object.defineProperty(document, "hidden", {configurable: true, get: () => window.gone ?? false});"""
    with look(browser, f"{server.url}/dashboard", script=f"{hide} {FAST_TIMERS}") as looked:
        wait_for_figures(looked)
        looked.page.evaluate("window.gone = true; document.dispatchEvent(new Event('visibilitychange'))")
        looked.page.wait_for_load_state("networkidle")
        asked = len(server.asked)
        looked.page.evaluate("new Promise((done) => setTimeout(done, 10 * 3000))")  # ten intervals, made short
        assert len(server.asked) == asked
        looked.page.evaluate("window.gone = false; document.dispatchEvent(new Event('visibilitychange'))")
        with looked.page.expect_response("**/dashboard.json"):
            pass
        assert len(server.asked) > asked


def test_the_history_on_the_page_does_not_grow_without_bound(server: DashboardServer, browser: Browser) -> None:
    points = server.snapshot.history
    with look(browser, f"{server.url}/dashboard", script=FAST_TIMERS) as looked:
        wait_for_figures(looked)
        for step in range(1, 6):
            later = [point.model_copy(update={"at": point.at + 10.0 * step}) for point in points]
            server.snapshot = server.snapshot.model_copy(update={"history": later, "swaps": 100 + step})
            looked.page.locator("#glance dd", has_text=str(100 + step)).wait_for()
        drawn = looked.page.evaluate("document.getElementById('traffic-chart').data[0].x.length")
        assert drawn == HISTORY_POINTS


def test_without_plotly_words_and_tables_are_complete(server: DashboardServer, browser: Browser) -> None:
    server.without_charts = True
    with look(browser, f"{server.url}/dashboard") as looked:
        looked.shows("Charts are missing")
        looked.page.wait_for_selector("#versions tbody th")
        assert looked.text("#status").startswith("ALARM")
        assert STABLE in looked.text("#versions")
        assert looked.page.locator("#features svg").count() == 14


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(server: DashboardServer, browser: Browser, scheme: Scheme) -> None:
    """WCAG 2.1 AA: a contrast of at least 4.5 for text."""
    with look(browser, f"{server.url}/dashboard", scheme=scheme) as looked:
        wait_for_figures(looked)
        grounds = {"--text": "--page", "--quiet": "--surface", "--accent": "--surface", "--alarm": "--alarm-soft"}
        for front, ground in {**grounds, "--warn": "--warn-soft"}.items():
            assert contrast(looked, front, ground) >= 4.5, (front, ground)


def contrast(looked: Looked, front: str, ground: str) -> float:
    """The contrast ratio of two colours of the style, as WCAG defines it."""
    shades = []
    for name in (front, ground):
        colour = str(
            looked.page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('{name}')")
        ).strip()
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        shades.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    dark, bright = sorted(shades)
    return (bright + 0.05) / (dark + 0.05)
