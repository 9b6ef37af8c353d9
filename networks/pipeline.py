"""Reference -> FaceTrack -> RigTracks, from file to file: the wings composed, in their order.

Analysis runs in several threads, so that all cores are busy and memory stays level: one decodes,
one finds and follows the face (MediaPipe), one a core registers it and runs the networks on a few
faces at a time. What passes between them are queues of fixed length. FFmpeg, MediaPipe and OpenCV
release Python's lock while they compute.

Solving needs no footage (solving/solve.py).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .characters.profile import RigProfile, load_profile
from .cores import cores, one_thread_each
from .errors import InputError, UsageError
from .files import is_track, kept_beside, scratch_folder
from .footage.live_link import CoefficientTake, is_live_link, read_live_link
from .models.playable import by_channels
from .perception.look_times import FACES_A_PASS, LOOK_EVERY, UNITS_EVERY, LookTimes
from .perception.needed_weights import load_mapping, load_runner
from .progress import Emit, Progress, Stopwatch, is_unheard
from .settings import RetargetSettings
from .solving.feeling import FeltOverTime
from .solving.solve import solve
from .track import BRIDGED, HOLDS_PART, TRACKED, FaceTrack
from .vocabulary import LARGEST

if TYPE_CHECKING:
    from .perception.joint_opinion import PerceptionRunner
    from .perception.mouth import MouthLooker
    from .perception.pictures import Lost
    from .tracking.face_tracker import FaceTracker, FollowedFace, TrackedFace
    from .tracking.track_recorder import TrackRecorder

QUEUE = 24
"""Tracked faces that may wait for the networks: what one slow frame delays, others catch up."""

FRAMES_A_BATCH = 12
"""Frames of a clip that are handed to the networks together, at most: of film as many as it takes
for two faces to be read, which cost three quarters of two that are read one by one."""


# --- what is asked and answered ------------------------------------------------------------------


@dataclass(frozen=True)
class AnalyseRequest:
    """reference: a clip, or pictures, or a folder; out: the FaceTrack's file; face: see tracking;
    start, end: seconds, None for the reference's own; profiles: paths of profiles, the primary
    first, whose networks will be needed: the primary's is run at once, all are checked; headset:
    the reference is clips of cameras in a headset (see footage/headset_views.py); calibrate:
    seconds at their beginning in which the face is neutral, 0: not known; network: of headsets, a
    weight file of its own."""

    reference: tuple[str, ...]
    out: str
    face: str = LARGEST
    start: float | None = None
    end: float | None = None
    profiles: tuple[str, ...] = ()
    headset: bool = False
    calibrate: float = 0.0
    network: str = ""

    @staticmethod
    def from_json(data: dict) -> AnalyseRequest:
        return _from_json(AnalyseRequest, data)


@dataclass(frozen=True)
class Analysis:
    """What `analyse` did. partial: less than the reference promised, and `reason` why; stopped: by
    request; without_face: names of pictures in which no face was found; stages: seconds of work
    (not of waiting) of each stage; rate: frames a second, all stages; cuts: seconds of the first
    frames after cuts."""

    track: str
    frames: int
    found: int
    partial: bool
    reason: str
    stopped: bool
    stills: bool
    without_face: list[str]
    notes: list[str]
    seconds: float
    rate: float
    stages: dict[str, float] = field(default_factory=dict)
    cuts: list[float] = field(default_factory=list)

    def to_json(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class SolveRequest:
    """track: a FaceTrack's file; primary, secondary: paths of profiles; settings: of
    RetargetSettings; out: folder for the RigTracks, <character>.npz each."""

    track: str
    primary: str
    out: str
    secondary: tuple[str, ...] = ()
    settings: dict = field(default_factory=dict)

    @staticmethod
    def from_json(data: dict) -> SolveRequest:
        return _from_json(SolveRequest, data)


def _from_json(cls, data: dict):
    known = {f.name for f in fields(cls)}
    unknown = set(data) - known
    if unknown:
        raise UsageError(f"unknown field {min(unknown)!r} in the request")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


# --- analysis ------------------------------------------------------------------------------------


def analyse(request: AnalyseRequest, emit: Emit, stop: threading.Event) -> Analysis:
    """Reference -> FaceTrack file.

    A stop keeps what was tracked so far, as a partial track.

    Raises:
        InputError: the reference can't be read, or shows no face. ModelError: weights or landmark
        model missing or damaged. OutputError: the file can't be written. UsageError: bad request.
    """
    with one_thread_each():
        if request.headset:
            return _analyse_headset(request, emit, stop)
        if is_live_link(request.reference):
            return _analyse_coefficients(request, emit)
        return _analyse(request, emit, stop)


def _analyse_coefficients(request: AnalyseRequest, emit: Emit) -> Analysis:
    """A take of ARKit coefficients -> FaceTrack file; nothing is looked at."""
    began = time.monotonic()
    take = read_live_link(request.reference[0]).between(request.start, request.end)
    done = _taken(request, take, began, bool(take.broken_off))
    return _told(done, [take.broken_off] if take.broken_off else [], emit)


def _analyse_headset(request: AnalyseRequest, emit: Emit, stop: threading.Event) -> Analysis:
    """Clips of cameras in a headset -> FaceTrack file, as of coefficients."""
    from .footage.headset_views import HeadsetClips
    from .perception.headset import load_headset_reader, read_headset

    began = time.monotonic()
    emit({"type": "stage", "stage": "loading"})
    reader = load_headset_reader(request.network)
    with HeadsetClips(request.reference, request.start, request.end) as clips:
        progress = Progress(emit, "analyse", clips.count)
        take, there = read_headset(clips, reader, request.calibrate, stop, progress.show)
        progress.show(len(there), last=True)
        if is_unheard(stop):
            raise InputError("nobody waits for its analysis any more", file=clips.paths[0])
        partial, notes = stop.is_set() or clips.partial, clips.notes
    reason = "stopped before its end" if stop.is_set() else "; ".join(notes) if partial else ""
    done = _told(_taken(request, take, began, partial, there), notes, emit)
    return replace(done, reason=reason, stopped=stop.is_set())


def _told(done: Analysis, notes: list[str], emit: Emit) -> Analysis:
    """What was read of a take, with what was noticed, which is told."""
    for note in notes:
        emit({"type": "log", "level": "warning", "text": note})
    return replace(done, reason="; ".join(notes) if done.partial else "", notes=notes)


def _taken(
    request: AnalyseRequest,
    take: CoefficientTake,
    began: float,
    partial: bool = False,
    seen: np.ndarray | None = None,
) -> Analysis:
    """A take -> FaceTrack file. seen (N,): what was seen, where some of it stands between others;
    None: all of it."""
    from .footage.stamp import stamp
    from .perception.coefficients import perceived_in
    from .solving.coefficients import face_track_of

    source = Path(request.reference[0]).name
    meta = {"source": source, "fps": take.fps, "stamp": stamp(request.reference), "face": LARGEST}
    meta |= {"partial": True} if partial else {}
    track = face_track_of(take, perceived_in(take.coefficients), meta)
    if seen is not None:
        state = np.where(seen, TRACKED, BRIDGED).astype(np.uint8)
        track = replace(track, state=state, confidence=seen.astype(np.float32))
    track = FeltOverTime.load()(track)
    seconds, frames = time.monotonic() - began, len(track)
    return Analysis(
        track=str(track.save(request.out)),
        frames=frames,
        found=int(track.found.sum()),
        partial=partial,
        reason="",
        stopped=False,
        stills=False,
        without_face=[],
        notes=[],
        seconds=round(seconds, 2),
        rate=round(frames / max(seconds, 1e-6), 1),
    )


def _analyse(request: AnalyseRequest, emit: Emit, stop: threading.Event) -> Analysis:
    from .footage.media import open_reference
    from .tracking.face_tracker import FaceTracker

    began, watch = time.monotonic(), Stopwatch()
    emit({"type": "stage", "stage": "loading"})
    profiles = [load_profile(p) for p in request.profiles]
    with (
        open_reference(list(request.reference), start=request.start, end=request.end) as reader,
        ThreadPoolExecutor(1, "loading") as beside,
    ):
        # Beside the tracker's own start, which leaves a core idle.
        loading = beside.submit(_Readers.load, profiles, reader.stills)
        with (
            FaceTracker(request.face, stills=reader.stills) as tracker,
            _recorder(request, reader, loading.result()) as recorder,
        ):
            progress, working = Progress(emit, "analyse", reader.count), time.monotonic()
            with _Networks(loading.result(), recorder, watch) as networks:
                _follow(reader, tracker, networks, watch, stop, progress)
            spent = time.monotonic() - working
            progress.show(len(recorder), last=True)
            emit({"type": "stage", "stage": "saving"})
            stopped = _stopped(reader, recorder, stop)
            partial, reason = _partial(reader, recorder, stopped)
            with watch.stage("saving"):
                over_time = loading.result().over_time
                written = recorder.finish(partial=partial, over_time=over_time)
            kept = [] if written == Path(request.out) else [kept_beside(request.out, written)]
            notes = [*reader.notes, *tracker.notes, *kept]
            for note in notes:
                emit({"type": "log", "level": "warning", "text": note})
            return Analysis(
                track=str(written),
                frames=len(recorder),
                found=recorder.found,
                partial=partial,
                reason=reason,
                stopped=stopped,
                stills=reader.stills,
                without_face=recorder.without_face if reader.stills else [],
                notes=notes,
                seconds=round(time.monotonic() - began, 2),
                rate=round(len(recorder) / max(spent, 1e-6), 1),
                stages={name: round(s, 2) for name, s in watch.seconds.items()},
                cuts=[round(c, 3) for c in recorder.cuts],
            )


def _recorder(request: AnalyseRequest, reader, readers: _Readers) -> TrackRecorder:
    """What writes the track of a reference that is read."""
    from .footage.sound import sound_start
    from .footage.stamp import stamp
    from .tracking.track_recorder import TrackRecorder

    return TrackRecorder(
        request.out,
        source=reader.source,
        given=reader.given,
        fps=reader.fps,
        face=request.face,
        stills=reader.stills,
        prior=readers.runner.prior_of_pictures if reader.stills else readers.runner.prior,
        pooled_by=readers.runner.pooled_by,
        stamp=stamp(request.reference),
        sound=None if reader.stills else sound_start(request.reference[0]),
    )


def _follow(
    reader, tracker: FaceTracker, networks: _Networks, watch: Stopwatch, stop, progress: Progress
) -> None:
    """The frames of a reference past the tracker to the networks, until its end or a stop."""
    from .footage.media import prefetch

    with contextlib.closing(prefetch(watch.items("decoding", reader))) as frames:
        for frame in frames:
            if stop.is_set():
                break
            with watch.stage("tracking"):
                followed = tracker.follow(frame)
            networks.put(followed)
            progress.show(frame.index + 1)


def _stopped(reader, recorder: TrackRecorder, stop: threading.Event) -> bool:
    """Whether it was stopped, with something to keep.

    Raises:
        InputError: nobody waits for it, or nothing was seen so far.
    """
    if is_unheard(stop):
        raise InputError("nobody waits for its analysis any more", file=reader.given)
    if stop.is_set() and not recorder.found:
        raise InputError("stopped before any face was seen", file=reader.given)
    return stop.is_set()


def _partial(reader, recorder, stopped: bool) -> tuple[bool, str]:
    """Whether the track lacks something that was asked for, and what."""
    reasons = []
    if stopped:
        reasons.append("stopped before its end")
    if reader.partial:
        reasons.append("; ".join(reader.notes) or "not all of it could be read")
    if reader.stills and recorder.without_face:
        reasons.append(f"no face in {', '.join(recorder.without_face)}")
    return bool(reasons), "; ".join(reasons)


@dataclass(frozen=True)
class _Readers:
    """What reads faces: keys: character -> key of FaceTrack.rig_units."""

    runner: PerceptionRunner
    keys: dict[str, str]
    mouth: MouthLooker | None
    over_time: FeltOverTime

    @staticmethod
    def load(profiles: list[RigProfile], stills: bool) -> _Readers:
        """With the weights of these characters, the primary first; of a clip ready to look.

        Raises:
            ModelError: see `load_runner`, and of those that solving will need.
        """
        from .perception.mouth import MouthLooker

        over_time = FeltOverTime.load()
        runner, keys = load_runner(profiles[:1], reader=over_time.against)
        for profile in profiles[1:]:
            if not by_channels(profile, profiles[0]):  # damaged weights are told now
                load_mapping(profiles[0], profile)
        if not stills:
            runner.prepare()
        return _Readers(runner, keys, MouthLooker.load(), over_time)


class _Networks:
    """Batches of followed faces, registered, through the networks, into the recorder: pictures by
    one thread a core, a clip by one less, since the tracker, which waits for nobody, needs a core
    to itself.

    The expression and the unit values of a clip are read LOOK_EVERY and UNITS_EVERY seconds apart,
    in the faces as they are; the recorder fills what is between. Of pictures all are read, and the
    mirror images are looked at too.

    A context manager; its end waits until all that was put is recorded, in the order of the frames,
    by a thread of its own. Errors are raised where faces are put, or at the end.
    """

    def __init__(self, readers: _Readers, recorder: TrackRecorder, watch: Stopwatch):
        self._readers, self._recorder, self._watch = readers, recorder, watch
        self._threads = cores() if recorder.stills else max(1, cores() - 1)
        self._frames = FACES_A_PASS if recorder.stills else FRAMES_A_BATCH
        self._pool = ThreadPoolExecutor(self._threads, "networks")
        self._writer = ThreadPoolExecutor(1, "recording")
        self._batch: list = []
        self._times = {"expression": LookTimes(LOOK_EVERY), "units": LookTimes(UNITS_EVERY)}
        self._waiting: deque[Future] = deque()

    def __enter__(self) -> _Networks:
        return self

    def __exit__(self, kind, *_) -> None:
        try:
            if kind is None:
                self._submit()
                self._wait(0)
        finally:
            self._pool.shutdown(cancel_futures=True)
            self._writer.shutdown(cancel_futures=True)

    def put(self, followed: FollowedFace) -> None:
        """Hand over the next frame; waits while too many are on their way."""
        self._batch.append((followed, self._wanted(followed)))
        if self._is_full():
            self._submit()
            self._wait(max(QUEUE // self._frames, self._threads))

    def _is_full(self) -> bool:
        looks = sum(what == "expression" for _, what in self._batch)
        return len(self._batch) >= self._frames or looks >= FACES_A_PASS

    def _wanted(self, followed: FollowedFace) -> str:
        """What the networks read in a frame: "expression", with which the units come, "units", or
        nothing. Of a picture all of it."""
        if self._recorder.stills:
            return "expression" if followed.found else ""
        due = [what for what, at in self._times.items() if at.due(followed.time, followed.found)]
        return due[0] if due else ""

    def _submit(self) -> None:
        batch, self._batch = self._batch, []
        looked = self._pool.submit(self._look, batch)
        self._waiting.append(self._writer.submit(self._record, looked))

    def _look(self, batch: list) -> list[tuple]:
        """(tracked face, what is known of it beside) of each."""
        from .tracking.face_tracker import described

        with self._watch.stage("registering"):
            batch = list(zip(described([f for f, _ in batch]), (w for _, w in batch), strict=True))
        with self._watch.stage("networks"):
            looked: dict[int, tuple] = {}
            mouths = _mouths(self._readers, [t for t, _ in batch if t.found])
            for wanted in ("expression", "units", ""):
                seen = [t for t, what in batch if t.found and what == wanted]
                stills = self._recorder.stills
                answers = _look(self._readers, seen, mouths, wanted, stills)
                looked |= zip((t.index for t in seen), answers, strict=True)
            return [(t, looked.get(t.index, ())) for t, _ in batch]

    def _record(self, looked: Future) -> None:
        found = looked.result()
        with self._watch.stage("recording"):
            for tracked, answers in found:
                self._recorder.add(tracked, *answers)

    def _wait(self, limit: int) -> None:
        """Wait for the oldest batch while more than `limit` are not recorded."""
        while self._waiting and (len(self._waiting) > limit or self._waiting[0].done()):
            self._waiting.popleft().result()


def _mouths(readers: _Readers, seen: list[TrackedFace]) -> dict[int, np.ndarray]:
    """Number of a frame -> what is in the mouth of its face; empty without the network."""
    if readers.mouth is None or not seen:
        return {}
    landmarks = np.stack([t.observation.landmarks49 for t in seen])
    read = readers.mouth(np.stack([t.face for t in seen]), landmarks)
    return dict(zip((t.index for t in seen), read, strict=True))


def _look(
    readers: _Readers,
    seen: list[TrackedFace],
    mouths: dict[int, np.ndarray],
    wanted: str,
    mirrored: bool,
) -> list[tuple[np.ndarray | dict | None, ...]]:
    """(expression, rig units by cache key, what is in the mouth, expression of the upper part, what
    the teacher's convolutions give) of each tracked face; what is read in the whole face is None
    and the units not there unless `wanted`."""
    if not seen:
        return []
    runner, keys, found = readers.runner, readers.keys, {"rig": {}}
    if wanted == "expression":
        found = runner(*_given(seen if mirrored else _in_whole_passes(seen)), mirrored=mirrored)
    elif wanted:
        found = {"rig": runner.units(*_given(seen))}
    nobody = [None] * len(seen)
    read = (found.get(name, nobody)[: len(seen)] for name in ("expression", "no_mouth", "pooled"))
    return [
        (said, {keys[n]: units[i] for n, units in found["rig"].items()}, mouths.get(t.index), *more)
        for i, (t, said, *more) in enumerate(zip(seen, *read, strict=True))
    ]


def _given(seen: list[TrackedFace]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Faces, geometry and coefficients, as a PerceptionRunner takes them."""
    parts = [(t.face, t.geometry, t.observation.arkit) for t in seen]
    return tuple(np.stack(part) for part in zip(*parts, strict=True))


def _in_whole_passes(seen: list[TrackedFace]) -> list[TrackedFace]:
    """The faces with the last one repeated: each number of faces in a pass is another copy of the
    networks, for which a clip's last face is no reason."""
    return seen + seen[-1:] * (-len(seen) % FACES_A_PASS)


# --- what a clip expresses -----------------------------------------------------------------------


def pictures_and_clips(files: list[str]) -> tuple[list[str], list[str]]:
    """Pictures and folders of them, and what is felt over time: clips, takes, tracks. Pictures that
    can't be read are pictures: who reads them tells why."""
    from .footage.media import is_clip

    moves = {}
    for file in files:
        try:
            moves[file] = is_clip(Path(file))
        except InputError:
            moves[file] = False
    return [f for f in files if not moves[f]], [f for f in files if moves[f]]


def perceive_clips(
    files: list[str],
    emit: Emit,
    stop: threading.Event,
    lost: Lost,
    each_frame: bool = False,
    face: str = LARGEST,
) -> dict:
    """What is felt in clips, or in tracks of clips, and what each picture of tracks of pictures
    expresses: {"clips": see `clips.told`, "pictures": see `clips.told_pictures`, "partial"}.

    Args:
        lost: takes the clips that can't be read, or show no face. each_frame: see `clips.told`.
        face: which of several in a clip, see AnalyseRequest.

    Raises:
        ModelError: as `analyse`.
    """
    from .perception.clips import MOST_FRAMES, told, told_pictures, untold

    clips, pictures, partial, left = [], [], False, MOST_FRAMES
    for file in files:
        if stop.is_set():
            partial = True
            break
        try:
            track, less = _track_of(file, face, emit, stop)
            stills = bool(track.meta.get("stills"))
            left -= len(track) if each_frame or stills else 0
            if left < 0:
                what = f"has more frames than the {MOST_FRAMES} that can be told at once"
                raise InputError(what, file=file, fix="give fewer or shorter clips at a time")
            if stills:
                pictures += told_pictures(file, track)
            else:
                clips.append(told(file, track, each_frame))
            partial |= less or (stills and not track.found.all())
        except InputError as error:
            lost.append((file, error))
            clips.append(untold(file, error.problem))
    return {"clips": clips, "pictures": pictures, "partial": partial}


def _track_of(file: str, face: str, emit: Emit, stop: threading.Event) -> tuple[FaceTrack, bool]:
    """The track of a clip, or the one that a file holds, and whether it is of less than all."""
    if is_track(file):
        track = FaceTrack.load(file)
        if partial := bool(track.meta.get("partial")):
            emit({"type": "log", "level": "warning", "text": f"{file}: {HOLDS_PART}"})
        return track, partial
    with scratch_folder() as folder:
        request = AnalyseRequest((file,), str(folder / "face.npz"), face=face)
        partial = analyse(request, emit, stop).partial
        return FaceTrack.load(request.out), partial


# --- solving -------------------------------------------------------------------------------------


def solve_file(request: SolveRequest, emit: Emit, stop: threading.Event) -> list[dict]:
    """`solve` from and to files: [{"character", "path", "frames"}], the primary first.

    On one machine the same to the bit however many threads a BLAS that threadpoolctl knows would
    use: shared among them, sums are added in another order.
    """
    emit({"type": "stage", "stage": "solving"})
    track = FaceTrack.load(request.track)
    profiles = [load_profile(p) for p in (request.primary, *request.secondary)]
    settings = RetargetSettings.from_json(request.settings)
    solved = []
    with one_thread_each():
        rig_tracks = solve(track, profiles[0], profiles[1:], settings, emit)
    for rig_track in rig_tracks:
        path = Path(request.out) / f"{rig_track.character}.npz"
        path = rig_track.save(path)
        solved.append(
            {"character": rig_track.character, "path": str(path), "frames": len(rig_track)}
        )
    return solved
