"""Prediction ids: signed tokens that carry what was predicted, so that the truth may come late and needs no database.

A token is 64 characters of URL-safe base64 over 48 bytes: a payload of 36 bytes and a signature of 12. The payload, in
little-endian: format (1), tag of model and version (7), time in seconds (4), nonce (8), value (8, float64), low and
high (4 each, float32, NaN without an interval). The ends are rounded outwards, so that what the client's interval held,
the token's interval holds. 48 is a multiple of 3, so a token has no padding and one spelling.

Nonces follow one another from a random one. Format 1 is a prediction on its own, signed by keyed BLAKE2b. Format 2 is
one of many, whose first nonce 64 divides; monitoring/bulk_signatures.py signs them.

The token is signed, not secret: its reader learns nothing that the answer did not say.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import struct
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Sequence
from itertools import count
from math import isnan
from typing import Literal, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from monitoring.bulk_signatures import BLOCK, SIGNATURE_BYTES, WORDS, BulkSigner

ALONE, AMONG_MANY = 1, 2
"""Formats."""
TAG_BYTES = 7
NONCE_BYTES = 8
TOKEN_LENGTH = 64

_OWN = struct.Struct("<IQdff")
"""What a payload holds after format and tag."""
_READ = struct.Struct("<B7sI8sdff")
_SHARED = struct.Struct("<8sI")
"""What the payloads of many begin with."""
_ROW = np.dtype([("nonce", "<u8"), ("value", "<f8"), ("low", "<f4"), ("high", "<f4"), ("signature", "<u4", (3,))])
"""A token after that."""
_WRITTEN_LENGTH = TOKEN_LENGTH + len('"",')
_OWN_START = 1 + _SHARED.size // 3 * 4
"""Where a written token's own characters begin."""
_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")
_SPELLING = re.compile(rb"[A-Za-z0-9_-]{%d}" % TOKEN_LENGTH)

_OUTWARDS = 2.0**-23
"""More than rounding to float32 can move a number, relative to it."""

_MOST = float(np.finfo(np.float32).max)
_NAN = float("nan")
_SECONDS = 0xFFFFFFFF
"""Cuts a time to 32 bits, good until 2106; a broken clock must not break an answer."""

IdRefusal = Literal["malformed", "forged", "foreign"]
"""Why a token is not believed: it is no token; it is not signed with our keys; it is of a version unknown here."""


class IssuedPrediction(NamedTuple):
    """What a token says. `issued_at` in Unix seconds; value, low and high in the unit of the model's target."""

    version: str
    issued_at: int
    value: float
    low: float | None
    high: float | None
    nonce: bytes


class Tokens(Sequence[str]):
    """n tokens, each made a str when it is asked for: answers to many rows are written from bytes.

    Args:
        json: a list of the tokens as JSON, without spaces.
    """

    def __init__(self, json: bytes) -> None:
        self.json = json

    def as_members(self) -> list[bytes]:
        """Each of them in quotes, and the comma before the next member of an object."""
        found: list[bytes] = np.frombuffer(self.json, f"V{_WRITTEN_LENGTH}", len(self), 1).tolist()
        found[-1] = found[-1][:-1] + b","
        return found

    def __len__(self) -> int:
        return len(self.json) // _WRITTEN_LENGTH

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        start = range(len('["'), len(self.json), _WRITTEN_LENGTH)[place]
        return self.json[start : start + TOKEN_LENGTH].decode()


