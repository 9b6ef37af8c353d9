"""Key poses proposed for a new character, for a person to accept, correct or refuse.

Two ways. Where names tell what the controls do (ARKit, FACS and the like), the poses of
`networks/characters/key_poses.py` are translated (`told_poses.py`). Where they tell nothing, the
controls are searched: pictures of poses are read by the perceptual network of characters (SCNN), a
model of what each control adds to each expression is fitted to the readings, and poses that the
model likes are rendered, read and varied in turn. What is searched for is read clearly, uses few
controls, keeps away from the limits and turns no skin inside out.

A network that never saw the character can be fooled: nothing is a key pose until a person accepts
it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...networks.characters.profile import KeyPose, RigProfile
from ...networks.characters.told_poses import pose_values, told_poses
from ...networks.errors import InputError, UsageError
from ...networks.files import new_scratch, remove, unwritable, write_text
from ...networks.names import is_name
from ...networks.reading import read_object
from ...networks.records import FieldError, as_type, json_text
from ...networks.vocabulary import EXPRESSIONS, NEUTRAL
from ..studio.key_pose_clarity import FRAMES, LOOK, MISTAKEN, Reading

FORMAT = "exprgen.pose_proposals"
ACTIVE = 0.05
"""Unit value from which a control counts as used."""
NONE_LEFT = "none are left: propose again, or edit key_poses in the profile"
_KEPT = 3
"""Poses kept of each searched expression."""
_APART = 0.4
"""Distance of two kept poses in unit values."""

Run = Callable[[str, dict], dict]
Progress = Callable[[int, int], None]
Stop = Callable[[], bool]
Look = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Unit values (K, M) -> probabilities (K, 7) and shares of skin turned inside out (K,)."""


@dataclass(frozen=True)
class PoseProposal:
    """A pose that may become a key pose.

    values: native values of the controls that leave rest. origin: "names" or "search".
    probabilities (7,): what SCNN reads. folded: share of the faces turned inside out.
    """

    name: str
    expression: str
    values: dict[str, float]
    origin: str
    probabilities: tuple[float, ...] = ()
    folded: float = 0.0

    @property
    def reading(self) -> Reading | None:
        """How it reads, as the clarity check says it; None while unread."""
        chances = np.array(self.probabilities, float)
        if not chances.sum() > 0.0:
            return None
        return Reading(self.name, self.expression, chances / chances.sum())

    @property
    def own(self) -> float:
        """Probability of its own expression; 0 while unread."""
        return self.reading.own if self.reading else 0.0

    @property
    def verdict(self) -> str:
        """CLEAR, AMBIGUOUS or MISTAKEN, as the clarity check says it; "" while unread."""
        return self.reading.verdict if self.reading else ""


# --- by names ------------------------------------------------------------------------------------


def by_names(profile: RigProfile) -> list[PoseProposal]:
    """The poses of the vocabulary that the character's named controls can make."""
    told = told_poses(profile)
    return [PoseProposal(p.name, p.expression, p.values, origin="names") for p in told]


# --- by search -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Genes:
    """What is searched: one number a control, or a pair of mirror partners.

    spread (G, M): gene -> the controls' unit values; low (G,): -1 where the rig goes below rest.
    """

    spread: np.ndarray
    low: np.ndarray

    def __len__(self) -> int:
        return len(self.low)

    def units(self, genes: np.ndarray) -> np.ndarray:
        """Genes (K, G) -> unit values (K, M)."""
        return np.clip(genes, self.low, 1.0) @ self.spread


def genes_of(profile: RigProfile) -> Genes:
    """Symmetric genes of a profile's expression controls; a pair is one gene."""
    controls = profile.expression_controls
    index = {c.name: i for i, c in enumerate(controls)}
    rows, low, seen = [], [], set()
    for i, control in enumerate(controls):
        if i in seen:
            continue
        row = np.zeros(len(controls))
        row[i] = 1.0
        partner = index.get(control.mirror)
        floor = -1.0 if control.minimum < control.rest else 0.0
        if partner is not None and partner != i:
            row[partner] = 1.0
            seen.add(partner)
            other = controls[partner]
            floor = max(floor, -1.0 if other.minimum < other.rest else 0.0)
        if control.maximum <= control.rest:  # it only goes down: its way is up
            row, floor = -row, 0.0
        rows.append(row)
        low.append(floor)
    return Genes(np.array(rows), np.array(low))


