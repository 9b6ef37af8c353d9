"""A face under test: set a control, see which vertices move, put everything back.

The character's objects are evaluated in a scene of their own, so that it matters neither which
scene is open nor what is switched off there. Actions are taken off meanwhile (they would win over
what is set by hand) and so are subdivisions (they only cost time).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from .. import rigs
from ..rigs import Found, Property

_BONE = re.compile(r'pose\.bones\["([^"]*)"\]')
_SLOW = ("SUBSURF", "MULTIRES", "PARTICLE_SYSTEM", "CLOTH", "SOFT_BODY", "FLUID")
MOST_VERTICES = 400_000
"""Meshes with more are not measured: hair and clothes that follow tell nothing new."""


@dataclass(frozen=True)
class Part:
    """Vertices start:end of a probe's points belong to this object."""

    name: str
    start: int
    end: int


class Probe:
    """Use with `with`; inside, `set` and `points`. Everything is as before at the end."""

    def __init__(self, objects: Sequence[bpy.types.Object]):
        self.objects = list(objects)
        self.meshes = [
            o
            for o in objects
            if o.type == "MESH" and 0 < len(o.data.vertices) <= MOST_VERTICES and o.data.polygons
        ]
        self.read_by_drivers = _read_by_drivers(self.objects)
        self._properties: dict[str, list[Property]] = {}
        self._before: dict[tuple, tuple[Property, object]] = {}
        self._undo: list = []
        self.evaluations = 0
        """How often the points were looked at."""

    def __enter__(self) -> Probe:
        self.scene = bpy.data.scenes.new("ExprGen probe")
        try:
            for part in self.objects:
                self.scene.collection.objects.link(part)
            self._quieten()
            self.parts = self._measure_parts()
            self.rest_points = self.points()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        for prop, value in reversed(list(self._before.values())):
            _put(prop, value)
        for undo in reversed(self._undo):
            undo()
        bpy.data.scenes.remove(self.scene)
        self._before, self._undo = {}, []

    def set(self, found: Found, value: float) -> None:
        """Set a control without a key; takes effect with the next `points`."""
        for prop in self._bound(found):
            prop.write(value)
            prop.owner.update_tag()

    def rest(self, found: Found) -> None:
        """Put a control's properties back to what they were, to the last bit."""
        for prop in self._bound(found):
            _put(prop, self._before[_key(prop)][1])
            prop.owner.update_tag()

    def points(self) -> np.ndarray:
        """World-space vertices (V, 3) float32 of all meshes, in the order of `parts`."""
        self._update()
        self.evaluations += 1
        blocks = []
        for part, mesh_object in zip(self.parts, self.meshes, strict=True):
            evaluated = mesh_object.evaluated_get(self.scene.view_layers[0].depsgraph)
            block = _vertices(evaluated)
            if len(block) != part.end - part.start:  # topology that depends on the pose
                block = np.zeros((part.end - part.start, 3), np.float32)
            blocks.append(block)
        return np.concatenate(blocks)

    def normals(self) -> np.ndarray:
        """World-space vertex normals (V, 3) float32, in the order of `points`."""
        self._update()
        blocks = []
        for mesh_object in self.meshes:
            evaluated = mesh_object.evaluated_get(self.scene.view_layers[0].depsgraph)
            flat = np.empty(len(evaluated.data.vertices) * 3, np.float32)
            evaluated.data.vertex_normals.foreach_get("vector", flat)
            turn = np.linalg.inv(np.array(evaluated.matrix_world, np.float32)[:3, :3])
            block = flat.reshape(-1, 3) @ turn
            blocks.append(block / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-12))
        return np.concatenate(blocks)

    def bone_head(self, rig: bpy.types.Object, bone: str) -> np.ndarray:
        """World-space head (3,) of a pose bone as evaluated."""
        self._update()
        graph = self.scene.view_layers[0].depsgraph
        evaluated = rig.evaluated_get(graph)
        return np.array(evaluated.matrix_world @ evaluated.pose.bones[bone].head)

    def _update(self) -> None:
        self.scene.view_layers[0].update()

    def _bound(self, found: Found) -> list[Property]:
        if found.name not in self._properties:
            by_name = {o.name: o for o in self.objects}
            data = {(o.data.id_type, o.data.name): o.data for o in self.objects if o.data}

            def find(id_type: str, id_name: str):
                return by_name.get(id_name) if id_type == "OBJECT" else data.get((id_type, id_name))

            bound = [rigs.resolve(t, find) for t in found.targets]
            for prop in bound:
                self._before.setdefault(_key(prop), (prop, _raw(prop)))
            self._properties[found.name] = bound
        return self._properties[found.name]

    def _quieten(self) -> None:
        for part in self.objects:
            keys = getattr(part.data, "shape_keys", None) if part.data else None
            for datablock in (part, part.data, keys):
                if getattr(datablock, "animation_data", None) and datablock.library is None:
                    self._take_off(datablock.animation_data)
            for modifier in part.modifiers:
                if modifier.type in _SLOW and modifier.show_viewport:
                    self._switch(modifier, "show_viewport", False)
            if part.hide_viewport:
                self._switch(part, "hide_viewport", False)

    def _take_off(self, animation) -> None:
        """Actions win over what is set by hand; drivers stay."""
        if animation.use_nla and animation.nla_tracks:
            self._switch(animation, "use_nla", False)
        action, slot = animation.action, animation.action_slot
        if action is None:
            return

        def back() -> None:
            animation.action = action
            if slot is not None:
                animation.action_slot = slot

        animation.action = None
        self._undo.append(back)

    def _switch(self, holder, name: str, value) -> None:
        before = getattr(holder, name)
        setattr(holder, name, value)
        self._undo.append(lambda: setattr(holder, name, before))

    def _measure_parts(self) -> list[Part]:
        self._update()
        graph = self.scene.view_layers[0].depsgraph
        parts, start, kept = [], 0, []
        for mesh_object in self.meshes:
            count = len(_vertices(mesh_object.evaluated_get(graph)))
            if count:
                parts.append(Part(mesh_object.name, start, start + count))
                kept.append(mesh_object)
                start += count
        self.meshes = kept
        return parts


def _read_by_drivers(objects: Sequence) -> set[str]:
    """Holders whose place drives something: "object:bone" or "object:object", as `Found.holder`."""
    read = set()
    for target in itertools.chain.from_iterable(map(driver_targets, objects)):
        if isinstance(target.id, bpy.types.Object):
            bone = _BONE.match(target.data_path)
            name = target.bone_target or (bone[1] if bone else target.id.name)
            read.add(f"{target.id.name}:{name}")
    return read


def driver_targets(part) -> Iterator:
    """What the drivers of an object, its data and its shape keys read (`DriverTarget`s)."""
    keys = getattr(part.data, "shape_keys", None) if part.data else None
    for datablock in (part, part.data, keys):
        for curve in getattr(getattr(datablock, "animation_data", None), "drivers", ()):
            for variable in curve.driver.variables:
                yield from variable.targets


def _vertices(evaluated) -> np.ndarray:
    mesh = evaluated.data
    flat = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", flat)
    matrix = np.array(evaluated.matrix_world, np.float32)
    return flat.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def _key(prop: Property) -> tuple:
    return prop.owner.as_pointer(), prop.data_path, prop.index


def _raw(prop: Property):
    """The value as it is kept: a whole number stays one."""
    value = prop.owner.path_resolve(prop.data_path)
    return value if prop.index < 0 else value[prop.index]


def _put(prop: Property, value) -> None:
    prop.set(value)
    prop.owner.update_tag()
