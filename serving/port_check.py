"""`python -m serving.port_check HOST PORT`: whether a server can listen there; if not, why and what to do.

`make serve` asks before it trains. BentoML would say the same, at the end of 60 lines of traceback.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Sequence

HIGHEST = 65_535


def hindrance(host: str, port: str) -> str | None:
    """What stands in the way, for people; None: nothing does."""
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= HIGHEST:
        return f"PORT={port} is no port: give a number from 1 to {HIGHEST}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # as the server does: connections that linger of the one before do not matter
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        return _reason(error, host, port)
    return None


def _reason(error: OSError, host: str, port: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use, perhaps by a service of before. Use another: make serve PORT=8080"
    if error.errno == errno.EACCES:
        return f"this user may not listen on port {port}. Use one from 1024 on: make serve PORT=8080"
    return (
        f"this machine cannot listen on {host}: {error.strerror}. Use an address of its own: make serve HOST=127.0.0.1"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: a server can listen there; 1: it cannot."""
    host, port = sys.argv[1:] if arguments is None else arguments
    why = hindrance(host, port)
    if why:
        sys.stderr.write(f"Cannot serve: {why}\n")
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
