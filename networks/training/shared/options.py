"""Settings of a training as command line options: one dataclass field, one option."""

from __future__ import annotations

import argparse
import contextlib
import gc
import itertools
import math
import os
import sys
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, asdict, field, fields
from pathlib import Path

from ...errors import EXIT_INTERRUPTED, EXIT_OK, ExprGenError, UsageError
from ...files import check_writable, made_folders, output_folder, sweep
from ...records import json_text, number_of
from .checkpoints import FILE
from .distributed import leave, processes
from .interrupts import deaf
from .prepared import (
    checkpoint_folder,
    end,
    folds_table,
    left,
    no_empty_folder,
    prepared_folder,
    validates,
    without_older,
)

USUAL = {
    "data": "folder of the prepared human faces",
    "ced": "folder of the prepared character pictures",
    "primary": "character, or the path of its profile",
    "tracks": "folder of face tracks (NAME.npz) of talkers",
    "truth": "folder of their truth (NAME.truth.npz)",
    "out": "weight file to write",
    "checkpoints": "folder of checkpoints; by default beside the weight file",
    "resume": "go on from the last checkpoint",
    "frozen_layers": "first layers kept as HCNN's: 4, 6, 8, 10 or 11",
    "variants": "variants of each face: as it is, mirrored, changed, ...",
    "humans": "human faces at most",
    "images": "faces to learn from, counted each time they are seen",
    "epochs": "times each face is seen",
    "batch": "faces a step",
    "rate": "learning rate",
    "balance": "0: as the data are, 1: every class alike",
    "changes": "strength of the changes to the faces, 0 to 1",
    "without": "character to keep out, to measure on one that was never seen",
    "minutes": "shorten the training to this time",
    "seed": "seed of everything random",
    "threads": "processor threads, 0: all",
    "folds": "cross-validate in so many parts instead of training once",
    "fold": "train and check this part alone, from 0",
    "people": "prepared set of synthetic people to mix in, of pictures or of performances (see "
    "sample_rigs/build/people.py and performances.py)",
    "people_share": "share of the synthetic people in a batch",
    "carried": "prepared set of photographs carried to held-in expressions to mix in (see `exprgen "
    "train carried`)",
    "carried_share": "share of the carried photographs in a batch",
    "teacher": "weights of the teacher to learn from as well (see `exprgen train teacher`)",
    "teacher_share": "share of the teacher's answers in the targets; the rest is people's votes",
}
"""What options of these names say where a training says nothing else of them."""


def option(default, help: str = "", choices: Sequence[str] | None = None):
    """A dataclass field with its help text, "" for the USUAL one of its name; `default` MISSING
    makes the option required."""
    metadata = {"help": help, "choices": choices}
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


def add_options(parser: argparse.ArgumentParser, settings: type) -> None:
    """Give `parser` one option for each field of the dataclass `settings`."""
    hints = typing.get_type_hints(settings)
    for f in fields(settings):
        flag = "--" + f.name.replace("_", "-")
        text = f.metadata["help"] or USUAL[f.name]
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
            type=number_of if kind is float else kind,
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
    """Parse `args`, train, tell the result, and return an exit code (see errors.py)."""
    parser = command_parser(name, description)
    add_options(parser, settings)
    given = parser.parse_args(args)

    def work() -> dict:
        s = settings_from(settings, given)
        check_numbers(s)
        check_ending(s)
        check_places(s)
        if getattr(s, "out", ""):
            check_writable(s.out)
            for folder in (checkpoint_folder(s), prepared_folder(s)):
                check_writable(folder / FILE, folder)
            sweep(output_folder(Path(s.out).absolute().parent))
        made = _trained(s, train)
        return {**written(s), "metrics": getattr(made, "metrics", made)}

    code = conclude(name, work, given.json, lambda: left(settings_from(settings, given)))
    if code == EXIT_OK:
        leave()
    return code


def _trained(s, train: Callable):
    """What a training returns; once it has ended, what it had prepared is gone."""
    if not processes().main:
        return train(s)
    with no_empty_folder(s), without_older(s):
        made = train(s)
        end(s)
    return made


