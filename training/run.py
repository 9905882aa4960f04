"""One training run, in the order in which it happens."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from registry import store
from registry.bundle import Answers, ModelVersion
from registry.errors import NoVersion, PlanError, RegistryError
from registry.manifest import DataPart, Manifest
from registry.rollout import ensure_plan
from registry.signatures import signing_key
from training import baselines, fetch, package, report
from training.dataset import Dataset, Split, split_by_time, validate
from training.evaluate import Figures, figures, interval_figures, outcome_reference, slice_figures
from training.gate import Check, check, summary
from training.recipe import Fitted, Recipe

RUNS = Path("runs")


@dataclass(frozen=True)
class Outcome:
    """What a run ended with; `version` is None when the gate refused or nothing was to be published."""

    manifest: Manifest
    files: dict[str, bytes]
    checks: list[Check]
    report: Path
    version: str | None

    @property
    def passed(self) -> bool:
        """Whether every condition of the gate was met."""
        return all(check.passed for check in self.checks)


def run(recipe: Recipe, console: Console, until: date | None = None, publish: bool = True) -> Outcome:
    """data -> split by time -> fit -> evaluate -> gate -> package -> publish.

    Args:
        recipe: which model.
        console: where progress and figures are shown.
        until: use only records before this day, as if it were that day.
        publish: whether a version that passes the gate goes to the model store.

    Raises:
        DataUnavailable: the data cannot be had.
        UnusableData: too few rows for a split, or none that the schema takes.
        ContractUnsupported: the reference cannot keep the recipe's drift contract.
    """
    with console.status("Fetching the data ..."):
        path = fetch.fetch(recipe.source)
    with console.status("Validating ..."):
        data, refused = validate(recipe.definition.rows, recipe.read(path))
    data = data if until is None else data.before(until)
    split = split_by_time(data, recipe.calibration_days)
    _show_data(console, data, split, refused)
    with console.status("Fitting ...") as status:
        fitted = recipe.fit(split, lambda text: status.update(f"Fitting: {text} ..."))
    model = ModelVersion(fitted.pipeline, fitted.booster, recipe.target, fitted.interval)

    with console.status("Evaluating ..."):
        answers = model.predict(model.transform(split.test.raw))
        metrics = _metrics(split, answers)
        slices = slice_figures(split.test.target, answers, recipe.slices(split.test))
        published = _published_figures(recipe, split, console)
    checks = check(recipe.gate, metrics["model"], metrics["ridge"], published)
    with console.status("Packaging ..."):
        files = package.bundle_files(recipe, fitted, model, data)
        package.check_contract(recipe, files)
        manifest = package.manifest(
            recipe,
            fitted,
            files,
            _data_part(recipe, split, refused),
            metrics,
            slices,
            # without the comparison: it hangs on what the store holds, and the same run must give the same version
            summary(recipe.gate, check(recipe.gate, metrics["model"], metrics["ridge"], None)),
            outcome_reference(recipe.target.link, split.test.target, answers),
        )
        page = report.write(
            RUNS / recipe.definition.name / f"{split.test.last:%Y%m%d}" / "report.html",
            f"{recipe.definition.name}, tested on {split.test.first} to {split.test.last}",
            f"Fitted on {len(split.fit):,} rows until {split.fit.last}, calibrated on {len(split.calibration):,}, "
            f"tested on {len(split.test):,} untouched ones.",
            *(metrics, slices, checks, split.test, answers, _importance(fitted)),
        )
    _show_figures(console, metrics, checks)
    version = None
    if publish and all(item.passed for item in checks):
        version = _publish(console, manifest, files)
    console.print(f"Report: {page}")
    return Outcome(manifest, files, checks, page, version)


def _publish(console: Console, manifest: Manifest, files: dict[str, bytes]) -> str:
    """Publish a version, write the first rollout plan if there is none, and say how to roll the version out."""
    model = manifest.model
    before = store.versions(model)
    version, new = store.publish(manifest, files, signing_key())
    console.print(f"{'Published' if new else 'Already published:'} {model}:{version}")
    try:
        plan = ensure_plan(model, before[0] if before else version)  # what serves without a plan goes on serving
    except PlanError as error:
        console.print(f"The rollout plan stays as it is: {error}")
        return version
    if plan.stable == version:
        console.print(f"It is the stable version, generation {plan.generation} of the rollout plan.")
    else:
        console.print(
            f"{plan.stable} stays the stable version. To roll this one out: "
            f"python -m registry.rollout --model {model} set-stable {version}"
        )
    return version


def _metrics(split: Split, answers: Answers) -> dict[str, Figures]:
    test = split.test
    known = Dataset(
        [*split.fit.rows, *split.calibration.rows],
        *(
            np.concatenate([getattr(split.fit, part), getattr(split.calibration, part)])
            for part in ("raw", "target", "days")
        ),
    )
    return {
        "model": {**figures(test.target, answers.value), **interval_figures(test.target, answers)},
        "ridge": figures(test.target, baselines.ridge(known, test)),
        "median": figures(test.target, baselines.median(known, test)),
    }


def _published_figures(recipe: Recipe, split: Split, console: Console) -> Figures | None:
    """The newest published version on the same quarter; None if there is none, or, with a word why, if it cannot be."""
    try:
        published = store.open_version(recipe.definition)
    except NoVersion:
        return None
    except RegistryError as error:  # of another schema, or damaged
        console.print(f"Not compared with what is published: {error}", markup=False)
        return None
    if published.manifest.data.calibrated_until >= split.test.first:
        console.print(f"Not compared with what is published: {published.version} has learnt from the test quarter")
        return None
    answers = published.model.predict(published.model.transform(split.test.raw))
    return figures(split.test.target, answers.value)


def _data_part(recipe: Recipe, split: Split, refused: Counter[str]) -> DataPart:
    parts = (split.fit, split.calibration, split.test)
    return DataPart(
        source=f"{recipe.source.package}=={recipe.source.version}:{recipe.source.member}",
        sha256=recipe.source.sha256,
        rows=sum(len(part) for part in parts),
        refused=sum(refused.values()),
        first=split.fit.first,
        last=split.test.last,
        fit_until=split.fit.last,
        calibrated_until=split.calibration.last,
        tested_until=split.test.last,
    )


def _importance(fitted: Fitted) -> dict[str, float]:
    gains = fitted.booster.get_score(importance_type="total_gain")
    return {str(name): float(np.asarray(gain).sum()) for name, gain in gains.items()}


def _show_data(console: Console, data: Dataset, split: Split, refused: Counter[str]) -> None:
    console.print(f"{len(data):,} rows, {data.first} to {data.last}; {sum(refused.values()):,} refused by the schema")
    for rule, count in refused.most_common():
        console.print(f"  {count:,} x {rule}")
    for name, part in (("fit", split.fit), ("calibration", split.calibration), ("test", split.test)):
        console.print(f"  {name:<12}{len(part):>7,} rows, {part.first} to {part.last}")


def _show_figures(console: Console, metrics: dict[str, Figures], checks: list[Check]) -> None:
    table = Table(title="On the untouched test quarter")
    table.add_column("")
    for name in metrics:
        table.add_column(name, justify="right")
    for key in ("mape", "median_ape", "bias", "within_10", "mae", "r2", "coverage", "interval_width"):
        cells = [f"{part[key]:,.3f}" if key in part else "" for part in metrics.values()]
        table.add_row(key, *cells)
    console.print(table)
    for item in checks:
        word = "passed" if item.passed else "[bold red]FAILED[/]"
        console.print(f"  gate: {item.name} {item.figure:.3f}, {item.limit}: {word}")
