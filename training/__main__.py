"""`python -m training`: train, evaluate and, when the gate agrees, publish a model version."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from importlib import import_module

from rich.console import Console

from monitoring.calibration import ContractUnsupported
from registry import store
from registry.secret_files import SecretUnreadable
from registry.signatures import BadKey, signing_key
from training.dataset import UnusableData
from training.fetch import DataUnavailable
from training.package import ForeignTypes
from training.recipe import Recipe
from training.run import run

PLACES = (
    "Versions go to the model store in BENTOML_HOME (~/bentoml if it is not set), reports to runs/ in this folder; \
both must be writable."
)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: published or nothing to do; 1: gate or drift contract refused; 2: no data, types or key to use."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--recipe", default="training.house_prices", help="module that holds RECIPE")
    parser.add_argument("--until", type=date.fromisoformat, help="use only records before this day (YYYY-MM-DD)")
    parser.add_argument("--no-publish", action="store_true", help="train and report, but leave the model store alone")
    parser.add_argument("--if-missing", action="store_true", help="do nothing when the model store has a version")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True)
    recipe: Recipe = import_module(options.recipe).RECIPE
    try:
        if options.if_missing and store.versions(recipe.definition.name):
            return 0
        signing_key()  # a wrong one is told now, and not after the training
        outcome = run(recipe, console, options.until, not options.no_publish)
    except (DataUnavailable, UnusableData, ForeignTypes, BadKey, SecretUnreadable) as error:
        console.print(f"[bold red]Cannot train:[/] {error}")
        return 2
    except OSError as error:
        console.print(f"[bold red]Cannot train:[/] {error}. {PLACES}", highlight=False)
        return 2
    except ContractUnsupported as error:
        console.print(f"[bold red]The drift contract refused this version:[/] {error}. Nothing was published.")
        return 1
    if not outcome.passed:
        failed = "; ".join(f"{c.name} {c.figure:.3f} ({c.limit})" for c in outcome.checks if not c.passed)
        console.print(f"[bold red]The gate refused this version:[/] {failed}. Nothing was published.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
