"""`exprgen evaluate`: all measures, into one folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from ....networks.characters.profile import find_character, sample_characters
from ....networks.errors import EXIT_INTERRUPTED
from ..console import Console, check_folder
from ..options import face_option, finite, processes, seed
from ..places import check_outputs
from ..verb_steps import (
    check_references,
    exit_code,
    measure_changed,
    no_characters,
    run_job,
    running_worker,
)

NAME, ORDER = "evaluate", 14
HELP = "Measure recognition and transfer; one report, one JSON"
MOVING = {"motion", "clip", "performance"}
"""Sections in which a character's relations are solved, for which its geometry is needed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows the verb."""
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="one that was stopped or killed goes on"
    )
    parser.add_argument("--hed", metavar="DIR", help="prepared human faces (exprgen train hed)")
    parser.add_argument(
        "--posed", metavar="DIR", help="prepared faces of people who posed (exprgen train hed)"
    )
    parser.add_argument(
        "--talkers", metavar="DIR", help="clips of people who feel, with their truth (.acted.npz)"
    )
    parser.add_argument("--source", metavar="DIR", help="what they were prepared from")
    parser.add_argument("--ced", metavar="DIR", help="prepared character pictures")
    parser.add_argument("--part", action="append", metavar="PACK/val", help="default: ferplus/val")
    parser.add_argument(
        "--clip",
        action="append",
        default=[],
        metavar="FILE",
        help="footage of a performance, in which what is felt is told too; may be given again (the "
        "first is for the section clip too)",
    )
    face_option(parser, "of several people in clips: ")
    parser.add_argument(
        "--windows",
        action="append",
        default=[],
        metavar="COUNT|CLIP:SECONDS,...",
        help="of each clip on strips for blind rating (3), or where those of one clip begin",
    )
    parser.add_argument(
        "--method",
        action="append",
        choices=("exprgen", "emphasis-0", "blendshapes"),
        help="by which performances are solved; may be given again; default: all three",
    )
    parser.add_argument("--primary", metavar="NAME", help="default: the sample primary")
    parser.add_argument("--secondary", action="append", default=[], metavar="NAME")
    parser.add_argument("--each", type=int, default=20, help="pictures an expression (%(default)s)")
    parser.add_argument(
        "--agreement", type=finite, default=0.6, help="least share of votes (default: %(default)s)"
    )
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument("--sheet-each", type=int, default=5, help="of them on the blind sheets")
    parser.add_argument(
        "--only",
        action="append",
        choices=("recognition", "feelings", "clarity", "transfer", "motion", "clip", "performance"),
        help="may be given again; default: all that the options allow",
    )
    parser.add_argument("--folds", action="append", default=[], metavar="FILE.json")
    parser.add_argument("--ratings", action="append", default=[], metavar="FILE.csv")
    parser.add_argument("--processes", type=processes, help="Blender processes (default: as cores)")


def run(args: argparse.Namespace, console: Console) -> int:
    """All measures of `exprgen evaluate`, into one folder."""
    from ...studio import evaluation as evaluating
    from ...studio import evaluation_plan as planning

    if not args.primary and not sample_characters():
        raise no_characters()
    primary = find_character(args.primary) if args.primary else sample_characters()[0]
    profiles = (primary, *map(find_character, args.secondary))
    given = [
        args.hed,
        args.posed,
        args.talkers,
        args.source,
        args.ced,
        *args.clip,
        *args.folds,
        *args.ratings,
    ]
    given = list(filter(None, given))
    check_references(given)
    check_outputs({"out": check_folder(args.out)}, given, profiles)
    plan = planning.Plan(
        out=Path(args.out).resolve(),
        profiles=profiles,
        hed=args.hed,
        posed=args.posed,
        talkers=args.talkers,
        source=args.source,
        ced=args.ced,
        clips=tuple(args.clip),
        face=args.face,
        **planning.chosen_windows(args.windows),
        methods=tuple(args.method or planning.METHODS),
        parts=tuple(args.part or planning.PARTS),
        each=args.each,
        agreement=args.agreement,
        seed=args.seed,
        sheet_each=args.sheet_each,
        only=tuple(args.only or planning.SECTIONS),
        folds=tuple(args.folds),
        ratings=tuple(args.ratings),
        processes=args.processes,
    )
    if MOVING & set(plan.only):
        measure_changed(profiles, console)
    console.catch_interrupts()
    with running_worker(console) as worker:

        def run_here(command: str, arguments: dict) -> dict:
            return run_job(worker, command, arguments, console)

        planning.check_clips(plan, run_here)
        figures = evaluating.evaluate(
            plan,
            run_here,
            counter=console.counter,
            stop=lambda: console.interrupted,
            say=console.say,
        )
    if figures is None:
        return EXIT_INTERRUPTED
    console.result(figures, evaluating.summary(figures))
    return exit_code(figures, console)
