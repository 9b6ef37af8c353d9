"""Pictures of the key poses in the asset browser, where Blender would show a grey sheet each."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from ...exprgen_addon.studio.face_studio import FaceStudio, StudioSettings, full_values
from ...networks.characters.profile import RigProfile, load_profile
from .packing import save_open
from .pose_assets import asset_name

SIDE = 128
"""Pixels of a picture: what the asset browser shows at most, unless it is enlarged."""


def add_thumbnails(path: Path) -> int:
    """Give the pose assets of a character's .blend, which has its profile beside it, their
    pictures; returns how many. The file is opened for that.

    Raises:
        InputError: the profile or the character in the file is damaged. OutputError: see
            `save_open`.
    """
    profile = load_profile(path.with_suffix(".json"))
    pictures = key_pose_pictures(profile)
    bpy.ops.wm.open_mainfile(filepath=str(path))
    for name, picture in pictures.items():
        set_preview(bpy.data.actions[name], picture)
    save_open(path)
    return len(pictures)


def key_pose_pictures(profile: RigProfile) -> dict[str, np.ndarray]:
    """Name of each key pose's asset -> its picture, uint8 (SIDE, SIDE, 3) RGB."""
    pictures = {}
    with FaceStudio(profile, StudioSettings(size=SIDE)) as studio:
        for pose in profile.key_poses:
            studio.pose(full_values(profile, [*pose.values], np.array([*pose.values.values()])))
            pictures[asset_name(profile, pose)] = studio.render()
    return pictures


def set_preview(block: bpy.types.ID, picture: np.ndarray) -> None:
    """Let a picture, uint8 (N, N, 3) RGB, top row first, be a datablock's preview."""
    preview = block.preview_ensure()
    preview.image_size = picture.shape[1::-1]
    alpha = np.full((*picture.shape[:2], 1), 255, np.uint8)
    pixels = np.concatenate([picture, alpha], axis=2)[::-1].astype(np.float32) / 255.0
    preview.image_pixels_float.foreach_set(pixels.ravel())


def preview_of(block: bpy.types.ID) -> np.ndarray | None:
    """The same back, uint8 (H, W, 3) RGB; None where there is none."""
    preview = block.preview
    if preview is None or not all(preview.image_size):
        return None
    width, height = preview.image_size
    pixels = np.empty(width * height * 4, np.float32)
    preview.image_pixels_float.foreach_get(pixels)
    shown = pixels.reshape(height, width, 4)[::-1, :, :3]
    return np.rint(255.0 * shown).astype(np.uint8)
