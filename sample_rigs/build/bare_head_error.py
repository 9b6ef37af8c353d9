"""`python -m exprgen.sample_rigs.build.bare_head_error --scans heads.npz`: how far the shapes that
`exprgen rig` finds are from those that artists made, on heads of another making.

Each head is a mesh of the light ICT-FaceKit model (see face_model/measure.py for its form), which
nothing here was made of; landmarks are found on renders of it as on any head. Makers differ in what
1.0 means, so each shape's strength is fitted by one number. Millimetres of the head.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...networks.arrays import read_archive
from ...networks.head_rig.head_shapes import METHODS, HeadShapes, shapes_for
from ...networks.head_rig.mesh_graph import normals_of
from ...networks.head_rig.pieces import Mesh
from ...networks.vocabulary import ARKIT_CHANNELS, LANDMARK_NAMES

DRAWN = 6
"""Identities that are looked at; the first is the model's mean."""
FACE, BEHIND = 0.0, 55.0
"""The face is what looks ahead and is no farther behind the landmarks' middle, millimetres."""
REACH = {"eyes": 25.0, "mouth": 36.0}
"""Regions: so far round the eyes and the mouth, millimetres."""
SKIN, HEAD = 1, 4
"""Materials before which the face's and the whole head's faces end."""


@dataclass(frozen=True)
class Scan:
    """One head: its parts as meshes in metres, z up, the skin first; truth: channel -> (V, 3) on
    the skin, millimetres; face (V,) bool."""

    parts: list[Mesh]
    truth: dict[str, np.ndarray]
    face: np.ndarray


class Scans:
    """The light ICT-FaceKit model."""

    def __init__(self, path: Path):
        self.data = read_archive(path)
        self.names = [str(n) for n in self.data["expression_names"]]
        self.first = [*self.data["material_first_face"], len(self.data["faces"])]
        self.materials = [str(n) for n in self.data["material_names"]]

    def scan(self, number: int) -> Scan:
        """The head of a number: 0 is the mean, others are drawn."""
        points = self.data["neutral"].astype(float)
        if number:
            rng = np.random.default_rng(number)
            amounts = rng.normal(0, 1, len(self.data["identity_deltas"]))
            points = points + np.tensordot(amounts, self.data["identity_deltas"].astype(float), 1)
        points = 0.01 * _z_up(points)
        skin, used = self._part(points, 0, self.first[HEAD], "head")
        own = np.isin(used, self.data["faces"][: self.first[SKIN]])
        parts = [skin] + [
            self._part(points, self.first[i], self.first[i + 1], self.materials[i])[0]
            for i in range(2, 8)
            if i >= HEAD or i in (2, 3)
        ]
        truth = {c: 10.0 * _z_up(self._delta(c))[used] for c in ARKIT_CHANNELS if c != "tongueOut"}
        return Scan(parts, truth, own)

    def _part(self, points, start: int, end: int, name: str) -> tuple[Mesh, np.ndarray]:
        faces = self.data["faces"][start:end]
        quads = np.where(faces < 0, faces[:, 2:3], faces)
        triangles = np.concatenate([quads[:, (0, 1, 2)], quads[:, (0, 2, 3)]])
        a, b, c = triangles.T
        triangles = triangles[(a != b) & (b != c) & (a != c)]
        used = np.unique(triangles)
        words = frozenset(_words(name))
        return Mesh(name, points[used], np.searchsorted(used, triangles), words), used

    def _delta(self, channel: str) -> np.ndarray:
        short = channel.replace("Left", "_L").replace("Right", "_R")
        found = [n for n in dict.fromkeys((channel, short)) if n in self.names] or [
            f"{channel}_L",
            f"{channel}_R",
        ]
        rows = [self.names.index(n) for n in found]
        return self.data["expression_deltas"][rows].astype(float).sum(0)


def _z_up(points: np.ndarray) -> np.ndarray:
    return points[:, (0, 2, 1)] * (1.0, -1.0, 1.0)


def _words(name: str) -> list[str]:
    from ...networks.characters.control_names import words_of

    return words_of(name.removeprefix("M_"))


def landmarks_of(scan: Scan, locate) -> np.ndarray:
    """(49, 3) found on renders of the head. Needs bpy; leaves it in the open file."""
    import bpy

    from ...exprgen_addon.head_rig.marking import find_landmarks

    bpy.ops.wm.read_factory_settings(use_empty=True)
    objects = [_object(part) for part in scan.parts]
    bpy.context.view_layer.update()
    return find_landmarks(objects[0], objects, locate)[0]


