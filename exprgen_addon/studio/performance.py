"""Performances measured: characters posed as each method solves a clip, their landmarks read
without rendering, and strips rendered for blind rating.

What is measured is told in networks/evaluation/performance.py. Poses that were read earlier are not
read again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...networks.characters.profile import RigProfile
from ...networks.errors import InputError
from ...networks.evaluation.baseline import copies_blendshapes, copy_blendshapes
from ...networks.evaluation.face_features import CHIN_DROP, POINTS
from ...networks.evaluation.performance import (
    Build,
    Performance,
    actor_performance,
    character_performance,
    compare,
    compare_speech,
    mean_of,
    summarise,
    switches,
    true_performance,
)
from ...networks.evaluation.truth import ClipTruth, truth_of
from ...networks.evaluation.windows import choose_windows, windows_at
from ...networks.files import write_text
from ...networks.settings import RetargetSettings
from ...networks.track import FaceTrack, load_arrays, save_arrays
from ...networks.vocabulary import LANDMARK_INDEX
from ..characters.landmarks import FaceAnchors, anchor_seen, own_name
from .capture import FaceStudio, anchors_digest, full_values
from .evaluation_plan import (
    BLENDSHAPES,
    EXPRGEN,
    Plan,
    Run,
    analyse,
    digest,
    folder_at,
    read_json,
    render,
    rows_of,
    solve,
)

PLAIN = "emphasis-0"
"""The method that is ExprGen without emphasis."""
TRACKER = "tracker"
"""Against the truth the tracker's own landmarks are measured too: no method can know more."""
POSED_KIND = "exprgen.posed"
LIP_PAIRS = tuple(
    (LANDMARK_INDEX[f"lip_top_inner_{k}"], LANDMARK_INDEX[f"lip_bottom_inner_{4 - k}"])
    for k in (1, 2, 3)
)
"""Landmarks of the upper lip, each with the one below it."""
BEYOND, HALVINGS = 0.2, 4
"""How far beyond two of them is looked, in shares of the way, and how often an edge is halved."""
SLIT = 0.0025
"""Height that is not missed between two rays, a share of the framed side."""
LEAST_RAYS, MOST_RAYS = 9, 25
BEHIND_LIPS = 0.025
"""What is seen so far behind the lips is the mouth's inside; share of the framed side. Closed lips'
crease is a third of that deep, what lies behind open ones three times."""


def measure_performance(plan: Plan, run: Run, counter, stop) -> dict | None:
    """Every clip on every character by every method, and the strips; None if stopped.

    Returns:
        {"performance": {"clips": clip -> figures, "means": character -> method -> figures,
        "lacks": character -> columns it has nothing of, "strips": {"sheets", "key"}}}; see
        `evaluation.performance.compare` and `summarise` for the figures.
    """
    clips = {}
    for clip in plan.clips:
        clips[Path(clip).name] = _tracks(plan, run, clip)
    measured: dict[str, dict] = {name: {} for name in clips}
    lacks = {}
    for profile in plan.profiles:
        with Poser(profile, plan.out / "performance") as poser:
            lacks[profile.name] = poser.build.lacks
            for name, (clip, face_track, tracks) in clips.items():
                figures = _measure_clip(poser, clip, face_track, tracks, counter, stop)
                if figures is None:
                    return None
                measured[name][profile.name] = figures
    strips = _strips(plan, run, clips, counter, stop)
    if strips is None:
        return None
    figures = {
        "clips": {n: _clip_figures(c, t, measured[n]) for n, (c, t, _) in clips.items()},
        "means": _means(list(measured.values())),
        "lacks": lacks,
        **({"strips": strips} if strips else {}),
    }
    return {"performance": figures}