def score(genes: np.ndarray, probabilities: np.ndarray, folded: np.ndarray, target: int):
    """How good poses (K, G) are as expression `target`: clearly read, simple, plausible; (K,)."""
    read = np.log(np.clip(probabilities[:, target], 1e-4, 1.0))
    used = (np.abs(genes) > ACTIVE).sum(1)
    effort = 0.04 * np.abs(genes).sum(1) + 0.04 * np.maximum(used - 5, 0)
    at_limit = 0.05 * np.maximum(np.abs(genes) - 0.85, 0).sum(1) / 0.15
    return read - effort - at_limit - 40.0 * np.maximum(folded - 0.002, 0.0)


def search(
    genes: Genes,
    look: Look,
    *,
    budget: int = 240,
    seed: int = 0,
    targets: Sequence[int] | None = None,
    stop: Stop = lambda: False,
) -> dict[int, list[tuple[np.ndarray, np.ndarray, float]]]:
    """Poses that read as each expression, found with at most `budget` pictures.

    First each gene alone, then random few together, then what a linear model of the readings'
    logarithms promises, and variations of the best. The same seed and readings give the same poses.

    Args:
        targets: indices of EXPRESSIONS; all but neutral by default.

    Returns:
        expression index -> up to three (genes (G,), probabilities (7,) corrected by what the face
        at rest reads as, folded), the best first.
    """
    random = np.random.default_rng(seed)
    targets = [i for i in range(len(EXPRESSIONS)) if i != NEUTRAL] if targets is None else targets
    asked = _first(genes, budget // 2, random)
    poses, read, folded = asked, *look(asked)
    shift = _shift(read[0])
    read = _corrected(read, shift)
    while len(poses) < budget and not stop():
        model = _fit(poses, read)
        batch = [
            _child(poses, read, folded, model, genes, target, random)
            for target in targets
            for _ in range(4)
        ]
        batch = np.array(batch[: budget - len(poses)])
        new, bent = look(batch)
        new = _corrected(new, shift)
        poses = np.concatenate([poses, batch])
        read, folded = np.concatenate([read, new]), np.concatenate([folded, bent])
    return {t: _best(poses, read, folded, t, _KEPT) for t in targets}


def _shift(rest: np.ndarray) -> np.ndarray:
    """What to add to the readings' logarithms (7,) so that the face at rest reads as neutral.

    A network takes an unknown face's features for an expression (heavy brows for anger); that rest
    is neutral is known, so what it sees there is its error, and is held within two nats.
    """
    wanted = np.full(len(EXPRESSIONS), 0.05)
    wanted[NEUTRAL] = 0.7
    return np.clip(np.log(wanted) - np.log(np.clip(rest, 1e-4, 1.0)), -2.0, 2.0)


def _corrected(read: np.ndarray, shift: np.ndarray) -> np.ndarray:
    chances = np.clip(read, 1e-6, 1.0) * np.exp(shift)
    return chances / chances.sum(1, keepdims=True)


def _first(genes: Genes, budget: int, random) -> np.ndarray:
    """Rest, each gene up and down, then random few together."""
    rows = [np.zeros(len(genes))]
    for g in random.permutation(len(genes)):
        for end in (1.0, -1.0):
            if end > 0 or genes.low[g] < 0:
                rows.append(np.eye(len(genes))[g] * end * 0.9)
    rows = rows[: max(budget * 2 // 3, 2)]
    while len(rows) < budget:
        row = np.zeros(len(genes))
        chosen = random.permutation(len(genes))[: random.integers(2, 6)]
        row[chosen] = random.uniform(0.4, 1.0, len(chosen)) * random.choice([-1, 1], len(chosen))
        rows.append(np.clip(row, genes.low, 1.0))
    return np.array(rows)


def _signed(poses: np.ndarray) -> np.ndarray:
    """Up and down apart: (K, 2G), for they show different things."""
    return np.concatenate([np.maximum(poses, 0), np.maximum(-poses, 0)], axis=-1)


def _fit(poses: np.ndarray, read: np.ndarray) -> np.ndarray:
    """Ridge regression: what each gene, up and down, adds to each log-odds; (2G, 7)."""
    odds = np.log(np.clip(read, 1e-4, 1)) - np.log(np.clip(1 - read, 1e-4, 1))
    x, y = _signed(poses), odds - odds[0]
    return np.linalg.solve(x.T @ x + 0.5 * np.eye(x.shape[1]), x.T @ y)


def _child(poses, read, folded, model, genes: Genes, target: int, random) -> np.ndarray:
    """A new pose for an expression: the model's own choice, or a good pose varied."""
    gain = model[:, target]
    size = len(genes)
    if random.random() < 0.35:
        noisy = gain + random.normal(0, 0.3 * gain.std() + 1e-9, len(gain))
        row = np.zeros(size)
        for k in np.argsort(-noisy)[: random.integers(2, 6)]:
            if noisy[k] > 0 and row[k % size] == 0:
                row[k % size] = random.uniform(0.5, 1.0) * (1 if k < size else -1)
        return np.clip(row, genes.low, 1.0)
    good = _best(poses, read, folded, target, 4)
    row = good[random.integers(len(good))][0].copy()
    active = np.flatnonzero(np.abs(row) > ACTIVE)
    if len(active):
        row[active] *= random.uniform(0.6, 1.4, len(active))
    if random.random() < 0.6:  # add what the model finds most promising now
        noisy = gain + random.normal(0, 0.5 * gain.std() + 1e-9, len(gain))
        k = int(np.argmax(noisy))
        row[k % size] = random.uniform(0.4, 1.0) * (1 if k < size else -1)
    if len(active) > 2 and random.random() < 0.4:
        row[random.choice(active)] = 0.0
    return np.clip(row, genes.low, 1.0)


def _best(poses, read, folded, target: int, count: int) -> list:
    """The best poses of an expression that differ from each other."""
    order = np.argsort(-score(poses, read, folded, target), kind="stable")
    kept: list[int] = []
    for i in order:
        if all(np.linalg.norm(poses[i] - poses[k]) > _APART for k in kept):
            kept.append(int(i))
        if len(kept) == count:
            break
    return [(poses[i], read[i], float(folded[i])) for i in kept]


# --- pictures ------------------------------------------------------------------------------------


class Mirror:
    """Renders poses of one character and has them read by the worker. Use with `with`."""

    def __init__(self, profile: RigProfile, run: Run, progress: Progress | None = None, total=0):
        self.profile, self.run = profile, run
        self._progress, self._total, self._made = progress or (lambda made, all_: None), total, 0
        self.known = False

    def __enter__(self) -> Mirror:
        from ..studio.face_studio import CED, FaceStudio

        self._folder = new_scratch()
        # As the clarity check renders and reads: one figure for one pose.
        self.studio = FaceStudio(self.profile, CED)
        self.studio.look(LOOK)
        self._rest = self._normals()
        return self

    def __exit__(self, *_) -> None:
        self.studio.close()
        remove(self._folder)

    def look(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unit values (K, M) -> probabilities (K, 7) and folded shares (K,)."""
        files, folded, seen = [], [], []
        for row in units:
            self.studio.pose_units(row)
            folded.append(self._folded())
            files.append(self._folder / f"{self._made:06d}.png")
            self.studio.render_to(files[-1])
            seen.append(self.studio.landmarks().tolist() if self.profile.landmarks else None)
            self._made += 1
            self._progress(self._made, max(self._total, self._made))
        self.files = files
        pictures = [{"file": str(f), "landmarks": p} for f, p in zip(files, seen, strict=True)]
        result = self.run("read_character", {"pictures": pictures})
        self.known = self.profile.name in result["characters"]
        return np.asarray(result["probabilities"], float), np.array(folded)

    def _folded(self) -> float:
        """Share of the faces whose normal turned by more than 100 degrees against rest."""
        now = self._normals()
        if now.shape != self._rest.shape:
            return 0.0
        return float(((now * self._rest).sum(1) < -0.17).mean())

    def _normals(self) -> np.ndarray:
        graph = self.studio.scene.view_layers[0].depsgraph
        blocks = [np.zeros((0, 3), np.float32)]
        for part in self.studio.character.collection.all_objects:
            if part.type != "MESH" or part.hide_render:
                continue
            mesh = part.evaluated_get(graph).data
            flat = np.empty(len(mesh.polygons) * 3, np.float32)
            mesh.polygon_normals.foreach_get("vector", flat)
            blocks.append(flat.reshape(-1, 3))
        return np.concatenate(blocks)


def propose_poses(
    profile: RigProfile,
    sheet: str | Path,
    run: Run,
    *,
    method: str = "auto",
    budget: int = 240,
    seed: int = 0,
    progress: Progress | None = None,
    stop: Stop = lambda: False,
) -> list[PoseProposal]:
    """Propose key poses, draw them as a sheet, and keep them beside the profile.

    Args:
        run: asks the worker: (command, arguments) -> result.
        method: "names", "search", or "auto": names, then a search for expressions that no named
            pose shows. budget: pictures of the search, at least 40.

    Raises:
        UsageError: a budget that is too small, or names that tell nothing with method "names".
        InputError: the character can't be opened, or nothing moves its face. OutputError: a file
            can't be written.
    """
    if budget < 40:
        raise UsageError(f"{budget} pictures are too few to search", fix="give at least 40")
    if not profile.expression_controls:
        raise InputError(
            f"no control of {profile.name!r} moves anything but head and eyes",
            file=profile.path,
            fix="exprgen profile tells what was left out, and why",
        )
    named = [] if method == "search" else by_names(profile)
    if method == "names" and not named:
        raise UsageError(
            f"the names of {profile.name!r}'s controls tell no ARKit channels",
            fix="give the controls channels in the profile, or use --method search",
        )
    controls = profile.expression_controls
    missing = [
        i for i, e in enumerate(EXPRESSIONS)
        if i != NEUTRAL and not any(p.expression == e for p in named)
    ]  # fmt: skip
    searching = method != "names" and bool(missing)
    total = len(named) + (budget + _KEPT * len(missing) + 1 if searching else 0)
    with Mirror(profile, run, progress, total) as mirror:
        proposals = named
        if searching:
            genes = genes_of(profile)
            found = search(
                genes,
                lambda rows: mirror.look(genes.units(rows)),
                budget=budget,
                seed=seed,
                targets=missing,
                stop=stop,
            )
            proposals = [*named, *_from_search(profile, genes, found)]
            if not any(p.expression == "neutral" for p in named):
                proposals.append(PoseProposal("neutral_rest", "neutral", {}, "search"))
        units = np.array([_units(profile, controls, p) for p in proposals])
        read, folded = mirror.look(units)
        proposals = [
            replace(p, probabilities=tuple(round(float(x), 4) for x in row), folded=round(f, 5))
            for p, row, f in zip(proposals, read, folded.tolist(), strict=True)
        ]
        _draw(profile, proposals, mirror, sheet, run)
        _keep_pictures(profile, proposals, mirror.files)
    save_proposals(profile, proposals)
    return proposals


def _from_search(profile: RigProfile, genes: Genes, found: dict) -> list[PoseProposal]:
    out = []
    for target, poses in found.items():
        for number, (row, _, _) in enumerate(poses, 1):
            row = np.where(np.abs(row) > ACTIVE, row, 0.0)
            values = pose_values(profile, genes.units(row[None])[0])
            out.append(PoseProposal(
                f"{EXPRESSIONS[target]}_found_{number}", EXPRESSIONS[target], values, "search"
            ))  # fmt: skip
    return out


def _units(profile: RigProfile, controls, proposal: PoseProposal) -> np.ndarray:
    from ...networks.characters.profile import to_unit

    return to_unit(controls, np.array([proposal.values.get(c.name, c.rest) for c in controls]))


def _draw(profile: RigProfile, proposals, mirror: Mirror, sheet, run: Run) -> None:
    cells = []
    for proposal, file in zip(proposals, mirror.files, strict=True):
        best = int(np.argmax(proposal.probabilities))
        reads = f"{EXPRESSIONS[best]} {proposal.probabilities[best]:.0%}"
        own = "" if EXPRESSIONS[best] == proposal.expression else f", own {proposal.own:.0%}"
        frame = FRAMES[proposal.verdict or MISTAKEN]
        lines = [proposal.name, f"reads {reads}{own}"]
        cells.append({"file": str(file), "frame": frame, "lines": lines})
    hint = "" if mirror.known else "  (SCNN has not seen this character: its reading is a guess)"
    title = f"{profile.title}: proposed key poses, to accept, correct or refuse{hint}"
    request = {"cells": cells, "out": str(Path(sheet).resolve())}
    run("sheet", {**request, "columns": 8, "side": 170, "title": title})


def _keep_pictures(profile: RigProfile, proposals, files: Sequence[Path]) -> None:
    """The pictures of proposals, for choosing among them; those of earlier ones go."""
    folder = pictures_folder(profile)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        for proposal, file in zip(proposals, files, strict=True):
            if is_name(proposal.name):
                shutil.copyfile(file, folder / f"{proposal.name}.png")
    except OSError as error:
        raise unwritable(folder, error) from error


# --- kept, accepted, refused ---------------------------------------------------------------------


def pictures_folder(profile: RigProfile) -> Path:
    """Where the pictures of proposals lie, NAME.png each: beside the profile."""
    return proposals_path(profile).with_suffix("")


def proposals_path(profile: RigProfile) -> Path:
    """Where a profile's open proposals are kept: beside it."""
    if profile.path is None:
        raise InputError(f"profile {profile.name!r} was never saved", fix="save it first")
    return profile.path.with_suffix(".proposals.json")


def save_proposals(profile: RigProfile, proposals: Sequence[PoseProposal]) -> Path:
    """Write the open proposals; a temporary name first, then renamed."""
    path = proposals_path(profile)
    poses = [
        {
            "name": p.name,
            "expression": p.expression,
            "values": p.values,
            "origin": p.origin,
            "probabilities": dict(zip(EXPRESSIONS, p.probabilities, strict=False)),
            "folded": p.folded,
        }
        for p in proposals
    ]
    text = json_text({"format": FORMAT, "character": profile.name, "poses": poses}, indent=1)
    write_text(path, text + "\n")
    return path


def load_proposals(profile: RigProfile) -> list[PoseProposal]:
    """The open proposals of a profile; values may have been corrected by hand since.

    Raises:
        InputError: there are none, or the file is damaged or another character's.
    """
    path = proposals_path(profile)
    if not path.exists():
        raise InputError(
            "there are no proposals for this character", file=path, fix="run exprgen propose first"
        )
    data = read_object(path, "propose again")
    try:
        if data.get("format") != FORMAT or data.get("character") != profile.name:
            raise FieldError("another file's")
        written = as_type(tuple[_Written, ...], data.get("poses"), "poses")
        unknown = {p.expression for p in written} - set(EXPRESSIONS)
        if unknown:
            raise FieldError(f"there is no expression {min(unknown)[:60]!r}")
    except FieldError as error:
        raise InputError(
            f"holds no proposals of {profile.name!r} ({error})", file=path, fix="propose again"
        ) from error
    return [
        PoseProposal(
            p.name,
            p.expression,
            p.values,
            p.origin,
            tuple(p.probabilities.get(e, 0.0) for e in EXPRESSIONS),
            p.folded,
        )
        for p in written
    ]


@dataclass(frozen=True)
class _Written:
    """A proposal as its file has it."""

    name: str
    expression: str
    values: dict[str, float]
    origin: str
    probabilities: dict[str, float]
    folded: float


def accept(profile: RigProfile, words: str) -> tuple[RigProfile, list[str]]:
    """Make proposals key poses of the profile and save it; accepted ones leave the proposals.

    Args:
        words: "all", or names with commas between; NAME=EXPRESSION relabels.

    Returns:
        the new profile and the names of the poses that it gained.

    Raises:
        UsageError: an unknown name, expression or control. InputError: see `load_proposals`.
    """
    proposals = load_proposals(profile)
    chosen = _chosen(proposals, words, profile)
    for proposal in chosen:
        for control in proposal.values:
            profile.control(control)
    names = {p.name for p in chosen}
    poses = [p for p in profile.key_poses if p.name not in names]
    poses += [KeyPose(p.name, p.expression, p.values) for p in chosen]
    made = replace(profile, key_poses=tuple(poses))
    made.save(profile.path)
    save_proposals(profile, [p for p in proposals if p.name not in names])
    return made, [p.name for p in chosen]


def hardly_read(proposals: Sequence[PoseProposal], accepted: Sequence[KeyPose]) -> list[str]:
    """Of accepted poses those that read as another expression than they were accepted for: name,
    and what they read as."""
    known = {p.name: p for p in proposals}
    taken = [replace(known[p.name], expression=p.expression) for p in accepted if p.name in known]
    return [
        f"{p.name} (reads as {p.reading.taken_for}, {p.own:.0%} {p.expression})"
        for p in taken
        if p.verdict == MISTAKEN
    ]


def refuse(profile: RigProfile, words: str) -> list[str]:
    """Drop proposals; returns their names. Raises as `accept`."""
    proposals = load_proposals(profile)
    names = {p.name for p in _chosen(proposals, words, profile)}
    save_proposals(profile, [p for p in proposals if p.name not in names])
    return sorted(names)


def _chosen(proposals: list[PoseProposal], words: str, profile: RigProfile) -> list[PoseProposal]:
    if words.strip() == "all":
        return proposals
    by_name = {p.name: p for p in proposals}
    chosen = []
    for word in filter(None, re.split(r"[,\s]+", words)):
        name, _, expression = word.partition("=")
        if name not in by_name:
            raise UsageError(
                f"no proposal is called {name!r}",
                file=proposals_path(profile),
                fix=f"use all or some of {', '.join(list(by_name)[:8])}" if by_name else NONE_LEFT,
            )
        if expression and expression not in EXPRESSIONS:
            raise UsageError(
                f"there is no expression {expression!r}", fix=f"use one of {', '.join(EXPRESSIONS)}"
            )
        proposal = by_name[name]
        chosen.append(replace(proposal, expression=expression) if expression else proposal)
    return chosen
