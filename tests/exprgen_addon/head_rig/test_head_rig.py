"""A bare head in a scene becomes a character: what is read, refused, made and driven."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")
import bmesh

from exprgen.exprgen_addon.characters.landmark_points import warp_template
from exprgen.exprgen_addon.command_line import main as command_line
from exprgen.exprgen_addon.command_line.verbs import rig as rig_verb
from exprgen.exprgen_addon.head_rig import build, making, marking, reading
from exprgen.exprgen_addon.profiling import profile_file, scenes
from exprgen.exprgen_addon.studio.landmark_finding import _by_points
from exprgen.networks.errors import EXIT_INPUT, EXIT_OUTPUT, EXIT_USAGE, InputError, UsageError
from exprgen.networks.vocabulary import ARKIT_CHANNELS
from exprgen.tests.support import bare_heads


@pytest.fixture
def head():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return bare_heads.build("cartoon", kept=0.25)


@pytest.fixture(scope="module")
def rigged(tmp_path_factory):
    """(path, what was made): a rough cartoon whose landmarks are known."""
    folder = tmp_path_factory.mktemp("rig")
    bare_heads.save("cartoon", folder / "bare.blend", kept=0.25)
    patch = pytest.MonkeyPatch()
    known = bare_heads.landmarks_of("cartoon")
    patch.setattr(marking, "find_landmarks", lambda *a: (known, _Seen()))
    made = making.rig_file(folder / "bare.blend", folder / "hero.blend", None, mesh_name="Head")
    patch.undo()
    return folder / "hero.blend", made


class _Seen:
    warnings = ()


def keys_of(name: str):
    return bpy.data.objects[name].data.shape_keys.key_blocks


def places(block) -> np.ndarray:
    flat = np.empty(3 * len(block.data), np.float32)
    block.data.foreach_get("co", flat)
    return flat.reshape(-1, 3)


def test_a_character_is_made(rigged, tmp_path):
    path, made = rigged
    bpy.ops.wm.open_mainfile(filepath=str(path), load_ui=False)
    keys = keys_of("Head")
    assert set(ARKIT_CHANNELS) <= set(keys.keys())
    assert all(k.value == 0.0 for k in keys)
    assert made.keys == len(keys) - 1
    assert not made.shapes.sealed
    assert made.shapes.symmetric
    acting = {"Teeth_lower": "jawOpen", "Tongue": "tongueOut", "Brows": "browInnerUp"}
    for part, name in {**acting, "Eye_L": "eyeLookInLeft"}.items():
        moved = places(keys_of(part)[name]) - places(keys_of(part)["Basis"])
        assert np.abs(moved).max() > 1e-3, part
    assert bpy.data.objects["Teeth_upper"].data.shape_keys is None
    assert bpy.data.objects["Eye_L"].parent == bpy.data.objects["Head Turn"]


def test_drivers_follow(rigged):
    bpy.ops.wm.open_mainfile(filepath=str(rigged[0]), load_ui=False)
    keys = keys_of("Head")

    def told(**values) -> dict:
        for key in keys:
            if not key.name.startswith("fix"):
                key.value = values.get(key.name, 0.0)
        bpy.data.objects["Head"].data.shape_keys.update_tag()
        graph = bpy.context.evaluated_depsgraph_get()
        graph.update()
        found = bpy.data.objects["Head"].evaluated_get(graph).data.shape_keys.key_blocks
        return {k.name: round(k.value, 3) for k in found if k.name.startswith("fix") and k.value}

    assert told() == {}
    assert told(eyeBlinkLeft=0.5) == {"fixLidLeft": 1.0}
    assert told(eyeBlinkRight=1.0, eyeLookDownRight=0.5) == {"fixLookDownRight": 0.5}
    assert told(mouthClose=0.6, jawOpen=0.4) == {"fixSeal": 0.2, "fixMeet": 1.0}
    assert told(mouthRollLower=0.5) == {"fixMeet": 0.25}


def test_it_profiles_like_any_character(rigged, tmp_path):
    proposal = profile_file(rigged[0], tmp_path / "hero.json", mesh_name="Head")
    names = set(proposal.profile.names)
    assert {"jawOpen", "mouthClose", "tongueOut", "eyeBlinkLeft"} <= names
    roles = {c.role: c for c in proposal.profile.controls}
    assert {"head_yaw", "gaze_left_yaw"} <= roles.keys()
    gaze = {t.id_type for r, c in roles.items() if r.startswith("gaze") for t in c.targets}
    assert gaze == {"KEY"}, "an eye's origin may lie anywhere: its object is not to be turned"
    assert not any(n.startswith("fix") for n in names)
    assert proposal.profile.framing.forward == (0.0, -1.0, 0.0)


def test_sizes_turns_and_mirrors_of_objects_count(head):
    plain = reading.read_mesh(head)
    head.scale = (-2.0, 2.0, 2.0)
    bpy.context.view_layer.update()
    turned = reading.read_mesh(head)
    assert np.allclose(turned.points, plain.points * (-2.0, 2.0, 2.0))
    volumes = [
        np.einsum("ij,ij->", *(f(m) for f in (lambda m: m.points[m.triangles[:, 0]], _crossed)))
        for m in (plain, turned)
    ]
    assert np.sign(volumes[0]) == np.sign(volumes[1])


def test_faces_that_were_taken_apart_look_the_same_way(head):
    """As files for games part a mesh, or *Edge Split*: no face tells its neighbour where out is."""
    whole = reading.read_mesh(head)
    made = bmesh.new()
    made.from_mesh(head.data)
    bmesh.ops.reverse_faces(made, faces=made.faces[:][::3])
    bmesh.ops.split_edges(made, edges=made.edges)
    made.to_mesh(head.data)
    made.free()
    split = reading.read_mesh(head)
    assert len(split.points) > 2 * len(whole.points)
    volumes = [
        np.einsum("ij,ij->i", m.points[m.triangles[:, 0]], _crossed(m)).sum()
        for m in (whole, split)
    ]
    assert volumes[1] == pytest.approx(volumes[0])


def _crossed(mesh):
    a, b, c = (mesh.points[mesh.triangles[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def test_a_mirror_modifier_is_applied(head):
    count = len(head.data.vertices)
    head.modifiers.new("half", "MIRROR")
    head.modifiers.new("smooth", "SUBSURF")
    told = reading.make_ready([head])
    assert "Mirror" in told[0]
    assert [m.type for m in head.modifiers] == ["SUBSURF"]
    assert len(head.data.vertices) >= count


def test_eyes_that_share_a_mesh_get_one_each(head):
    left, right = bpy.data.objects["Eye_L"], bpy.data.objects["Eye_R"]
    right.data = left.data
    reading.make_ready([left, right])
    assert left.data != right.data


def test_parts_that_are_linked_are_kept_in_the_file(head, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"), copy=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        wanted.meshes = ["Eye_L"]
    eye = bpy.data.objects["Eye_L"]
    eye.data = wanted.meshes[0]
    reading.make_ready([head, eye])
    assert eye.data.library is None


def test_keys_under_a_mirror_are_told(head):
    teeth = bpy.data.objects["Teeth_lower"]
    teeth.shape_key_add(name="Basis")
    teeth.modifiers.new("half", "MIRROR")
    assert any("move alike" in line for line in reading.make_ready([head, teeth]))


def test_a_part_of_a_head_is_told_from_it_by_its_name(head):
    for name in ("Tongue", "Teeth_upper", "Eye_L"):
        with pytest.raises(InputError, match=r"part of a head.*'Head'"):
            reading.bare_head(name)
    head.name = "Blob"
    assert reading.bare_head("Tongue") == bpy.data.objects["Tongue"], "no other is called a head"


def test_heads_that_are_refused(head):
    assert reading.bare_head(None) == head  # its name tells
    other = bare_heads.build("child", kept=0.2)
    with pytest.raises(UsageError, match="--object"):
        reading.bare_head(None)
    bpy.data.objects.remove(other)
    head.shape_key_add(name="Basis")
    head.shape_key_add(name="Old_Wrinkle")
    assert reading.bare_head("Head") == head
    head.shape_key_add(name="jawOpen")
    with pytest.raises(InputError, match="no bare head"):
        reading.bare_head("Head")
    bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "SUN"))
    with pytest.raises(InputError, match="no mesh"):
        reading.bare_head("Lamp")
    head.scale = (0.0, 1.0, 1.0)
    bpy.context.view_layer.update()
    with pytest.raises(InputError, match="scale of zero"):
        reading.read_mesh(head)


def test_landmarks_are_of_the_head_in_whatever_collection(head, monkeypatch):
    """A copy of the file is looked at while the file is open: names are taken there."""
    own = bpy.data.collections.new("Collection")
    bpy.context.scene.collection.children.link(own)
    for obj in list(bpy.context.scene.collection.objects):
        bpy.context.scene.collection.objects.unlink(obj)
        own.objects.link(obj)
    head.name = 'Голова "é"'
    flat = warp_template({"eye_left_outer": (0.6, 0.4), "eye_right_outer": (0.4, 0.4),
                          "lip_bottom_outer_3": (0.5, 0.6)})  # fmt: skip
    monkeypatch.setattr(marking, "place_landmarks", lambda profile, *_: _by_points(profile, flat))
    _, placed = marking.find_landmarks(head, reading.members(head), None)
    assert {a.object for a in placed.profile.landmarks.values()} & {head.name}


def test_no_face_is_said_of_the_head(head, monkeypatch):
    def none(*_):
        raise InputError("the landmarker finds no face", file="/scratch/head.json", fix="look")

    monkeypatch.setattr(marking, "place_landmarks", none)
    with pytest.raises(InputError, match="'Head': the landmarker finds no face") as error:
        marking.find_landmarks(head, [head], None)
    assert error.value.file is None
    assert "--points" in error.value.fix


def test_keys_that_are_there_stay(head):
    head.shape_key_add(name="Basis")
    head.shape_key_add(name="Old_Wrinkle")
    shapes = {"jawOpen": np.full((len(head.data.vertices), 3), 0.01)}
    build._add_keys(head, shapes)
    assert list(keys_of("Head").keys()) == ["Basis", "Old_Wrinkle", "jawOpen"]


def test_the_command_says_what_is_wrong(tmp_path, capfd):
    run = command_line.main
    assert (
        run(["rig", str(tmp_path / "none.blend"), "--out", str(tmp_path / "a.blend")]) == EXIT_INPUT
    )
    bare_heads.save("child", tmp_path / "bare.blend", kept=0.2)
    assert run(["rig", str(tmp_path / "bare.blend")]) == EXIT_USAGE
    same = str(tmp_path / "bare.blend")
    assert run(["rig", same, "--object", "Head", "--out", same]) == EXIT_USAGE
    assert run(["rig", same, "--object", "Hed", "--out", str(tmp_path / "a.blend")]) == EXIT_USAGE
    assert "did you mean" in capfd.readouterr().err
    assert not (tmp_path / "a.blend").exists()


def test_small_heads_are_heads_flat_and_hidden_ones_are_none(head):
    head.scale = (1e-5, 1e-5, 1e-5)
    bpy.context.view_layer.update()
    assert reading.bare_head("Head") == head
    head.scale = (1e-8, 1e-8, 1e-8)
    bpy.context.view_layer.update()
    with pytest.raises(InputError, match=r"hero\.blend.*too small to be seen"):
        reading.bare_head("Head", file="hero.blend")
    head.scale = (1.0, 1.0, 0.0)
    bpy.context.view_layer.update()
    with pytest.raises(InputError, match=r"hero\.blend.*scale of zero"):
        reading.bare_head("Head", file="hero.blend")
    head.hide_render = True
    with pytest.raises(InputError, match=r"hero\.blend.*hidden"):
        reading.bare_head("Head", file="hero.blend")


def test_a_mesh_saved_in_edit_mode_is_left_as_it_was_edited(head, tmp_path):
    bpy.context.view_layer.objects.active = head
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "edited.blend"))
    scenes.open_scene(tmp_path / "edited.blend")
    assert bpy.data.objects["Head"].mode == "OBJECT"


def test_nothing_is_left_where_the_profile_fails(rigged, tmp_path, monkeypatch):
    bare_heads.save("child", tmp_path / "bare.blend", kept=0.2)
    mine = tmp_path / "hero.response.npz"
    mine.write_text("mine")

    def rig_file(_path, out, *_, **__):
        out.write_bytes(rigged[0].read_bytes())
        return rigged[1]

    def fails(_args, out, *_):
        out.with_suffix(".json").write_text("half")
        mine.write_text("half")
        raise InputError("no face")

    monkeypatch.setattr(making, "rig_file", rig_file)
    monkeypatch.setattr(rig_verb, "_profile", fails)
    words = ["rig", str(tmp_path / "bare.blend"), "--out", str(tmp_path / "hero.blend")]
    assert command_line.main(words) == EXIT_INPUT
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bare.blend", mine.name]
    assert mine.read_text() == "mine"
    (tmp_path / "hero.json").write_text("{}")
    assert command_line.main(words) == EXIT_OUTPUT
