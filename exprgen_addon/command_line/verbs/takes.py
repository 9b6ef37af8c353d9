"""`exprgen takes`: the takes of a .blend, listed, renamed, deleted, combined of parts."""

from __future__ import annotations

import argparse

from ....networks.errors import EXIT_OK, UsageError
from ....networks.settings import PARTS
from ..console import Console, check_file, quiet
from ..places import check_outputs
from ..verb_steps import check_references

NAME, ORDER = "takes", 6
HELP = "The takes of a .blend: list, rename, delete, combine the parts of several"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument("scene", metavar="FILE.blend")
    parser.add_argument("--out", metavar="FILE.blend", help="where the changed file goes")
    parser.add_argument(
        "--combine", nargs="+", metavar=("NAME", "PART=TAKE"),
        help=f"make the take NAME of parts ({', '.join(PARTS)}) of other takes; parts that are not "
        "named are the mouth's take's",
    )  # fmt: skip
    parser.add_argument("--rename", type=_pair, action="append", default=[], metavar="TAKE=NAME")
    parser.add_argument("--delete", action="append", default=[], metavar="TAKE")
    parser.add_argument("--show", metavar="TAKE", help="what the characters play")


def run(args: argparse.Namespace, console: Console) -> int:
    """A .blend -> its takes, and where something is changed another .blend."""
    check_references([args.scene])
    changes = bool(args.combine or args.rename or args.delete or args.show)
    if changes and not args.out:
        raise UsageError("changes need a place", fix="say where with --out FILE.blend")
    if args.out and not changes:
        fix = "say what with --combine, --rename, --delete or --show, or leave --out out"
        raise UsageError("--out is for changes", fix=fix)
    if args.out:
        check_file(args.out, (".blend",))
        check_outputs({"out": args.out}, [args.scene])
    parts = _parts(args.combine) if args.combine else {}
    if args.combine and not parts:
        raise UsageError("a combined take needs its parts", fix="--combine NAME mouth=TAKE ...")
    from ...keying import take_list, takes

    with quiet():
        scene = takes.opened_scene(args.scene)
    if changes:
        _change(scene, args, parts)
        with quiet():
            takes.save_file(args.out)
    found = [_row(take) for take in take_list.takes_in_file()]
    lines = [_line(row) for row in found] or ["no takes"]
    result = {"takes": found, **({"out": args.out} if changes else {})}
    console.result(result, "\n".join([*lines, *([args.out] if changes else [])]))
    return EXIT_OK


def _change(scene, args: argparse.Namespace, parts: dict[str, str]) -> None:
    from ...characters.in_scene import characters_in
    from ...keying import take_list

    for take, name in args.rename:
        take_list.rename_take(take, name)
    everyone, shown = characters_in(scene), args.show
    if args.combine:
        take_list.combine_takes(everyone, args.combine[0], parts)
        shown = shown or args.combine[0]
    for take in args.delete:
        take_list.delete_take(take)
    if shown:
        take_list.show_take(scene, everyone, shown)


def _row(take) -> dict:
    """A take as it is told."""
    frames = [] if take.first is None else [take.first, take.last]
    return {
        "name": take.name,
        "clip": take.clip,
        "frames": frames,
        "made": take.about.made,
        "parts": take.about.parts,
    }


def _line(row: dict) -> str:
    span = "-".join(f"{f:.0f}" for f in row["frames"])
    parts = ", ".join(f"{part} of {take}" for part, take in row["parts"].items())
    return ", ".join(filter(None, (row["name"], row["clip"], span, row["made"], parts)))


def _parts(words: list[str]) -> dict[str, str]:
    """Part -> take of what follows --combine NAME."""
    try:
        return dict(_pair(text) for text in words[1:])
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"--combine: {error}") from None


def _pair(text: str) -> tuple[str, str]:
    left, sign, right = text.partition("=")
    if not (left.strip() and sign and right.strip()):
        raise argparse.ArgumentTypeError(f"{text!r} is not A=B, such as mouth=Take or Take=Calm")
    return left.strip(), right.strip()
