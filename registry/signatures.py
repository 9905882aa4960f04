"""Signatures of bundles: who holds the key vouches for a version, beside the digests that say it is whole.

A signature is a keyed BLAKE2b hash (RFC 7693) over model, version and the manifest's SHA-256, in a file of its own that
belongs to no digest: so a version can be signed later, and its name stays. The manifest's digests cover the rest.
The key is symmetric: who can check can also sign. docs/security.md says what that means, and for whom it will do.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from registry.errors import BundleUnsigned
from registry.secret_files import secret

FILE = "signature.json"

SIGNING_KEY = "PLUMBLINE_SIGNING_KEY"
"""Variable with the key for new signatures, or with _FILE the path of its file."""

SCHEME = "blake2b-256"
MIN_CHARACTERS = 32
_VISIBLE = re.compile(r"[!-+\--~]+")  # as PLUMBLINE_BUNDLE_KEYS takes them: ASCII without blanks and commas
_MOST_BYTES = 4096
_PURPOSE = b"plumb_bundle"


class Signature(BaseModel):
    """What the file holds, in hexadecimal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheme: str
    signature: str


class BadKey(Exception):
    """There is no key to sign with, or none that may be; the message never holds it."""


def signing_key() -> bytes | None:
    """The key for new signatures; None if none is set.

    Raises:
        BadKey: it has fewer than 32 characters, or some that no setting of the service can hold.
        SecretUnreadable: its file cannot be read.
    """
    found = secret(SIGNING_KEY)
    if found is None:
        return None
    if len(found) < MIN_CHARACTERS or not _VISIBLE.fullmatch(found):
        raise BadKey(
            f"{SIGNING_KEY} needs at least {MIN_CHARACTERS} visible ASCII characters, none of them a comma; "
            "make one with: openssl rand -hex 32"
        )
    return found.encode()


def write(directory: Path, model: str, version: str, manifest: bytes, key: bytes) -> None:
    """Put a signature beside a bundle, in place of one that may be there."""
    signed = Signature(scheme=SCHEME, signature=_signature(model, version, manifest, key))
    own = directory.parent / f".{directory.name}.{FILE}"  # beside, for an unknown file inside would be refused
    own.write_text(signed.model_dump_json())
    own.replace(directory / FILE)


def check(directory: Path, model: str, version: str, manifest: bytes, keys: Sequence[bytes]) -> None:
    """See that one of the keys has signed; without keys nothing is asked for.

    Args:
        manifest: the very bytes that are used afterwards.

    Raises:
        BundleUnsigned: there is no signature, or it is none of these keys'.
    """
    if not keys:
        return
    found = _read(directory / FILE)
    if found is None or found.scheme != SCHEME or not found.signature.isascii():
        raise BundleUnsigned(_refusal(version, "is not signed"))
    matches = [hmac.compare_digest(found.signature, _signature(model, version, manifest, key)) for key in keys]
    if not any(matches):
        raise BundleUnsigned(_refusal(version, "is signed with none of the keys of PLUMBLINE_BUNDLE_KEYS"))


def _refusal(version: str, what: str) -> str:
    return (
        f"version {version} {what}; if you trust it, sign it where {SIGNING_KEY} is set: "
        f"python -m registry.sign {version}"
    )


def _read(path: Path) -> Signature | None:
    try:
        with path.open("rb") as file:
            return Signature.model_validate_json(file.read(_MOST_BYTES))
    except (OSError, ValidationError):
        return None


def _signature(model: str, version: str, manifest: bytes, key: bytes) -> str:
    text = "\n".join((model, version, hashlib.sha256(manifest).hexdigest()))
    short = hashlib.blake2b(key, digest_size=32, person=_PURPOSE).digest()  # BLAKE2b takes keys of up to 64 bytes
    return hashlib.blake2b(text.encode(), key=short, digest_size=32, person=_PURPOSE).hexdigest()
