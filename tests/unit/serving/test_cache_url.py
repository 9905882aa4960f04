"""Which cache the settings ask for, and that no password is ever shown."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import traceback

import pytest
from pydantic import ValidationError

from serving.cache_url import SecretUrl, masked
from serving.cached_answers import open_cache
from serving.redis_cache import RedisCache
from serving.settings import Settings, read_settings

SECRET = "hunter2"
NAME = "PLUMBLINE_CACHE_URL"


def settings(monkeypatch: pytest.MonkeyPatch, url: str) -> Settings:
    """Settings with this cache URL in the environment."""
    monkeypatch.setenv(NAME, url)
    return read_settings()


def test_memory_is_the_default() -> None:
    cache = open_cache(Settings())
    assert cache is not None
    assert cache.shared is None
    assert str(Settings().cache_url) == "memory"


def test_off_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_cache(settings(monkeypatch, "off")) is None


def test_without_redis_its_client_is_not_even_imported() -> None:
    program = "import sys, service; sys.exit('redis' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://cache", "redis://cache"),
        ("redis://:hunter2@cache:6380/1", "redis://***@cache:6380/1"),
        ("rediss://user:hunter2@10.0.0.1/0", "rediss://***@10.0.0.1/0"),
        ("rediss://user:p%40hunter2@[::1]:6379?ssl_ca_certs=/ca.pem", "rediss://***@[::1]:6379"),
    ],
)
def test_redis_stands_behind_memory(monkeypatch: pytest.MonkeyPatch, url: str, shown: str) -> None:
    found = settings(monkeypatch, url)
    assert str(found.cache_url) == shown
    cache = open_cache(found)
    assert cache is not None
    assert isinstance(cache.shared, RedisCache)
    everything = [repr(found), str(found), found.model_dump_json(), json.dumps(found.model_dump(mode="json"))]
    everything += [repr(found.cache_url), repr(cache), repr(cache.shared), repr(vars(cache.shared))]
    assert SECRET not in "".join(everything)
    asyncio.run(cache.close())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hunter2",
        "memory://",
        "http://u:hunter2@cache",
        "unix:///hunter2",
        "redis://",
        "redis://:hunter2@",
        "redis://:hunter2@cache:port",
        "redis://:hunter2@cache:99999",
        "redis://:hunter2@cache:0",
        "redis://[hunter2",
        "redis://cache/hunter2",
        "redis://:hunter2@cache?socket_timeout=60",
        "redis://cache?password=hunter2",
        "redis://cache?retry_on_timeout",
        "redis://cache?ssl_ca_certs=/ca.pem",
        "rediss://cache?ssl_made_up=1",
    ],
)
def test_what_is_not_understood_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with pytest.raises(SystemExit) as refused:
        settings(monkeypatch, url)
    assert NAME in str(refused.value)
    assert "The default is memory" in str(refused.value)
    with pytest.raises(ValidationError) as invalid:
        Settings()
    said = str(refused.value) + str(invalid.value) + "".join(traceback.format_exception(invalid.value))
    assert SECRET not in said


@pytest.mark.parametrize("url", ["hunter2", "redis://[hunter2", "http://hunter2@cache", "redis://:hunter2@"])
def test_what_is_not_understood_is_shown_as_stars(url: str) -> None:
    assert masked(url) == "***"
    assert SECRET not in repr(SecretUrl(url))
