"""The evaluation's Blender half: carries pictures through the retargeting, renders and writes down.

What needs torch or OpenCV (choosing, reading, judging, the report) the worker does
(networks/evaluation). Everything lies in one folder, and what is there already is not made again,
so an evaluation that was stopped or killed goes on (evaluation_kept.py); another choice of pictures
wants another folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...networks.characters.profile import RigProfile, to_unit
from ...networks.errors import InputError, UsageError
from ...networks.evaluation.baseline import copies_blendshapes, copy_blendshapes
from ...networks.evaluation.choice import load_choice, original_path
from ...networks.evaluation.correlation import correlation, rank_correlation, told
from ...networks.evaluation.motion import (
    REFERENCE,
    SEQUENCES,
    Truth,
    blinks,
    held_stretches,
    jitter,
    lids,
    sequence_frames,
    shown_intensity,
    true_intensity,
)
from ...networks.evaluation.windows import rates_strips, score_strips
from ...networks.files import write_text
from ...networks.reading import read_object
from ...networks.records import json_text
from ...networks.settings import RetargetSettings
from ...networks.track import FaceTrack, RigTrack
from ...networks.vocabulary import EXPRESSIONS
from .evaluation_kept import KeptAnswers
from .evaluation_plan import (
    BLENDSHAPES,
    EXPRGEN,
    Plan,
    Run,
    analyse,
    clip_track,
    digest,
    render,
    rows_of,
    solve,
)
from .feelings import measure_feelings
from .performance import measure_performance

CLIP_RATE = 4.0
"""Frames a second of a clip that are compared."""
STRIPS_KEY, PICTURES_KEY = "strips_key.csv", "blind_key.csv"
"""What tells, beside the sheets, what is seen on them."""


def evaluate(
    plan: Plan,
    run: Run,
    *,
    counter: Callable[[str], Callable[[int, int], None]],
    stop: Callable[[], bool],
    say: Callable[[str], None] = lambda line: None,
) -> dict | None:
    """Measure all that the plan asks for; None if stopped.

    Returns:
        the contents of evaluation.json: "settings", a field a section, "files".

    Raises:
        InputError: data or a character can't be read. ModelError: weights are missing.
        OutputError: the folder can't be written.
    """
    run = kept = KeptAnswers(plan.out, run, stop, say)
    figures = _earlier(plan.out)
    figures["settings"] = plan.to_json()
    # Raters saw the sheets that are there, and this run may make others with other letters.
    rated = [f for f in plan.ratings if _key(plan, f).is_file()]
    said = _ratings(plan, run, rated)
    work = {
        "recognition": lambda: _recognition(plan, run),
        "feelings": lambda: measure_feelings(plan, run, counter, stop),
        "clarity": lambda: {"clarity": _clarity(plan, run, counter, stop)},
        "transfer": lambda: _transfer(plan, run, counter, stop),
        "motion": lambda: _motion(plan, run, counter, stop),
        "clip": lambda: _clip(plan, run, counter, stop),
        "performance": lambda: measure_performance(plan, run, counter, stop),
    }
    for section, measure in work.items():
        if stop():
            return None
        if plan.wants(section):
            say(f"{section} ...")
            figures |= measure() or {}
    if stop():
        return None
    if plan.folds:
        figures["folds"] = [read_object(Path(f), "remove it") for f in plan.folds]
    figures |= said | _ratings(plan, run, [f for f in plan.ratings if f not in rated])
    figures = _without_fields(figures)
    files = run("evaluation", {"step": "report", "figures": figures, "out": str(plan.out)})
    kept.finish()
    return {**figures, "files": {"json": files["json"], "html": files["html"]}}


def summary(figures: dict) -> str:
    """A few lines for a terminal."""
    lines = [
        f"{r['network']:<8} on {r['part']:<14} accuracy {r['accuracy']:.1%}, "
        f"mean recall {r['mean_recall']:.1%}  (n={r['count']}){_chances(r)}"
        for r in figures.get("recognition", [])
    ]
    lines += _feeling_lines(figures.get("feelings") or {})
    lines += [_felt_line(name, told) for name, told in (figures.get("felt") or {}).items()]
    for name, group in figures.get("transfer", {}).get("groups", {}).items():
        seen = group.get("judge") or group["own"]
        lines.append(
            f"{name:<22} named as people name the actor {seen['named']['mean_recall']:.1%}, "
            f"geometry {_number(group.get('geometry', {}).get('mean'))}, "
            f"consistency {_number(group['consistency']['ratio'])}"
        )
    for name, rated in figures.get("ratings", {}).items():
        lines.append(f"{name:<22} by people {rated['mean_recall']:.1%} (n={rated['count']})")
    lines += _performance_lines(figures.get("performance", {}))
    for name, rated in figures.get("strip_ratings", {}).items():
        lines.append(
            f"{name:<22} closeness {rated['closeness']:.2f}, feeling {rated['feeling']:.2f}, "
            f"kept {rated['kept']:.0%} (n={rated['answers']})"
        )
    stability = figures.get("stability", {})
    if stability:
        names = ("jitter", "jitter of one still", "blink delay")
        lines.append(", ".join(f"{n} {_number(stability[n], 5)}" for n in names))
    return "\n".join([*lines, *figures.get("files", {}).values()])


def _chances(r: dict) -> str:
    """How far the chances of a part can be believed, and its affect; "" where none were read."""
    if r.get("ece") is None:
        return ""
    affect = r.get("affect") or {}
    ccc = "".join(f", {k} {_number(v)}" for k, v in affect.items() if k.endswith(" ccc"))
    return f", ece {_number(r['ece'])}{ccc}"


def _feeling_lines(measured: dict) -> list[str]:
    """What is felt over time, in a line, and affect in another."""
    if not measured:
        return []
    names = ("frames", "plain", "false_changes", "onset", "onset_found", "ece")
    told = ", ".join(f"{n.replace('_', ' ')} {_number(measured[n])}" for n in names)
    lines = [f"{'felt over time':<22} {told} (n={measured['clips']})"]
    affect = [f"{n} ccc {_number(measured.get(f'{n} ccc'))}" for n in ("valence", "arousal")]
    return [*lines, f"{'':<22} {', '.join(affect)}"] if "valence ccc" in measured else lines


def _felt_line(name: str, told: dict) -> str:
    """What is felt in a clip of which no truth is known."""
    shares = sorted(told["shares"].items(), key=lambda pair: -pair[1])
    most = ", ".join(f"{expression} {share:.0%}" for expression, share in shares)
    return f"{name:<22} {most}; {_number(told['changes'])} changes a second"


def _performance_lines(measured: dict) -> list[str]:
    """One line a method and character: fast motion, closures; one more against the truth."""
    lines = []
    for character, methods in measured.get("means", {}).items():
        for method, m in methods.items():
            lines.append(f"{f'{method}/{character}':<22} {_performed(m)}")
            if "truth" in m:
                reached = _number(m["truth"]["speech"]["reached"])
                lines.append(f"{'  against the truth':<22} {_performed(m['truth'])}, pbm {reached}")
    return lines


def _performed(m: dict) -> str:
    names = ("lip gap", "mouth width", "lids", "brows")
    shown = ", ".join(f"{n} {_number(m['columns'][n]['fast'])}" for n in names)
    near = f", mimicry {_number(m['mimicry'])}" if m.get("mimicry") is not None else ""
    return f"{shown}, closed {_number(m['reached'])}, false {_number(m['false'])}{near}"


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


# --- sections ------------------------------------------------------------------------------------


def _recognition(plan: Plan, run: Run) -> dict:
    request = {"hed": plan.hed or "", "ced": plan.ced or "", "parts": list(plan.parts)}
    request["posed"] = plan.posed or ""
    return run("evaluation", {"step": "recognition", **request})


def _clarity(plan: Plan, run: Run, counter, stop) -> dict:
    """Clarity of each character's key poses by `exprgen clarity`, or what it wrote earlier with the
    same weights and poses."""
    from .key_pose_clarity import check_clarity

    measured = {}
    for profile in plan.profiles:
        if not profile.key_poses:
            continue
        kept = plan.out / "clarity" / f"{profile.name}.json"
        key = digest([[p.name, p.expression, p.values] for p in profile.key_poses])
        key += _scnn_digest(run, profile)
        report = read_object(kept, "remove it") if kept.is_file() else {}
        if report.get("key") != key:
            made = check_clarity(
                profile,
                kept.parent,
                run,
                processes=plan.processes,
                progress=counter(f"clarity {profile.name}"),
                stop=stop,
            )
            if made is None:
                return measured
            report = {"key": key, **_clarity_figures(made)}
            write_text(kept, json_text(report))
        measured[profile.name] = {k: v for k, v in report.items() if k != "key"}
    return measured


def _scnn_digest(run: Run, profile: RigProfile) -> str:
    """What the worker tells of SCNN's weights, so that older readings are not taken for its."""
    told = run("weights", {"profiles": [str(profile.path)]})["weights"]
    return next((w["detail"] for w in told if "SCNN" in w["what"]), "")


