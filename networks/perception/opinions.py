"""What each reader says of the frames of a clip, for the reader over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import InputError
from ..track import ANALYSE_AGAIN, FaceTrack
from ..vocabulary import LEAST_CHANCE, NEUTRAL
from .against_neutral import AgainstNeutral, neutral_of
from .at_rest import chance_of_rest, find_rest, less_build

CALLED_NEUTRAL = 0.5
"""Chance of neutral from which on frames show the actor's, on their mean."""
LEAST_TRUST = 0.6
"""In the neutral of such frames. Subtracting it from a pose must be more careful, since that would
take what is felt away; the reader against neutral learned from neutrals as uncertain as this."""

PREFERRED = 0.8
"""How likely silent frames that look at rest must be it, as a share of how likely others that are
called neutral are, to be believed before those: a mouth that speaks is no resting one."""


ALONE = 0.3
"""Share of what convolutions give of a face, read against people's neutral, in what it is taken for
while the actor's own is not known; what the readers of single faces say has the rest. More of it
takes builds for feelings."""


def opinions_of(
    track: FaceTrack,
    neutral: np.ndarray | None = None,
    trust: float = 0.0,
    speaking: np.ndarray | None = None,
    reader: AgainstNeutral | None = None,
) -> dict[str, np.ndarray]:
    """(N, 7) chances by the names of `layouts.TIME_READERS`; of those that are there.

    Args:
        neutral: (N,) how neutral the actor is in each frame, as a weight. trust: 0..1, in them.
        speaking: (N,) 0..1, where it is known: then frames are looked for in which the actor is at
            rest, and the build that they show is taken out of what is seen in pixels.
        reader: against neutral, where it is open already, or another than the one that is in use.

    Raises:
        ModelError: a weight file is damaged. InputError: the track says that another teacher gave
            its `pooled` than the one that the reader learned from.
    """
    reader = reader or AgainstNeutral.load()
    pooled = _pooled_for(reader, track)
    measured = track.geometry, track.arkit
    strangers = {} if reader is None else opinions_against(reader, *measured, pooled=pooled)
    trust = max(trust, _least_trust(track, neutral))
    if neutral is not None:
        trust = min(trust, chance_of_rest(track, neutral))
    rest, sure = _rest(track, speaking, strangers)
    if sure >= PREFERRED * trust and sure > 0.0:
        neutral, trust = rest, sure
    said = {"whole": less_build(track.momentary, rest, sure)}
    if track.no_mouth is not None:
        said["no_mouth"] = less_build(track.no_mouth, rest, sure)
    own = None if neutral is None else neutral_of(*measured, neutral, pooled)
    known = reader is not None and own is not None
    said |= opinions_against(reader, *measured, own, trust, pooled) if known else strangers
    alone = by_itself(said["whole"], strangers.get("against_pixels"))
    return as_known(said, max(trust, sure), alone)


def _pooled_for(reader: AgainstNeutral | None, track: FaceTrack) -> np.ndarray | None:
    """(N, POOLED) what convolutions give of a track's faces, if they are a teacher's by whom the
    reader was taught: the one that the track names, else the one that is there."""
    if reader is None or track.pooled is None or not reader.under:
        return None
    by = track.meta.get("pooled_by")
    if not by:
        return track.pooled if reader.sees_pixels else None
    if by != reader.under:
        what = (
            f"its faces were seen by the teacher {by}, the reader against neutral learned from "
            f"the teacher {reader.under}"
        )
        raise InputError(what, file=track.meta.get("source") or "", fix=ANALYSE_AGAIN)
    return track.pooled


def by_itself(whole: np.ndarray, seen: np.ndarray | None) -> np.ndarray:
    """(N, 7), or (7,), what a face is taken for while nobody knows the actor's rest.

    Args:
        whole: what the readers of the whole face see. seen: what convolutions give of it, read
            against people's neutral; None where that is not known.
    """
    return whole if seen is None else _joint(whole, seen, ALONE)


def as_known(
    said: Mapping[str, np.ndarray], known: float, alone: np.ndarray
) -> dict[str, np.ndarray]:
    """What readers say of an actor whose rest is known so far, 0..1: of one who is never seen at
    rest all say what the face is taken for by itself. On strangers' photographs the others add
    nothing to it, and a build deceives them more.

    Args:
        said: (N, 7) chances, or (7,), by the readers' names. alone: the same, see `by_itself`.
    """
    return {name: _joint(alone, chances, known) for name, chances in said.items()}


def _joint(one: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """Geometric mean of chances (..., 7) in which the other has a share. Cut off at LEAST_CHANCE,
    as the reader over time learned; of two looks at one face, which `joint_opinion` joins, who is
    sure is heard."""
    said, more = (np.log(np.clip(x, LEAST_CHANCE, 1.0)) for x in (one, other))
    joint = np.exp((1.0 - share) * said + share * more)
    return (joint / joint.sum(-1, keepdims=True)).astype(np.float32)


def _rest(
    track: FaceTrack, speaking: np.ndarray | None, strangers: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, float]:
    """Where the actor is at rest, and how sure that is; nowhere without speech or the numbers."""
    if speaking is None or not strangers:
        return np.zeros(len(track)), 0.0
    return find_rest(track, speaking, strangers["against_neutral"])


def _least_trust(track: FaceTrack, neutral: np.ndarray | None) -> float:
    """How far the actor's neutral is trusted at least: where the frames that show it are called
    neutral, as far as the reader learned to be told the wrong one."""
    weight = 0.0 if neutral is None else float(np.sum(neutral))
    if weight <= 0.0:
        return 0.0
    called = float(neutral @ track.momentary[:, NEUTRAL]) / weight
    return LEAST_TRUST if called >= CALLED_NEUTRAL else 0.0


def opinions_against(
    reader: AgainstNeutral,
    geometry: np.ndarray,
    arkit: np.ndarray,
    own: np.ndarray | None = None,
    trust: float = 0.0,
    pooled: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """What is read in geometric features (N, 9) and coefficients (N, 52) against the actor's own
    neutral: (N, 7) in all of them, and in those alone that speech hardly moves.

    Args:
        own: what was measured of the neutral, as `neutral_of` gives it, with what convolutions give
            of it where pooled is given; None for one whom nobody knows. trust: 0..1, in it.
        pooled: (N, POOLED) what convolutions give of the faces, by a teacher that the reader
            knows, which is looked at beside where it is known.
    """
    said = {
        "against_neutral": reader(geometry, arkit, own, trust),
        "against_upper": reader(geometry, arkit, own, trust, mouth=False),
    }
    if pooled is not None:
        said["against_pixels"] = reader.with_pixels(geometry, arkit, pooled, own, trust)
    return said
