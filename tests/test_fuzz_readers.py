"""Readers of files and messages: what is good is taken, what is bad is refused in one line."""

import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

pytest.importorskip("bpy")  # the readers of the add-on's half

from exprgen.exprgen_addon.command_line.shot_list import load_shots
from exprgen.networks.arrays import read_archive, read_array
from exprgen.networks.characters.profile import load_profile
from exprgen.networks.errors import ExprGenError, InputError, ModelError, UsageError
from exprgen.networks.models.weights_io import load_network
from exprgen.networks.names import as_name, is_name
from exprgen.networks.reading import plain_file, read_json
from exprgen.networks.records import FieldError, as_type
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.track import FaceTrack, RigTrack
from exprgen.tests.support import readers
from exprgen.tests.support.readers import READERS

EACH = 20
"""Inputs a reader; `python -m exprgen.tests.support.fuzz --count N` tries more."""


@pytest.mark.parametrize("name", READERS)
def test_what_is_good_is_taken(name, tmp_path):
    reader = READERS[name]
    reader.read(reader.make(tmp_path))


@pytest.mark.skipif(os.name == "nt", reason="hangs are told by POSIX's alarm")
def test_what_is_bad_is_refused_in_one_line():
    command = [
        sys.executable,
        "-m",
        "exprgen.tests.support.fuzz",
        "--together",
        "--count",
        str(EACH),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'"inputs": {EACH * len(READERS)}' in done.stdout


# --- arrays --------------------------------------------------------------------------------------


@pytest.fixture
def face_track(tmp_path):
    return readers.make_face_track(tmp_path)


def rewritten(path, change, kind=zipfile.ZIP_STORED):
    """The .npz with its arrays changed, stored as they are."""
    with np.load(path) as f:
        arrays = {name: f[name] for name in f.files}
    change(arrays)
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as f:
                np.lib.format.write_array(f, np.asarray(array), allow_pickle=True)
    return path


def test_objects_in_a_large_stored_array_are_refused(face_track):
    def evil(arrays):
        arrays["landmarks"] = np.full((300_000,), None, object)

    rewritten(face_track, evil)
    with pytest.raises(InputError, match=r"face\.npz: is no whole \.npz file .*objects"):
        FaceTrack.load(face_track)


def test_pointers_of_an_attacker_are_never_followed(face_track, tmp_path):
    # An object array's bytes are pointers: mapped as they lie, the first look at one crashed.
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (262144,), }\n"
    data = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + b"A" * (8 * 262144)
    path = tmp_path / "evil.npz"
    with zipfile.ZipFile(face_track) as good, zipfile.ZipFile(path, "w") as archive:
        for info in good.infolist():
            evil = info.filename == "landmarks.npy"
            archive.writestr(info.filename, data if evil else good.read(info))
    with pytest.raises(InputError, match="objects"):
        FaceTrack.load(path)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda a: a.update({"rig_units/x": np.zeros((3, 2), np.float32)}), "rig_units|'x'"),
        (lambda a: a.update({"rig_units/x": np.full((4, 2), np.nan, np.float32)}), "not finite"),
        (lambda a: a["state"].__setitem__(1, 9), "'state' holds 9"),
        (lambda a: a["times"].__setitem__(3, 1e6), "'times' holds 1e\\+06"),
        (lambda a: a["times"].__setitem__(3, 2e4), "gap of 20000 pictures"),
        (lambda a: a["times"].__setitem__(3, 0.0), "does not increase"),
        (lambda a: a["landmarks"].__setitem__((0, 0, 0), np.inf), "'landmarks' is not finite"),
        (lambda a: a["arkit"].__setitem__((0, 0), 1e30), "'arkit' holds 1e\\+30"),
        (lambda a: a["face_offsets"].__setitem__(3, 10**9), "'face_offsets' points outside"),
        (lambda a: a["face_offsets"].__setitem__(1, 0), "'face_offsets' points outside"),
        (lambda a: a.update(times=a["times"].astype("f4")), "'times' is float32"),
        (lambda a: a.update(gaze=a["gaze"].astype(">f4")), "order of bytes"),
        (lambda a: a.update(header=np.array("[" * 100_000)), "nested too deeply"),
        (lambda a: a.update(header=np.array("42")), "header is no object"),
    ],
)
def test_damage_in_a_track_is_named(face_track, change, word):
    rewritten(face_track, change)
    with pytest.raises(InputError, match=word) as caught:
        FaceTrack.load(face_track)
    assert "face.npz" in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_declared_size_is_checked_before_memory_is_asked_for(tmp_path):
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }\n"
    data = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(64)
    (tmp_path / "x.npy").write_bytes(data)
    with pytest.raises(InputError, match="length is not what it says"):
        read_array(tmp_path / "x.npy")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", data)
    with pytest.raises(InputError, match="length is not what it says"):
        read_archive(tmp_path / "x.npz")


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("x.npy", bytes(100 << 20))
    with pytest.raises(InputError, match="unpack to 100 MiB"):
        read_archive(path)