def _clarity_figures(report) -> dict:
    own: dict[str, list[float]] = {}
    right: dict[str, list[bool]] = {}
    for r in report.readings:
        own.setdefault(r.expression, []).append(r.own)
        right.setdefault(r.expression, []).append(r.margin > 0)
    return {
        "poses": len(report.readings),
        **{v: report.count(v) for v in ("clear", "ambiguous", "mistaken")},
        "own": round(float(np.mean([r.own for r in report.readings])), 4),
        "named": round(float(np.mean([np.mean(v) for v in right.values()])), 4),
        "by_expression": {e: round(float(np.mean(own[e])), 4) for e in EXPRESSIONS if e in own},
    }


def _transfer(plan: Plan, run: Run, counter, stop) -> dict | None:
    """Choose, analyse, solve, render, judge."""
    pictures = _pictures(plan, run)
    track_path = plan.out / "face.npz"
    analyse(plan, run, pictures, track_path)
    ours = solve(plan, run, track_path, plan.out / "tracks", RetargetSettings())
    plain = solve(plan, run, track_path, plan.out / "tracks0", RetargetSettings(emphasis=0.0))
    face_track = FaceTrack.load(track_path)
    seen = np.flatnonzero(face_track.found)
    names = [face_track.meta["names"][i] for i in seen]
    groups = []
    for profile in plan.profiles:
        methods = {EXPRGEN: ours[profile.name]}
        if copies_blendshapes(profile):
            copied = copy_blendshapes(face_track, profile, ours[profile.name])
            methods[BLENDSHAPES] = copied
        for method, track in methods.items():
            path = plan.out / "tracks" / f"{profile.name}_{method}.npz"
            track.save(path)
            row = {"method": method, "character": profile.name, "track": str(path)}
            folder = plan.out / "stills" / method
            shown = render(plan, profile, rows_of(track, seen), folder, names, counter, stop)
            if shown is None:
                return None
            groups.append({**row, "profile": str(profile.path.resolve()), **shown})
    write_text(plan.out / "groups.json", json_text({"groups": groups}))
    request = {"out": str(plan.out), "ced": plan.ced or "", "agreement": plan.agreement}
    request |= {"seed": plan.seed, "each": plan.sheet_each, "judges": None}
    figures = run("evaluation", {"step": "transfer", **request})
    _add_plain_spread(figures["transfer"], plan, plain, ours, seen)
    return figures


