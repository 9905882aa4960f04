"""A pickle is refused and not run, wherever it is put: bundle, Redis, request, state folder, BentoML's own files.

Each payload writes a file when it is unpickled, and Python itself tells (by its audit events) of every attempt.
"""

from __future__ import annotations

import asyncio
import io
import os
import pickle
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from monitoring import calibrate
from registry import bundle, signatures, store
from registry.bundle import ModelDefinition, load
from registry.errors import BundleRefused, PlanUnreadable
from registry.plan_file import PlanFile
from serving.cache import FORMAT
from serving.redis_cache import PREFIX, RedisCache
from tests.conftest import EXAMPLE
from tests.inprocess import InProcess, in_process, said_apart
from tests.redis_server import redis_server
from tests.served import serve
from tests.unit.registry.foreign import Exploit
from tests.unit.registry.rebuild import rebuild
from tests.unit.serving.test_error_answers import check

TYPES = [
    *("application/vnd.bentoml+pickle", "application/vnd.bentoml+pickle; v=1", "APPLICATION/VND.BENTOML+PICKLE"),
    *("application/python-pickle", "application/octet-stream", "multipart/form-data; boundary=x"),
    *("application/x-www-form-urlencoded", "application/json", ""),
]
FILES = [bundle.PIPELINE, bundle.BOOSTER, bundle.REFERENCE, bundle.PROFILE, bundle.RANGES, bundle.GOLDEN]


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that is there once a payload was run."""
    return tmp_path / "executed"


@pytest.fixture
def payload(marker: Path) -> bytes:
    """A pickle that would make the file."""
    made = pickle.dumps(Exploit(str(marker)))
    pickle.loads(made)
    assert marker.exists()
    marker.unlink()
    return made


def npy(payload_object: object) -> bytes:
    """A numpy file that holds a pickled object."""
    content = io.BytesIO()
    np.save(content, np.array([payload_object], dtype=object), allow_pickle=True)
    return content.getvalue()


@pytest.mark.parametrize("name", [*FILES, bundle.MANIFEST, signatures.FILE, "custom_objects.pkl"])
def test_a_pickle_in_a_bundle_as_it_was_published_is_refused(
    bundle_directory: Path, tmp_path: Path, payload: bytes, marker: Path, definition: ModelDefinition, name: str
) -> None:
    copied = shutil.copytree(bundle_directory, tmp_path / "copied")
    (copied / name).write_bytes(payload)
    with pytest.raises(BundleRefused):
        load(bundle_directory.name, copied, definition, [b"a key"] if name == signatures.FILE else ())
    assert not marker.exists()


@pytest.mark.parametrize("name", [bundle.PIPELINE, bundle.BOOSTER, bundle.PROFILE, bundle.RANGES, bundle.GOLDEN])
def test_a_pickle_in_a_bundle_whose_digests_agree_is_refused(
    bundle_directory: Path, tmp_path: Path, payload: bytes, marker: Path, definition: ModelDefinition, name: str
) -> None:
    version = rebuild(bundle_directory, tmp_path / "rebuilt", {name: payload})
    with pytest.raises(BundleRefused):
        load(version, tmp_path / "rebuilt", definition)
    assert not marker.exists()


def test_a_pickled_object_inside_an_array_of_the_pipeline_is_refused(
    bundle_directory: Path, tmp_path: Path, marker: Path, definition: ModelDefinition
) -> None:
    with zipfile.ZipFile(bundle_directory / bundle.PIPELINE) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    arrays = [name for name in files if name.endswith(".npy")]
    assert arrays
    files.update(dict.fromkeys(arrays, npy(Exploit(str(marker)))))
    altered = io.BytesIO()
    with zipfile.ZipFile(altered, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    version = rebuild(bundle_directory, tmp_path / "rebuilt", {bundle.PIPELINE: altered.getvalue()})
    with pytest.raises(BundleRefused, match=bundle.PIPELINE):
        load(version, tmp_path / "rebuilt", definition)
    assert not marker.exists()


def test_a_pickled_object_inside_the_reference_rows_is_refused(
    bundle_directory: Path, tmp_path: Path, marker: Path, payload: bytes
) -> None:
    for content in (payload, npy(Exploit(str(marker)))):
        target = tmp_path / str(len(content))
        rebuild(bundle_directory, target, {bundle.REFERENCE: content})
        with pytest.raises(calibrate.Unreadable):
            calibrate.read(target)
    assert not marker.exists()


def test_bentomls_own_files_of_a_model_run_nothing(
    bundle_directory: Path, home: Path, payload: bytes, marker: Path, definition: ModelDefinition
) -> None:
    """BentoML knows pickled objects of a model, `custom_objects.pkl`, and YAML, which could name Python's objects."""
    version = "20160930-planted"
    folder = home / "models" / definition.name / version
    shutil.copytree(bundle_directory, folder)
    try:
        (folder / "custom_objects.pkl").write_bytes(payload)
        with pytest.raises(BundleRefused):
            store.open_version(definition, version)
        (folder / "model.yaml").write_text(f"!!python/object/apply:os.system ['touch {marker}']\n")
        with pytest.raises(BundleRefused, match=r"model\.yaml"):
            store.open_version(definition, version)
        assert not marker.exists()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def house(home: Path) -> Iterator[InProcess]:
    """The service, as the world sees it."""
    with in_process(PLUMBLINE_ADMIN_TOKEN="a-token-of-enough-length") as running:
        yield running


