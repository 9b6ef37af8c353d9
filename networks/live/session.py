"""A live session: frames or packets in, control values out, until it is stopped.

The tracker and the solver look at each frame; the networks, which take longer, look at the newest
face in a thread of their own, and what they said last counts until they say more: they tell what is
felt, which is slow. Whoever is behind leaves frames out and takes the newest.

Messages, beside those of every job (networks/worker.py):
    {"type": "cast", "characters": [{"character", "controls"}]}    once
    {"type": "live", ...}                                          a frame:
        time        seconds from the first frame, by the camera's, clip's or phone's own clock
        captured    when it was taken (of a phone: came), by time.monotonic of this machine
        state       "calibrating", "live" or "lost"
        values      a list a character, in the order of its controls
        expression  the seven probabilities
        missed      frames so far that nobody looked at; refused: packets that were none
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from ..characters.profile import RigProfile, load_profile
from ..errors import UsageError
from ..perception.look_times import LOOK_EVERY as READ_EVERY
from ..perception.look_times import LookTimes
from ..perception.needed_weights import load_runner
from ..progress import Emit, Stop, Stopwatch
from ..settings import RetargetSettings
from ..solving.feeling import FeltOverTime
from ..vocabulary import LARGEST
from .calibration import LEAST_FRAMES, SECONDS
from .face_port import LOCAL, FacePort
from .seen import Said, Seen, seen_by_camera, seen_by_phone
from .solver import LiveSolver
from .sources import CameraSource, ClipSource, Newest, Shot, Source, gone

LOOK_EVERY = 0.1
"""Seconds from one look of the networks to the next at least; what a face expresses is read in
every other, as often as of a clip (`look_times.LOOK_EVERY`), the unit values in each."""
WAIT = 0.2
"""Seconds that a frame is waited for before somebody looks whether to stop."""
LEAD = 120
"""Messages that may be under way to one who acknowledges them."""
DIGITS = 6
"""Of a value that are told."""
MOST_CHARACTERS = 64


@dataclass(frozen=True)
class LiveRequest:
    """What drives whom: exactly one of camera (a number), clip (a path) and port.

    profiles: paths, the primary first. loop: the clip begins anew at its end. address: on which the
    port is opened. calibrate: seconds of frames with a face that tell the neutral. settings: of
    RetargetSettings. out: a FaceTrack's file, for camera and clip; seconds: after which it ends;
    acknowledged: who listens says what it has `taken`.
    """

    profiles: tuple[str, ...]
    camera: int | None = None
    clip: str | None = None
    port: int | None = None
    loop: bool = False
    address: str = LOCAL
    face: str = LARGEST
    calibrate: float = SECONDS
    settings: dict = field(default_factory=dict)
    out: str = ""
    seconds: float | None = None
    acknowledged: bool = False

    @staticmethod
    def from_json(data: dict) -> LiveRequest:
        """Raises UsageError."""
        known = {f.name for f in fields(LiveRequest)}
        if unknown := set(data) - known:
            raise UsageError(f"unknown field {min(unknown)!r} in the request")
        return LiveRequest(**{**data, "profiles": tuple(data.get("profiles", ()))})

    def __post_init__(self) -> None:
        if sum(x is not None for x in (self.camera, self.clip, self.port)) != 1:
            raise UsageError("live needs one source", fix="give a camera, a clip or a port")
        if not 1 <= len(self.profiles) <= MOST_CHARACTERS:
            raise UsageError("live needs characters", fix=f"name 1 to {MOST_CHARACTERS}")
        if self.out and self.port is not None:
            raise UsageError("a phone sends no pictures", fix="leave the track out, record a take")
        if not 0.0 <= self.calibrate <= 60.0:
            raise UsageError("the calibration must take 0 to 60 s", fix="give seconds")


def run_live(request: LiveRequest, emit: Emit, stop: threading.Event) -> dict:
    """Drive characters until a stop, the clip's end or the session's; what it came to.

    Raises:
        InputError: the source is not there or can't be read. ModelError: weights are missing.
        OutputError: the track can't be written. UsageError: bad request.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        return _run(request, emit, stop)


