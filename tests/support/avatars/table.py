"""The figures of all avatars as a table."""

from __future__ import annotations

from pathlib import Path

from exprgen.networks.files import write_text

from .building import Avatar
from .measuring import possible_roles

_COLUMNS = (
    "avatar", "names and structure", "file", "names known", "controls", "wrong", "roles",
    "landmarks, error", "key poses, read", "lip gap", "closures", "brows", "lids", "faults",
)  # fmt: skip


def table(avatars: list[Avatar], figures: dict, played: dict, lead: str) -> str:
    """Markdown; the lead's own performance stands first."""
    lines = [_line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
    lines.append(_line([lead, "sample, trained key poses", ".blend", *["" for _ in range(6)],
                        *_performance(played.get(lead)), ""]))  # fmt: skip
    lines += [_line(_row(a, figures[a.name], played.get(a.name))) for a in avatars]
    return "\n".join(lines) + "\n"


def put_into(path: Path, text: str) -> None:
    """Write a table into a file of Markdown: in place of the one with the same first line, else at
    its end; what stands around it stays."""
    lines = path.read_text("utf-8").splitlines(keepends=True) if path.exists() else []
    first = text.splitlines(keepends=True)[0]
    start = lines.index(first) if first in lines else len(lines)
    end = start
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    write_text(path, "".join([*lines[:start], text, *lines[end:]]))


def _line(cells) -> str:
    return "| " + " | ".join(str(c) for c in cells) + " |"


def _row(avatar: Avatar, figures: dict, played: dict | None) -> list:
    file = avatar.kind.replace("fbx_text", "text .fbx").replace("vrm0", ".vrm 0.x")
    file = file.replace("vrm1", ".vrm 1.0")
    file = file if "." in file else f".{file}"
    names = f"{figures['names']:.0%}" if avatar.named else "none"
    begin = [avatar.name, avatar.scheme, file, names]
    if "error" in figures["profile"]:
        return [*begin, figures["profile"]["error"]["problem"], *[""] * 9]
    poses = figures.get("poses")
    return [
        *begin,
        figures["controls"],
        len(figures["wrong"]) or "none",
        f"{len(figures['roles'])} of {len(possible_roles(avatar))}",
        _landmarks(figures),
        f"{poses['proposed']}, {poses['clear']}" if poses else "",
        *_performance(played, ", ".join(figures["lacks"])),
        ", ".join(figures.get("faults", [])) or ("none" if played else ""),
    ]


def _landmarks(figures: dict) -> str:
    placed = figures.get("landmarks")
    if placed is None:
        return ""
    if "error" in placed:
        return placed["error"]["problem"]
    return f"{placed['found']} of {placed['looked']}, {figures['landmark_error']:.1%}"


def _performance(played: dict | None, lacks: str = "") -> list[str]:
    if played is None:
        return [f"nothing {lacks}" if lacks else "", "", "", ""]
    columns = played["columns"]
    return [
        _three(columns["lip gap"]["all"]), _percent(played["reached"]),
        _three(columns["brows"]["all"]), _three(columns["lids"]["all"]),
    ]  # fmt: skip


def _three(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
