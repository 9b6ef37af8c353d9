"""Proposed key poses: from names, by search, and what a person decides about them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from exprgen.exprgen_addon.command_line import main
from exprgen.exprgen_addon.profiling import pose_proposals as proposing
from exprgen.networks.characters.key_poses import POSES, arkit_weights, label
from exprgen.networks.characters.profile import (
    Anchor,
    Control,
    Framing,
    KeyPose,
    RigProfile,
    Target,
    arkit_to_unit,
    load_profile,
    to_unit,
)
from exprgen.networks.characters.told_poses import coverage
from exprgen.networks.errors import (
    EXIT_INPUT,
    EXIT_OK,
    EXIT_USAGE,
    InputError,
    OutputError,
    UsageError,
)
from exprgen.networks.vocabulary import ARKIT_CHANNELS, EXPRESSIONS, LANDMARK_NAMES


def control(name: str, minimum=0.0, maximum=1.0, **options) -> Control:
    target = Target("KEY", "face", f'key_blocks["{name}"].value')
    return Control(name, (target,), 0.0, minimum, maximum, "mouth", **options)


def save(controls, folder) -> RigProfile:
    path = folder / "toy.json"
    RigProfile("toy", "Toy", "shape_keys", "toy", tuple(controls), Framing((0, 0, 1))).save(path)
    return load_profile(path)


@pytest.fixture
def named(tmp_path) -> RigProfile:
    return save([control(c, maximum=2.0, channels={c: 1.0}) for c in ARKIT_CHANNELS], tmp_path)


def test_whole_expressions_are_offered_under_their_own_label(tmp_path):
    names = ("Fcl_ALL_Joy", "Fcl_ALL_Angry", "Fcl_MTH_A", "笑い", "nothing known")
    found = {p.name: p for p in proposing.by_names(save([control(n) for n in names], tmp_path))}
    assert found["joy_Fcl_ALL_Joy"].values == {"Fcl_ALL_Joy": 1.0}
    assert found["anger_Fcl_ALL_Angry"].expression == "anger"
    assert found["joy_笑い"].expression == "joy"
    assert len(found) == 3


@pytest.fixture
def unnamed(tmp_path) -> RigProfile:
    """Ten controls: four pairs and two in the middle, some of which go both ways."""
    controls = []
    for i in range(4):
        low = -1.0 if i % 2 else 0.0
        controls += [
            control(f"c{i}_L", low, mirror=f"c{i}_R"),
            control(f"c{i}_R", low, mirror=f"c{i}_L"),
        ]
    return save([*controls, control("mid_a"), control("mid_b", -0.5)], tmp_path)


def test_every_pose_of_the_table_reaches_a_rig_with_all_names(named):
    proposals = proposing.by_names(named)
    assert {p.name for p in proposals} == set(POSES)
    for proposal in proposals:
        assert proposal.expression == label(proposal.name)
        units = to_unit(named.controls, [proposal.values.get(n, 0.0) for n in named.names])
        wanted = arkit_to_unit(named.controls, np.array(arkit_weights(POSES[proposal.name])))
        np.testing.assert_allclose(units, wanted, atol=1e-6)


def test_poses_that_a_rig_cannot_make_are_not_proposed(tmp_path):
    smile = [control(c, channels={c: 1.0}) for c in ("mouthSmileLeft", "mouthSmileRight")]
    profile = save(smile, tmp_path)
    assert {p.expression for p in proposing.by_names(profile)} <= {"joy", "neutral"}
    assert not proposing.by_names(save([control("mystery")], tmp_path))
    assert coverage(profile, arkit_weights({"mouthSmile": 1.0, "jawOpen": 2.0})) == 0.5


def test_genes_are_symmetric_and_inside_limits(unnamed):
    genes = proposing.genes_of(unnamed)
    assert len(genes) == 6
    units = genes.units(np.random.default_rng(0).uniform(-2, 2, (40, 6)))
    low = np.array([c.minimum for c in unnamed.controls])
    assert (units >= np.minimum(np.sign(low), 0) - 1e-9).all()
    assert (units <= 1.0).all()
    for i in range(4):
        np.testing.assert_array_equal(units[:, 2 * i], units[:, 2 * i + 1])


def reader(hidden: dict[int, dict[int, float]], size: int, calls: list):
    """A mind that sees expression `e` the more, the nearer the pose comes to hidden[e]."""

    def look(poses):
        calls.append(len(poses))
        odds = np.zeros((len(poses), len(EXPRESSIONS)))
        odds[:, EXPRESSIONS.index("neutral")] = 1.5
        for e, pose in hidden.items():
            wanted = np.zeros(size)
            wanted[list(pose)] = list(pose.values())
            odds[:, e] = 6.0 * (poses @ wanted) / (wanted @ wanted) - 1.0
            odds[:, e] -= 1.5 * np.abs(poses[:, wanted == 0]).sum(1)
        chances = np.exp(odds)
        return chances / chances.sum(1, keepdims=True), np.zeros(len(poses))

    return look


def test_search_finds_what_the_reader_wants_to_see(unnamed):
    genes = proposing.genes_of(unnamed)
    joy, anger = EXPRESSIONS.index("joy"), EXPRESSIONS.index("anger")
    hidden = {joy: {0: 0.9, 4: 0.8}, anger: {1: -0.9, 2: 0.9}}
    calls: list[int] = []
    look = reader(hidden, len(genes), calls)
    found = proposing.search(genes, look, budget=120, seed=1, targets=[joy, anger])
    assert sum(calls) <= 120
    for target, pose in hidden.items():
        row, read, _ = found[target][0]
        assert read[target] > 0.9
        used = set(np.flatnonzero(np.abs(row) > 0.3))
        assert set(pose) <= used
        assert len(used) <= 3
        assert np.sign(row[list(pose)]).tolist() == np.sign(list(pose.values())).tolist()
    again = proposing.search(genes, reader(hidden, 6, []), budget=120, seed=1, targets=[joy, anger])
    np.testing.assert_array_equal(found[joy][0][0], again[joy][0][0])


def test_folded_and_crowded_poses_lose():
    genes = np.array([[0.5] * 2 + [0.0] * 8, [0.5] * 2 + [0.0] * 8, [0.5] * 10])
    read = np.full((3, 7), 0.1)
    read[:, 0] = 0.4
    scores = proposing.score(genes, read, np.array([0.0, 0.03, 0.0]), 0)
    assert scores[0] > scores[1]
    assert scores[0] > scores[2]


@pytest.fixture
def proposed(named) -> RigProfile:
    poses = proposing.by_names(named)[:3]
    read = tuple(np.full(7, 1 / 7))
    from dataclasses import replace

    proposing.save_proposals(named, [replace(p, probabilities=read) for p in poses])
    return named


def test_accept_relabel_refuse(proposed, capfd):
    names = [p.name for p in proposing.load_proposals(proposed)]
    path = str(proposed.path)
    code = main.main(["propose", path, "--accept", f"{names[0]},{names[1]}=disgust", "--json"])
    assert code == EXIT_OK
    assert json.loads(capfd.readouterr().out)["accepted"] == names[:2]
    poses = load_profile(path).key_poses
    assert [(p.name, p.expression) for p in poses] == [(names[0], "anger"), (names[1], "disgust")]
    assert poses[0].values == proposing.by_names(proposed)[0].values
    assert main.main(["propose", path, "--refuse", "all"]) == EXIT_OK
    assert not proposing.load_proposals(proposed)
    assert len(load_profile(path).key_poses) == 2
    capfd.readouterr()
    assert main.main(["propose", path, "--accept", names[2]]) == EXIT_USAGE
    assert "none are left: propose again, or edit key_poses" in capfd.readouterr().err


def test_what_hardly_reads_is_accepted_with_a_warning(named, capfd):
    poses = proposing.by_names(named)[:3]
    wanted = [EXPRESSIONS.index(p.expression) for p in poses]
    sure, taken_for = np.full(7, 0.02), np.full(7, 0.02)
    sure[wanted[0]], taken_for[(wanted[1] + 1) % 7] = 0.88, 0.88
    read = (sure, taken_for, taken_for)
    made = [replace(p, probabilities=tuple(r)) for p, r in zip(poses, read, strict=True)]
    assert [p.verdict for p in made] == ["clear", "mistaken", "mistaken"]
    proposing.save_proposals(named, made)
    other = EXPRESSIONS[(wanted[1] + 1) % 7]
    words = f"{poses[0].name},{poses[1].name},{poses[2].name}={other}"
    assert main.main(["propose", str(named.path), "--accept", words, "--json"]) == EXIT_OK
    out, err = capfd.readouterr()
    (doubt,) = json.loads(out.splitlines()[-1])["hardly_read"]  # relabelled, it reads
    assert doubt.startswith(f"{poses[1].name} (reads as {other}")
    assert "hardly read" in err


def test_bad_decisions_are_refused(proposed, named, capfd):
    path = str(proposed.path)
    assert main.main(["propose", path, "--accept", "joy_none"]) == EXIT_USAGE
    assert "no proposal is called 'joy_none'" in capfd.readouterr().err
    name = proposing.load_proposals(proposed)[0].name
    assert main.main(["propose", path, "--accept", f"{name}=envy"]) == EXIT_USAGE
    assert "envy" in capfd.readouterr().err
    proposing.proposals_path(proposed).write_text("{}")
    assert main.main(["propose", path, "--accept", "all"]) == EXIT_INPUT
    proposing.proposals_path(proposed).unlink()
    with pytest.raises(InputError, match="run exprgen propose first"):
        proposing.accept(proposed, "all")
    assert not load_profile(path).key_poses


def test_a_face_without_controls_has_nothing_to_propose(tmp_path):
    turns = save([control("Neck", -1.0, output="head", role="head_yaw")], tmp_path)
    with pytest.raises(InputError, match="anything but head and eyes"):
        proposing.propose_poses(turns, tmp_path / "s.png", None)


def test_too_small_budgets_and_silent_names_are_refused(unnamed, tmp_path):
    with pytest.raises(UsageError, match="too few"):
        proposing.propose_poses(unnamed, tmp_path / "s.png", None, budget=5)
    with pytest.raises(UsageError, match="tell no ARKit"):
        proposing.propose_poses(unnamed, tmp_path / "s.png", None, method="names")


def test_profiling_again_keeps_what_was_decided(tmp_path):
    bpy = pytest.importorskip("bpy")
    from exprgen.exprgen_addon import profiling
    from exprgen.tests.support import rig_scenes

    rig_scenes.empty_file()
    head = rig_scenes.ball("Head")
    rig_scenes.add_keys(head)
    path, out = tmp_path / "ball.blend", tmp_path / "ball.json"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    first = profiling.profile_file(path, out, mesh_name="Head").profile
    kept, gone = first.controls[0].name, first.controls[1].name
    poses = (
        KeyPose("grin", "joy", {kept: 5.0}, 0.5),  # beyond what the control can do
        KeyPose("sulk", "sadness", {kept: 0.5, gone: 1.0}),
    )
    marks = {name: Anchor("Head", (0, 1, 2), (0.2, 0.3, 0.5)) for name in LANDMARK_NAMES}
    mine = replace(first, title="My Ball", license="CC0", key_poses=poses, landmarks=marks)
    mine.save(out)
    bpy.ops.wm.open_mainfile(filepath=str(path))
    head = bpy.data.objects["Head"]
    head.shape_key_remove(head.data.shape_keys.key_blocks[gone])
    bpy.ops.wm.save_mainfile()
    made = profiling.profile_file(path, out, mesh_name="Head")
    again = load_profile(out)
    assert (again.title, again.license, again.landmarks) == ("My Ball", "CC0", marks)
    (grin,) = again.key_poses
    assert (grin.name, grin.clarity) == ("grin", 0.5)
    assert grin.values[kept] == again.control(kept).maximum
    assert any("sulk" in line for line in made.undecided)
    assert load_profile(tmp_path / "ball.kept1.json").key_poses[1].name == "sulk"
    assert any("ball.kept1.json" in line for line in made.undecided)
    other = tmp_path / "other.blend"
    other.write_bytes(path.read_bytes())
    before = out.read_text()
    with pytest.raises(OutputError, match=r"another character \(ball.blend\)"):
        profiling.profile_file(other, out, mesh_name="Head")
    assert out.read_text() == before
    out.write_text("{")
    with pytest.raises(OutputError, match="no profile"):
        profiling.profile_file(path, out, mesh_name="Head")
    assert out.read_text() == "{"
    profiling.close_scene()


def test_rendered_and_drawn(tmp_path):
    """A ball with named keys: pictures are made, read by a stand-in, and kept with the readings."""
    bpy = pytest.importorskip("bpy")
    from exprgen.exprgen_addon import profiling
    from exprgen.tests.support import rig_scenes

    rig_scenes.empty_file()
    rig_scenes.add_keys(rig_scenes.ball("Head"))
    path = tmp_path / "ball.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    profiling.profile_file(path, tmp_path / "ball.json", mesh_name="Head")
    profiling.close_scene()
    profile = load_profile(tmp_path / "ball.json")
    asked = []

    def run(command: str, arguments: dict) -> dict:
        asked.append(command)
        if command == "sheet":
            assert all(c["file"] for c in arguments["cells"])
            return {"sheet": arguments["out"]}
        rows = []
        for picture in arguments["pictures"]:
            with open(picture["file"], "rb") as file:
                assert file.read(4) == b"\x89PNG"
            rows.append([0.1] * 6 + [0.4])
        return {"probabilities": rows, "characters": []}

    keep = ("joy_closed", "neutral_rest")
    poses = {k: v for k, v in POSES.items() if k in keep}
    before = dict(POSES)
    POSES.clear()
    POSES.update(poses)
    try:
        made = proposing.propose_poses(profile, tmp_path / "s.png", run, method="names")
    finally:
        POSES.clear()
        POSES.update(before)
    assert {p.name for p in made} == set(keep)
    assert asked == ["read_character", "sheet"]
    assert all(p.probabilities == (0.1,) * 6 + (0.4,) for p in made)
    assert all(0.0 <= p.folded < 0.05 for p in made)
    assert proposing.load_proposals(profile) == made
