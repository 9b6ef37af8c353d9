"""Reference -> FaceTrack -> RigTracks: the stages of this package, composed.

Analysis runs in several threads, so that all cores are busy and memory stays level: one decodes,
one finds and registers the face (MediaPipe), one a core runs the networks on a few registered faces
at a time. What passes between them are queues of fixed length. FFmpeg, MediaPipe and torch release
Python's lock while they compute.

Solving needs no footage: the 3D-CNN's outputs are kept in the FaceTrack, keyed by the digest of the
weights that made them, and are computed again from its registered faces for another character.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path

import numpy as np

from .characters.profile import RigProfile, load_profile, to_unit
from .cores import cores
from .errors import InputError, UsageError
from .models.weights_places import POSED, file_name, find_weights, weights_folder
from .settings import RetargetSettings
from .track import FaceTrack, RigTrack
from .vocabulary import EXPRESSIONS, OUTPUTS

Emit = Callable[[dict], None]

BATCH = 2
"""Faces handed to the networks at once."""
QUEUE = 24
"""Tracked faces that may wait for the networks: what one slow frame delays, others catch up."""
PROGRESS_INTERVAL = 0.1  # seconds


# --- what is asked and answered ------------------------------------------------------------------


@dataclass(frozen=True)
class AnalyseRequest:
    """reference: a clip, or pictures, or a folder; out: the FaceTrack's file; face: see tracking;
    start, end: seconds, None for the reference's own; profiles: paths of profiles, the primary
    first, whose networks will be needed: the primary's is run at once, all are checked."""

    reference: tuple[str, ...]
    out: str
    face: str = "largest"
    start: float | None = None
    end: float | None = None
    profiles: tuple[str, ...] = ()

    @staticmethod
    def from_json(data: dict) -> AnalyseRequest:
        return _from_json(AnalyseRequest, data)


@dataclass(frozen=True)
class Analysis:
    """What `analyse` did. partial: less than the reference promised, and `reason` why; stopped: by
    request; without_face: names of pictures in which no face was found; stages: seconds of work
    (not of waiting) of each stage; rate: frames a second, all stages."""

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


