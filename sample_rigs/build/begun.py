"""What a set is made with, noted in its folder: it goes on with the same settings or not at all.

What is there is not made again, so that an interrupted run goes on. With other settings half of the
set would be of one kind and half of another, and nothing would tell.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path

from ...networks.errors import UsageError
from ...networks.files import output_folder, write_text
from ...networks.reading import read_json

BEGUN = "settings.json"


def begin(
    out: Path,
    settings,
    made: str,
    *,
    growing: Collection[str] = (),
    later: Mapping[str, object] | None = None,
    note: str = BEGUN,
) -> None:
    """Make the folder of a set and note in it what it is made with, or refuse another.

    Args:
        settings: a dataclass. made: pattern of what lies in the folder once the set is begun.
        growing: names of settings that may change between runs. later: settings that older notes
            don't tell, and what those sets were made with. note: the file's name.

    Raises:
        UsageError: what is there was made with other settings, or with nobody knows which.
        InputError: the file that says with which is damaged.
        OutputError: the folder can't be made.
    """
    output_folder(out)
    path = out / note
    own = {name: value for name, value in asdict(settings).items() if name not in growing}
    if not path.exists():
        if there := next(out.glob(made), None):
            what = f"{out} has {there.relative_to(out)}, and no {note} that says how it was made"
            raise UsageError(what, fix="give another --out")
        write_text(path, json.dumps(own, indent=1) + "\n")
        return
    kept = read_json(path)
    begun = {**(later or {}), **kept} if isinstance(kept, dict) else {}
    other = [f"--{name} {begun.get(name)}" for name in own if begun.get(name) != own[name]]
    if other:
        fix = "give the same, or another --out"
        raise UsageError(f"{out} was begun with {' '.join(other)}", fix=fix)
