"""What viewers named right of the sample characters' key poses.

`viewers.json` holds, of each character, the share of blind answers that name the expression, for
the key poses that were not named right by all: two automated viewers who saw shuffled, numbered
sheets (`exprgen clarity NAME --blind`), no person. A pose that is changed is to be rated again.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from ...networks.characters.profile import RigProfile

FILE = Path(__file__).with_name("viewers.json")


def rated(profile: RigProfile) -> RigProfile:
    """The profile with the clarity of its key poses."""
    shares = json.loads(FILE.read_text(encoding="utf-8")).get(profile.name, {})
    poses = [replace(p, clarity=shares.get(p.name, 1.0)) for p in profile.key_poses]
    return replace(profile, key_poses=tuple(poses))
