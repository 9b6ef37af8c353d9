"""Pose assets show their faces in the asset browser; the files that hold them are packed well."""

from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.networks.characters.profile import SAMPLE_RIGS, load_profile, sample_characters
from exprgen.sample_rigs.build import packing, thumbnails
from exprgen.sample_rigs.build.pose_assets import asset_name

NAMES = [p.name for p in sample_characters()]


@pytest.fixture(scope="module", params=NAMES)
def character(request):
    """A profile whose .blend is open."""
    profile = load_profile(SAMPLE_RIGS / f"{request.param}.json")
    bpy.ops.wm.open_mainfile(filepath=str(profile.blend))
    return profile


def shown(profile) -> np.ndarray:
    """(K, SIDE, SIDE, 3) what the assets of the open file show."""
    actions = [bpy.data.actions[asset_name(profile, pose)] for pose in profile.key_poses]
    assert all(a.preview.is_image_custom for a in actions), "Blender would draw it anew"
    return np.stack([thumbnails.preview_of(a) for a in actions])


def test_every_key_pose_has_a_picture_of_its_own(character):
    pictures = shown(character)
    assert pictures.shape[1:] == (thumbnails.SIDE, thumbnails.SIDE, 3)
    flat = pictures.reshape(len(pictures), -1).astype(float)
    assert flat.std(1).min() > 20, "a face, and no empty sheet"
    neutral = next(i for i, p in enumerate(character.key_poses) if p.expression == "neutral")
    changed = np.abs(pictures.astype(int) - pictures[neutral]).max(3) > 24
    others = [i for i, p in enumerate(character.key_poses) if p.expression != "neutral"]
    assert changed[others].mean((1, 2)).min() > 0.002, "some pose looks like the neutral one"
    # The picture's corner, where nothing moves, is the same in all.
    assert np.abs(pictures[:, :4, :4].astype(int) - pictures[0, :4, :4]).mean() < 2


def test_a_picture_is_the_pose_that_its_asset_sets():
    profile = load_profile(SAMPLE_RIGS / f"{NAMES[0]}.json")
    bpy.ops.wm.open_mainfile(filepath=str(profile.blend))
    kept = shown(profile)
    fewer = [next(p for p in profile.key_poses if p.expression == e) for e in ("joy", "surprise")]
    rows = [profile.key_poses.index(p) for p in fewer]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    made = thumbnails.key_pose_pictures(replace(profile, key_poses=tuple(fewer)))
    apart = [
        np.abs(kept[row].astype(float) - made[asset_name(profile, pose)]).mean()
        for row, pose in zip(rows, fewer, strict=True)
    ]
    assert max(apart) < 3.0
    assert np.abs(kept[rows[0]].astype(float) - kept[rows[1]]).mean() > 2 * max(apart)


def test_a_preview_is_what_it_was_set_to(tmp_path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    action = bpy.data.actions.new("pose")
    action.use_fake_user = True
    assert thumbnails.preview_of(action) is None
    thumbnails.set_preview(action, picture)
    path = tmp_path / "a.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)
    whole = packing.unpacked(path)
    assert packing.repack(path) == path.stat().st_size
    assert packing.unpacked(path) == whole
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert (thumbnails.preview_of(bpy.data.actions["pose"]) == picture).all()


@pytest.mark.parametrize("size", [0, 1, packing.FRAME, 2 * packing.FRAME + 5])
def test_frames_of_any_length_are_whole(tmp_path, size):
    data = np.random.default_rng(1).integers(0, 4, size).astype(np.uint8).tobytes()
    path = tmp_path / "a.zst"
    path.write_bytes(packing.packed(data))
    assert packing.unpacked(path) == data