class IdWriter:
    """Makes the ids of one version; keep it as long as the version serves. Safe to use from several threads and after a
    fork.

    Args:
        key: signs; 16 to 64 bytes (the first of monitoring/signing_key.py).
        model, version: their names.
    """

    def __init__(self, key: bytes, model: str, version: str) -> None:
        begun, tag = _keyed(key), _tag(model, version)
        self._alone, self._among_many = bytes([ALONE]) + tag, bytes([AMONG_MANY]) + tag
        begun.update(self._alone)  # the key is hashed now, and not once more for each id
        self._copy, self._signer = begun.copy, BulkSigner(key)

    def one(self, value: float, low: float | None, high: float | None, now: float) -> str:
        """The id of one prediction.

        Args:
            value: the prediction.
            low, high: its interval; None without one.
            now: Unix time in seconds.
        """
        if low is None or high is None:
            floor = ceiling = _NAN
        else:
            floor, ceiling = low - abs(low) * _OUTWARDS, high + abs(high) * _OUTWARDS
        try:
            own = _OWN.pack(int(now) & _SECONDS, next(_Nonces.following), value, floor, ceiling)
        except OverflowError:  # an end is larger than float32 holds
            assert low is not None
            assert high is not None
            return self.many([value], [low], [high], now)[0]
        mac = self._copy()
        mac.update(own)
        return _spelt(self._alone + own + mac.digest()).decode()

    def many(
        self, values: Sequence[float], low: Sequence[float] | None, high: Sequence[float] | None, now: float
    ) -> Tokens:
        """The ids of n predictions of one moment, in their order.

        Args:
            values: n predictions.
            low, high: n ends each; None without intervals.
            now: Unix time in seconds.
        """
        rows = np.empty(len(values), _ROW)
        rows["value"] = values
        if low is None or high is None:
            rows["low"] = rows["high"] = np.nan
        else:
            floor, ceiling = np.asarray(low, np.float64), np.asarray(high, np.float64)
            with np.errstate(over="ignore", invalid="ignore"):  # the same arithmetic as for one
                rows["low"] = np.minimum(floor - np.abs(floor) * _OUTWARDS, _MOST)
                rows["high"] = np.maximum(ceiling + np.abs(ceiling) * _OUTWARDS, -_MOST)
        return self._signed(_SHARED.pack(self._among_many, int(now) & _SECONDS), rows)

    def _signed(self, shared: bytes, rows: npt.NDArray[np.void]) -> Tokens:
        first = int.from_bytes(os.urandom(NONCE_BYTES), "little") & -BLOCK
        rows["nonce"] = np.arange(len(rows), dtype="<u8") + np.uint64(first)  # after the last comes 0
        words = rows.view("<u4").reshape(len(rows), _ROW.itemsize // 4)
        rows["signature"] = self._signer.many(shared, first, words[:, 2 : 2 + WORDS])
        if not len(rows):
            return Tokens(b"[]")
        own = np.frombuffer(_spelt(rows.tobytes()), np.uint8)
        json = np.empty(1 + len(rows) * _WRITTEN_LENGTH, np.uint8)
        json[0] = ord("[")
        each = json[1:].reshape(len(rows), _WRITTEN_LENGTH)
        each[:, :_OWN_START] = np.frombuffer(b'"' + _spelt(shared), np.uint8)
        each[:, _OWN_START:-2] = own.reshape(len(rows), TOKEN_LENGTH + 1 - _OWN_START)
        each[:, -2:] = np.frombuffer(b'",', np.uint8)
        json[-1] = ord("]")
        return Tokens(json.tobytes())


class IdReader:
    """Reads ids of one model and believes only what was signed. Safe to use from several threads.

    Args:
        keys: all that are accepted, each 16 to 64 bytes; the one that signs first, as it is met most often.
        model: its name.
    """

    def __init__(self, keys: Sequence[bytes], model: str) -> None:
        self._keys, self._model = [(_keyed(key).copy, BulkSigner(key)) for key in keys], model
        self._versions: dict[bytes, str] = {}

    def know(self, version: str) -> None:
        """Read this version's ids from now on, whether it serves or did so once."""
        self._versions[_tag(self._model, version)] = version

    def read(self, token: str) -> IssuedPrediction | IdRefusal:
        """What the token says, or why it is not believed."""
        try:
            spelt = token.encode("ascii")
        except UnicodeEncodeError:
            return "malformed"
        if not _SPELLING.fullmatch(spelt):
            return "malformed"
        whole = a2b_base64(spelt.translate(_FROM_URL))
        payload, signature = whole[: _READ.size], whole[_READ.size :]
        form, tag, issued_at, nonce, value, low, high = _READ.unpack(payload)
        if form not in (ALONE, AMONG_MANY):
            return "malformed"
        if not any(hmac.compare_digest(ours, signature) for ours in self._signatures(form, payload)):
            return "forged"
        version = self._versions.get(tag)
        if version is None:
            return "foreign"
        if isnan(low) or isnan(high):
            return IssuedPrediction(version, issued_at, value, None, None, nonce)
        return IssuedPrediction(version, issued_at, value, low, high, nonce)

    def _signatures(self, form: int, payload: bytes) -> Iterator[bytes]:
        """By each key."""
        nonce, words = payload[_SHARED.size :][:NONCE_BYTES], payload[_SHARED.size + NONCE_BYTES :]
        for copy, signer in self._keys:
            if form == AMONG_MANY:
                yield signer.one(payload[: _SHARED.size], int.from_bytes(nonce, "little"), words)
            else:
                mac = copy()
                mac.update(payload)
                yield mac.digest()


class _Nonces:
    """Of this process: one after the other, beginning anywhere, so that two processes do not meet."""

    following: Iterator[int]

    @classmethod
    def begin(cls) -> None:
        cls.following = count(int.from_bytes(os.urandom(NONCE_BYTES), "little") >> 1)  # far from where 64 bits end


_Nonces.begin()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Nonces.begin)


def _spelt(token: bytes) -> bytes:
    """In URL-safe base64."""
    return b2a_base64(token, newline=False).translate(_TO_URL)


def _tag(model: str, version: str) -> bytes:
    """How a token names model and version."""
    return hashlib.blake2b(f"{model}/{version}".encode(), digest_size=TAG_BYTES).digest()


def _keyed(key: bytes) -> hashlib.blake2b:
    """A hash object that has taken the key; its copies sign."""
    if not 16 <= len(key) <= 64:
        raise ValueError(f"a signing key has 16 to 64 bytes, not {len(key)}")
    return hashlib.blake2b(digest_size=SIGNATURE_BYTES, key=key)