class Progress:
    """Progress messages of one stage, at most ten a second, with rate and time left."""

    def __init__(self, emit: Emit, stage: str, total: int | None):
        self._emit, self._stage, self._total = emit, stage, total or None
        self._began = self._last = time.monotonic()
        emit({"type": "stage", "stage": stage})

    def show(self, done: int, *, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self._last < PROGRESS_INTERVAL:
            return
        self._last = now
        spent = now - self._began
        rate = done / spent if spent > 0 else 0.0
        total = done if last else self._total
        left = None if not total or not rate else max(0.0, (total - done) / rate)
        self._emit(
            {
                "type": "progress",
                "stage": self._stage,
                "done": done,
                "total": total,
                "rate": round(rate, 1),
                "eta": None if left is None else round(left, 1),
            }
        )


class Stopwatch:
    """Seconds that each stage worked, added up over threads."""

    def __init__(self):
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            with self._lock:
                self.seconds[name] = self.seconds.get(name, 0.0) + spent

    def items(self, name: str, source: Iterable) -> Iterator:
        """The same items; the time it takes to make each is booked on `name`."""
        iterator = iter(source)
        while True:
            with self.stage(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item


# --- weights -------------------------------------------------------------------------------------


def needed_weights(profiles: list[RigProfile]) -> dict[str, Path]:
    """What is shown to a user -> weight file, for these characters, the primary first."""
    needed = {"HCNN": find_weights("hcnn")}
    if profiles:
        primary = profiles[0]
        needed[_regressor_name(primary)] = find_weights("rig_regressor", primary)
        for p in profiles[1:]:
            needed[_mapping_name(primary, p)] = find_weights("character_mlp", primary, p)
    return needed


def load_runner(profiles: list[RigProfile], threads: int | None = None):
    """HCNN and the profiles' 3D-CNNs: (PerceptionRunner, character -> key of FaceTrack.rig_units).

    Raises:
        ModelError: weights are missing, damaged, or of other controls than the profile's.
    """
    from .models.weights_io import file_digest, load_network
    from .perception.folding import PerceptionRunner

    regressors, keys = {}, {}
    for profile in profiles:
        path = needed_weights([profile])[_regressor_name(profile)]
        names = tuple(c.name for c in profile.expression_controls)
        regressors[profile.name] = load_network(
            path, "rig_regressor", character=profile.name, controls=names
        )
        keys[profile.name] = f"{profile.name}:{file_digest(path)}"
    classifier = load_network(needed_weights([])["HCNN"], "hcnn")
    runner = PerceptionRunner(classifier, regressors, **load_advisers(), threads=threads)
    return runner, keys


def adviser_weights() -> dict[str, Path]:
    """Weight files of what joins in HCNN's opinion on people: "second", an HCNN trained on posed
    people, "teacher", the larger network, and "coefficients", the coefficient reader. Any may be
    missing, since HCNN can do without."""
    return {
        "second": weights_folder() / file_name("hcnn", POSED),
        "teacher": find_weights("teacher"),
        "coefficients": find_weights("coefficient_reader"),
    }


def solving_weights(profiles: list[RigProfile]) -> list[Path]:
    """The weight files that have a say in what these characters do, the primary first; those that
    are missing are left out."""
    paths = [*needed_weights(profiles).values(), *adviser_weights().values()]
    return [path for path in paths if path.is_file()]


def load_advisers() -> dict:
    """The networks of `adviser_weights`; None for what is not there.

    Raises:
        ModelError: a file is damaged.
    """
    from .models.weights_io import load_network

    paths = adviser_weights()
    posed, teacher, reader = paths["second"], paths["teacher"], paths["coefficients"]
    return {
        "second": load_network(posed, "hcnn") if posed.is_file() else None,
        "teacher": load_network(teacher, "teacher") if teacher.is_file() else None,
        "coefficients": load_network(reader, "coefficient_reader")[0] if reader.is_file() else None,
    }


def load_mapping(primary: RigProfile, secondary: RigProfile):
    """The C-MLP between two characters: primary's unit values (N, M) -> secondary's (N, K).

    Raises:
        ModelError: weights are missing, damaged, or of other controls than the profiles'.
    """
    from .models.cmlp import CharacterMlp

    path = needed_weights([primary, secondary])[_mapping_name(primary, secondary)]
    return CharacterMlp.load(
        path,
        source_controls=tuple(c.name for c in primary.expression_controls),
        controls=tuple(c.name for c in secondary.expression_controls),
    )


def _regressor_name(primary: RigProfile) -> str:
    return f"3D-CNN {primary.name}"


def _mapping_name(primary: RigProfile, secondary: RigProfile) -> str:
    return f"C-MLP {primary.name} to {secondary.name}"


# --- analysis ------------------------------------------------------------------------------------


def analyse(request: AnalyseRequest, emit: Emit, stop: threading.Event) -> Analysis:
    """Reference -> FaceTrack file.

    A stop keeps what was tracked so far, as a partial track.

    Raises:
        InputError: the reference can't be read, or shows no face. ModelError: weights or landmark
        model missing or damaged. OutputError: the file can't be written. UsageError: bad request.
    """
    # OpenBLAS's helpers spin for a while after the smallest product; they would hold a core.
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        return _analyse(request, emit, stop)


def _analyse(request: AnalyseRequest, emit: Emit, stop: threading.Event) -> Analysis:
    from .footage.media import open_reference, prefetch
    from .tracking.face_tracker import FaceTracker
    from .tracking.track_recorder import TrackRecorder

    began = time.monotonic()
    watch = Stopwatch()
    emit({"type": "stage", "stage": "loading"})
    profiles = [load_profile(p) for p in request.profiles]
    with open_reference(list(request.reference), start=request.start, end=request.end) as reader:
        runner, keys = load_runner(profiles[:1], threads=1)
        for profile in profiles[1:]:
            load_mapping(profiles[0], profile)  # damaged weights are told now, not afterwards
        with (
            FaceTracker(request.face, stills=reader.stills) as tracker,
            TrackRecorder(
                request.out,
                source=reader.source,
                fps=reader.fps,
                face=request.face,
                stills=reader.stills,
                prior=runner.prior,
            ) as recorder,
        ):
            progress = Progress(emit, "analyse", reader.count)
            working = time.monotonic()
            with _Networks(runner, keys, recorder, watch) as networks:
                frames = prefetch(watch.items("decoding", reader))
                with contextlib.closing(frames):
                    for frame in frames:
                        if stop.is_set():
                            break
                        with watch.stage("tracking"):
                            tracked = tracker.track(frame)
                        networks.put(tracked)
                        progress.show(frame.index + 1)
            spent = time.monotonic() - working
            progress.show(len(recorder), last=True)
            emit({"type": "stage", "stage": "saving"})
            stopped = stop.is_set()
            if stopped and not recorder.found:
                raise InputError("stopped before any face was seen", file=reader.source)
            partial, reason = _partial(reader, recorder, stopped)
            with watch.stage("saving"):
                recorder.finish(partial=partial)
            for note in reader.notes:
                emit({"type": "log", "level": "warning", "text": note})
            return Analysis(
                track=str(request.out),
                frames=len(recorder),
                found=recorder.found,
                partial=partial,
                reason=reason,
                stopped=stopped,
                stills=reader.stills,
                without_face=recorder.without_face if reader.stills else [],
                notes=list(reader.notes),
                seconds=round(time.monotonic() - began, 2),
                rate=round(len(recorder) / max(spent, 1e-6), 1),
                stages={name: round(s, 2) for name, s in watch.seconds.items()},
            )


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


class _Networks:
    """Batches of tracked faces through the networks, by one thread a core, into the recorder.

    A context manager; its end waits until all that was put is recorded, in the order of the frames.
    Each thread computes with one thread of torch's: two faces side by side keep two cores busier
    than one face shared by both, and leave the tracker its turn. Errors are raised where faces are
    put, or at the end.
    """

    def __init__(self, runner, keys: dict[str, str], recorder, watch: Stopwatch):
        self._runner, self._keys, self._recorder, self._watch = runner, keys, recorder, watch
        self._pool = ThreadPoolExecutor(cores(), "networks")
        self._batch: list = []
        self._running: deque[tuple[list, Future]] = deque()

    def __enter__(self) -> _Networks:
        return self

    def __exit__(self, kind, *_) -> None:
        try:
            if kind is None:
                self._submit()
                self._record(0)
        finally:
            self._pool.shutdown(cancel_futures=True)

    def put(self, tracked) -> None:
        """Hand over the next frame; waits while too many are on their way."""
        self._batch.append(tracked)
        if len(self._batch) >= BATCH:
            self._submit()
            self._record(QUEUE // BATCH)

    def _submit(self) -> None:
        batch, self._batch = self._batch, []
        self._running.append((batch, self._pool.submit(self._look, batch)))

    def _look(self, batch: list) -> list[tuple[np.ndarray, dict]]:
        with self._watch.stage("networks"):
            return list(_look(self._runner, self._keys, [t for t in batch if t.found]))

    def _record(self, limit: int) -> None:
        """Record what is ready, and wait for the oldest while more than `limit` batches run."""
        while self._running and (len(self._running) > limit or self._running[0][1].done()):
            batch, future = self._running.popleft()
            answers = iter(future.result())
            with self._watch.stage("recording"):
                for tracked in batch:
                    self._recorder.add(tracked, *(next(answers) if tracked.found else ()))


def _look(runner, keys: dict[str, str], seen: list) -> Iterator[tuple[np.ndarray, dict]]:
    """(expression, rig units by cache key) of each tracked face."""
    if not seen:
        return
    found = runner(
        np.stack([t.face for t in seen]),
        np.stack([t.geometry for t in seen]),
        np.stack([t.observation.arkit for t in seen]),
    )
    for i, expression in enumerate(found["expression"]):
        yield expression, {keys[name]: units[i] for name, units in found["rig"].items()}


# --- solving -------------------------------------------------------------------------------------


def solve_file(request: SolveRequest, emit: Emit, stop: threading.Event) -> list[dict]:
    """`solve` from and to files: [{"character", "path", "frames"}], the primary first."""
    emit({"type": "stage", "stage": "solving"})
    track = FaceTrack.load(request.track)
    profiles = [load_profile(p) for p in (request.primary, *request.secondary)]
    settings = RetargetSettings.from_json(request.settings)
    solved = []
    for rig_track in solve(track, profiles[0], profiles[1:], settings, emit):
        path = Path(request.out) / f"{rig_track.character}.npz"
        rig_track.save(path)
        solved.append(
            {"character": rig_track.character, "path": str(path), "frames": len(rig_track)}
        )
    return solved


def solve(
    face_track: FaceTrack,
    primary: RigProfile,
    secondaries: list[RigProfile],
    settings: RetargetSettings,
    emit: Emit = lambda message: None,
) -> list[RigTrack]:
    """FaceTrack -> a RigTrack for the primary, then one for each secondary.

    The primary's expression comes from its 3D-CNN, calibrated, smoothed and limited. A secondary's
    is its C-MLP's answer to the primary's final expression, so that all play the same performance.
    Head, eyes and blinks of each come straight from the tracker.

    Raises:
        ModelError: weights are missing, damaged or another character's.
        UsageError: the range holds no frame.
    """
    from .solving.smoothing import follow_controls, solve_controls

    mappings = [load_mapping(primary, p) for p in secondaries]  # told before the work is done
    units = primary_units(face_track, primary, emit)
    # Solved whole, since the C-MLPs need the expression even where it is not to be keyed.
    whole = replace(settings, outputs=OUTPUTS)
    lead = solve_controls(face_track, primary, units, whole)
    final = expression_units(lead, primary)
    tracks = [_with_outputs(lead, primary, settings)]
    tracks += [
        follow_controls(face_track, profile, mapping(final), settings)
        for profile, mapping in zip(secondaries, mappings, strict=True)
    ]
    meta = {k: face_track.meta.get(k) for k in ("stills", "names", "partial", "source", "fps")}
    return [replace(t, meta={**t.meta, **meta}) for t in tracks]


def primary_units(
    face_track: FaceTrack, primary: RigProfile, emit: Emit = lambda message: None
) -> np.ndarray:
    """The 3D-CNN's unit values (N, M) for each frame: kept ones, or computed from the faces.

    Raises:
        ModelError: see `load_runner`.
    """
    from .models.weights_io import file_digest

    path = needed_weights([primary])[_regressor_name(primary)]
    cached = face_track.rig_units.get(f"{primary.name}:{file_digest(path)}")
    if cached is not None and cached.shape[1] == len(primary.expression_controls):
        return cached
    return _look_again(face_track, primary, emit)


def _look_again(face_track: FaceTrack, primary: RigProfile, emit: Emit) -> np.ndarray:
    from .solving.smoothing import fill_lost
    from .tracking.track_recorder import decode_face

    runner, _ = load_runner([primary])
    units = np.zeros((len(face_track), len(primary.expression_controls)), np.float32)
    seen = np.flatnonzero(face_track.found)
    progress = Progress(emit, "networks", len(seen))
    for first in range(0, len(seen), BATCH):
        frames = seen[first : first + BATCH]
        faces = np.stack([decode_face(face_track.face_jpeg(int(i))) for i in frames])
        found = runner(faces, face_track.geometry[frames], face_track.arkit[frames])
        units[frames] = found["rig"][primary.name]
        progress.show(first + len(frames))
    progress.show(len(seen), last=True)
    stills = bool(face_track.meta.get("stills"))
    filled = fill_lost(face_track.times, face_track.state, units, stills=stills)
    return filled.astype(np.float32)


def expression_units(track: RigTrack, profile: RigProfile) -> np.ndarray:
    """Unit values (N, M) of the profile's expression controls in a track that has all of them."""
    controls = profile.expression_controls
    columns = [track.controls.index(c.name) for c in controls]
    return to_unit(controls, track.values[:, columns]).astype(np.float32)


def _with_outputs(track: RigTrack, profile: RigProfile, settings: RetargetSettings) -> RigTrack:
    """The track with only the controls of the outputs that are switched on."""
    kept = [
        i for i, n in enumerate(track.controls) if profile.control(n).output in settings.outputs
    ]
    names = tuple(track.controls[i] for i in kept)
    return replace(track, controls=names, values=np.ascontiguousarray(track.values[:, kept]))


# --- perceiving ----------------------------------------------------------------------------------


def perceive(images: list[str], kind: str, emit: Emit, stop: threading.Event) -> dict:
    """The seven probabilities of pictures: {"pictures": [{"file", "as", "face", "expression",
    "probabilities"}], "partial"}; expression and probabilities are null where no face was found.

    Args:
        images: pictures, or folders of them. kind: "human" (HCNN), "character" (SCNN) or "auto".

    Raises:
        InputError: a picture can't be read. ModelError: weights are missing or damaged.
    """
    from .tracking.face_tracker import FaceDetector

    emit({"type": "stage", "stage": "loading"})
    files = _pictures(images)
    runners: dict = {}
    pictures = []
    progress = Progress(emit, "perceive", len(files))
    with FaceDetector(faces=8) as detector:
        for path in files:
            if stop.is_set():
                break
            pictures.append(_perceive_one(path, kind, detector, runners))
            progress.show(len(pictures))
    progress.show(len(pictures), last=True)
    missed = any(p["expression"] is None for p in pictures)
    return {"pictures": pictures, "partial": missed or len(pictures) < len(files)}


def _perceive_one(path: Path, kind: str, detector, runners: dict) -> dict:
    from .footage.media import read_image
    from .tracking.registration import centred_affine, geometric_features, register, warp_face

    picture = read_image(path)
    faces = detector.search(picture)
    if faces:
        found = max(faces, key=lambda f: f.area)
        face = register(picture, found.landmarks49)
    elif kind == "character":
        # Drawn faces are often not found; character pictures are framed on the face.
        face = warp_face(picture, centred_affine(picture.shape[1], picture.shape[0]))
    else:
        return {"file": str(path), "as": kind, "face": False} | dict.fromkeys(
            ("expression", "probabilities")
        )
    chosen = kind_of(face) if kind == "auto" else kind
    if chosen not in runners:
        runners[chosen] = _classifier(chosen)
    measured = ()
    if chosen == "human" and faces:
        measured = (geometric_features(found.landmarks49)[None], found.arkit[None])
    probabilities = runners[chosen](face[None], *measured)["expression"][0]
    return {
        "file": str(path),
        "as": chosen,
        "face": bool(faces),
        "expression": EXPRESSIONS[int(probabilities.argmax())],
        "probabilities": {
            e: round(float(p), 5) for e, p in zip(EXPRESSIONS, probabilities, strict=True)
        },
    }


def kind_of(face: np.ndarray) -> str:
    """ "human" or "character" for a registered face (256, 256) uint8, when nobody says which.

    Raises:
        ModelError: the kind network's weights are missing or damaged.
    """
    from .models.kind import KIND_SIZE, KINDS, character_chance
    from .models.perceptual import prepare_faces

    chance = character_chance(_kind_network(weights_folder()), prepare_faces(face[None], KIND_SIZE))
    return KINDS[int(chance[0] > 0.5)]


@cache
def _kind_network(folder: Path):
    from .models.weights_io import load_network, weights_path

    return load_network(weights_path("kind", folder=folder), "kind")[0]


def _pictures(paths: list[str]) -> list[Path]:
    from .footage.media import IMAGE_SUFFIXES

    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
            if not found:
                raise InputError("the folder holds no images", file=path, fix="give one with some")
            files += found
        else:
            files.append(path)
    return files


def _classifier(kind: str):
    from .models.weights_io import load_network, weights_path
    from .perception.folding import PerceptionRunner

    name = "hcnn" if kind == "human" else "scnn"
    classifier = load_network(weights_path(name, folder=weights_folder()), name)
    return PerceptionRunner(classifier, **(load_advisers() if kind == "human" else {}))
