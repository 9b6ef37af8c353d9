"""A training's report: one .html file that needs nothing else, with curves and confusion matrix."""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np

from ...files import write_text
from ...records import json_text

COLOURS = ("#3465a4", "#cc6600", "#4e9a06", "#a40000", "#75507b", "#2e8b8b")


def write_report(
    path: str | Path,
    title: str,
    settings: dict,
    history: list[dict],
    metrics: dict | None = None,
    confusion: np.ndarray | None = None,
    labels: tuple[str, ...] = (),
) -> None:
    """Write the report.

    Args:
        history: one dict an evaluation; "step" is the horizontal axis, every other number a curve.
        confusion: (K, K) counts, rows the truth, columns the answer, in the order of `labels`.

    Raises:
        OutputError: the place can't be written.
    """
    parts = [
        "<!doctype html><meta charset=utf-8>",
        f"<title>{html.escape(title)}</title>",
        "<style>body{font:14px sans-serif;margin:2em;max-width:60em}td,th{padding:.2em .6em;"
        "text-align:right;border-bottom:1px solid #ddd}svg{margin:0 1em 1em 0}</style>",
        f"<h1>{html.escape(title)}</h1>",
        _table(metrics or {}),
        *(_curve(history, name, i) for i, name in enumerate(_curves(history))),
        confusion_svg(confusion, labels) if confusion is not None else "",
        f"<h2>Settings</h2><pre>{html.escape(json_text(settings, indent=1))}</pre>",
    ]
    write_text(path, "\n".join(parts))


def confusion_matrix(truth: np.ndarray, answer: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) counts: rows the truth, columns the answer."""
    flat = np.asarray(truth) * classes + np.asarray(answer)
    return np.bincount(flat, minlength=classes**2).reshape(classes, classes)


def _curves(history: list[dict]) -> list[str]:
    names: list[str] = []
    for row in history:
        names += [k for k, v in row.items() if k not in ("step", *names) and np.isscalar(v)]
    return [n for n in dict.fromkeys(names) if not isinstance(history[-1].get(n), str)]


def _curve(history: list[dict], name: str, index: int) -> str:
    points = [(row["step"], row[name]) for row in history if name in row]
    xs, ys = np.array(points, float).T
    low, high = float(ys.min()), float(ys.max())
    px = 45 + 320 * (xs - xs[0]) / max(xs[-1] - xs[0], 1)
    py = 140 - 115 * (ys - low) / max(high - low, 1e-9)
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True))
    return (
        f'<svg width="380" height="170"><text x="45" y="16">{html.escape(name)}</text>'
        f'<rect x="45" y="25" width="320" height="115" fill="none" stroke="#bbb"/>'
        f'<text x="0" y="32" font-size="10">{high:.3g}</text>'
        f'<text x="0" y="140" font-size="10">{low:.3g}</text>'
        f'<text x="45" y="155" font-size="10">step {xs[0]:g} to {xs[-1]:g}, '
        f"last {ys[-1]:.4g}</text>"
        f'<polyline points="{line}" fill="none" stroke-width="1.5" '
        f'stroke="{COLOURS[index % len(COLOURS)]}"/></svg>'
    )


def _table(values: dict) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(str(k))}</th><td>"
        f"{html.escape(f'{v:.4g}' if isinstance(v, float) else str(v))}</td></tr>"
        for k, v in values.items()
    )
    return f"<table>{rows}</table>"


def confusion_svg(matrix: np.ndarray, labels: tuple[str, ...]) -> str:
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in labels)
    rows = []
    for name, counts, share in zip(labels, matrix, shares, strict=True):
        cells = "".join(
            f'<td style="background:rgba(52,101,164,{s:.2f})">{100 * s:.0f}%<br>'
            f"<small>{c}</small></td>"
            for c, s in zip(counts, share, strict=True)
        )
        rows.append(f"<tr><th>{html.escape(name)}</th>{cells}</tr>")
    table = f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"
    return f"<h2>Truth (rows), answer (columns)</h2>{table}"