@pytest.fixture(scope="module")
def platform(home: Path) -> Iterator[InProcess]:
    """BentoML's own app, which understands pickles between services, without the front door."""
    with in_process(platform=True) as running:
        yield running


@pytest.mark.parametrize("media_type", TYPES)
@pytest.mark.parametrize("path", ["/predict", "/predict_batch", "/predict_columns", "/outcomes", "/rollout/rollback"])
def test_a_pickle_in_a_request_is_refused(
    house: InProcess, payload: bytes, marker: Path, path: str, media_type: str
) -> None:
    headers = {"Content-Type": media_type, "Authorization": "Bearer a-token-of-enough-length"}
    for extra in ({}, {"Buffer-Lengths": str(len(payload))}, {"Payload-Container": "NdarrayContainer"}):
        answer = house.request("POST", path, content=payload, headers={**headers, **extra})
        check(answer, "malformed_json" if media_type in ("application/json", "") else "unsupported_media_type")
    assert not marker.exists()


@pytest.mark.parametrize("path", ["/schema.json", "/metrics", "/models", "/nothing", "/static_content/swagger-ui.css"])
def test_no_other_path_reads_a_pickle(house: InProcess, payload: bytes, marker: Path, path: str) -> None:
    for method in ("GET", "POST", "PUT"):
        house.request(method, path, content=payload, headers={"Content-Type": TYPES[0]})
    assert not marker.exists()


@pytest.mark.parametrize("media_type", TYPES)
@pytest.mark.parametrize("path", ["/predict", "/predict_batch"])
def test_bentomls_own_way_to_the_same_methods_refuses_it_too(
    platform: InProcess, payload: bytes, marker: Path, path: str, media_type: str
) -> None:
    answer = platform.request("POST", path, content=payload, headers={"Content-Type": media_type})
    assert answer.status_code >= 400  # 500 for what is no form, which our front door does not let through
    assert not marker.exists()


def test_a_pickle_in_redis_is_a_miss(tmp_path: Path, payload: bytes, marker: Path) -> None:
    with redis_server(tmp_path) as server:

        async def main() -> None:
            cache = RedisCache(server.url, 60, 5.0)
            key = b"k" * 16
            for planted in (payload, bytes([FORMAT]) + payload, payload.ljust(64, b".")):
                await cache._client.set(PREFIX + key.hex().encode(), planted)
                assert await cache.get_many([key]) == [None]
            assert cache.counts["nonsense"] == 3
            await cache.close()

        asyncio.run(main())
    assert not marker.exists()