def _object(part: Mesh):
    import bpy

    mesh = bpy.data.meshes.new(part.name)
    mesh.from_pydata(part.points.tolist(), [], part.triangles.tolist())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
    eye = {"iris": (0.1, 0.06, 0.03), "sclera": (0.85, 0.85, 0.83), "teeth": (0.85, 0.82, 0.74)}
    colour = next((c for w, c in eye.items() if w in part.words), (0.6, 0.4, 0.32))
    paint = bpy.data.materials.new(part.name)
    paint.use_nodes = True
    paint.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (*colour, 1.0)
    mesh.materials.append(paint)
    made = bpy.data.objects.new(part.name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return made


def errors(scan: Scan, landmarks: np.ndarray, found: HeadShapes) -> dict[str, np.ndarray]:
    """Channel -> (face, still, region, still in it): mean distances from the truth of the shape at
    its best strength, and of no motion, over the face and over the shape's own region."""
    points, marks = 1000.0 * scan.parts[0].points, 1000.0 * landmarks
    ahead = -normals_of(points, scan.parts[0].triangles)[:, 1]
    face = scan.face & (ahead > FACE) & (points[:, 1] < marks[:, 1].mean() + BEHIND)
    regions = {name: face & _round(points, marks, name) for name in REACH}
    out = {}
    for channel, true in scan.truth.items():
        own = 1000.0 * found.shapes[0][channel]
        strength = (own[face] * true[face]).sum() / max((own[face] ** 2).sum(), 1e-9)
        off = np.linalg.norm(max(strength, 0.0) * own - true, axis=1)
        still = np.linalg.norm(true, axis=1)
        region = regions["eyes" if channel.startswith(("eye", "brow")) else "mouth"]
        out[channel] = np.array([m[r].mean() for r in (face, region) for m in (off, still)])
    return out


def _round(points: np.ndarray, marks: np.ndarray, region: str) -> np.ndarray:
    starts = {"eyes": ("eye_left", "eye_right"), "mouth": ("lip",)}[region]
    inside = np.zeros(len(points), bool)
    for start in starts:
        rows = [i for i, n in enumerate(LANDMARK_NAMES) if n.startswith(start)]
        inside |= np.linalg.norm(points - marks[rows].mean(0), axis=1) < REACH[region]
    return inside


def told(rows: list[dict[str, np.ndarray]]) -> str:
    """A line of means: all shapes over the face, the eyes' over the eyes, the mouth's over it."""
    mean = {c: np.mean([r[c] for r in rows], axis=0) for c in rows[0]}
    all_ = np.array(list(mean.values()))
    eyes = np.array([v for c, v in mean.items() if c.startswith(("eye", "brow"))])
    mouth = np.array([v for c, v in mean.items() if c.startswith(("mouth", "jaw"))])
    return (
        f"face {all_[:, 0].mean():.2f} (still {all_[:, 1].mean():.2f})  "
        f"eyes {eyes[:, 2].mean():.2f} (still {eyes[:, 3].mean():.2f})  "
        f"mouth {mouth[:, 2].mean():.2f} (still {mouth[:, 3].mean():.2f})"
    )


def main() -> None:
    from ...exprgen_addon.engine.jobs import Job
    from ...exprgen_addon.engine.worker_process import WorkerProcess
    from ...exprgen_addon.studio.landmark_finding import locate_with

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=Path, required=True)
    parser.add_argument("--heads", type=int, default=DRAWN)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["transfer"])
    given = parser.parse_args()
    scans, worker = Scans(given.scans), WorkerProcess()
    locate = locate_with(lambda c, a: Job(c, a, worker).run_blocking())
    rows: dict[str, list] = {method: [] for method in given.methods}
    for number in range(given.heads):
        scan = scans.scan(number)
        landmarks = landmarks_of(scan, locate)
        for method, kept in rows.items():
            kept.append(errors(scan, landmarks, shapes_for(scan.parts, landmarks, method)))
            print(f"head {number} {method:<9} {told(kept[-1:])}", flush=True)
    worker.close()
    for method, kept in rows.items():
        print(f"{method}: {told(kept)}")
        for channel in kept[0]:
            mean = np.mean([r[channel] for r in kept], axis=0)
            print(f"  {channel:<22}{mean[0]:6.2f} still {mean[1]:5.2f}", flush=True)


if __name__ == "__main__":
    main()
