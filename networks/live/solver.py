"""One live frame -> the control values of every character: solving that knows the past alone.

The same steps as `solving/solve.py`, by the same functions: the primary's controls (by its 3D-CNN,
or by its channels), what follows them, and the actor's relations on each character's own geometry.
What looks at frames on both sides there looks here at those up to now (causal.py); what is slow is
told by a window of the last frames; what a whole clip tells (reach, closed lips) is learned as the
session goes on. Only the last frame is solved, from where the one before ended.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from ..characters.coverage import plays_by_channels
from ..characters.profile import RigProfile, arkit_to_unit, from_unit, to_unit
from ..characters.response import load_response
from ..characters.told_poses import guiding_poses
from ..errors import InputError, ModelError
from ..models.playable import by_channels
from ..perception.needed_weights import load_mapping
from ..progress import Emit
from ..settings import RetargetSettings
from ..solving.actor import JUMP, ActorRelations, evened, quick_reach
from ..solving.actor_neutral import NAMED
from ..solving.coefficients import channels_in
from ..solving.contact import (
    LIDS_SHUT_GAP,
    LIPS_BIAS,
    LIPS_MEET,
    LIPS_PART,
    parted,
    pursed,
)
from ..solving.controls import JUMP_PERCEIVED, assembled
from ..solving.drawn_shapes import pouting, raising, smiling, wrinkling
from ..solving.emphasis import Guides
from ..solving.fit import Fit
from ..solving.head_and_gaze import JUMP_BLINK, JUMP_GAZE, JUMP_HEAD, glances, head_angles
from ..solving.neutral import subtract_neutral
from ..solving.perform import Asked, Reading, plain_prior, relation_fit
from ..solving.relations import LID_GAPS, LIP_GAPS, RELATIONS
from ..solving.shown_feeling import GLAD, TOLD, certainty, told_by_landmarks
from ..solving.smoothing import JUMP_UNITS, STRENGTH, slow
from ..solving.targets import Geometry
from ..solving.tongue import has_tongue, put_out
from ..vocabulary import ARKIT_CHANNELS
from .calibration import LiveNeutral, calibrated
from .causal import Lids, OneEuro, OpenGaze, Presence, Tongue, Touch
from .felt import FeltNow, Readers
from .seen import Seen

WINDOW = 0.7
"""Seconds of the past that tell what is slow: three deviations of `smoothing.slow`."""
ROWS = 24
"""Frames of it at most."""
LEARNED = 30.0
"""Seconds of the past that tell the actor's reach,"""
LEARN_EVERY, RELEARN_EVERY = 0.1, 1.0
"""of which one frame each so often is kept, and how often they are looked at."""
LEARN_SHARE = 0.3
"""Of what they say anew in what is believed: a reach must not change at a blow."""
UNLIKELY = 0.05
"""Probability below which an expression is not looked at: sharpened it would be next to nothing."""
AIMS = 3
"""How often a frame's response is made linear anew; it starts from the frame before."""


@dataclass
class _Row:
    """A frame of the window: what ActorRelations holds of it, and what is said and perceived."""

    time: float
    moved: np.ndarray
    facing: float
    lips: np.ndarray
    lips_meet: bool
    lids: np.ndarray
    arkit: np.ndarray
    expression: np.ndarray
    looked: np.ndarray


class _Reach:
    """What the session has shown of the actor's reach; see ActorRelations."""

    def __init__(self, neutral: LiveNeutral):
        self.reach, self.lips = neutral.reach.copy(), neutral.lips
        self.quick = np.zeros_like(self.reach)
        self._known = neutral.reach
        self._kept: deque[tuple[np.ndarray, np.ndarray, float]] = deque(
            maxlen=round(LEARNED / LEARN_EVERY)
        )
        self._noted = self._looked = -np.inf

    def note(self, time: float, moved: np.ndarray, quick: np.ndarray, gap: float) -> None:
        """A frame's relations (K,), their quick part, and the lips' gap as tracked."""
        if time - self._noted < LEARN_EVERY:
            return
        self._noted = time
        self._kept.append((moved, quick, gap))
        if time - self._looked < RELEARN_EVERY:
            return
        self._looked = time
        moved, quick = (np.array([row[i] for row in self._kept]) for i in (0, 1))
        gaps = np.array([row[2] for row in self._kept])
        seen = np.percentile(moved, (2, 98), axis=0)
        seen = np.stack([np.minimum(seen[0], self._known[0]), np.maximum(seen[1], self._known[1])])
        low = float(np.clip(np.percentile(gaps, 3), *LIPS_BIAS))
        self.reach += LEARN_SHARE * (seen - self.reach)
        self.quick += LEARN_SHARE * (quick_reach(quick) - self.quick)
        self.lips += LEARN_SHARE * (low - self.lips)


