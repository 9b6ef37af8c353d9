"""Damaged and hostile files and messages, made by chance from good ones and given to every reader.

`python -m exprgen.tests.support.fuzz --count 2000` gives each reader so many and tells what came of
them. A reader must refuse an input in one line (an ExprGenError) or take it; anything else is a
fault: a traceback, a hang, a crash of the process, or memory without measure. The same seed makes
the same inputs: `--reader track --first 17 --count 1` gives one of them again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np

from exprgen.networks.errors import LONGEST, ExprGenError
from exprgen.tests.support.readers import READERS, Reader

PATIENCE = 10
"""Seconds that a reader has for an input of a few kilobytes."""
MEMORY = 1 << 20
"""KiB by which an input may raise the process's memory."""

LONGEST_LINE = 3 * (LONGEST + 10)

REFUSED, TAKEN, TRACEBACK, HANG, HOG, CRASH = (
    "refused in one line", "taken", "traceback", "hang", "memory", "crash",
)  # fmt: skip
FAULTS = (TRACEBACK, HANG, HOG, CRASH)
OUTCOMES = (REFUSED, TAKEN, *FAULTS)

Found = tuple[dict[str, Counter], list[str]]
"""Reader -> outcomes, and the words that repeat the faulty ones."""


class Hang(BaseException):
    """An input took longer than PATIENCE."""


def outcome(reader: Reader, path: Path) -> str:
    """What a reader does with the input at `path`."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        reader.read(path)
        result = TAKEN
    except Hang:
        result = HANG
    except ExprGenError as error:
        result = REFUSED if _is_a_line(str(error)) else TRACEBACK
    except Exception:
        traceback.print_exc()
        result = TRACEBACK
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return HOG if grown > MEMORY and result in (REFUSED, TAKEN) else result


def _is_a_line(said: str) -> bool:
    return said.isprintable() and len(said) < LONGEST_LINE


def run_inputs(todo: list[tuple[str, int]], seed: int, kept: Path | None) -> None:
    """Give readers their inputs, by name and number; prints what came of each before the next is
    tried, so that a crash is known by what is missing."""

    def hang(*_) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, hang)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        bases: dict[str, Path] = {}
        for name, number in todo:
            reader, folder = READERS[name], Path(place) / name
            if name not in bases:
                folder.mkdir()
                bases[name] = reader.make(folder)
                reader.read(bases[name])  # imports take their time, and are no hang
            path = reader.damage(bases[name], folder, np.random.default_rng([seed, number]))
            if kept is not None:
                kept.write_bytes(path.read_bytes())
            print(outcome(reader, path), flush=True)


def examine(readers: list[Reader], first: int, count: int, seed: int) -> Found:
    """What came of `count` inputs for each of some readers, in a process of their own that is
    started again after a crash."""
    found, faults = {r.name: Counter() for r in readers}, []
    todo = [(r.name, n) for r in readers for n in range(first, first + count)]
    while todo:
        done = subprocess.run(
            [sys.executable, "-m", "exprgen.tests.support.fuzz", "--seed", str(seed), "--inside"],
            input="".join(f"{name}:{number}\n" for name, number in todo),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        outcomes = [line for line in done.stdout.splitlines() if line in OUTCOMES][: len(todo)]
        if len(outcomes) < len(todo):
            outcomes.append(CRASH)
        for (name, number), what in zip(todo, outcomes, strict=False):
            found[name][what] += 1
            if what in FAULTS:
                faults.append(f"{what}: --reader '{name}' --first {number} --count 1")
        if any(what in FAULTS for what in outcomes):
            faults += done.stderr.splitlines()[-60:]
        todo = todo[len(outcomes) :]
    return found, faults


def main(words: list[str] | None = None) -> int:
    """The command; its exit code is 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=200, help="inputs a reader (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", action="append", choices=sorted(READERS), help="only this")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep the last input there")
    parser.add_argument("--inside", action="store_true", help="READER:NUMBER lines of stdin, here")
    parser.add_argument("--together", action="store_true", help="one process for all: quicker")
    args = parser.parse_args(words)
    chosen = [READERS[name] for name in args.reader or READERS]
    if args.inside or args.keep:
        lines = [line.strip().rpartition(":") for line in sys.stdin] if args.inside else []
        todo = [(name, int(number)) for name, _, number in lines]
        todo = todo or [(r.name, args.first + i) for r in chosen for i in range(args.count)]
        run_inputs(todo, args.seed, args.keep)
        sys.stdout.flush()
        os._exit(0)  # the bpy module can hang a normal exit
    groups = [chosen] if args.together else [[r] for r in chosen]
    return report(groups, args.first, args.count, args.seed)


def report(groups: list[list[Reader]], first: int, count: int, seed: int) -> int:
    """Examine readers and print what came of it, the totals as JSON in the last line."""
    totals, all_faults, began = Counter(), [], time.monotonic()
    for readers in groups:
        found, faults = examine(readers, first, count, seed)
        all_faults += faults
        for name, outcomes in found.items():
            totals += outcomes
            words = ", ".join(f"{outcomes[k]} {k}" for k in OUTCOMES if outcomes[k])
            print(f"{name:<12} {words}", flush=True)
    print("\n".join(all_faults), file=sys.stderr)
    summary = {"inputs": totals.total(), **{k: totals[k] for k in OUTCOMES}}
    print(json.dumps({**summary, "seconds": round(time.monotonic() - began)}))
    return int(any(totals[k] for k in FAULTS))


if __name__ == "__main__":
    sys.exit(main())
