"""The evaluation as one .html file that needs nothing else: tables, curves, pictures."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..files import write_text
from ..records import json_text
from ..training.shared.report import COLOURS, confusion_svg
from ..vocabulary import AFFECT, EXPRESSION_COLOURS, EXPRESSIONS
from .performance import COLUMNS, FAST, summarise

_STYLE = (
    "body{font:14px sans-serif;margin:2em;max-width:72em}td,th{padding:.2em .6em;text-align:right;"
    "border-bottom:1px solid #ddd}th:first-child,td:first-child{text-align:left}"
    "svg{margin:0 1em 1em 0}p{max-width:50em}img{max-width:100%}h2{margin-top:2em}"
)

PAPER = {
    "agreement people's labels of actor and character (Figure 6)": 0.7555,
    "clarity of the characters (Table 2)": 0.854,
    "HCNN, 10-fold (5.1)": 0.8971,
    "SCNN, 10-fold (5.1)": 0.9682,
}
"""What Aneja et al. (2018) report, for comparison."""


AFFECT_MEASURES = {"pcc": "PCC", "ccc": "CCC", "rmse": "RMSE", "sign": "SAGR"}
"""Measure of affect -> as EMOCA's Table 1 names it; SAGR is the sign agreement."""
FELT_SHARES = {
    "frames": "frames right",
    "balanced": "mean over what occurs",
    "plain": "plain speech called neutral",
    "onset_found": "onsets found within 0.3 s",
}
FELT_NUMBERS = {
    "false_changes": "false changes a second",
    "onset": "onset, median, seconds late or early",
    "ece": "expected calibration error",
}
"""Measures of what is felt over time, by their keys; see `feeling_measures.measures`."""


def write_html(figures: dict, path: Path) -> Path:
    """Write the report of `figures` (the contents of evaluation.json); returns its path.

    Raises:
        OutputError: the place can't be written.
    """
    sections = (
        _recognition, _feelings, _felt, _folds, _clarity, _transfer, _ratings, _intensity,
        _stability, _clip, _performance, _strip_ratings, _worst,
    )  # fmt: skip
    parts = [part for section in sections if (part := section(figures))]
    text = [
        "<!doctype html><meta charset=utf-8><title>ExprGen: evaluation</title>",
        f"<style>{_STYLE}</style><h1>Evaluation</h1>",
        _paragraph(
            "Everything is measured on validation pictures. Numbers of the published system, on "
            "its own pictures and characters: "
            + "; ".join(f"{k} {v:.1%}" for k, v in PAPER.items())
            + "."
        ),
        *parts,
        f"<h2>Settings</h2><pre>{html.escape(json_text(figures.get('settings', {}), indent=1))}"
        "</pre>",
    ]
    write_text(path, "\n".join(text))
    return path


def _recognition(figures: dict) -> str:
    rows = figures.get("recognition") or []
    if not rows:
        return ""
    head = ("network on part", "pictures", "without face", "accuracy", "mean recall", *EXPRESSIONS)
    table = [
        (
            f"{r['network']} on {r['part']}", r["count"], r["missing"], r["accuracy"],
            r["mean_recall"], *(r["recall"].get(e) for e in EXPRESSIONS),
        )
        for r in rows
    ]  # fmt: skip
    text = "<h2>Recognition</h2>" + _table(head, table)
    if figures.get("pose_intensity"):
        text += "<h3>Rank correlation of a key pose's share with how surely SCNN reads it</h3>"
        text += _table(("character", "Spearman"), figures["pose_intensity"].items())
    text += _reliability([r for r in rows if r.get("reliability")])
    text += _affect({f"{r['network']} on {r['part']}": r.get("affect") for r in rows})
    for r in rows:
        if r["network"] in ("HCNN", "RATERS"):
            matrix = confusion_svg(np.array(r["confusion"]), EXPRESSIONS).partition("</h2>")[2]
            text += f"<h3>{r['network']} on {html.escape(r['part'])}</h3>{matrix}"
    return text


