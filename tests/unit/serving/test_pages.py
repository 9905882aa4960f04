"""The small pages: a request to try, as the shell takes it, and nothing that could become markup."""

from __future__ import annotations

import html
import json
import re
import shlex

import pytest

from serving.pages import api_docs, example_of, landing


def document(value: object) -> bytes:
    """An OpenAPI document with that example."""
    content = {"application/json": {"examples": {"One": {"value": value}}}}
    return json.dumps({"paths": {"/predict": {"post": {"requestBody": {"content": content}}}}}).encode()


def command(page: bytes) -> list[str]:
    """The words of the command that the page shows, as a shell reads them."""
    [code] = re.findall(r'<code id="example">(.*?)</code>', page.decode(), re.DOTALL)
    return shlex.split(html.unescape(code))


def test_the_first_page_shows_a_request_that_the_shell_takes() -> None:
    body = {"features": {"place": "O'Hare <b>&amp; 東京</b>", "beds": 3}}
    page = landing("houses", example_of(document(body)))
    assert b"<b>" not in page
    assert command(page)[:3] == ["curl", "-s", "$URL/predict"]
    assert json.loads(command(page)[-1]) == body


@pytest.mark.parametrize("text", [b"", b"{}", b'{"paths": {"/predict": {"post": {}}}}', b"[]"])
def test_without_an_example_there_is_none(text: bytes) -> None:
    assert example_of(text) is None
    assert b"curl" not in landing("houses", example_of(text))


def test_a_name_is_never_markup() -> None:
    for page in (landing("<i>", None), api_docs("<i>")):
        assert b"<i>" not in page
