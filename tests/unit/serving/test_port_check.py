"""Before `make serve` does anything: is there a place to listen?"""

from __future__ import annotations

import errno
import socket

import pytest

from serving.port_check import hindrance, main
from tests.served import free_port


def test_a_free_port_is_no_hindrance(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["127.0.0.1", str(free_port())]) == 0
    assert capsys.readouterr().err == ""


def test_a_port_in_use_is_told_with_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["127.0.0.1", str(port)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"Cannot serve: port {port} of 127.0.0.1 is in use")
    assert "make serve PORT=8080" in said


@pytest.mark.parametrize("port", ["", "0", "-1", "65536", "http", "3000 ", "³"])
def test_what_is_no_port_is_told(port: str) -> None:
    assert f"PORT={port} is no port" in str(hindrance("127.0.0.1", port))


def test_an_address_of_another_machine_is_told() -> None:
    assert "cannot listen on 192.0.2.1" in str(hindrance("192.0.2.1", "8080"))


def test_a_port_that_needs_more_rights_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert "may not listen on port 80" in str(hindrance("127.0.0.1", "80"))
