"""Settings: read once, checked with one helpful line, frozen, and all of them documented."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import annotated_types
import pydantic
import pytest
from pydantic.fields import FieldInfo

from serving.settings import PREFIX, SECRETS, Settings, read_settings
from tests.unit.serving.documented import between_markers, table

WRONG = [
    ("workers", "0", "greater than or equal to 1"),
    ("workers", "65", "less than or equal to 64"),
    ("workers", "two", "valid integer"),
    ("runner", "elsewhere", "'local' or 'service'"),
    ("model_version", "", "at least 1 character"),
    ("model_version", "x" * 65, "at most 64 characters"),
    ("model_version", "../../etc", "pattern '^[A-Za-z0-9_.-]+$'"),
    ("slowest_row_ms", "0", "greater than 0"),
    ("memory_limit_mb", "-1", "greater than or equal to 0"),
    ("drain_seconds", "601", "less than or equal to 600"),
    ("bundle_keys", "short", "at least 32"),
    ("admin_token", "short", "at least 16"),
    ("inside", "token", "needs PLUMBLINE_ADMIN_TOKEN"),
    ("inside", "outside", "'open', 'token' or 'closed'"),
    ("api_keys", "short", "at least 16"),
    ("api_keys", f"{'k' * 16},short", "each key needs at least 16 visible"),
    ("cors_origins", "https://app.example.org/path", "origins such as"),
    ("max_request_rows", "0", "greater than or equal to 1"),
    ("max_batch_rows", "100001", "less than or equal to 100000"),
    ("max_waiting_rows", "0", "greater than or equal to 1"),
    ("max_body_bytes", "1023", "greater than or equal to 1024"),
    ("max_held_bytes", "1", "greater than or equal to 1024"),
    ("body_timeout_seconds", "0", "greater than 0"),
    ("body_timeout_seconds", "nan", "less than or equal to 600"),
    ("request_timeout_seconds", "601", "less than or equal to 600"),
    ("request_timeout_seconds", "inf", "less than or equal to 600"),
    ("cache_url", "ftp://nowhere", "must be `memory`, `off`"),
    ("cache_bytes", "1", "greater than or equal to 65536"),
    ("cache_ttl_seconds", "0", "greater than 0"),
    ("cache_timeout_seconds", "11", "less than or equal to 10"),
    ("prediction_id_key", "short", "at least 32"),
    ("outcome_max_age_days", "0", "greater than 0"),
    ("false_alarm_days", "nan", "less than or equal to 36500"),
    ("ignore_below", "0.5", "less than 0.5"),
    ("rows_per_day", "0", "greater than or equal to 1"),
    ("outcomes_per_day", "inf", "less than or equal to 1000000000000"),
    ("watch_seconds", "0", "greater than 0"),
    ("prediction_log", "1.1", "less than or equal to 1"),
    ("personal_fields", "x" * 10_001, "at most 10000"),
    ("personal_hash_key", "short", "at least 16"),
    ("personal", "hash", "needs PLUMBLINE_PERSONAL_HASH_KEY"),
    ("log_level", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
]


@pytest.mark.parametrize(("name", "value", "limit"), WRONG)
def test_a_wrong_value_ends_the_start_with_one_line_that_helps(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, limit: str
) -> None:
    monkeypatch.setenv(PREFIX + name.upper(), value)
    with pytest.raises(SystemExit) as caught:
        read_settings()
    message = str(caught.value)
    assert message.startswith(f"{PREFIX}{name.upper()}: ")
    assert limit in message
    assert f"The default is {_default(Settings.model_fields[name])}; docs/settings.md lists" in message
    assert "\n" not in message


def test_two_wrong_values_are_both_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_WORKERS", "0")
    monkeypatch.setenv("PLUMBLINE_LOG_LEVEL", "info?")
    with pytest.raises(SystemExit) as caught:
        read_settings()
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "PLUMBLINE_WORKERS",
        "PLUMBLINE_LOG_LEVEL",
    ]


def test_a_wrong_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_ADMIN_TOKEN", "hunter2")
    monkeypatch.setenv("PLUMBLINE_CACHE_URL", "http://user:hunter2@host")
    with pytest.raises(SystemExit) as caught:
        read_settings()
    assert "hunter2" not in str(caught.value)


SECRET = "a secret of more than 32 characters, such as this"


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SECRETS:
        text = "redis://:secret@host:6379/0" if name == "cache_url" else SECRET.replace(" ", "_").replace(",", "")
        (tmp_path / name).write_text(f"{text}\n")
        monkeypatch.setenv(f"{PREFIX}{name.upper()}_FILE", str(tmp_path / name))
        found = getattr(read_settings(), name)
        assert found.get_secret_value() == text
        assert text not in repr(found)


def test_every_secret_may_stand_in_a_file() -> None:
    secrets = (pydantic.Secret, pydantic.SecretStr)
    found = {
        name
        for name, field in Settings.model_fields.items()
        if any(isinstance(part, type) and issubclass(part, secrets) for part in _parts(field.annotation))
    }
    assert found == set(SECRETS)


def _parts(annotation: Any) -> list[Any]:
    return [annotation, *(inner for part in get_args(annotation) for inner in _parts(part))]


def test_a_secret_both_in_the_environment_and_in_a_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_ADMIN_TOKEN", SECRET)
    monkeypatch.setenv("PLUMBLINE_ADMIN_TOKEN_FILE", "/nowhere")
    with pytest.raises(SystemExit, match="PLUMBLINE_ADMIN_TOKEN: PLUMBLINE_ADMIN_TOKEN_FILE is set as well"):
        read_settings()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "PLUMBLINE_ADMIN_TOKEN_FILE: the file cannot be read: No such file"),
        (b"hunter2\xff", "PLUMBLINE_ADMIN_TOKEN_FILE: the file is not text"),
        (b"hunter2\n", "PLUMBLINE_ADMIN_TOKEN: value should have at least 16"),
        (b"\n", "PLUMBLINE_ADMIN_TOKEN: value should have at least 16"),
    ],
)
def test_a_secrets_file_that_will_not_do_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("PLUMBLINE_ADMIN_TOKEN_FILE", str(path))
    with pytest.raises(SystemExit, match=said) as caught:
        read_settings()
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_setting_is_tried_with_a_wrong_value() -> None:
    assert {name for name, _, _ in WRONG} | {"rollout_plan", "state_folder", "clock_file"} == set(Settings.model_fields)


def test_settings_come_from_the_environment_and_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_WORKERS", "3")
    settings = read_settings()
    assert settings.workers == 3
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        settings.workers = 4  # type: ignore[misc]


def test_the_defaults_are_allowed() -> None:
    settings = read_settings()
    again = Settings.model_validate({name: getattr(settings, name) for name in Settings.model_fields})
    assert again == settings


def test_docs_list_every_setting_as_the_code_has_it() -> None:
    assert between_markers("settings.md", "settings") == settings_table()


def settings_table() -> str:
    """The table that docs/settings.md must hold; to renew it, paste what this returns."""
    rows = [
        (f"`{PREFIX}{name.upper()}`", f"`{_default(field)}`", _limits(field), str(field.description))
        for name, field in Settings.model_fields.items()
    ]
    return table(("Variable", "Default", "Limits", "What it is"), rows)


def _default(field: FieldInfo) -> str:
    return str(field.default)


def _limits(field: FieldInfo) -> str:
    signs = {
        annotated_types.Ge: ("ge", "≥ {}"),
        annotated_types.Gt: ("gt", "> {}"),
        annotated_types.Lt: ("lt", "< {}"),
        annotated_types.Le: ("le", "≤ {}"),
        annotated_types.MinLen: ("min_length", "at least {} characters"),
        annotated_types.MaxLen: ("max_length", "at most {} characters"),
    }
    found = [
        text.format(getattr(part, attribute))
        for part in field.metadata
        for attribute, text in [signs.get(type(part), ("", ""))]
        if attribute
    ]
    patterns = [f"`{part.pattern}`" for part in field.metadata if getattr(part, "pattern", None)]
    choices = [str(choice) for choice in getattr(field.annotation, "__args__", ()) if isinstance(choice, str)]
    return ", ".join(found + patterns + choices) or "none"