def test_arrays_come_back_as_numpy_wrote_them(tmp_path):
    made = {
        "a": np.arange(300_000, dtype=np.float32).reshape(3, -1), "b": np.array("é"),
        "c": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "d": np.zeros((0, 4), np.int64),
        "e": np.array([True, False]), "f": np.array(["x", "yz"]), "g": np.uint8(7),
    }  # fmt: skip
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "x.npz", **made)
        for name, array in read_archive(tmp_path / "x.npz").items():
            np.testing.assert_array_equal(array, made[name])
            assert array.dtype == np.asarray(made[name]).dtype
    for array in made.values():
        np.save(tmp_path / "x.npy", array)
        np.testing.assert_array_equal(read_array(tmp_path / "x.npy"), array)


# --- files, names, numbers -----------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices have names on POSIX")
@pytest.mark.parametrize("read", [FaceTrack.load, load_profile, load_network, load_shots])
def test_pipes_devices_and_link_loops_are_said_at_once(read, tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    for path, word in (
        (tmp_path / "pipe.csv", "pipe or a device"),
        (tmp_path / "zero.csv", "pipe or a device"),
        (tmp_path / "loop.csv", "leads back to itself"),
        (tmp_path / "folder.csv", "a folder"),
        (tmp_path / "none.csv", "does not exist"),
        (tmp_path / ("x" * 300 + ".csv"), "too long"),
    ):
        with pytest.raises(ExprGenError, match=word):
            read(path)


def test_a_file_without_an_end_is_not_read(tmp_path):
    with open(tmp_path / "x.json", "wb") as f:
        f.truncate(1 << 40)
    with pytest.raises(InputError, match="larger than 64 MiB"):
        read_json(tmp_path / "x.json")
    assert plain_file(tmp_path / "x.json") == 1 << 40


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "C:x", ".hidden", "-rf", "x.", "x ", "con", "NUL.txt",
     "a\0b", "a\nb", "\ud800", "x" * 300, "*", None, 3],
)  # fmt: skip
def test_what_is_no_name(name):
    assert not is_name(name)
    if isinstance(name, str):
        assert is_name(as_name(name))


@pytest.mark.parametrize("name", ["a", "s1", "shot_010.v2", "Jürgen (2)", "表情 1", "_x", "7"])
def test_what_is_a_name(name):
    assert is_name(name)
    assert as_name(name) == name


def test_names_in_a_track_never_leave_the_folder(face_track):
    def away(arrays):
        text = str(arrays["header"]).replace('"a"', '"../../../tmp/a"')
        arrays["header"] = np.array(text)

    rewritten(face_track, away)
    with pytest.raises(InputError, match="is a path, not a name"):
        FaceTrack.load(face_track)