def _tracks(plan: Plan, run: Run, clip: str) -> tuple[str, FaceTrack, dict]:
    """(clip, its FaceTrack, character -> method -> RigTrack)."""
    folder = folder_at(plan.out / "performance" / Path(clip).stem)
    path = folder / "face.npz"
    mark, known = _mark(plan, run, clip), folder / "face.json"
    if not (path.is_file() and known.is_file() and read_json(known).get("of") == mark):
        analyse(plan, run, [clip], path)
        write_text(known, json.dumps({"of": mark}))
    face_track = FaceTrack.load(path)
    ours = solve(plan, run, path, folder / EXPRGEN, RetargetSettings())
    plain = solve(plan, run, path, folder / PLAIN, RetargetSettings(emphasis=0.0))
    tracks = {}
    for profile in plan.profiles:
        tracks[profile.name] = {EXPRGEN: ours[profile.name], PLAIN: plain[profile.name]}
        if copies_blendshapes(profile):
            copied = copy_blendshapes(face_track, profile, ours[profile.name])
            tracks[profile.name][BLENDSHAPES] = copied
    return clip, face_track, tracks


def _mark(plan: Plan, run: Run, clip: str) -> str:
    """Tells a clip and the weights that look at it from others."""
    try:
        about = Path(clip).stat()
    except OSError as error:
        raise InputError("does not exist", file=clip, fix="check the path") from error
    profiles = [str(plan.profiles[0].path)]
    weights = [w["detail"] for w in run("weights", {"profiles": profiles})["weights"]]
    return digest([str(Path(clip).resolve()), about.st_size, about.st_mtime_ns, weights])


# --- posed and read ------------------------------------------------------------------------------


class Poser:
    """One character whose POINTS are read at whatever pose it is put in; needs bpy.

    folder: where poses that were read are kept.

    Raises:
        InputError: see `capture.FaceStudio`; or the character has no landmarks.
    """

    def __init__(self, profile: RigProfile, folder: Path):
        self.profile, self._folder = profile, folder
        self._lips = {a.object for n, a in profile.landmarks.items() if n.startswith("lip")}
        self._behind = BEHIND_LIPS * profile.framing.size
        self._studio = FaceStudio(profile)
        try:
            self._anchors = self._place()
            reach = self.read(_extremes(profile), "reach", lambda made, total: None)
            self.build = Build.of(reach["points"])
        except BaseException:
            self._studio.close()
            raise

    def __enter__(self) -> Poser:
        return self

    def __exit__(self, *_) -> None:
        self._studio.close()

    def read(self, values: np.ndarray, name: str, progress, stop=lambda: False) -> dict | None:
        """What is seen of poses, native values (N, C), the head at rest; None if stopped.

        Returns:
            "points": (N, 50, 3) POINTS, x to the subject's own left, y up, z out of the face;
            "opening": (N,) see `_opening`; both in metres. Kept in the folder as `name`.
        """
        values = self._with_head_at_rest(values)
        path = self._folder / f"{name}_{self.profile.name}.npz"
        mark = digest([self._seen, np.round(values, 5).tolist()])
        if path.is_file():
            meta, arrays = load_arrays(path, POSED_KIND)
            if meta["of"] == mark:
                return arrays
        points, openings = [], []
        for row in values:
            if stop():
                return None
            self._studio.pose(row)
            places = self._anchors.world(self._studio.depsgraph)
            openings.append(self._opening(places))
            points.append(places @ self._studio.axes().T)
            progress(len(points), len(values))
        arrays = {"points": _with_chin(np.array(points)), "opening": np.array(openings)}
        save_arrays(path, POSED_KIND, {"of": mark}, arrays)
        return arrays

    def _opening(self, places: np.ndarray) -> float:
        """The height at which the camera looks between the lips, metres: the mean of three places.
        Rays go through points on the way from upper to lower lip and a little beyond."""
        camera = np.array(self._studio.camera.matrix_basis)[:3, 3]
        heights = []
        for top, bottom in LIP_PAIRS:
            start, way = places[top], places[bottom] - places[top]

            def between(share: float, start=start, way=way) -> bool:
                return self._between(camera, start + share * way)

            height = float(np.linalg.norm(way))
            heights.append(open_share(between, self._rays(height)) * height)
        return float(np.mean(heights))

    def _rays(self, height: float) -> int:
        """How many rays tell the opening between two landmarks so far apart, metres."""
        wanted = (1.0 + 2.0 * BEYOND) * height / (SLIT * self.profile.framing.size)
        return int(np.clip(wanted, LEAST_RAYS, MOST_RAYS))

    def _between(self, camera: np.ndarray, place: np.ndarray) -> bool:
        """The camera looks past this place, at something far behind the lips or another object."""
        ray = place - camera
        far = float(np.linalg.norm(ray))
        scene, graph = self._studio.scene, self._studio.depsgraph
        hit, where, _, _, thing, _ = scene.ray_cast(graph, camera, ray / far)
        if not hit or own_name(thing.original) not in self._lips:
            return True
        return float(np.linalg.norm(np.array(where) - camera)) - far > self._behind

    def _with_head_at_rest(self, values: np.ndarray) -> np.ndarray:
        values = np.array(values, float)
        for i, control in enumerate(self.profile.controls):
            if control.output == "head":
                values[:, i] = control.rest
        return values

    def _place(self) -> FaceAnchors:
        """The anchors that are read, the chin among them if the character has one."""
        pixels = self._studio.landmarks()
        nose, lip = (pixels[LANDMARK_INDEX[n]] for n in ("nose_base", "lip_bottom_outer_3"))
        chin = anchor_seen(self._studio, nose + CHIN_DROP * (lip - nose))
        blend = self.profile.blend.stat()
        self._seen = [anchors_digest(self.profile), str(chin), blend.st_size, blend.st_mtime_ns]
        extra = [] if chin is None else [chin]
        return FaceAnchors(self.profile, self._studio.character.collection, extra)


