"""Settings of a training as command line options: one dataclass field, one option."""

from __future__ import annotations

import argparse
import sys
import types
import typing
from collections.abc import Sequence
from dataclasses import MISSING, asdict, field, fields
from pathlib import Path

from ..errors import EXIT_INTERRUPTED, EXIT_OK, ExprGenError
from .distributed import leave


def option(default, help: str, choices: Sequence[str] | None = None):
    """A dataclass field with its help text; `default` MISSING makes the option required."""
    metadata = {"help": help, "choices": choices}
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


def add_options(parser: argparse.ArgumentParser, settings: type) -> None:
    """Give `parser` one option for each field of the dataclass `settings`."""
    hints = typing.get_type_hints(settings)
    for f in fields(settings):
        flag = "--" + f.name.replace("_", "-")
        text = f.metadata.get("help", "")
        kind = hints[f.name]
        if isinstance(kind, types.UnionType):
            kind = next(k for k in typing.get_args(kind) if k is not type(None))
        if kind is bool:
            parser.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=f.default, help=text
            )
            continue
        if f.default not in (MISSING, None, ""):
            text += f" (default: {f.default})"
        parser.add_argument(
            flag,
            type=kind,
            default=None if f.default is MISSING else f.default,
            required=f.default is MISSING,
            choices=f.metadata.get("choices"),
            help=text,
        )


def settings_from(settings: type, arguments: argparse.Namespace):
    """The dataclass `settings` filled from parsed arguments."""
    return settings(**{f.name: getattr(arguments, f.name) for f in fields(settings)})


FREE = ("out", "checkpoints", "resume", "threads", "minutes")
"""Settings that say where and how fast, not what: a resumed training may change them."""


def fixed(settings, *free: str) -> dict:
    """The settings that a resumed training must share: all but FREE and those named in `free`."""
    return {k: v for k, v in asdict(settings).items() if k not in (*FREE, *free)}


def changed_options(settings, *without: str) -> str:
    """What a command line must say of the settings: all that are not at their default, with a space
    before each; files and folders by their names. For model cards.

    Args:
        without: fields that the card names itself, beside FREE and those that have no default.
    """
    words = []
    for f in fields(settings):
        value = getattr(settings, f.name)
        if f.default is MISSING or f.name in (*FREE, *without) or value == f.default:
            continue
        shown = Path(value).name if isinstance(value, str) else value
        words.append(f" --{f.name.replace('_', '-')} {shown}")
    return "".join(words)


def run_command(name: str, description: str, settings: type, train, args=None) -> int:
    """Parse `args`, train, and return an exit code (see errors.py)."""
    parser = argparse.ArgumentParser(prog=f"exprgen train {name}", description=description)
    add_options(parser, settings)
    try:
        train(settings_from(settings, parser.parse_args(args)))
        leave()
    except ExprGenError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped; --resume goes on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    return EXIT_OK