def _add_plain_spread(transfer: dict, plan: Plan, plain: dict, ours: dict, seen) -> None:
    """How much emphasis widens the poses: the root of the summed variances with it and without."""
    for profile in plan.profiles:
        with_it, without = (
            float(np.sqrt(_units(profile, t[profile.name])[seen].var(0).sum()))
            for t in (ours, plain)
        )
        entry = transfer["groups"][f"{EXPRGEN}/{profile.name}"]
        entry["deviation"] = {
            "with_emphasis": round(with_it, 4),
            "without_emphasis": round(without, 4),
        }


def _pictures(plan: Plan, run: Run) -> list[str]:
    """The chosen originals; chosen anew where the folder has none, refused where it has others."""
    key = digest([plan.parts, plan.each, plan.seed, plan.agreement])
    mark = plan.out / "choice.txt"
    if mark.is_file():
        if mark.read_text(encoding="utf-8") != key:
            raise UsageError(
                "the folder holds an evaluation of other pictures",
                file=plan.out,
                fix="evaluate into another folder, or with the same --part --each --seed",
            )
        chosen = load_choice(plan.out / "chosen.json")
        return sorted(str(original_path(c, plan.out / "pictures")) for c in chosen)
    request = {"hed": plan.hed, "source": plan.source, "parts": list(plan.parts)}
    request |= {"each": plan.each, "seed": plan.seed, "agreement": plan.agreement}
    chosen = run("evaluation", {"step": "pick", "out": str(plan.out), **request})["pictures"]
    write_text(mark, key)
    return sorted(chosen)


