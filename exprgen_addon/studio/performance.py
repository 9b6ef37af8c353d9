"""Performances measured: characters posed as each method solves a clip, their landmarks read
without rendering, and strips rendered for blind rating.

What is measured is told in networks/evaluation/performance.py. Poses that were read earlier are not
read again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...networks.characters.profile import RigProfile
from ...networks.errors import InputError
from ...networks.evaluation.baseline import copies_blendshapes, copy_blendshapes
from ...networks.evaluation.correlation import told
from ...networks.evaluation.mimicry import actor_played, character_played, mimicry
from ...networks.evaluation.performance import (
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
from ...networks.evaluation.windows import choose_windows, windows_at
from ...networks.files import write_text
from ...networks.footage.truth import ClipTruth, truth_of
from ...networks.reading import read_object
from ...networks.records import json_text
from ...networks.settings import RetargetSettings
from ...networks.track import FaceTrack
from .evaluation_plan import (
    BLENDSHAPES,
    EXPRGEN,
    PLAIN,
    Plan,
    Run,
    analyse,
    clip_track,
    digest,
    folder_at,
    render,
    rows_of,
    solve,
)
from .face_studio import full_values
from .posed_face import Poser

TRACKER = "tracker"
"""Against the truth the tracker's own landmarks are measured too: no method can know more."""


def measure_performance(plan: Plan, run: Run, counter, stop) -> dict | None:
    """Every clip on every character by every method, and the strips; None if stopped.

    Returns:
        {"performance": {"clips": clip -> figures, "means": character -> method -> figures,
        "lacks": character -> columns it has nothing of, "strips": {"sheets", "key"}}}; see
        `evaluation.performance.compare` and `summarise` for the figures.
    """
    for clip in plan.clips:
        truth_of(clip)  # one that can't be read is told before the work
    clips = {}
    for clip in plan.clips:
        clips[Path(clip).name] = _tracks(plan, run, clip)
    shown = _shown(plan, run, list(clips))
    measured: dict[str, dict] = {name: {} for name in clips}
    lacks = {}
    for profile in plan.profiles:
        with Poser(profile, plan.out / "performance") as poser:
            lacks[profile.name] = poser.build.lacks
            for name, (clip, face_track, tracks) in clips.items():
                actor = actor_performance(face_track, *shown[name])
                figures = _measure_clip(poser, clip, face_track, actor, tracks, counter, stop)
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
    path = _track_path(plan, clip)
    folder = folder_at(path.parent)
    mark, known = _mark(plan, run, clip), folder / "face.json"
    if not (
        path.is_file() and known.is_file() and read_object(known, "remove it").get("of") == mark
    ):
        known.unlink(missing_ok=True)  # a kill may leave the new track with the old mark
        analyse(plan, run, [clip], path, plan.face)
        write_text(known, json_text({"of": mark}))
    face_track = clip_track(path, clip)
    ours = solve(plan, run, path, folder / EXPRGEN, RetargetSettings())
    tracks = {p.name: {EXPRGEN: ours[p.name]} for p in plan.profiles}
    if PLAIN in plan.methods:
        plain = solve(plan, run, path, folder / PLAIN, RetargetSettings(emphasis=0.0))
        for name, track in plain.items():
            tracks[name][PLAIN] = track
    for profile in filter(copies_blendshapes, plan.profiles):
        copied = copy_blendshapes(face_track, profile, ours[profile.name])
        tracks[profile.name][BLENDSHAPES] = copied
    chosen = {n: {m: t[m] for m in plan.methods if m in t} for n, t in tracks.items()}
    return clip, face_track, chosen


def _track_path(plan: Plan, clip: str) -> Path:
    return plan.out / "performance" / Path(clip).stem / "face.npz"


def _shown(plan: Plan, run: Run, names: list[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name of a clip -> (N,) what is seen between its actor's lips, (N, 6) how much higher brows
    are seen than tracked."""
    paths = [str(_track_path(plan, name)) for name in names]
    found = run("evaluation", {"step": "shown", "tracks": paths})
    pairs = zip(found["slits"], found["brows"], strict=True)
    arrays = ((np.asarray(slit, float), np.asarray(brows, float)) for slit, brows in pairs)
    return dict(zip(names, arrays, strict=True))


def _mark(plan: Plan, run: Run, clip: str) -> str:
    """Tells a clip and the weights that look at it from others."""
    try:
        about = Path(clip).stat()
    except OSError as error:
        raise InputError("does not exist", file=clip, fix="check the path") from error
    profiles = [str(plan.profiles[0].path)]
    weights = [w["detail"] for w in run("weights", {"profiles": profiles})["weights"]]
    return digest([str(Path(clip).resolve()), about.st_size, about.st_mtime_ns, plan.face, weights])


# --- measured ------------------------------------------------------------------------------------


def _measure_clip(
    poser: Poser, clip: str, face_track: FaceTrack, actor: Performance, tracks, counter, stop
):
    """Method -> figures on one character; None if stopped."""
    profile, truth, out = poser.profile, truth_of(clip), {}
    times, seen = face_track.times, face_track.found
    acted = actor_played(face_track)
    for method, track in tracks[profile.name].items():
        values = full_values(profile, track.controls, track.values)
        progress = counter(f"{method} {profile.name} {Path(clip).stem}")
        read = poser.read(values, f"{Path(clip).stem}/{method}", progress, stop)
        if read is None:
            return None
        shown = character_performance(read["points"], read["opening"], poser.build)
        figures = compare(actor, shown, times, seen)
        figures["switches"] = switches(track.expression, times)
        near = mimicry(acted, character_played(read["points"], poser.rest), seen)
        figures["mimicry"] = told(near.score)
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
            track = _track_path(plan, clip)
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