def _reliability(rows: list[dict]) -> str:
    """How often what is said with some chance is right, a table a part."""
    head = ("mean chance", "right", "pictures")
    return "".join(
        f"<h3>How far {html.escape(r['network'])} can be believed on {html.escape(r['part'])}: "
        f"expected calibration error {r['ece']:.3f}</h3>" + _table(head, r["reliability"])
        for r in rows
    )


def _affect(measured: dict[str, dict | None]) -> str:
    """The measures of valence and arousal (EMOCA's Table 1), a row each of what they are of."""
    measured = {of: m for of, m in measured.items() if m}
    if not measured:
        return ""
    head = ("of", *(f"{a} {name}" for a in AFFECT for name in AFFECT_MEASURES.values()))
    rows = [
        (of, *(m.get(f"{a} {key}") for a in AFFECT for key in AFFECT_MEASURES))
        for of, m in measured.items()
    ]
    return "<h3>Valence and arousal</h3>" + _table(head, rows, decimals=2)


def _feelings(figures: dict) -> str:
    measured = figures.get("feelings") or {}
    if not measured:
        return ""
    plain = [(name, measured[key]) for key, name in FELT_SHARES.items() if key in measured]
    rates = [(name, measured[key]) for key, name in FELT_NUMBERS.items() if key in measured]
    of = f"{measured['clips']} clips"
    affect = measured if "valence ccc" in measured else None
    return (
        f"<h2>What is felt over time, {of}</h2>"
        + _table(("measure", "share"), plain)
        + _table(("measure", "value"), rates, decimals=2)
        + _affect({of: affect})
    )


def _felt(figures: dict) -> str:
    """Clips of which no truth is known, a row each."""
    clips = figures.get("felt") or {}
    if not clips:
        return ""
    head = ("share of frames", *EXPRESSIONS)
    rows = [(name, *(c["shares"].get(e) for e in EXPRESSIONS)) for name, c in clips.items()]
    columns = ("seconds", "changes", "by_itself", *AFFECT)
    numbers = [(name, *(c.get(k) for k in columns)) for name, c in clips.items()]
    units = ("clip", "seconds", "changes a second", "of single frames", *AFFECT)
    return (
        "<h2>What is felt in clips</h2>" + _table(head, rows) + _table(units, numbers, decimals=2)
    )


def _folds(figures: dict) -> str:
    rows = figures.get("folds") or []
    return "".join(
        f"<h2>{html.escape(f['network'].upper())}, {len(f['folds'])} folds</h2>"
        + _table(
            ("fold", "pictures", "accuracy", "mean recall", "of clear pictures"),
            [
                *((r["fold"], r["count"], *_fold_figures(r)) for r in f["folds"]),
                ("mean", "", *_fold_figures(f)),
            ],
        )
        for f in rows
    )


def _fold_figures(row: dict) -> tuple:
    return row["accuracy"], row["mean_recall"], row.get("accuracy_clear") or ""


def _clarity(figures: dict) -> str:
    rows = figures.get("clarity") or {}
    if not rows:
        return ""
    head = ("character", "poses", "clear", "ambiguous", "mistaken", "own expression", *EXPRESSIONS)
    table = [
        (
            name, r["poses"], r["clear"], r["ambiguous"], r["mistaken"], r["own"],
            *(r["by_expression"].get(e) for e in EXPRESSIONS),
        )
        for name, r in rows.items()
    ]  # fmt: skip
    return "<h2>Clarity of the key poses</h2>" + _table(head, table)