def open_share(between: Callable[[float], bool], rays: int) -> float:
    """How much of the way from the upper lip's landmark to the lower's is open.

    Args:
        between: tells for a share of the way (0 the upper's, 1 the lower's) whether one looks
            between the lips there. rays: at how many places it is asked before both edges.
    """
    asked = np.linspace(-BEYOND, 1.0 + BEYOND, rays)
    seen = np.flatnonzero([between(share) for share in asked])
    if not len(seen):
        return 0.0
    edges = []
    for first, beyond in ((seen[0], seen[0] - 1), (seen[-1], seen[-1] + 1)):
        inside = asked[first]
        outside = asked[beyond] if 0 <= beyond < len(asked) else inside
        for _ in range(HALVINGS):
            middle = 0.5 * (inside + outside)
            inside, outside = (middle, outside) if between(middle) else (inside, middle)
        edges.append(0.5 * (inside + outside))
    return float(edges[1] - edges[0])


def _with_chin(points: np.ndarray) -> np.ndarray:
    """(N, 50, 3) of (N, 49 or 50, 3): a chin that the character does not have is nowhere."""
    chin = np.full((len(points), len(POINTS) - points.shape[1], 3), np.nan)
    return np.concatenate([points, chin], axis=1)


def _extremes(profile: RigProfile) -> np.ndarray:
    """(K, C) native values: at rest, then with each expression control at each of its limits."""
    rest = np.array([c.rest for c in profile.controls], float)
    poses = [rest]
    for i, control in enumerate(profile.controls):
        for limit in (control.minimum, control.maximum):
            if control.output == "expression" and limit != control.rest:
                poses.append(np.where(np.arange(len(rest)) == i, limit, rest))
    return np.array(poses)


# --- measured ------------------------------------------------------------------------------------


