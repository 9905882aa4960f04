"""Secrets from the environment, or from files that it names, such as those that Kubernetes mounts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

SUFFIX = "_FILE"
MOST_BYTES = 64 * 1024


class SecretUnreadable(Exception):
    """A secret cannot be had; the message names the variable and what to do, never the secret."""


def secret(name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """The variable `name`, else the content of the file that `name`_FILE names, without white space at its ends.

    Raises:
        SecretUnreadable: both are set, or the file cannot be read.
    """
    place = environ.get(name + SUFFIX)
    if place is None:
        return environ.get(name)
    if name in environ:
        raise SecretUnreadable(f"{name}: {name}{SUFFIX} is set as well; unset one of the two.")
    return _content(name, Path(place))


def _content(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode().strip()
    except OSError as error:
        raise SecretUnreadable(f"{name}{SUFFIX}: the file cannot be read: {error.strerror}.") from None
    except ValueError:  # the error would repeat what it cannot decode
        raise SecretUnreadable(f"{name}{SUFFIX}: the file is not text in UTF-8.") from None