def test_odd_names_of_pictures_are_taken_as_names(face_track):
    def odd(arrays):
        arrays["header"] = np.array(str(arrays["header"]).replace('"a"', '"10:30 ?"'))

    rewritten(face_track, odd)
    assert FaceTrack.load(face_track).meta["names"] == ["10_30 _", "b", "c", "d"]


def test_the_character_of_a_track_never_leaves_the_folder(tmp_path):
    path = readers.make_rig_track(tmp_path)

    def away(arrays):
        arrays["header"] = np.array(str(arrays["header"]).replace('"mira"', '"../mira"'))

    rewritten(path, away)
    with pytest.raises(InputError, match="names no character"):
        RigTrack.load(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e300])
@pytest.mark.parametrize("name", ["start", "end", "calibration", "emphasis", "smoothing_head"])
def test_settings_that_are_no_numbers_are_refused(name, value):
    with pytest.raises(UsageError):
        RetargetSettings(**{name: value})
    with pytest.raises(UsageError):
        RetargetSettings.from_json({name: value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e9])
def test_gains_that_are_no_factors_are_refused(value):
    with pytest.raises(UsageError, match="gain of mouth"):
        RetargetSettings(gain={"mouth": value})


def test_records_name_the_field():
    with pytest.raises(FieldError, match=r"x\.a\[1\] is not a number"):
        as_type(dict[str, list[float]], {"a": [1.0, float("nan")]}, "x")
    with pytest.raises(FieldError, match="x holds 2 values, not 3"):
        as_type(tuple[int, int, int], [1, 2], "x")
    assert as_type(tuple[float, ...] | None, None, "x") is None
    assert as_type(str | float, 3, "x") == 3.0


def test_the_name_of_an_actor_never_leaves_the_folder():
    from exprgen.networks.solving.actor_file import load_actor

    with pytest.raises(UsageError, match="can't name an actor"):
        load_actor("../../x")


# --- weights -------------------------------------------------------------------------------------


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    import torch

    from exprgen.networks.models.registry import build_network
    from exprgen.networks.models.weights_io import WeightsInfo, save_network

    network = build_network("character_mlp", inputs=3, outputs=2)
    for value in (float("nan"), float("inf")):
        with torch.no_grad():
            network.output.bias[0] = value
        info = WeightsInfo("character_mlp", {"inputs": 3, "outputs": 2})
        save_network(tmp_path / "w.safetensors", network, info)
        with pytest.raises(ModelError, match=r"w\.safetensors.*'output\.bias' is not finite"):
            load_network(tmp_path / "w.safetensors")


def test_weights_for_a_giant_ask_for_no_memory(tmp_path):
    import resource

    from exprgen.networks.models.registry import build_network
    from exprgen.networks.models.weights_io import WeightsInfo, save_network

    network = build_network("character_mlp", inputs=3, outputs=2)
    info = WeightsInfo("character_mlp", {"inputs": 40_000, "outputs": 40_000})
    save_network(tmp_path / "w.safetensors", network, info)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match="does not fit its network"):
        load_network(tmp_path / "w.safetensors")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


# --- earlier versions ----------------------------------------------------------------------------


def test_tracks_as_the_first_version_packed_them_open(face_track):
    rewritten(face_track, lambda arrays: None, zipfile.ZIP_DEFLATED)
    assert len(FaceTrack.load(face_track)) == 4


def test_tracks_with_a_shorter_header_open(face_track):
    def older(arrays):
        import json

        header = json.loads(str(arrays["header"]))
        header["meta"] = {"source": "x.mp4", "size": [640, 360], "fps": 25}
        arrays["header"] = np.array(json.dumps(header))

    rewritten(face_track, older)
    assert FaceTrack.load(face_track).meta["fps"] == 25


def test_bundled_profiles_and_weights_open():
    from exprgen.networks.characters.profile import sample_characters
    from exprgen.networks.models.weights_file import read_info
    from exprgen.networks.models.weights_places import WEIGHTS

    assert sample_characters()
    for path in sorted(WEIGHTS.glob("*.safetensors")):
        assert read_info(path).network
