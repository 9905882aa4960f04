"""Every program of docs/clients.md is run, in the language that it is written in, against a really served process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import node
from tests.busy_proxy import busy_at_first
from tests.served import ROOT, Served, serve

PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
HERE = "http://127.0.0.1:3000"
NPM_INSTALL = "npm install "

Blocks = list[tuple[str, str]]


def _blocks(text: str) -> Blocks:
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


SECTIONS = {
    title: _blocks(text) for title, text in re.findall(r"^#{2,3} (.+?)\n(.*?)(?=^#{2,3} |\Z)", PAGE, re.M | re.S)
}
PRINTED = _blocks(PAGE.partition("<!-- printed -->")[2])[0][1]
BUSY = ["curl knows it", "httpx and generated Python", "openapi-fetch", "BentoML's client does not show the header"]
KEY = "a-key-of-enough-length"
KEYED = {
    "curl": "ask() {",
    "httpx": "client = ",
    "Generated Python": "client = ",
    "TypeScript": "const client = ",
    "BentoML's client": "with bentoml.",
}
"""How the line of a program begins whose place that of the section `<name>, with a key` takes."""


@pytest.fixture(scope="module")
def alone(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One worker: of two, one may be ready and the other still answer 503, which few of these programs expect."""
    with serve(home, tmp_path_factory.mktemp("clients")) as running:
        yield running


