"""The key that signs prediction ids: from the settings, else made once and shared by all workers of a home.

A file is made under another name and then linked to its own, which fails where somebody was first; whoever comes
later reads what is there. So workers that start at the same moment agree, and nobody ever reads half a key.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

FILE = "prediction_id.key"
MIN_CHARACTERS = 32
_MAX_BYTES = 4096
_OWNER_ONLY = 0o600


class SigningKeyRefused(Exception):
    """A key that must not sign; the message says why and what to do, never the key."""


def signing_keys(configured: str | None, folder: Path) -> list[bytes]:
    """The keys to use, 32 bytes each: the first signs, all verify.

    Args:
        configured: one secret or several, separated by commas. None: the file's.
        folder: where the file is or will be, `$BENTOML_HOME/plumbline/<model>`.

    Raises:
        SigningKeyRefused: a secret has fewer than 32 characters; or the file has, is open to others, or is unreadable.
    """
    if configured is not None:
        return _keys(configured, "prediction id key")
    path = folder / FILE
    try:
        if not path.exists():
            _make(path)
    except OSError as error:
        logger.warning(
            "the key of the prediction ids cannot be kept at %s: %s. It stays in this worker's memory, so outcomes are "
            "refused as forged by other workers and after a restart; set a key for all of them",
            *(path, error.strerror),
        )
        return [secrets.token_bytes(32)]
    return _keys(_content(path), str(path))


def _keys(text: str, origin: str) -> list[bytes]:
    return [_key(secret.strip(), origin) for secret in text.split(",")]


def _key(secret: str, origin: str) -> bytes:
    """Any secret to 32 bytes."""
    if len(secret) < MIN_CHARACTERS:
        raise SigningKeyRefused(
            f"{origin}: each key needs at least {MIN_CHARACTERS} characters, and one has {len(secret)}; "
            "make one with: openssl rand -hex 32"
        )
    return hashlib.blake2b(secret.encode(), digest_size=32, person=b"prediction_id").digest()


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(_MAX_BYTES)
    except OSError as error:
        raise SigningKeyRefused(f"{path} cannot be read: {error.strerror}; it must belong to this user") from error
    if mode & 0o077:
        raise SigningKeyRefused(
            f"{path} can be read or changed by others (mode {mode:o}), who could then forge outcomes; "
            f"delete it if they might have read it, else: chmod 600 {path}"
        )
    return content.decode(errors="replace")


def _make(path: Path) -> None:
    """Make the file unless somebody else has by then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f".{FILE}.{secrets.token_hex(8)}")
    handle = os.open(own, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ONLY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_hex(32).encode() + b"\n")
            file.flush()
            os.fchmod(file.fileno(), _OWNER_ONLY)  # whatever the umask is
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(own, path)
    finally:
        own.unlink()