def test_pickles_in_every_file_of_the_state_are_not_run(
    home: Path, tmp_path: Path, payload: bytes, marker: Path
) -> None:
    state = tmp_path / "state"
    settings: dict[str, Any] = {
        "PLUMBLINE_STATE_FOLDER": str(state),
        "PLUMBLINE_PREDICTION_LOG": "1",
        "PLUMBLINE_WATCH_SECONDS": "0.05",
    }
    with in_process(**settings) as running:
        prediction = running.request("POST", "/predict", json={"features": EXAMPLE}).json()
        _look_everywhere(running, prediction["prediction_id"])
        running.until(lambda: any(state.rglob("*evidence*")))
    files = [path for path in state.rglob("*") if path.is_file()]
    assert len(files) >= 5
    for path in files:
        path.write_bytes(payload)
    with in_process(**settings) as running:
        running.request("POST", "/predict", json={"features": EXAMPLE})
        _look_everywhere(running, prediction["prediction_id"])
    assert not marker.exists()


def _look_everywhere(running: InProcess, prediction_id: str) -> None:
    body = {"outcomes": [{"prediction_id": prediction_id, "actual": 500_000.0}]}
    assert running.request("POST", "/outcomes", json=body).status_code == 200
    for path in ("/metrics", "/dashboard.json", "/models", "/rollout"):
        assert running.request("GET", path).status_code == 200


def test_a_pickle_in_place_of_the_plan_is_unreadable(tmp_path: Path, payload: bytes, marker: Path) -> None:
    (tmp_path / "rollout.json").write_bytes(payload)
    with pytest.raises(PlanUnreadable):
        PlanFile("house_prices", tmp_path / "rollout.json").read()
    assert not marker.exists()


WHOLE_LIFE = """
import json, sys
found = []
sys.addaudithook(lambda event, arguments: event == "pickle.find_class" and found.append(repr(arguments)))
from tests.inprocess import in_process
row = json.loads(sys.argv[1])
import pickle, pathlib
pickle.loads(pickle.dumps(pathlib.PurePosixPath("x")))
heard = len(found)
found.clear()
with in_process(PLUMBLINE_PREDICTION_LOG="1", PLUMBLINE_WATCH_SECONDS="0.05") as running:
    one = running.request("POST", "/predict", json={"features": row}).json()
    running.request("POST", "/predict_batch", json={"rows": [row] * 3})
    running.request("POST", "/outcomes", json={"outcomes": [{"prediction_id": one["prediction_id"], "actual": 1.0}]})
    for path in ("/metrics", "/dashboard.json", "/models", "/rollout", "/docs.json", "/schema.json"):
        assert running.request("GET", path).status_code == 200
print(json.dumps([heard, found]))
"""


def test_a_whole_life_of_the_service_unpickles_nothing(home: Path, tmp_path: Path) -> None:
    heard, found = said_apart(WHOLE_LIFE, EXAMPLE, home, tmp_path)
    assert heard > 0  # the hook does hear of unpickling
    assert found == []


def test_only_the_same_user_reaches_the_runner_service_to_which_workers_send_pickles(
    home: Path, tmp_path: Path, payload: bytes, marker: Path
) -> None:
    """BentoML pickles between its own processes: over a Unix socket in a folder that nobody else may enter."""
    with (
        TemporaryDirectory() as sockets,  # not below tmp_path: the path of a socket has at most 103 characters
        serve(home, tmp_path, PLUMBLINE_RUNNER="service", TMPDIR=sockets) as running,
        running.client() as client,
    ):
        assert client.post("/predict", json={"features": EXAMPLE}).status_code == 200
        for path in ("/compute", "/hold", "/release"):
            check(client.post(path, content=payload, headers={"Content-Type": TYPES[0]}), "not_found")
        [folder] = Path(sockets).glob("bentoml-uds-*")
        assert {path.suffix for path in folder.iterdir()} == {".sock"}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.stat().st_uid == os.getuid()
    assert not marker.exists()