def _transfer(figures: dict) -> str:
    t = figures.get("transfer")
    if not t:
        return ""
    choice = [
        (name, c["count"], c["mean_agreement"], c["least_agreement"], c["below"], c["seen"])
        for name, c in t["pictures"].items()
    ]
    text = "<h2>Transfer</h2>" + _paragraph(
        f"Pictures chosen by a seed among those of which people agree by at least "
        f"{t['agreement_at_least']:.0%}; where there are too few, the next most agreed. No face "
        f"was found in {len(t['without_face'])} of them. What the transfer went by names "
        f"{_percent(t['humans_as_perceived'])} of these human pictures as people do (mean over "
        "classes)."
    )
    text += _table(("expression", "pictures", "mean vote", "least vote", "below", "copied"), choice)
    who = "judge" if t["judges"] else "own"
    head = (
        "method/character", "as people name the actor", "as the judge names the actor",
        "SCNN's word", *EXPRESSIONS, "geometry", "consistency", "spread",
    )  # fmt: skip
    rows = []
    for name, g in t["groups"].items():
        told = g[who]
        rows.append(
            (
                name, told["named"]["mean_recall"], told["perceived"]["mean_recall"],
                g["own"]["named"]["mean_recall"],
                *(told["named"]["recall"].get(e) for e in EXPRESSIONS),
                g.get("geometry", {}).get("mean"), g["consistency"]["ratio"], g.get("spread"),
            )
        )  # fmt: skip
    text += _table(head, rows)
    judge = "the judge" if t["judges"] else "HCNN and SCNN themselves, for want of a judge"
    text += _paragraph(
        f"Read by {judge}; means over the seven classes. Geometry: mean correlation of the nine "
        "features, actor against character. Consistency: distance of poses within an expression "
        "over that between expressions, less is better. Spread: of the controls, as a share of "
        "the spread over the character's own pictures."
    )
    text += _geometry(t)
    for name, g in t["groups"].items():
        matrix = confusion_svg(np.array(g[who]["named"]["confusion"]), EXPRESSIONS)
        text += f"<h3>{html.escape(name)}</h3>{matrix.partition('</h2>')[2]}"
    return text


def _geometry(t: dict) -> str:
    known = {n: g["geometry"] for n, g in t["groups"].items() if g.get("geometry")}
    if not known:
        return ""
    features = list(next(iter(known.values())))
    rows = [(name, *(values[f] for f in features)) for name, values in known.items()]
    return "<h3>Correlation of geometric features</h3>" + _table(
        ("method/character", *features), rows, signed=True
    )


def _ratings(figures: dict) -> str:
    rows = figures.get("ratings") or {}
    if not rows:
        return ""
    table = [
        (name, r["count"], r["accuracy"], r["mean_recall"],
         *(r["recall"].get(e) for e in EXPRESSIONS))
        for name, r in rows.items()
    ]  # fmt: skip
    head = ("method/character", "answers", "accuracy", "mean recall", *EXPRESSIONS)
    return "<h2>Blind rating by people</h2>" + _table(head, table)


def _intensity(figures: dict) -> str:
    rows = figures.get("intensity") or {}
    if not rows:
        return ""
    text = "<h2>Intensity along sequences (Figure 5)</h2>" + _paragraph(
        "Frames of the embedded clip, whose true weights are known. Solid: the actor, dashed: the "
        "character."
    )
    head = ("sequence", "frames", "true against shown intensity", "actor's against character's "
            "probability, rank", "named alike")  # fmt: skip
    table = [
        (f"{r['from']} to {name}", len(r["frames"]), r["shown"], r["rank"], r["alike"])
        for name, r in rows.items()
    ]
    text += _table(head, table, signed=True)
    for i, (name, r) in enumerate(rows.items()):
        curves = (r["actor"], r["character"])
        text += _curves(f"{name}: probability", curves, COLOURS[i % len(COLOURS)])
        text += _curves(f"{name}: intensity", (r["true"], r["units"]), COLOURS[i % len(COLOURS)])
    return text


def _stability(figures: dict) -> str:
    rows = figures.get("stability") or {}
    if not rows:
        return ""
    table = [(name, _plain(value)) for name, value in rows.items() if name != "blinks"]
    text = "<h2>Stability over time</h2>" + _table(("measure", "value"), table)
    head = ("blink at frame", "delay in frames", "closed", "true")
    blinks = [tuple(b[k] for k in ("frame", "delay", "closed", "true")) for b in rows["blinks"]]
    return text + _table(head, blinks, decimals=2)


