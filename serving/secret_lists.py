"""Settings that hold several values in one variable, separated by commas: keys, and origins."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, SecretStr

API_KEY_CHARACTERS = 16
"""Fewest characters of an API key."""

SIGNING_KEY_CHARACTERS = 32
"""Fewest characters of a key that signs bundles or prediction ids."""

_VISIBLE = re.compile(r"[!-~]+")  # ASCII without blanks: what a header carries unchanged
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-]+(:[0-9]{1,5})?|https?://\[[0-9a-fA-F:.]+\](:[0-9]{1,5})?")


def parts(text: str) -> list[str]:
    """What stands between the commas, without blanks."""
    return [part.strip() for part in text.split(",") if part.strip()]


def secret_parts(secret: SecretStr | None) -> list[bytes]:
    """The keys of a setting; none if it is unset."""
    return [part.encode() for part in parts(secret.get_secret_value())] if secret else []


def _keys_of(characters: int) -> AfterValidator:
    def check(secret: SecretStr) -> SecretStr:
        keys = parts(secret.get_secret_value())
        if not keys or min(map(len, keys)) < characters or not all(_VISIBLE.fullmatch(key) for key in keys):
            raise ValueError(f"each key needs at least {characters} visible ASCII characters, none of them a comma")
        return secret

    return AfterValidator(check)


def _checked_origins(text: str) -> str:
    origins = parts(text)
    if origins != ["*"] and not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("must be `*`, or origins such as https://app.example.org, separated by commas")
    return text


ApiKeys = Annotated[SecretStr, _keys_of(API_KEY_CHARACTERS)]
SigningKeys = Annotated[SecretStr, _keys_of(SIGNING_KEY_CHARACTERS)]
Origins = Annotated[str, AfterValidator(_checked_origins)]
