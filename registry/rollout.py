"""The rollout plan of a model: where it lies, what holds without one, and how to follow it.

    python -m registry.rollout show | set-stable V | canary V --weight 0.1 | shadow V ... | promote | rollback | history

Without a plan the newest published version is stable, as generation 0: who has just trained a first model needs no
plan. A process takes that decision once and keeps it, so publishing changes nothing that runs. Yet two workers that
start before and after a publication would differ, and so training writes the first plan with the first version
(`ensure_plan`). From then on versions are only published, every worker reads the same file, and what serves changes
when an operator says so. Left without a plan are images that hold one version, where there is nothing to differ about.

A plan that was deleted or spoilt still holds: running workers keep what they read, and starting ones find the last
good plan in its history. To be without a plan again, delete the history with it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from monitoring.home import model_folder
from registry import store
from registry.errors import NoVersion, PlanConflict, PlanMissing, PlanUnreadable, RegistryError
from registry.plan import NO_PLAN, Plan, new_plan
from registry.plan_file import PlanFile

PLACE_VARIABLE = "PLUMBLINE_ROLLOUT_PLAN"
"""Environment variable with the plan's path, for the service, training and the command line alike."""


def plan_file(model: str, path: Path | None = None) -> PlanFile:
    """The plan file of a model: at `path`, else where PLUMBLINE_ROLLOUT_PLAN says, else in BentoML's home."""
    chosen = path or os.environ.get(PLACE_VARIABLE)
    return PlanFile(model, Path(chosen) if chosen else default_path(model))


def default_path(model: str) -> Path:
    """`$BENTOML_HOME/plumbline/<model>/rollout.json`."""
    return model_folder(model) / "rollout.json"


def default_plan(model: str, version: str = store.LATEST) -> Plan:
    """What holds without a plan: one stable version, generation 0.

    Args:
        version: a version's name, or "latest" for the newest in the store.

    Raises:
        NoVersion: "latest" was asked for and the store has no version.
        PlanRefused: not a version's name.
    """
    if version == store.LATEST:
        found = store.versions(model)
        if not found:
            raise NoVersion(f"the model store holds no version of {model}. Train one with: python -m training")
        version = found[0]
    return new_plan(model, version)


def ensure_plan(model: str, version: str, path: Path | None = None) -> Plan:
    """Write the first plan, with `version` as stable, unless there is a plan. A deleted one is written again.

    Returns:
        The plan that stands there now.

    Raises:
        PlanUnreadable: there is one, and it cannot be read; it stays as it is.
        PlanUnwritable: the place cannot be written.
    """
    file = plan_file(model, path)
    try:
        return file.read()
    except PlanMissing:
        pass
    try:
        return file.write(file.last_good() or new_plan(model, version), replaces=NO_PLAN)
    except PlanConflict:
        return file.read()  # somebody else wrote the first plan: just as good


class Watcher:
    """Follows a plan file and keeps the last good plan. One per process; call `poll` from one thread.

    Every change of content counts, whatever its generation: a ConfigMap that is set back is a roll-back too.

    Args:
        file: the plan file.
        default: makes the plan that holds if there never was a file; asked until it answers, then never again.
    """

    def __init__(self, file: PlanFile, default: Callable[[], Plan]) -> None:
        self._file, self._default = file, default
        self._content: bytes | None = None
        self.plan: Plan | None = None
        self.problem: RegistryError | None = None

    def poll(self) -> Plan | None:
        """Look at the file, which costs one open and read.

        Returns:
            The new plan, when it is another than at the last call; else None.

        `plan` is then the last good plan, and `problem` says why the file is not followed, or is None. A plan that is
        missing, half written or invalid is a problem, never an exception.
        """
        before = self.plan
        try:
            content = self._file.content()
            if content != self._content:
                self._content = content
                self.plan, self.problem = self._file.parse(content), None
        except PlanUnreadable as error:
            self._content = None  # whatever comes next is to be parsed
            self._do_without(error)
        return self.plan if self.plan != before else None

    def _do_without(self, error: PlanUnreadable) -> None:
        known = self.plan or self._file.last_good()
        if isinstance(error, PlanMissing) and (known is None or known.generation == NO_PLAN):
            self._start_without(known)
        else:
            self.plan, self.problem = known, error

    def _start_without(self, known: Plan | None) -> None:
        try:
            self.plan, self.problem = known or self._default(), None
        except RegistryError as error:
            self.problem = error


if __name__ == "__main__":
    from registry.rollout_cli import main

    sys.exit(main())