def _run(request: LiveRequest, emit: Emit, stop: threading.Event) -> dict:
    emit({"type": "stage", "stage": "loading"})
    profiles = [load_profile(p) for p in request.profiles]
    settings = RetargetSettings.from_json(request.settings)
    phone = request.port is not None
    solver = LiveSolver(profiles, settings, emit, phone=phone)
    if phone:
        with FacePort(request.port, request.address) as port:
            session = _Session(request, solver, emit, stop)
            return session.told(_by_phone(session, port))
    with contextlib.ExitStack() as stack:
        source = _source(request)
        networks = stack.enter_context(_Networks(profiles[0]))
        tracker = stack.enter_context(_tracker(request.face))
        recorder = stack.enter_context(_recorder(request, networks)) if request.out else None
        session = _Session(request, solver, emit, stop)
        with source:
            result = _by_camera(session, source, tracker, networks, recorder)
        if recorder is not None and recorder.found:
            result["track"] = str(recorder.finish(over_time=FeltOverTime.load()))
        return session.told(result)


def _source(request: LiveRequest) -> Source:
    if request.clip is not None:
        return ClipSource(request.clip, loop=request.loop)
    return CameraSource(request.camera)


def _tracker(face: str):
    from ..tracking.face_tracker import FaceTracker

    return FaceTracker(face)


def _recorder(request: LiveRequest, networks: _Networks):
    from ..tracking.track_recorder import TrackRecorder

    name = Path(request.clip).name if request.clip else f"camera {request.camera}"
    by = networks.runner.pooled_by
    return TrackRecorder(request.out, source=name, face=request.face, pooled_by=by)


class _Networks:
    """What the networks say of the newest face, `latest`, which is None until they have looked at
    one; a context manager."""

    def __init__(self, primary: RigProfile):
        self._primary = primary
        from ..perception.mouth import MouthLooker

        self.runner, self._keys = load_runner([primary])
        self._mouth = MouthLooker.load()
        self._faces = Newest()
        self._thread = threading.Thread(target=self._run, name="networks", daemon=True)
        self.latest: Said | None = None
        self.looked = 0
        self._times = LookTimes(READ_EVERY)
        self._error: BaseException | None = None

    def __enter__(self) -> _Networks:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._faces.end()
        self._thread.join(5.0)

    def put(self, tracked) -> None:
        """A face to look at, unless a newer one comes first.

        Raises:
            what went wrong with an earlier one.
        """
        if self._error is not None:
            raise self._error
        if tracked.found:
            self._faces.put(tracked)

    def as_read(self, said: Said | None) -> tuple:
        """What they said as `TrackRecorder.add` takes it; nothing where nobody has looked."""
        if said is None:
            return ()
        units = {self._keys[name]: values for name, values in said.units.items()}
        return said.expression, units, said.mouth, said.no_mouth, said.pooled

    def _run(self) -> None:
        try:
            while not self._faces.ended:
                tracked = self._faces.take(WAIT)
                if tracked is None:
                    continue
                began = time.monotonic()
                self._look(tracked)
                time.sleep(max(0.0, LOOK_EVERY - (time.monotonic() - began)))
        except BaseException as error:  # handed over to the caller's thread
            self._error = error

    def _look(self, tracked) -> None:
        arkit = tracked.observation.arkit[None]
        given = (tracked.face[None], tracked.geometry[None], arkit)
        said = self.latest
        if self._times.due(time.monotonic(), True):  # the first look is
            found = self.runner(*given, mirrored=False)
            upper, pooled = (found[k][0] if k in found else None for k in ("no_mouth", "pooled"))
            said = Said(found["expression"][0], no_mouth=upper, pooled=pooled)
        else:
            found = {"rig": self.runner.units(*given)}
        units = {name: units[0] for name, units in found["rig"].items()}
        mouth = None
        if self._mouth is not None:
            mouth = self._mouth(tracked.face[None], tracked.observation.landmarks49[None])[0]
        self.latest = replace(said, units=units, mouth=mouth)
        self.looked += 1