def _measure_clip(poser: Poser, clip: str, face_track: FaceTrack, tracks, counter, stop):
    """Method -> figures on one character; None if stopped."""
    profile, truth, out = poser.profile, truth_of(clip), {}
    actor, times, seen = actor_performance(face_track), face_track.times, face_track.found
    for method, track in tracks[profile.name].items():
        values = full_values(profile, track.controls, track.values)
        progress = counter(f"{method} {profile.name} {Path(clip).stem}")
        read = poser.read(values, f"{Path(clip).stem}/{method}", progress, stop)
        if read is None:
            return None
        shown = character_performance(read["points"], read["opening"], poser.build)
        figures = compare(actor, shown, times, seen)
        figures["switches"] = switches(track.expression, times)
        if truth is not None:
            figures["truth"] = _against_truth(truth, shown, times, seen)
        out[method] = figures
    return out


def _against_truth(truth: ClipTruth, shown: Performance, times, seen) -> dict:
    true = true_performance(truth, times)
    figures = compare(true, shown, times, seen)
    return {**figures, "speech": compare_speech(truth, true, shown, times)}


def _clip_figures(clip: str, face_track: FaceTrack, measured: dict) -> dict:
    truth, times, seen = truth_of(clip), face_track.times, face_track.found
    about = {"frames": len(times), "seen": int(seen.sum()), "measured": measured}
    if truth is not None:
        tracked = actor_performance(face_track)
        about |= {TRACKER: _against_truth(truth, tracked, times, seen), "truth": truth.meta}
    return about


def _means(clips: list[dict]) -> dict:
    """character -> method -> means over clips, with "truth" over those that have it."""
    out: dict[str, dict] = {}
    for character in clips[0]:
        out[character] = {}
        for method in clips[0][character]:
            own = [c[character][method] for c in clips]
            known = [m["truth"] for m in own if "truth" in m]
            out[character][method] = summarise(own)
            if known:
                out[character][method]["truth"] = _truth_means(known)
    return out


def _truth_means(known: list[dict]) -> dict:
    speech = {key: mean_of(k["speech"][key] for k in known) for key in ("reached", "false")}
    return {**summarise(known), "speech": speech}


# --- strips --------------------------------------------------------------------------------------


def _strips(plan: Plan, run: Run, clips: dict, counter, stop) -> dict | None:
    """Render the windows of every clip and have the sheets drawn; None if stopped."""
    shown = []
    for name, (clip, face_track, tracks) in clips.items():
        windows = _windows(plan, name, face_track)
        for profile in plan.profiles:
            files = _render_windows(plan, profile, clip, windows, tracks, counter, stop)
            if files is None:
                return None
            track = plan.out / "performance" / Path(clip).stem / "face.npz"
            about = {"clip": str(Path(clip).resolve()), "track": str(track)}
            shown += [
                {**about, "character": profile.name, "frames": window,
                 "files": {m: [by_frame[f] for f in window] for m, by_frame in files.items()}}
                for window in windows
            ]  # fmt: skip
    if not shown:
        return {}
    request = {"out": str(plan.out), "seed": plan.seed, "strips": shown}
    return run("evaluation", {"step": "strips", **request})["strips"]


def _windows(plan: Plan, name: str, face_track: FaceTrack) -> list[list[int]]:
    if name in plan.window_starts:
        return windows_at(face_track.times, plan.window_starts[name], name)
    return choose_windows(face_track.times, face_track.found, plan.windows, plan.seed, name)


def _render_windows(plan, profile: RigProfile, clip: str, windows, tracks, counter, stop):
    """Method -> frame -> picture, of all frames that windows show; None if stopped."""
    frames = sorted({f for window in windows for f in window})
    if not frames:
        return {}
    out = {}
    for method, track in tracks[profile.name].items():
        folder = plan.out / "performance" / Path(clip).stem / method
        names = [f"{f:06d}" for f in frames]
        rows = rows_of(track, np.array(frames))
        made = render(plan, profile, rows, folder, names, counter, stop)
        if made is None:
            return None
        out[method] = dict(zip(frames, made["files"], strict=True))
    return out