def _motion(plan: Plan, run: Run, counter, stop) -> dict | None:
    """Intensity along sequences and stability, on the embedded clip."""
    if not REFERENCE.is_file():
        raise InputError("the embedded reference is missing", file=REFERENCE, fix="build it again")
    primary, truth = plan.profiles[0], Truth.load()
    path = plan.out / "reference.npz"
    analyse(plan, run, [str(REFERENCE)], path)
    face_track = FaceTrack.load(path)
    rows = np.searchsorted(face_track.times, truth.times - 1e-3).clip(0, len(face_track) - 1)
    lead = replace(plan, profiles=plan.profiles[:1])
    solved = solve(lead, run, path, plan.out / "tracks_reference", RetargetSettings())
    raw_settings = RetargetSettings(
        smoothing_eyes=0.0, smoothing_mouth=0.0, smoothing_head=0.0, emphasis=0.0
    )
    raw = solve(lead, run, path, plan.out / "tracks_raw", raw_settings)
    track = solved[primary.name]
    figures = {"stability": _stability(plan, run, truth, track, raw[primary.name], rows)}
    intensity = _intensity(plan, run, truth, track, path, rows, counter, stop)
    return None if intensity is None else figures | {"intensity": intensity}


def _stability(plan: Plan, run: Run, truth: Truth, track, raw, rows: np.ndarray) -> dict:
    """Jitter of held faces in the clip and of one repeated still; delays of the clip's blinks."""
    primary = plan.profiles[0]
    stretches = held_stretches(truth)
    units, bare = _units(primary, track)[rows], _units(primary, raw)[rows]
    still = int(stretches[-1][len(stretches[-1]) // 2])
    held = plan.out / "held.mp4"
    frame = int(rows[still])
    run("evaluation", {"step": "hold", "clip": str(REFERENCE), "frame": frame, "out": str(held)})
    path = plan.out / "held.npz"
    analyse(plan, run, [str(held)], path)
    lead = replace(plan, profiles=plan.profiles[:1])
    calm = solve(lead, run, path, plan.out / "tracks_held", RetargetSettings())[primary.name]
    shown = _lid_units(primary, track)[rows]
    found = blinks(lids(truth.arkit), shown)
    delays = [b.delay for b in found if np.isfinite(b.delay)]
    return {
        "jitter": told(jitter(units, stretches), 6),
        "jitter without smoothing": told(jitter(bare, stretches), 6),
        "jitter of one still": told(jitter(_units(primary, calm)), 6),
        "blink delay": round(float(np.mean(delays)), 3) if delays else None,
        "blink delay, largest": round(float(np.abs(delays).max()), 3) if delays else None,
        "blinks missed": sum(not np.isfinite(b.delay) or b.closed < 0.5 for b in found),
        "blinks": [
            {
                "frame": round(b.frame, 2),
                "delay": told(b.delay, 3),
                "closed": round(b.closed, 3),
                "true": round(b.true, 3),
            }
            for b in found
        ],
    }


def _intensity(
    plan: Plan, run: Run, truth: Truth, track, path: Path, rows, counter, stop
) -> dict | None:
    """Figure 5 on the primary: sequence -> what is true, shown and read along it."""
    primary = plan.profiles[0]
    ways = {e: sequence_frames(truth, e) for e in SEQUENCES}
    frames = sorted({int(f) for chosen, _ in ways.values() for f in chosen})
    names = [f"{f:04d}" for f in frames]
    shown = render(
        plan, primary, rows_of(track, rows[frames]), plan.out / "sequence", names, counter, stop
    )
    if shown is None:
        return None
    request = {"track": str(path), "frames": rows[frames].tolist(), **shown}
    read = run("evaluation", {"step": "read_frames", **request})
    units = _units(primary, track)[rows]
    out = {}
    for expression, (chosen, start) in ways.items():
        at = [frames.index(int(f)) for f in chosen]
        column = EXPRESSIONS.index(expression)
        actor, character = (np.array(read[k])[at] for k in ("actor", "character"))
        true, posed = true_intensity(truth, chosen), shown_intensity(units[chosen])
        out[expression] = {
            "from": start,
            "frames": [int(f) for f in chosen],
            "true": true.round(4).tolist(),
            "units": posed.round(4).tolist(),
            "shown": told(correlation(true, posed)),
            "actor": actor[:, column].round(4).tolist(),
            "character": character[:, column].round(4).tolist(),
            "rank": told(rank_correlation(actor[:, column], character[:, column])),
            "alike": round(float((actor.argmax(1) == character.argmax(1)).mean()), 4),
        }
    return out


def _clip(plan: Plan, run: Run, counter, stop) -> dict | None:
    """What actor and primary express over the time of a clip, side by side."""
    primary, path = plan.profiles[0], plan.out / "clip.npz"
    analyse(plan, run, [plan.clips[0]], path, plan.face)
    face_track = clip_track(path, plan.clips[0])
    lead = replace(plan, profiles=plan.profiles[:1])
    track = solve(lead, run, path, plan.out / "tracks_clip", RetargetSettings())[primary.name]
    seen = np.flatnonzero(face_track.found)
    wanted = np.arange(face_track.times[seen[0]], face_track.times[seen[-1]], 1.0 / CLIP_RATE)
    frames = np.unique(seen[np.abs(face_track.times[seen][:, None] - wanted).argmin(0)])
    names = [f"{f:06d}" for f in frames]
    shown = render(plan, primary, rows_of(track, frames), plan.out / "clip", names, counter, stop)
    if shown is None:
        return None
    request = {"track": str(path), "frames": frames.tolist(), **shown}
    read = run("evaluation", {"step": "read_frames", **request})
    actor, character = (np.array(read[k]) for k in ("actor", "character"))
    alike = [correlation(a, c) for a, c in zip(actor.T, character.T, strict=True)]
    return {
        "clip": {
            "name": Path(plan.clips[0]).name,
            "times": face_track.times[frames].round(3).tolist(),
            "actor": actor.round(4).tolist(),
            "character": character.round(4).tolist(),
            "alike": round(float((actor.argmax(1) == character.argmax(1)).mean()), 4),
            "correlation": {e: told(r) for e, r in zip(EXPRESSIONS, alike, strict=True)},
        }
    }


def _ratings(plan: Plan, run: Run, files: list[str]) -> dict:
    """Of pictures and of strips, told apart by their fields."""
    strips = [f for f in files if rates_strips(Path(f))]
    pictures = [f for f in files if f not in strips]
    out = {}
    if pictures:
        names = PICTURES_KEY, "blind_truth.csv"
        key, truth = (_sheet_file(plan, name, "transfer") for name in names)
        request = {"key": str(key), "truth": str(truth), "files": pictures}
        out |= run("evaluation", {"step": "ratings", **request})
    if strips:
        key = _sheet_file(plan, STRIPS_KEY, "performance")
        out["strip_ratings"] = score_strips(key, [Path(f) for f in strips])
    return out


def _key(plan: Plan, ratings: str) -> Path:
    """Where the key of what a file rates lies."""
    return _sheet(plan, STRIPS_KEY if rates_strips(Path(ratings)) else PICTURES_KEY)


def _sheet(plan: Plan, name: str) -> Path:
    return plan.out / "sheets" / name


def _sheet_file(plan: Plan, name: str, section: str) -> Path:
    file = _sheet(plan, name)
    if not file.is_file():
        raise InputError("is missing", file=file, fix=f"evaluate --only {section} first")
    return file


# --- what sections share -------------------------------------------------------------------------


def _units(profile: RigProfile, track: RigTrack) -> np.ndarray:
    """(N, M) unit values of the expression controls."""
    controls = profile.expression_controls
    columns = [track.controls.index(c.name) for c in controls]
    return to_unit(controls, track.values[:, columns])


def _lid_units(profile: RigProfile, track: RigTrack) -> np.ndarray:
    """(N,) mean closing of the character's lids, 0 open .. 1 shut.

    Raises:
        UsageError: the character has no lids that follow the actor's.
    """
    lids_there = [
        i for i, c in enumerate(profile.expression_controls) if c.role.startswith("blink")
    ]
    if not lids_there:
        raise UsageError(f"{profile.name!r} can't blink", fix="give two controls a blink role")
    return _units(profile, track)[:, lids_there].mean(1)


def _earlier(folder: Path) -> dict:
    """Figures of sections that were measured earlier; nothing where the file is damaged."""
    try:
        return _without_fields(read_object(folder / "evaluation.json", "remove it"))
    except InputError:
        return {}


def _without_fields(figures: dict) -> dict:
    """Figures without what the worker's messages and the report add."""
    return {k: v for k, v in figures.items() if k not in ("type", "id", "partial", "files")}