def _clip(figures: dict) -> str:
    clip = figures.get("clip")
    if not clip:
        return ""
    text = f"<h2>Over the time of {html.escape(clip['name'])}</h2>" + _paragraph(
        f"What HCNN reads of the actor and SCNN of the primary. Both name the same expression in "
        f"{clip['alike']:.0%} of the frames."
    )
    for who in ("actor", "character"):
        text += _over_time(who, clip["times"], np.array(clip[who]))
    text += "<p>" + " ".join(
        f'<span style="color:rgb{EXPRESSION_COLOURS[e]}">&#9632; {e}</span>' for e in EXPRESSIONS
    )
    return f"{text}</p>" + _table(EXPRESSIONS, [clip["correlation"].values()], signed=True)


def _performance(figures: dict) -> str:
    measured = figures.get("performance")
    if not measured:
        return ""
    clips = ", ".join(f"{n} ({c['frames']} frames)" for n, c in measured["clips"].items())
    text = "<h2>Performances</h2>" + _paragraph(
        f"Landmarks of the posed character against the actor's, head motion taken out; means over "
        f"{clips}. Correlations; the second table of what moves faster than {FAST} Hz. Closed: of "
        "the frames in which the actor's lips touch, and are not seen apart in its pictures, "
        "those in which the character's do; as tracked: of all in which the tracker sees them "
        "touch. Brows: quick ones against where the actor's pictures show them; as tracked: "
        "against where the tracker draws them. "
        "False closed: of those in which the actor's are apart those in which the "
        "character's touch. "
        "Blinks: of the times a lid of the actor's shuts those in which the character's does. "
        "Delay in frames, jitter of a still face in thousandths of an eye distance, switches of "
        "the perceived class a second. Mimicry: both faces as actions of one model, correlation of "
        "what these do to the mean person's points (Prima), head pose and build taken out."
    )
    for key, about in (("all", "All motion"), ("fast", "Fast motion"), ("amplitude", "Amplitude")):
        text += f"<h3>{about}</h3>" + _performance_table(measured, key)
    if any("truth" in m for who in measured["means"].values() for m in who.values()):
        text += "<h3>Fast motion, against what is true</h3>"
        text += _performance_table(measured, "fast", "truth") + _speech_table(measured)
    return text


AS_TRACKED = "reached_as_tracked"
_COUNTS = {
    "closed": "reached",
    "closed, as tracked": AS_TRACKED,
    "false closed": "false",
    "blinks": "blinks_met",
    "false blinks": "blinks_false",
}
"""Columns of shares -> their names in `performance.summarise`."""


def _performance_table(measured: dict, key: str, against: str | None = None) -> str:
    """One row a method and character; what a character lacks is told in words.

    Args:
        key: of `performance.summarise`'s columns. against: "truth", or None for the tracker.
    """
    # Of what is true nothing is tracked.
    counts = {name: k for name, k in _COUNTS.items() if not (against and k == AS_TRACKED)}
    head = ("method/character", *COLUMNS, *counts, "delay", "jitter", "switches", "mimicry")
    rows = []
    for character, methods in measured["means"].items():
        lacks = measured["lacks"][character]
        for method, figures in methods.items():
            m = figures.get(against, {}) if against else figures
            if m:
                # Figures of an earlier run may lack what was not told then.
                columns = {n: m["columns"].get(n, {}).get(key) for n in COLUMNS}
                shown = ("not there" if n in lacks else v for n, v in columns.items())
                jitter = m["jitter"] and 1000.0 * m["jitter"]
                own = (figures["switches"], figures.get("mimicry"))
                row = (*map(m.get, counts.values()), m["delay"], jitter, *own)
                rows.append((f"{method}/{character}", *shown, *row))
    rows += _tracker_rows(measured, key, counts.values()) if against else []
    return _table(head, rows, signed=True)


def _speech_table(measured: dict) -> str:
    """Contacts of p, b and m that are reached, false ones on vowels."""
    rows = [
        (f"{method}/{character}", m["truth"]["speech"]["reached"], m["truth"]["speech"]["false"])
        for character, methods in measured["means"].items()
        for method, m in methods.items()
        if "truth" in m
    ]
    return _table(("method/character", "contacts of p, b, m", "false on vowels"), rows, signed=True)