@pytest.fixture(scope="module")
def closed(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service that asks for a key."""
    with serve(home, tmp_path_factory.mktemp("closed"), PLUMBLINE_API_KEYS=KEY) as running:
        with running.client() as client:
            assert client.post("/predict", json={}).json()["code"] == "unauthorised"
        yield running


@pytest.fixture(scope="module")
def python_client(alone: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the Python package that the page's command generates."""
    folder = tmp_path_factory.mktemp("generated")
    (command,) = _code("Generated Python", "bash")
    _run(["bash", "-c", f"set -e; {command}"], alone.url, folder)
    return folder


@pytest.fixture(scope="module")
def typescript(alone: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages, and the types that the page's command generates."""
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "node_modules").symlink_to(node.packages())
    (folder / "package.json").write_text('{"type": "module"}')
    command = next(code for code in _code("TypeScript", "bash") if "openapi-typescript http" in code)
    _run(["bash", "-c", command], alone.url, folder)
    return folder


def test_curl(alone: Served, tmp_path: Path) -> None:
    printed = _bash("\n".join(_code("curl", "bash")), alone.url, tmp_path)
    answers = [json.loads(line) for line in printed.splitlines()]
    one, rows, columns, named, outcomes = answers
    assert (len(rows["predictions"]), len(columns["prediction"])) == (2, 2)
    assert named["version"] == one["version"]
    assert outcomes == {"accepted": 1, "refused": []}


@pytest.mark.parametrize("section", ["Python with httpx", "BentoML's client"])
def test_python(alone: Served, section: str, tmp_path: Path) -> None:
    _same(_python("".join(_code(section, "python")), alone.url, tmp_path))


def test_a_generated_python_client(alone: Served, python_client: Path) -> None:
    _same(_python("".join(_code("Generated Python", "python")), alone.url, python_client))


def test_a_generated_typescript_client(alone: Served, typescript: Path) -> None:
    _same(_typescript("".join(_code("TypeScript", "typescript")), alone.url, typescript))


def test_typescript_refuses_a_wrong_row_before_it_is_sent(alone: Served, typescript: Path) -> None:
    wrong = "".join(_code("TypeScript", "typescript")).replace('"single_family",\n  area', '"castle",\n  area', 1)
    (typescript / "wrong.ts").write_text(wrong, encoding="utf-8")
    done = subprocess.run(
        [
            "npx",
            "tsc",
            "--strict",
            "--skipLibCheck",
            "--noEmit",
            "--target",
            "es2022",
            "--module",
            "nodenext",
            "wrong.ts",
        ],
        cwd=typescript,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert '"castle"' in done.stdout


@pytest.mark.parametrize("section", BUSY)
def test_a_busy_service_is_asked_again(
    alone: Served, section: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with busy_at_first(alone.url) as busy:
        ((language, code),) = SECTIONS[section]
        if language == "bash":
            printed = _bash(code, busy.url, tmp_path)
        elif language == "python":
            printed = _python(code, busy.url, tmp_path)
        else:
            printed = _typescript(code, busy.url, request.getfixturevalue("typescript"))
        assert printed.strip()
        assert (busy.refused, busy.passed) == (1, 1)


def test_a_generated_python_client_can_be_patient(alone: Served, python_client: Path) -> None:
    text = PAGE.partition("### httpx and generated Python")[2]
    (construction,) = re.findall(r"`(Client\(.*?\))`", text, re.DOTALL)[:1]
    patient = _code("httpx and generated Python", "python")[0].partition("\nhouse = ")[0]
    generated, rest = "".join(_code("Generated Python", "python")).split("\none = ", 1)
    before, _, after = generated.partition(f'client = Client(base_url="{HERE}")')
    code = f"{patient}\n{before}client = {construction}{after}\none = {rest}"
    with busy_at_first(alone.url) as busy:
        _same(_python(code, busy.url, python_client))
        assert busy.refused == 1


def test_curl_with_a_key(closed: Served, tmp_path: Path) -> None:
    program = _with_key("curl", "curl", "bash")
    assert json.loads(_bash(f"KEY={KEY}\n{program}", closed.url, tmp_path).splitlines()[-1])["accepted"] == 1


@pytest.mark.parametrize(
    ("name", "section"), [("httpx", "Python with httpx"), ("BentoML's client", "BentoML's client")]
)
def test_python_with_a_key(closed: Served, name: str, section: str, tmp_path: Path) -> None:
    _same(_python(f'KEY = "{KEY}"\n{_with_key(name, section, "python")}', closed.url, tmp_path))


def test_a_generated_python_client_with_a_key(closed: Served, python_client: Path) -> None:
    program = _with_key("Generated Python", "Generated Python", "python")
    _same(_python(f'KEY = "{KEY}"\n{program}', closed.url, python_client))


def test_a_generated_typescript_client_with_a_key(closed: Served, typescript: Path) -> None:
    program = _with_key("TypeScript", "TypeScript", "typescript")
    _same(_typescript(f'const KEY = "{KEY}";\n{program}', closed.url, typescript))


def test_the_page_installs_what_the_tests_pin() -> None:
    pinned = json.loads((node.PINNED / "package.json").read_text())["dependencies"]
    (command,) = (code for code in _code("TypeScript", "bash") if code.startswith(NPM_INSTALL))
    assert command.split()[2:] == [f"{name}@{version}" for name, version in sorted(pinned.items())]


def test_every_program_of_the_page_is_run() -> None:
    known = {"curl", "Python with httpx", "Generated Python", "TypeScript", "BentoML's client", *BUSY}
    known |= {f"{name}, with a key" for name in KEYED}
    assert {title for title, blocks in SECTIONS.items() if blocks} == known


def _code(section: str, language: str) -> list[str]:
    return [code for kind, code in SECTIONS[section] if kind == language]


def _with_key(name: str, section: str, language: str) -> str:
    """A section's program, with the line that makes its client as it is for a service with keys."""
    ((_, keyed),) = SECTIONS[f"{name}, with a key"]
    before, _, after = re.split(f"^({re.escape(KEYED[name])}.*\n)", "".join(_code(section, language)), flags=re.M)
    return f"{before}{keyed}{after}"


def _bash(code: str, url: str, folder: Path) -> str:
    return _run(["bash", "-c", f"set -euo pipefail\n{code.replace(HERE, url)}"], url, folder)


def _python(code: str, url: str, folder: Path) -> str:
    script = folder / "program.py"
    script.write_text(code.replace(HERE, url), encoding="utf-8")
    return _run([sys.executable, str(script)], url, folder)


def _typescript(code: str, url: str, folder: Path) -> str:
    (folder / "client.ts").write_text(code.replace(HERE, url), encoding="utf-8")
    return _bash(_code("TypeScript", "bash")[-1], url, folder)


def _run(command: list[str], url: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    here = [part.replace(HERE, url) for part in command]
    done = subprocess.run(
        here, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def _same(printed: str) -> None:
    """The page's own output, with numbers up to what another processor may differ in."""
    shown, got = (text.split() for text in (PRINTED, printed))
    assert len(shown) == len(got), printed
    for one, other in zip(shown, got, strict=True):
        if "," in one and one.replace(",", "").isdigit():
            assert float(other.replace(",", "")) == pytest.approx(float(one.replace(",", "")), rel=1e-3)
        else:
            assert one == other, printed