class _Session:
    """What is common to cameras and phones: calibration, the solver, messages, the count."""

    def __init__(self, request: LiveRequest, solver: LiveSolver, emit: Emit, stop):
        self._request, self._solver = request, solver
        self._emit, self._stop = emit, stop
        self._gathered: list[Seen] | None = []
        self._named = False
        self._frames = self._sent = self._taken = self._unsent = 0
        self._began = self._first = None
        self._delays: deque[float] = deque(maxlen=20_000)
        self.watch = Stopwatch()
        emit({"type": "stage", "stage": "live"})
        cast = [{"character": n, "controls": list(c)} for n, c in solver.controls]
        emit({"type": "cast", "characters": cast})

    def going(self) -> Iterator[None]:
        """Goes on until it is time to end."""
        self._began = time.monotonic()
        limit = math.inf if self._request.seconds is None else self._request.seconds
        while not self._stop.is_set() and time.monotonic() - self._began < limit:
            self._listen()
            yield

    def _listen(self) -> None:
        for words in self._stop.told() if isinstance(self._stop, Stop) else ():
            if words.get("calibrate"):
                self._gathered, self._named = [], True
            taken = words.get("taken")
            if isinstance(taken, int):
                self._taken = taken

    def frame(self, seen: Seen, captured: float, missed: int, refused: int = 0) -> None:
        """One frame, to the characters."""
        self._frames += 1
        with self.watch.stage("solving"):
            self._gather(seen)
            values = self._solver.step(seen)
        state = "live" if seen.found else "lost"
        if self._solver.neutral is None or self._gathered is not None:
            state = "calibrating"
        self._delays.append(time.monotonic() - captured)
        if self._request.acknowledged and self._sent - self._taken >= LEAD:
            self._unsent += 1
            return
        self._sent += 1
        self._emit(
            {
                "type": "live",
                "time": round(seen.time, 6),
                "captured": round(captured, 6),
                "state": state,
                "values": [[float(f"{v:.{DIGITS}g}") for v in row] for row in values],
                "expression": np.round(seen.said.expression, 3).tolist(),
                "missed": missed + self._unsent,
                "refused": refused,
            }
        )

    def _gather(self, seen: Seen) -> None:
        if self._gathered is None or not seen.found:
            return
        self._gathered.append(seen)
        long = seen.time - self._gathered[0].time >= self._request.calibrate
        if long and len(self._gathered) >= LEAST_FRAMES:
            frames, self._gathered = self._gathered, None
            self._solver.calibrate(frames, named=self._named)
            text = f"the actor's neutral: {self._solver.neutral.source}"
            self._emit({"type": "log", "level": "info", "text": text})

    def told(self, result: dict) -> dict:
        """The session's result: `result` and what was counted."""
        spent = time.monotonic() - (self._first or time.monotonic())
        delays = np.array(self._delays) if self._delays else np.zeros(1)
        return {
            "frames": self._frames,
            "seconds": round(spent, 2),
            "rate": round(self._frames / max(spent, 1e-6), 2),
            "delay": [round(float(np.percentile(delays, q)), 4) for q in (50, 95)],
            "stages": {name: round(s, 2) for name, s in self.watch.seconds.items()},
            **result,
            "missed": result.get("missed", 0) + self._unsent,
        }

    def start_clock(self) -> None:
        """The first frame is there."""
        if self._first is None:
            self._first = time.monotonic()


def _by_camera(session: _Session, source: Source, tracker, networks: _Networks, recorder) -> dict:
    missed_before: int | None = None
    for _ in session.going():
        shot: Shot | None = source.newest.take(WAIT)
        if shot is None:
            if source.newest.ended:
                break
            if isinstance(source, CameraSource) and source.silent:
                raise gone(source.name, "gives no pictures")
            continue
        session.start_clock()
        with session.watch.stage("tracking"):
            tracked = tracker.track(shot.frame)
        networks.put(tracked)
        said = networks.latest
        if recorder is not None:
            recorder.add(tracked, *networks.as_read(said))
        if tracked.found and said is None:  # a face that nobody has looked at looks neutral to none
            continue
        if missed_before is None:  # while everything is loaded, nobody counts
            missed_before = source.missed
        seen = seen_by_camera(shot.frame.time, tracked).perceived(said or Said())
        session.frame(seen, shot.captured, source.missed - missed_before)
    return {"missed": source.missed - (missed_before or 0), "networks": networks.looked}


def _by_phone(session: _Session, port: FacePort) -> dict:
    from ..perception.coefficients import CoefficientLooker

    look = CoefficientLooker()
    for _ in session.going():
        found = port.newest(WAIT)
        if found is None:
            continue
        packet, moment, came = found
        session.start_clock()
        seen = seen_by_phone(moment, packet)
        if seen.found:
            seen = seen.perceived(Said(look(seen.arkit[None])[0]))
        session.frame(seen, came, port.passed_over, port.refused)
    return {"missed": port.passed_over, "refused": port.refused, "others": port.others}
