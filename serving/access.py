"""Who may ask for what: API keys of clients, and the operators' token for what is not for clients.

Every comparison takes the same time whether a key is right, nearly right or wrong, and all keys are tried.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from typing import Literal

from schemas.errors import Forbidden, Unauthorised
from serving.secret_lists import secret_parts
from serving.settings import Settings

Audience = Literal["all", "clients", "inside"]
"""For whom a path is: probes are for all; predictions and outcomes for clients, who may need a key; what tells of the
service itself (metrics, dashboard, plan, versions, documents) is for the inside, which may be closed."""

_REALM = 'Basic realm="Plumbline: any user, the admin token as password", Bearer'


class Access:
    """Knows the keys.

    Args:
        settings: which keys there are, and how open the inside is.
    """

    def __init__(self, settings: Settings) -> None:
        self._api_keys = secret_parts(settings.api_keys)
        token = settings.admin_token
        self._admin_token = [token.get_secret_value().encode()] if token else []
        self._inside = settings.inside

    def is_closed(self, audience: Audience) -> bool:
        """Whether such paths shall not exist at all."""
        return audience == "inside" and self._inside == "closed"

    def admits_client(self, authorization: bytes) -> bool:
        """Whether a client with that header may ask for predictions."""
        return not self._api_keys or knows(self._api_keys, bearer(authorization))

    def check(self, audience: Audience, authorization: bytes, changes: bool = False) -> None:
        """Let a request pass, or not.

        Args:
            authorization: the header's value, empty if there is none.
            changes: whether it changes what serves, which takes the operators' token whoever the audience is.

        Raises:
            Unauthorised: the header does not carry what is asked for.
            Forbidden: it would change what serves, and there is no token for that.
        """
        if changes:
            self._check_change(authorization)
        if audience == "clients" and not self.admits_client(authorization):
            raise Unauthorised("Send an API key: Authorization: Bearer <key>.", headers={"WWW-Authenticate": "Bearer"})
        if audience == "inside" and self._inside == "token" and not self._admits_operator(authorization):
            raise Unauthorised("Send Authorization: Bearer <admin token>.", headers={"WWW-Authenticate": _REALM})

    def _check_change(self, authorization: bytes) -> None:
        if not self._admin_token:
            raise Forbidden("Changing the plan over HTTP is off; set PLUMBLINE_ADMIN_TOKEN to switch it on.")
        if not knows(self._admin_token, bearer(authorization)):
            raise Unauthorised("Send the header Authorization: Bearer <token>.", headers={"WWW-Authenticate": "Bearer"})

    def _admits_operator(self, authorization: bytes) -> bool:
        # a browser sends a password only; changes of the plan do not take it, lest another site's page should make one
        return knows(self._admin_token, bearer(authorization) or _password(authorization))


def knows(keys: list[bytes], given: bytes) -> bool:
    """Whether one of the keys was given, in a time that does not tell which or how nearly."""
    return sum([hmac.compare_digest(given, key) for key in keys]) > 0


def bearer(authorization: bytes) -> bytes:
    """The token of an Authorization header, empty if it carries none."""
    scheme, _, given = authorization.partition(b" ")
    return given.strip() if scheme.lower() == b"bearer" else b""


def _password(authorization: bytes) -> bytes:
    scheme, _, given = authorization.partition(b" ")
    try:
        user_and_password = b64decode(given, validate=True) if scheme.lower() == b"basic" else b""
    except binascii.Error:
        return b""
    return user_and_password.partition(b":")[2]
