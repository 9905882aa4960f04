"""The command line of the rollout plan: `python -m registry.rollout`."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from registry import model_option, store
from registry.errors import NoVersion, PlanMissing, PlanRefused, PlanUnreadable, PlanUnwritable, RegistryError
from registry.plan import NO_PLAN, Plan, new_plan
from registry.plan_file import PlanFile
from registry.rollout import PLACE_VARIABLE, default_plan, plan_file

DESCRIPTION = "Say which versions of a model serve. Every worker follows the plan within two seconds."
EPILOG = "Exit code 0: done; 1: refused, with a sentence; 2: wrong usage."


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done; 1: refused, with a sentence. Wrong usage raises SystemExit(2), as argparse does."""
    parser = _parser()
    options = parser.parse_args(arguments)
    model = model_option.chosen(parser, options)
    file = plan_file(model, options.plan)
    console = Console(soft_wrap=True, highlight=False)
    try:
        if options.command == "show":
            _show(console, file)
        elif options.command == "history":
            _history(console, file)
        else:
            _change(console, file, options)
    except RegistryError as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"[bold red]Refused:[/] {_plain(str(error))}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m registry.rollout", description=DESCRIPTION, epilog=EPILOG)
    model_option.add(parser)
    parser.add_argument(
        "--plan",
        type=Path,
        help=f"the plan file (default: ${PLACE_VARIABLE}, else $BENTOML_HOME/plumbline/<model>/rollout.json)",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    forced = argparse.ArgumentParser(add_help=False)
    forced.add_argument("--force", action="store_true", help="also name versions that this model store does not hold")

    commands.add_parser("show", help="what serves now")
    stable = commands.add_parser("set-stable", parents=[forced], help="let a version answer")
    stable.add_argument("version", help="a version's name, or `latest` for the newest in the store")
    canary = commands.add_parser("canary", parents=[forced], help="put a version on trial, or end the trial")
    canary.add_argument("version", nargs="?", help="a version's name, `none` to end the trial; default: as now")
    canary.add_argument("--weight", type=float, help="share of the routing keys, 0 to 1; 0 ends the trial")
    shadow = commands.add_parser("shadow", parents=[forced], help="let versions predict without answering")
    shadow.add_argument("versions", nargs="*", metavar="version", help="these and no others; nothing: no shadows")
    commands.add_parser("promote", help="make the canary the stable version")
    rollback = commands.add_parser(
        "rollback", parents=[forced], help="write the plan before this one again; again: the one before that"
    )
    rollback.add_argument("--to", type=int, metavar="GENERATION", help="write this one again; see `history`")
    commands.add_parser("history", help="the last plans")
    return parser


def _change(console: Console, file: PlanFile, options: argparse.Namespace) -> None:
    """Make the change that was asked for, from the plan as it is now.

    Raises:
        RegistryError: refused; nothing was written.
    """
    if getattr(options, "version", None):
        options.version = _bare(file.model, options.version)
    options.versions = [_bare(file.model, version) for version in getattr(options, "versions", ())]
    current, generation = _current(file, options)
    wanted = file.previous(options.to) if options.command == "rollback" else _edited(current, options)
    if generation != NO_PLAN and wanted.says_the_same(current):
        console.print(f"Nothing to change: generation {generation} says this already.")
        return
    if not getattr(options, "force", False):
        _check_stored(wanted, current.versions if generation != NO_PLAN else ())
    try:
        written = file.write(wanted, replaces=generation)
    except PlanUnwritable:
        console.print(_plain(wanted.numbered(generation + 1).model_dump_json(indent=1)))  # what to put into a ConfigMap
        raise
    console.print(f"Generation {written.generation}: {_summary(written)}")


def _bare(model: str, version: str) -> str:
    """A version's name, also of a tag as `bentoml models list` shows it.

    Raises:
        PlanRefused: the tag is of another model.
    """
    tagged, colon, bare = version.rpartition(":")
    if colon and tagged != model:
        raise PlanRefused(f"{version} is no version of {model}; name one as `show` does")
    return bare


def _current(file: PlanFile, options: argparse.Namespace) -> tuple[Plan, int]:
    """The plan that holds and a change starts from, and the generation that the change replaces."""
    try:
        plan = file.read()
        return plan, plan.generation
    except PlanMissing:
        return file.last_good() or _first(file.model, options), NO_PLAN
    except PlanUnreadable as error:
        last_good = file.last_good()
        if options.command == "rollback" and last_good:
            return last_good, NO_PLAN
        raise PlanUnreadable(f"{error}. Mend it, or bring the last good one back with: rollback") from error


def _first(model: str, options: argparse.Namespace) -> Plan:
    """Where a first plan starts from; one that says what is stable needs nothing of this store."""
    if options.command == "set-stable" and options.version != store.LATEST:
        return new_plan(model, options.version)
    return default_plan(model)


def _edited(plan: Plan, options: argparse.Namespace) -> Plan:
    if options.command == "set-stable":
        return plan.with_stable(_resolved(plan.model, options.version))
    if options.command == "shadow":
        return plan.with_shadows(*(_resolved(plan.model, version) for version in options.versions))
    if options.command == "promote":
        return plan.promoted()
    return _canary(plan, options.version, options.weight)


def _canary(plan: Plan, version: str | None, weight: float | None) -> Plan:
    if version == "none" or weight == 0:
        return plan.without_canary()
    present = plan.canary.version if plan.canary else None
    version = _resolved(plan.model, version) if version else present
    if weight is not None and weight > 1:
        raise PlanRefused(f"--weight is a share from 0 to 1, not percent: {weight / 100:g} for {weight:g} %")
    if version is None:
        raise PlanRefused("there is no canary yet; name a version: canary V --weight 0.1")
    if weight is None:
        raise PlanRefused(f"say how much {version} is to answer, from 0 to 1: canary {version} --weight 0.1")
    return plan.with_canary(version, weight)


def _resolved(model: str, version: str) -> str:
    return default_plan(model).stable if version == store.LATEST else version


def _check_stored(wanted: Plan, serving: Collection[str]) -> None:
    """Refuse what the store does not hold; what serves already needs no proof."""
    stored = store.versions(wanted.model)
    missing = set(wanted.versions) - set(serving) - set(stored)
    if missing:
        raise NoVersion(
            f"the model store holds no version {' or '.join(sorted(missing))} of {wanted.model}; "
            f"it has: {', '.join(stored) or 'none'}. If the service has another store, add --force"
        )


def _show(console: Console, file: PlanFile) -> None:
    try:
        plan = file.read()
        title = f"{plan.model}, generation {plan.generation}, {file.path}"
    except PlanMissing as error:
        plan = file.last_good() or default_plan(file.model)
        known = f"its last generation, {plan.generation}, goes on" if plan.generation else "the newest version serves"
        title = f"{error}; {known}"
    stored = store.versions(plan.model)
    _table(
        console,
        title,
        ("part", "version", "share", "in this store"),
        ((part, version, share, "yes" if version in stored else "no") for part, version, share in _parts(plan)),
    )
    others = [version for version in stored if version not in plan.versions]
    if others:
        console.print(_plain(f"Published, not in the plan: {', '.join(others)}"))


def _history(console: Console, file: PlanFile) -> None:
    _table(
        console,
        f"{file.model}, {file.path}, the newest first",
        ("generation", "since", "plan"),
        (
            (str(kept.plan.generation), f"{kept.written:%Y-%m-%d %H:%M:%S} UTC", _summary(kept.plan))
            for kept in file.history()
        ),
    )


def _table(console: Console, title: str, head: Iterable[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(title=_plain(title), title_justify="left")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(_plain, row))
    console.print(table)


def _parts(plan: Plan) -> list[tuple[str, str, str]]:
    weight = plan.canary.weight if plan.canary else 0.0
    rows = [("stable", plan.stable, _percent(1 - weight))]
    if plan.canary:
        rows.append(("canary", plan.canary.version, _percent(weight)))
    return rows + [("shadow", version, "") for version in plan.shadows]


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _summary(plan: Plan) -> str:
    return ", ".join(" ".join(part for part in parts if part) for parts in _parts(plan))


def _plain(text: str) -> str:
    """Text that rich shows as it is: a path may hold brackets."""
    return text.replace("[", r"\[")
