"""Which version answers a request. Pure and without I/O: the same plan gives the same choice on every worker.

A key is hashed with the plan's salt to a point in [0, 1), and the canary answers if the point lies below its weight.
Raising the weight therefore takes no key back from the canary, and no worker has to know of another.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from registry.plan import Plan
from schemas.errors import NotReady, UnknownVersion
from schemas.predictions import Variant

_HASH_BYTES = 8
_POINTS = 1 << (8 * _HASH_BYTES)


class Choice(NamedTuple):
    """A version and the part that it plays."""

    version: str
    variant: Variant


@dataclass(frozen=True, slots=True)
class Routes:
    """A plan made ready for choosing, given what is live. Replaced as a whole when either changes.

    Args:
        stable: what answers unless something else is chosen.
        canary: what answers the share of keys below `limit`; None when there is no such share.
        shadows: versions that predict beside the answer, in the plan's order.
        named: what a request can name, the stable version first.
        limit: the canary's weight, in units of the hash.
        personal: the plan's salt, as the hash wants it.
    """

    stable: Choice
    canary: Choice | None
    shadows: tuple[str, ...]
    named: dict[str, Choice]
    limit: int
    personal: bytes

    @property
    def live(self) -> list[str]:
        """The versions that a request can name, the stable one first."""
        return list(self.named)

    def choose(self, version: str | None, routing_key: str | None, row: bytes | memoryview) -> Choice:
        """The version for a request.

        Args:
            version: the version that the request names, if any.
            routing_key: what shall stay with one variant; without it the row stands for itself.
            row: the canonical row; looked at only when there is a canary and no routing key.

        Raises:
            UnknownVersion: `version` is not live; the error lists those that are.
        """
        if version is not None:
            return self._by_name(version)
        canary = self.canary
        if canary is None:  # nothing to hash for
            return self.stable
        key = row if routing_key is None else routing_key.encode("utf-8", "surrogatepass")
        point = int.from_bytes(blake2b(key, digest_size=_HASH_BYTES, person=self.personal).digest(), "big")
        return canary if point < self.limit else self.stable

    def _by_name(self, version: str) -> Choice:
        try:
            return self.named[version]
        except KeyError:
            raise UnknownVersion(
                f"That version is not live; live: {', '.join(self.live)}.", extension={"live_versions": self.live}
            ) from None


def routes(plan: Plan, live: Collection[str]) -> Routes:
    """Make a plan ready for choosing, with those of its versions that are live.

    A canary that is not live leaves its share to the stable version.

    Args:
        live: versions that can answer; those that are not in the plan are not chosen.

    Raises:
        NotReady: the plan's stable version is not live.
    """
    if plan.stable not in live:
        raise NotReady(f"{plan.model}: the version {plan.stable} is not live yet.")
    stable = Choice(plan.stable, "stable")
    canary = Choice(plan.canary.version, "canary") if plan.canary and plan.canary.version in live else None
    shadows = tuple(version for version in plan.shadows if version in live)
    limit = round(plan.canary.weight * _POINTS) if plan.canary else 0
    choices = [stable, *([canary] if canary else []), *(Choice(shadow, "shadow") for shadow in shadows)]
    return Routes(
        stable=stable,
        canary=canary if limit else None,
        shadows=shadows,
        named={choice.version: choice for choice in choices},
        limit=limit,
        personal=blake2b(plan.salt.encode(), digest_size=blake2b.PERSON_SIZE).digest(),
    )
