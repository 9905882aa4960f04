"""The image's health check: exit code 0 while /readyz answers 200. Only what Python itself has is imported."""

import os
import sys
from http.client import HTTPConnection

TIMEOUT_SECONDS = 4


def main() -> int:
    """Ask once; what goes wrong is printed as one line, which `docker inspect` shows."""
    port = int(os.environ.get("PORT") or os.environ.get("BENTOML_PORT") or 3000)
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except OSError as error:
        sys.stdout.write(f"/readyz on port {port}: {error}\n")
        return 1
    sys.stdout.write(f"/readyz: {status}\n")
    return int(status != 200)


if __name__ == "__main__":
    sys.exit(main())
