"""The Redis that ships for Kubernetes: its configuration and the users of the docs, on a real redis-server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from deploy.checks.manifests import KUBERNETES
from tests.integration.test_redis_cache import key, opened, put, run, value
from tests.redis_server import RedisServer, redis_server
from tests.served import ROOT

PASSWORD = "a-password-for-this-test"
OF_THE_CONTAINER = ("port ", "aclfile ")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A redis-server as the component starts it, but for its port and the place of its users."""
    shipped = (KUBERNETES / "components" / "redis" / "redis.conf").read_text().splitlines()
    kept = [line for line in shipped if not line.startswith(OF_THE_CONTAINER)]
    assert len(shipped) - len(kept) == len(OF_THE_CONTAINER)
    users = re.findall(r"^ *(user .*)$", (ROOT / "docs" / "deployment.md").read_text(), flags=re.MULTILINE)
    (tmp_path / "redis.conf").write_text("\n".join([*kept, ""]))
    (tmp_path / "users.acl").write_text("\n".join([*users, ""]).replace("$PASSWORD", PASSWORD))
    options = ("--include", str(tmp_path / "redis.conf"), "--aclfile", str(tmp_path / "users.acl"))
    with redis_server(tmp_path, *options) as running:
        yield running


def _url(server: RedisServer) -> str:
    return f"redis://plumbline:{PASSWORD}@127.0.0.1:{server.port}/0"


def test_the_service_shares_answers_through_it(server: RedisServer) -> None:
    async def main() -> None:
        async with opened(_url(server)) as one, opened(_url(server)) as other:
            await put(one, range(10))
            assert await other.get_many([key(3), key(99)]) == [value(3), None]
            assert set(one.counts.values()) | set(other.counts.values()) == {0}

    run(main())


def test_nobody_gets_in_without_the_password(server: RedisServer) -> None:
    async def main() -> None:
        async with Redis.from_url(server.url) as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.ping()

    run(main())


@pytest.mark.parametrize(
    "command",
    ["GET plumbline:00", "MGET others:00", "SET others:00 1", "KEYS *", "FLUSHALL", "CONFIG GET *", "EVAL return 0"],
)
def test_the_service_may_do_no_more_than_it_does(server: RedisServer, command: str) -> None:
    async def main() -> None:
        async with Redis.from_url(_url(server)) as client:
            with pytest.raises(NoPermissionError):
                await client.execute_command(*command.split())  # type: ignore[no-untyped-call]

    run(main())