@dataclass
class _Part:
    """A character and what is remembered of it from frame to frame."""

    profile: RigProfile
    channels: bool
    guides: Guides
    tongue: bool
    mapping: object = None
    model: object = None
    geometry: Geometry | None = None
    filters: dict[str, OneEuro] = field(default_factory=dict)
    felt: deque = field(default_factory=lambda: deque(maxlen=ROWS))
    units: np.ndarray | None = None
    values: np.ndarray | None = None

    @property
    def rest(self) -> np.ndarray:
        return np.array([c.rest for c in self.profile.controls], float)


class LiveSolver:
    """The characters of a session, the primary first.

    Args:
        phone: coefficients come, and no pictures: everyone is solved by channels.

    Raises:
        ModelError: weights of a network that is needed are missing or damaged, or a character has
            too few channels to follow a phone.
    """

    def __init__(
        self,
        profiles: list[RigProfile],
        settings: RetargetSettings,
        emit: Emit = lambda message: None,
        *,
        phone: bool = False,
    ):
        self.settings, self.phone = settings, phone
        self._cast = [self._part(p, profiles[0], emit) for p in profiles]
        self.neutral: LiveNeutral | None = None
        self._presence = Presence()
        self._readers = Readers()
        self._begin()

    def _part(self, profile: RigProfile, primary: RigProfile, emit: Emit) -> _Part:
        if self.phone and not plays_by_channels(profile):
            raise ModelError(
                f"{profile.title} can't follow a phone: its controls stand for too few channels",
                file=profile.path,
                fix="name ARKit channels in its profile, or use a camera",
            )
        guides = Guides.of(profile.expression_controls, guiding_poses(profile))
        tongue = has_tongue(profile.expression_controls)
        part = _Part(profile, self.phone or by_channels(profile, primary), guides, tongue)
        if not part.channels and profile.name != primary.name:
            part.mapping = load_mapping(primary, profile)
        try:
            part.model = load_response(profile)
            part.geometry = Geometry.of(part.model, profile)
        except InputError as error:
            text = f"{profile.name}'s relations are not solved: {error}"
            emit({"type": "log", "level": "warning", "text": text})
        return part

    def _begin(self) -> None:
        """Forget all frames but what is shown."""
        of = self.settings
        self._rows: deque[_Row] = deque(maxlen=ROWS)
        settings = sorted({STRENGTH[r.region] for r in RELATIONS.values()})
        self._columns = {
            s: [k for k, r in enumerate(RELATIONS.values()) if STRENGTH[r.region] == s]
            for s in settings
        }
        self._moved = {s: OneEuro(getattr(of, s), JUMP) for s in settings}
        self._arkit = OneEuro(of.smoothing_mouth, JUMP_UNITS)
        self._felt = FeltNow(self._readers, self.neutral.looks if self.neutral else None)
        self._perceived = OneEuro(1.0, JUMP_PERCEIVED)
        self._head = OneEuro(of.smoothing_head, JUMP_HEAD)
        self._gaze = OneEuro(of.smoothing_eyes, JUMP_GAZE)
        self._blink = OneEuro(of.smoothing_eyes, JUMP_BLINK)
        self._open_gaze, self._lids = OpenGaze(), Lids()
        self._tongue = Tongue(of.smoothing_mouth)
        self._lips = Touch(LIPS_MEET, LIPS_PART)
        self._reach: _Reach | None = None
        for part in self._cast:
            part.felt.clear()
            part.units = None
            part.filters = {s: OneEuro(getattr(of, s), JUMP_UNITS) for s in {*STRENGTH.values()}}

    @property
    def controls(self) -> list[tuple[str, tuple[str, ...]]]:
        """(character, the controls that `step` gives values of), in the order of the cast."""
        kept = self.settings.outputs
        profiles = [p.profile for p in self._cast]
        return [(p.name, tuple(c.name for c in p.controls if c.output in kept)) for p in profiles]

    def calibrate(self, frames: list[Seen], *, named: bool) -> None:
        """See frames against the neutral of these from now on (`calibration.calibrated`)."""
        profiles = [p.profile for p in self._cast]
        channels = {p.profile.name for p in self._cast if p.channels}
        self.neutral = calibrated(frames, profiles, self.settings, named, channels)
        self._begin()
        self._reach = _Reach(self.neutral)

    def step(self, seen: Seen) -> list[np.ndarray]:
        """The values of each character's `controls` in a frame; frames come in order of time."""
        present = self._presence(seen.time, seen.found and self.neutral is not None)
        if seen.found and self.neutral is not None:
            self._solve(seen)
        return [self._shown(part, present) for part in self._cast]

    def _shown(self, part: _Part, present: float) -> np.ndarray:
        rest = part.rest
        values = rest if part.values is None else rest + present * (part.values - rest)
        keyed = [c.output in self.settings.outputs for c in part.profile.controls]
        return values[keyed]

    def _solve(self, seen: Seen) -> None:
        row = self._row(seen)
        self._rows.append(row)
        while row.time - self._rows[0].time > WINDOW:
            self._rows.popleft()
        directed = self._directed(seen)
        actor = self._actor()
        tongue = None if seen.said.mouth is None else self._tongue(seen.time, seen.said.mouth)
        lead = self._cast[0]
        lead_units = self._own_units(lead, seen, row, directed)
        self._play(lead, lead_units, directed, actor, tongue)
        final = to_unit(lead.profile.expression_controls, self._expression(lead))
        for part in self._cast[1:]:
            if part.channels:
                units = self._own_units(part, seen, row, directed)
            else:
                units = self._emphasised(part, part.mapping(final[None].astype(np.float32)), row)
            self._play(part, units, directed, actor, tongue)

    def _row(self, seen: Seen) -> _Row:
        neutral, time = self.neutral, seen.time
        raw = neutral.measured(seen) - neutral.relations
        moved = raw.copy()
        for setting, columns in self._columns.items():
            moved[columns] = self._moved[setting](time, raw[columns])
        gap = float(raw[LIP_GAPS].mean())
        meet = self._lips(gap - self._reach.lips)
        gaps = moved[LIP_GAPS] + neutral.relations[LIP_GAPS] - self._reach.lips
        whole = np.maximum(neutral.relations[LID_GAPS] - LIDS_SHUT_GAP, 0.02)
        past = [*(r.moved for r in self._rows), moved]
        times = np.array([*(r.time for r in self._rows), time])
        self._reach.note(time, moved, moved - slow(times, np.array(past))[-1], gap)
        return _Row(
            time=time,
            moved=moved,
            facing=float(np.clip(np.cos(head_angles(seen.head_pose[None])[0, 1]), 0.0, 1.0)),
            lips=parted(gaps, meet),
            lips_meet=meet,
            lids=self._lids(time, (moved[LID_GAPS] + whole) / whole),
            arkit=self._arkit(time, seen.arkit),
            expression=self._perceived(time, self._felt(seen)),
            looked=self._looked(seen),
        )

    def _looked(self, seen: Seen) -> np.ndarray:
        """(52,) how much of each channel the primary's network sees; nothing by channels."""
        lead = self._cast[0]
        units = None if lead.channels else seen.said.units.get(lead.profile.name)
        if units is None:
            return np.zeros(len(ARKIT_CHANNELS))
        return channels_in(np.nan_to_num(np.asarray(units, float))[None], lead.profile)[0]

    def _actor(self) -> ActorRelations:
        rows = self._rows

        def column(name: str) -> np.ndarray:
            return np.array([getattr(r, name) for r in rows])

        facing, times = column("facing"), column("time")
        return ActorRelations(
            moved=evened(times, column("moved"), facing),
            neutral=self.neutral.relations,
            reach=self._reach.reach,
            quick=self._reach.quick,
            facing=facing,
            lip_gaps=column("lips"),
            lips_meet=column("lips_meet"),
            pursed=pursed(column("arkit")),
            lids=column("lids"),
            teeth=np.zeros(len(rows)),
            bared=np.zeros(len(rows)),
            source=self.neutral.source,
            trust=self.neutral.trust,
            looks=self.neutral.source != NAMED,
        )

    def _directed(self, seen: Seen) -> dict[str, np.ndarray]:
        """As `head_and_gaze.directed_by_tracker`, of one frame."""
        time, gain = seen.time, self.settings.gain
        blink = self.neutral.blink(seen)
        head = self._head(time, head_angles(seen.head_pose[None], self.neutral.head)[0])
        gaze = self._open_gaze(time, np.asarray(seen.gaze, float), blink)
        gaze = self._gaze(time, glances(gaze.reshape(4) - self.neutral.gaze, head[0]))
        blink = self._blink(time, blink)
        head, gaze = head * gain.get("head", 1.0), gaze * gain.get("gaze", 1.0)
        names = ("head_pitch", "head_yaw", "head_roll", "gaze_left_yaw", "gaze_left_pitch",
                 "gaze_right_yaw", "gaze_right_pitch", "blink_left", "blink_right")  # fmt: skip
        values = [*head, *gaze, *blink]
        return {name: np.array([value]) for name, value in zip(names, values, strict=True)}

    def _own_units(self, part: _Part, seen: Seen, row: _Row, directed: dict) -> np.ndarray:
        """(1, M) what the face says of a character's controls: calibrated, emphasised, steadied,
        amplified."""
        controls = part.profile.expression_controls
        if part.channels:
            arkit = self.neutral.seen_from(seen.arkit[None])
            units = arkit_to_unit(controls, arkit)
        else:
            units = np.asarray(seen.said.units.get(part.profile.name, np.zeros(len(controls))))[
                None
            ]
        units = subtract_neutral(units, self.neutral.offsets[part.profile.name])
        units = self._emphasised(part, units, row, self.neutral.calm)
        blink = max(float(directed[f"blink_{side}"][0]) for side in ("left", "right"))
        for setting, steady in part.filters.items():
            columns = [i for i, c in enumerate(controls) if STRENGTH[c.region] == setting]
            raw = units[0, columns]
            calm = steady(seen.time, raw)
            lids = np.array([controls[i].region == "eye" for i in columns], bool)
            units[0, columns] = np.where(lids, (1.0 - blink) * calm + blink * raw, calm)
        return units * [self.settings.gain.get(c.region, 1.0) for c in controls]

    def _emphasised(
        self, part: _Part, units: np.ndarray, row: _Row, calm: float = 0.0
    ) -> np.ndarray:
        regions = [c.region for c in part.profile.expression_controls]
        units = np.clip(np.nan_to_num(np.asarray(units, float)), -1.0, 1.0)
        amount = self.settings.emphasis_at(np.array([row.time]), regions)
        perceived = np.where(row.expression < UNLIKELY, 0.0, row.expression)[None]
        return part.guides.emphasise(units, perceived, amount, calm)

    def _play(
        self,
        part: _Part,
        units: np.ndarray,
        directed: dict,
        actor: ActorRelations,
        tongue: float | None,
    ) -> None:
        """Set a character's values: its expression with the actor's relations."""
        columns = assembled(part.profile, units, directed, self.settings)
        values = np.array([columns[c.name][0] for c in part.profile.controls])
        if part.model is not None:
            self._perform(part, values, actor)
        controls = part.profile.expression_controls
        if tongue is not None and part.tongue:
            shown = [c.output == "expression" for c in part.profile.controls]
            units = to_unit(controls, values[shown])[None]
            units = put_out(units, controls, np.array([tongue]), self.settings)
            values[shown] = from_unit(controls, units[0])
        part.values = values

    def _perform(self, part: _Part, values: np.ndarray, actor: ActorRelations) -> None:
        """As `perform.with_relations`, in place, of the last frame of the window."""
        names = part.profile.names
        places = [names.index(n) for n in part.model.controls]
        controls = [part.profile.controls[i] for i in places]
        part.felt.append(to_unit(tuple(controls), values[places]))
        rows = list(self._rows)[-len(part.felt) :]
        felt = np.array(list(part.felt)[-len(rows) :])
        times = np.array([r.time for r in rows])
        expression = np.array([r.expression for r in rows])
        arkit = self.neutral.seen_from(np.array([r.arkit for r in rows]))
        looked = np.array([r.looked for r in rows])
        actor, arkit = pouting(times, actor.at(slice(-len(rows), None)), arkit, looked)
        actor, arkit = smiling(times, actor, arkit, expression)
        actor, arkit = wrinkling(times, raising(times, actor, expression), arkit, expression)
        plain = plain_prior(tuple(controls), felt, arkit)
        told = (told_by_landmarks(times, expression, (), which) for which in (TOLD, GLAD))
        reading = Reading(certainty(times, expression), *told)
        about = part.geometry, controls, plain, felt, self.settings, reading
        fit: Fit = relation_fit(Asked(times, actor, *about)).last()
        start = fit.prior if part.units is None else part.units
        part.units = fit.solve(AIMS, start)
        values[places] = from_unit(tuple(controls), part.units[0])

    def _expression(self, part: _Part) -> np.ndarray:
        shown = [c.output == "expression" for c in part.profile.controls]
        return part.values[shown]
