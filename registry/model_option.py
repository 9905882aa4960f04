"""The option that says which model a command line of this room is about."""

from __future__ import annotations

import argparse

import bentoml


def add(parser: argparse.ArgumentParser) -> None:
    """Give a parser the option."""
    parser.add_argument("--model", help="name in the model store (default: the only one that is there)")


def chosen(parser: argparse.ArgumentParser, options: argparse.Namespace) -> str:
    """The model's name. Where none is given and the store holds not just one, the parser ends the program."""
    if options.model:
        return str(options.model)
    models = sorted({stored.tag.name for stored in bentoml.models.list()})
    if len(models) != 1:
        parser.error(f"--model is needed: the model store holds {', '.join(models) or 'no model'}")
    return models[0]