def check_numbers(settings) -> None:
    """Refuse numbers below zero where the default is none, such as nothing can count, and none of
    what there must be: where the option's words don't say what "0:" is.

    Raises:
        UsageError: it names the option.
    """
    for f in fields(settings):
        value = getattr(settings, f.name)
        counts = isinstance(value, int | float) and isinstance(f.default, int | float)
        if counts and f.default >= 0 and not (0 <= value < MOST and (value or _may_be_none(f))):
            flag = f"--{f.name.replace('_', '-')}"
            raise UsageError(f"{flag} {value} makes no sense", fix=f"such as {f.default}")


def _may_be_none(f: Field) -> bool:
    """0 is a number of what this option counts."""
    counts = type(f.default) is int or f.name == "epochs"
    if not counts or f.default < 1 or f.name == "seed":
        return True
    return "0:" in (f.metadata["help"] or USUAL[f.name])


WEIGHTS = ".safetensors"
"""Ending of weight files."""
MOST = 2**62
"""Of what an option counts; torch takes no larger seed."""


def check_ending(settings) -> None:
    """Refuse weights under a name by which nothing would find them.

    Raises:
        UsageError: `out`, where it must be given, has another ending.
    """
    named = any(f.name == "out" and f.default is MISSING for f in fields(settings))
    if named and settings.out and not settings.out.endswith(WEIGHTS):
        raise UsageError(
            "--out has the wrong ending", file=settings.out, fix=f"let it end in {WEIGHTS}"
        )


def check_places(settings) -> None:
    """Refuse a training that would write over what it reads, or its checkpoints among that.

    Raises:
        UsageError: it names the option.
    """
    out = getattr(settings, "out", "")
    writes = {"out": out, "checkpoints": getattr(settings, "checkpoints", "")}
    if out and hasattr(settings, "checkpoints"):
        writes["checkpoints"] = writes["checkpoints"] or os.path.splitext(out)[0]
    reads = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name not in FREE}
    for (option, place), (name, given) in itertools.product(writes.items(), reads.items()):
        if place and isinstance(given, str) and _same(place, given):
            flag, other = (f"--{n.replace('_', '-')}" for n in (option, name))
            raise UsageError(
                f"{flag} would write over what {other} reads",
                file=place,
                fix=f"give {flag} another place",
            )


def _same(a: str, b: str) -> bool:
    try:
        return bool(a and b) and os.path.samefile(a, b)
    except (OSError, ValueError):
        return False


def command_parser(name: str, description: str) -> argparse.ArgumentParser:
    """The parser of a training, without its settings."""
    parser = argparse.ArgumentParser(prog=f"exprgen train {name}", description=description)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def conclude(name: str, work: Callable[[], dict], as_json: bool, again: Callable[[], str]) -> int:
    """Run a training; with `as_json` its result, or its error, is the only thing on stdout.

    Args:
        work: does it; returns what there is to tell. again: tells how to go on after Ctrl-C.

    Returns:
        the exit code.
    """
    stdout = sys.stdout
    with contextlib.ExitStack() as ending:
        try:
            with contextlib.redirect_stdout(sys.stderr if as_json else stdout), made_folders():
                result = work()
            told, code = {"training": name, **result}, EXIT_OK
        except ExprGenError as error:
            print(f"error: {error}", file=sys.stderr)
            told, code = {"error": error.to_message()}, error.exit_code
            del told["error"]["type"]
        except KeyboardInterrupt:
            ending.enter_context(deaf())
            if processes().main:  # the others are stopped with it
                print(f"stopped; {again()}", file=sys.stderr)
            told, code = None, EXIT_INTERRUPTED
        if told is None:
            gc.collect()  # processes beside this one, whose semaphores would be told to leak
            return code
    if as_json and processes().main:
        print(json_text(_plain(told)), file=stdout, flush=True)
    return code


def written(settings) -> dict[str, str]:
    """{"out": the file or folder that a training with these settings has written}."""
    if validates(settings):
        return {"out": str(folds_table(settings))}
    return {"out": str(Path(getattr(settings, "out", "") or settings.data))}


def _plain(value):
    """What JSON can hold: numbers of numpy as Python's, those that are none (NaN) as null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
