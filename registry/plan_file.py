"""A rollout plan on disk: read it, replace it in one step, and know the plans before it.

Three files stand side by side: `rollout.json`, the plan; `rollout.history.jsonl`, the last plans, one a line, the
newest last; and `rollout.json.lock`, empty, held while somebody writes. The plan may also be a key of a mounted
ConfigMap; then Kubernetes replaces it, nobody writes it here, and there is no history.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from registry.errors import PlanConflict, PlanMissing, PlanRefused, PlanUnreadable, PlanUnwritable
from registry.plan import NO_PLAN, Plan, sentence

logger = logging.getLogger(__name__)

HISTORY_LENGTH = 50
MAX_BYTES = 256 * 1024
"""Far more than any plan needs; what is larger is some other file."""


class Kept(BaseModel):
    """A plan that was written, and when.

    Args:
        restores: the generation that it brought back, if it is a way back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    written: AwareDatetime
    plan: Plan
    restores: int | None = None

    @property
    def stands_at(self) -> int:
        """The generation from which a further way back leads on."""
        return self.plan.generation if self.restores is None else self.restores


@dataclass(frozen=True)
class PlanFile:
    """The plan of one model at one place. Safe to share: it holds no state.

    Args:
        model: a plan of another model is refused.
        path: the plan; nothing needs to be there yet.
    """

    model: str
    path: Path

    @property
    def mounted(self) -> bool:
        """Whether the plan is a key of a mounted ConfigMap: only the ConfigMap itself can be changed."""
        return (self.path.parent / "..data").is_symlink()

    def content(self) -> bytes:
        """The file as it is, to compare with what it was.

        Opening also finds the newest file on network disks, where asking for its time can get an old answer.

        Raises:
            PlanMissing: there is no file.
            PlanUnreadable: it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                return file.read(MAX_BYTES)
        except FileNotFoundError:
            raise PlanMissing(f"there is no rollout plan of {self.model} at {self.path}") from None
        except OSError as error:
            raise PlanUnreadable(f"the rollout plan {self.path} cannot be read: {error.strerror}") from error

    def parse(self, content: bytes) -> Plan:
        """The plan that a file's content says.

        Raises:
            PlanUnreadable: it is not a valid plan of this model.
        """
        try:
            plan = Plan.model_validate_json(content)
        except ValidationError as error:
            raise PlanUnreadable(f"{self.path} is not a rollout plan: {sentence(error)}") from None
        if plan.model != self.model:
            raise PlanUnreadable(f"{self.path} is the rollout plan of {plan.model}, not of {self.model}")
        if plan.generation == NO_PLAN:
            raise PlanUnreadable(f"{self.path} is not a rollout plan: generation: starts at {NO_PLAN + 1}")
        return plan

    def read(self) -> Plan:
        """The plan.

        Raises:
            PlanMissing: there is no file.
            PlanUnreadable: it cannot be read, or is not a valid plan of this model.
        """
        return self.parse(self.content())

    def write(self, plan: Plan, replaces: int) -> Plan:
        """Replace the plan in one step: a reader finds the old one or the new one, whole.

        Args:
            plan: it gets the next generation. If it is a kept one, the history has this as a way back to that.
            replaces: generation of the plan that the change was made from; NO_PLAN where none can be read.

        Returns:
            The plan with its generation.

        Raises:
            PlanConflict: another plan stands there by now, or somebody is writing one.
            PlanRefused: the plan belongs to another model.
            PlanUnwritable: the place cannot be written; a mounted ConfigMap never can.
        """
        if plan.model != self.model:
            raise PlanRefused(f"a plan of {plan.model} cannot stand at {self.path}, the place of {self.model}")
        if self.mounted:
            raise PlanUnwritable(f"{self.path} is a mounted ConfigMap; change the ConfigMap instead")
        with self._lock():
            kept = self._kept()
            found = kept.current.plan.generation if kept.current else NO_PLAN
            if found != replaces:
                raise PlanConflict(
                    f"somebody else was first: {self.path} is at generation {found}, "
                    f"and this change was made from {replaces}; look at it and try again"
                )
            # a deleted plan leaves its history, and its generations are not given twice
            numbered = plan.numbered(1 + max([found, *(entry.plan.generation for entry in kept.entries)]))
            self._replace(self._real, numbered.model_dump_json(indent=1).encode() + b"\n")
            restores = next((entry.stands_at for entry in kept.entries if entry.plan == plan), None)
            self._remember([*kept.entries, Kept(written=datetime.now(UTC), plan=numbered, restores=restores)])
            return numbered

    def last_good(self) -> Plan | None:
        """The last valid plan that is known here, for when there is none to be read; None if there never was one."""
        entries = self._kept().entries
        return entries[-1].plan if entries else None

    def history(self) -> list[Kept]:
        """The last plans, the newest first; it begins with the present one.

        Raises:
            PlanRefused: the plan is mounted, and nothing is kept here.
        """
        if self.mounted:
            raise PlanRefused(
                f"{self.path} is a mounted ConfigMap and has no history here; "
                "it lies with whatever keeps the ConfigMap, where its earlier content can be applied again"
            )
        return self._kept().entries[::-1]

    def previous(self, generation: int | None = None) -> Plan:
        """The plan to roll back to. Writing it is up to the caller.

        Without a generation: the last before the present one that said something else, or, where no plan can be read,
        the last one known. Rolling back again leads further back, never to what was rolled back from.

        Raises:
            PlanRefused: no such plan is kept.
        """
        entries = self.history()
        if generation is not None:
            found = [entry.plan for entry in entries if entry.plan.generation == generation]
        else:
            found = [entry.plan for entry in _before(self._kept().current, entries)]
        if not found:
            wanted = "plan before this one" if generation is None else f"generation {generation}"
            raise PlanRefused(f"no {wanted} is kept beside {self.path}; `history` shows what is")
        return found[0]

    @property
    def _real(self) -> Path:
        """Where the plan really lies: replacing a link would leave the file behind it as it was."""
        return Path(os.path.realpath(self.path))

    @contextmanager
    def _lock(self) -> Iterator[None]:
        path = self._real.with_name(self._real.name + ".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._hold(handle)
            yield
        finally:
            os.close(handle)  # and with it the lock

    def _hold(self, handle: int) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # who waits for it has lost the race anyway
        except BlockingIOError:
            raise PlanConflict(f"somebody else is writing {self.path} right now; look at it and try again") from None
        except OSError as error:
            raise self._unwritable(error) from error

    def _kept(self) -> _Known:
        """All that is known: the history, completed by a plan that was put there by hand or by a broken-off write."""
        entries = self._remembered()
        try:
            plan = self.read()
            written = datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        except (PlanUnreadable, OSError):
            return _Known(entries, None)
        if not entries or entries[-1].plan != plan:
            entries.append(Kept(written=written, plan=plan))
        return _Known(entries, entries[-1])

    @property
    def _history_path(self) -> Path:
        return self._real.with_suffix(".history.jsonl")

    def _remembered(self) -> list[Kept]:
        try:
            lines = self._history_path.read_bytes().splitlines()
        except OSError:
            return []
        entries = []
        for line in lines:
            with suppress(ValidationError):  # one spoilt line must not keep an operator from rolling back
                entries.append(Kept.model_validate_json(line))
        return entries

    def _remember(self, entries: list[Kept]) -> None:
        lines = [entry.model_dump_json().encode() + b"\n" for entry in entries[-HISTORY_LENGTH:]]
        try:
            self._replace(self._history_path, b"".join(lines))
        except PlanUnwritable as error:  # the plan itself is written and in force
            logger.warning("the history of the rollout plan was not written: %s", error)

    def _replace(self, path: Path, data: bytes) -> None:
        try:
            _replace_durably(path, data)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> PlanUnwritable:
        return PlanUnwritable(
            f"{self.path} cannot be written: {error.strerror}; where it comes from a ConfigMap, change that instead"
        )


@dataclass(frozen=True)
class _Known:
    """The kept plans, the newest last, and the one that stands there now, if it can be read."""

    entries: list[Kept]
    current: Kept | None


def _before(current: Kept | None, entries: list[Kept]) -> list[Kept]:
    """Those that a way back can lead to, the newest first, as `entries` are; all of them without a readable plan."""
    if current is None:
        return entries
    generations = [entry.plan.generation for entry in entries]
    stands_at = current.stands_at
    older = entries[generations.index(stands_at) + 1 :] if stands_at in generations else []
    return [entry for entry in older if not entry.plan.says_the_same(current.plan)]


def _replace_durably(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)  # the service may run as another user than the operator
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    with suppress(OSError):  # the new file stands; some file systems do not sync folders
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