def _tracker_rows(measured: dict, key: str, counts: Iterable[str]) -> list[tuple]:
    """What the tracker itself sees of what is true: no method can know more. counts: of
    `summarise`'s means."""
    known = [c["tracker"] for c in measured["clips"].values() if "tracker" in c]
    m = summarise(known)
    jitter = m["jitter"] and 1000.0 * m["jitter"]
    shown = (m["columns"].get(n, {}).get(key) for n in COLUMNS)
    return [("tracker", *shown, *map(m.get, counts), m["delay"], jitter, None, None)]


def _strip_ratings(figures: dict) -> str:
    rows = figures.get("strip_ratings") or {}
    if not rows:
        return ""
    table = [(n, r["answers"], r["closeness"], r["feeling"], r["kept"]) for n, r in rows.items()]
    head = ("method", "answers", "closeness", "feeling", "kept")
    return "<h2>Blind rating of strips</h2>" + _table(head, table, signed=True)


def _over_time(title: str, times: list[float], chances: np.ndarray) -> str:
    """A plot of seven curves over seconds."""
    xs = 40 + 640 * (np.array(times) - times[0]) / max(times[-1] - times[0], 1e-6)
    lines = []
    for column, name in zip(chances.T, EXPRESSIONS, strict=True):
        points = " ".join(f"{x:.1f},{145 - 120 * y:.1f}" for x, y in zip(xs, column, strict=True))
        colour = f"rgb{EXPRESSION_COLOURS[name]}"
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
    return (
        f'<svg width="720" height="175"><text x="40" y="16">{title}</text>'
        '<rect x="40" y="25" width="640" height="120" fill="none" stroke="#bbb"/>'
        '<text x="8" y="32" font-size="10">100%</text><text x="20" y="147" font-size="10">0</text>'
        f'<text x="40" y="160" font-size="10">{times[0]:.1f} to {times[-1]:.1f} s</text>'
        f"{''.join(lines)}</svg>"
    )


def _worst(figures: dict) -> str:
    path = (figures.get("transfer") or {}).get("files", {}).get("worst")
    if not path or not Path(path).is_file():
        return ""
    data = base64.b64encode(Path(path).read_bytes()).decode()
    return (
        "<h2>The worst transfers</h2>"
        + _paragraph("Photographs of people: for your eyes, not for publication.")
        + f'<img src="data:image/png;base64,{data}">'
    )


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _percent(recognition: dict) -> str:
    return f"{recognition['mean_recall']:.1%}"


def _plain(value):
    return round(value, 5) if isinstance(value, float) else value


def _table(head, rows, signed: bool = False, decimals: int = 0) -> str:
    """A table; shares 0..1 become percentages unless `signed` (correlations) or `decimals`."""

    def cell(value) -> str:
        if value is None:
            return "&ndash;"
        if isinstance(value, float) and decimals:
            return f"{value:.{decimals}f}"
        if isinstance(value, float) and signed:
            return f"{value:.2f}"
        if isinstance(value, float) and 0.0 <= value <= 1.0 and value > 0.005:
            return f"{100 * value:.1f}%"
        return html.escape(f"{value:.4g}" if isinstance(value, float) else str(value))

    top = "".join(f"<th>{html.escape(str(h))}</th>" for h in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell(v)}</td>' for v in row)}</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _curves(title: str, curves: tuple, colour: str) -> str:
    """A small plot of two series (actor, character), 0..1."""
    lines = []
    for values, dash in zip(curves, ("", "6 4"), strict=True):
        values = np.clip(np.asarray(values, float), 0.0, 1.0)
        xs = 40 + 220 * np.arange(len(values)) / max(len(values) - 1, 1)
        points = " ".join(f"{x:.1f},{130 - 105 * y:.1f}" for x, y in zip(xs, values, strict=True))
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dash}"/>'
        )
    return (
        f'<svg width="280" height="150"><text x="40" y="16">{html.escape(title)}</text>'
        '<rect x="40" y="25" width="220" height="105" fill="none" stroke="#bbb"/>'
        '<text x="8" y="32" font-size="10">100%</text><text x="20" y="132" font-size="10">0</text>'
        f"{''.join(lines)}</svg>"
    )
