"""A character's response: what its controls do to its landmarks, predicted and measured."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character, from_unit, sample_characters
from exprgen.networks.characters.response import (
    AMOUNTS,
    POINTS,
    LinearResponse,
    ResponseModel,
    accuracy,
    is_measured,
    load_response,
    profile_digest,
    response_path,
    rig_digest,
)
from exprgen.networks.errors import EXIT_OK, EXIT_PARTIAL, InputError
from exprgen.tests.support import synthetic

SAMPLES = [p.name for p in sample_characters()]


def bent() -> LinearResponse:
    """Two measures of three controls: a curved one, one with two sides, and a bend of both."""
    return LinearResponse(
        rest=np.array([1.0, 2.0]),
        halves=np.array([(0, 1), (1, 1), (1, -1), (2, 1)]),
        amounts=np.array([0.5, 1.0]),
        curves=np.array(
            [[(0.1, 0), (0.4, 0)], [(0, 1), (0, 2)], [(0, -0.2), (0, -0.5)], [(1, 1), (2, 2)]]
        ),
        pairs=np.array([(0, 1)]),
        bends=np.array([(0.3, 0.1)]),
        count=3,
    )


def test_curves_are_met_at_their_samples_and_halves_are_apart():
    model = bent()
    units = np.array(
        [(0, 0, 0), (0.5, 0, 0), (1, 0, 0), (0, -1, 0), (0, 0.25, 0), (1, 1, 0)], float
    )
    assert np.allclose(
        model.predict(units), [(1, 2), (1.1, 2), (1.4, 2), (1, 1.5), (1, 2.5), (1.7, 4.1)]
    )


def with_lesser() -> LinearResponse:
    """The same with a bend that grows with the lesser amount of two halves."""
    return replace(
        bent(), lesser=np.array([(0, 3), (2, 3)]), lesser_bends=np.array([(0.0, 0.8), (-0.5, 0.0)])
    )


def test_a_bend_may_grow_with_the_lesser_amount():
    units = np.array(
        [(1, 0, 1), (0.5, 0, 0.5), (0.5, 0, 1), (1, 0, 0.5), (0, -1, 0.5), (0, 1, 0.5)]
    )
    more = with_lesser().predict(units) - bent().predict(units)
    assert np.allclose(more, [(0, 0.8), (0, 0.4), (0, 0.4), (0, 0.4), (-0.25, 0), (0, 0)])
    sums = np.array([[1.0, 1.0]])
    longer = with_lesser().with_sums(sums).predict(units)
    assert np.allclose(longer[:, 2], with_lesser().predict(units).sum(1))


def test_measures_of_two_kinds_lie_beside_each_other():
    units = np.random.default_rng(2).uniform(-1, 1, (5, 3))
    other = with_lesser()
    both = other.beside(replace(other, rest=other.rest + 1.0)).predict(units)
    assert np.allclose(both[:, :2], other.predict(units))
    assert np.allclose(both[:, 2:], other.predict(units) + 1.0)


def with_a_quiet_half(sign: int = 1, *, lesser: bool) -> ResponseModel:
    """Points of three controls: one that opens, one (upwards or downwards) that moves nothing alone
    and takes back what the first does, one that moves another point, and the second with it a
    little."""
    bends = np.zeros((2, 2, 3))
    bends[0, 0, 1], bends[1, 1, 0] = 0.4, 0.01
    curves = np.zeros((3, 1, 2, 3))
    curves[0, 0, 0, 1], curves[2, 0, 1, 0] = -0.4, 0.5
    pairs = np.array([(0, 1), (1, 2)])
    strong = {"lesser": pairs[:1], "lesser_bends": bends[:1], "pairs": pairs[1:]}
    return ResponseModel(
        character="any",
        controls=("opens", "closes", "other"),
        points=("lip", "cheek"),
        digest="",
        rig="",
        rest=np.zeros((2, 3)),
        halves=np.array([(0, 1), (1, sign), (2, 1)]),
        amounts=np.array([1.0]),
        curves=curves,
        **(strong if lesser else {"pairs": pairs}),
        bends=bends[1:] if lesser else bends,
    )


@pytest.mark.parametrize("lesser", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_moves_nothing_alone_goes_as_far_as_what_wakes_it(lesser, sign):
    """All the way where that does not matter to what is seen, and continuously."""
    model = with_a_quiet_half(sign, lesser=lesser)
    seen = model.through(np.eye(6))
    opens = np.linspace(0.0, 1.0, 201)
    units = np.c_[opens, np.full(201, sign * 0.7), np.ones(201)]
    useful = seen.useful(units)
    assert useful[0].tolist() == [0.0, 0.0, 1.0]
    assert useful[-1].tolist() == units[-1].tolist()
    assert np.abs(useful - units)[:, [0, 2]].max() == 0.0
    assert np.abs(np.diff(useful[:, 1])).max() < 0.2
    assert np.abs(seen.predict(useful) - seen.predict(units)).max() < 0.011
    other = units * (1, -1, 1)  # the side that it has no half on
    assert seen.useful(other).tolist() == other.tolist()


def test_what_wakes_little_or_moves_something_alone_is_left_as_it_is():
    model = with_a_quiet_half(lesser=True)
    units = np.array([[0.0, 0.7, 1.0]])
    curves = model.curves.copy()
    curves[1, 0, 1, 2] = 0.01
    loud = replace(model, curves=curves)
    little = replace(model, lesser_bends=0.05 * model.lesser_bends)
    for one in (loud, little):
        assert one.through(np.eye(6)).useful(units).tolist() == units.tolist()


@pytest.mark.parametrize("model", [bent(), with_lesser()])
def test_slopes_are_the_prediction_s_own(model):
    rng = np.random.default_rng(0)
    # The middle of a curve's piece, where it is straight around.
    units = rng.choice([0.25, 0.75], (40, 3))
    units[:, 1] *= rng.choice([-1, 1], 40)
    units[:, 2] -= 0.15  # of a straight one: no two amounts are even
    jacobian, step = model.jacobian(units), 1e-4
    for c in range(3):
        moved = units.copy()
        moved[:, c] += step
        slope = (model.predict(moved) - model.predict(units)) / step
        assert np.allclose(jacobian[:, :, c], slope, atol=1e-6)


def test_a_response_is_kept_and_read_again(tmp_path):
    made = replace(find_character("tobi"), path=tmp_path / "tobi.json")
    model = load_response(find_character("tobi"))
    model.save(response_path(made))
    again = load_response(made)
    units = np.random.default_rng(1).uniform(0, 1, (5, len(model.controls)))
    assert np.allclose(again.predict(units), model.predict(units), atol=1e-3)
    assert again.meta == model.meta
    assert again.controls == model.controls


def test_a_response_of_other_landmarks_is_refused(tmp_path):
    made = replace(find_character("tobi"), path=tmp_path / "tobi.json")
    with pytest.raises(InputError, match="no usable response"):
        load_response(made)
    load_response(find_character("tobi")).save(response_path(made))
    names = ("nose_tip", "nose_base")
    swapped = dict(zip(names, (made.landmarks[n] for n in reversed(names)), strict=True))
    with pytest.raises(InputError, match="other landmarks or controls"):
        load_response(replace(made, landmarks=made.landmarks | swapped))


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_ship_with_a_response_of_their_present_rig(name):
    profile = find_character(name)
    model = load_response(profile)
    assert model.points == POINTS
    assert model.digest == profile_digest(profile)
    assert model.rig == rig_digest(profile)
    assert model.meta["accuracy"]["r2"] > 0.99
    assert response_path(profile).stat().st_size < 200_000


@pytest.mark.parametrize("name", SAMPLES)
def test_an_open_jaw_takes_the_chin_and_the_lower_lip_down(name):
    profile = find_character(name)
    model = load_response(profile)
    units = np.zeros((2, len(model.controls)))
    jaw = next(c for c in profile.controls if c.channels.get("jawOpen", 0) >= 0.99)
    units[1, model.controls.index(jaw.name)] = 1.0
    lip = POINTS.index("lip_bottom_inner_2"), POINTS.index("lip_top_inner_2")
    points = model.predict(units)
    assert points[1, lip[0], 1] < points[0, lip[0], 1] - 0.2
    gap = points[:, lip[1], 1] - points[:, lip[0], 1]
    assert gap[1] > gap[0] + 0.3
    chin = model.through(np.eye(3 * len(POINTS))).predict(units).reshape(2, -1, 3)
    assert chin[1, POINTS.index("chin"), 1] < chin[0, POINTS.index("chin"), 1] - 0.2


@pytest.mark.parametrize("name", SAMPLES)
def test_a_mouth_closes_over_an_open_jaw(name):
    """What closes it moves nothing alone, where a rig has the like: the pair has to be known."""
    profile = find_character(name)
    model = load_response(profile)
    jaw = next(c for c in profile.controls if c.channels.get("jawOpen", 0) >= 0.99)
    closing = [c for c in profile.controls if c.channels.get("mouthClose", 0) >= 0.99]
    if not closing:
        pytest.skip("no control closes it")
    units = np.zeros((3, len(model.controls)))
    units[1:, model.controls.index(jaw.name)] = 1.0
    units[2, model.controls.index(closing[0].name)] = 1.0
    points = model.predict(units)
    gap = (
        points[:, POINTS.index("lip_top_inner_2"), 1]
        - points[:, POINTS.index("lip_bottom_inner_2"), 1]
    )
    assert gap[2] - gap[0] < 0.5 * (gap[1] - gap[0])


class Gated:
    """Stands in for a posed character of 30 controls: the last three move nothing alone, one of
    them something over the fifth control, one over the sixth and the twentieth, one never."""

    gates = {(4, 27): 0.5, (5, 28): 0.2, (19, 28): -0.3}

    def __init__(self):
        self.done = self.expected = 0

    def expect(self, poses: int) -> None:
        self.expected += poses

    def moved(self, amounts) -> np.ndarray:
        self.done += 1
        units = np.zeros(30)
        for (control, sign), amount in amounts.items():
            units[control] = sign * amount
        out = np.zeros((30, 3))
        out[:27, 0] = 0.1 * units[:27]
        for (gate, gated), way in self.gates.items():
            out[gate, 1] += way * units[gate] * units[gated]
        return out


def test_pairs_are_found_of_which_one_moves_nothing_alone():
    pytest.importorskip("bpy")
    from exprgen.exprgen_addon.studio.response import _woken_pairs

    bench = Gated()
    halves = np.array([(c, s) for c in range(30) for s in ((1, -1) if c == 4 else (1,))])
    alone = np.array([bench.moved({tuple(h): 1.0}) for h in halves])
    bench.done = 0
    pairs = _woken_pairs(bench, halves, alone, lambda: False)
    found = {(*halves[a], *halves[b]) for a, b in pairs}
    assert found == {(4, 1, 27, 1), (4, -1, 27, 1), (5, 1, 28, 1), (19, 1, 28, 1)}
    assert bench.done < 3 * len(halves), "not each with each"
    assert bench.expected == bench.done
    assert _woken_pairs(bench, halves, alone, lambda: True) == []


def test_it_is_seen_what_a_bend_grows_with():
    pytest.importorskip("bpy")
    from exprgen.exprgen_addon.studio.response import _lesser_parts

    class Bending:
        """Two controls of one bend each over a third: by the product, and by the lesser amount."""

        def expect(self, poses: int) -> None:
            """Its progress is nobody's."""

        def moved(self, amounts) -> np.ndarray:
            a, b, c = (amounts.get((i, 1), 0.0) for i in range(3))
            return np.array([[a, 0.3 * a * c, 0], [0, 0.4 * min(b, c), c]])

    bench, halves = Bending(), np.array([(i, 1) for i in range(3)])
    curves = np.array([[bench.moved({tuple(h): a}) for a in AMOUNTS] for h in halves])
    pairs = np.array([(0, 2), (1, 2)])
    bends = np.array([
        bench.moved({tuple(halves[a]): 1.0, tuple(halves[b]): 1.0}) - curves[a, -1] - curves[b, -1]
        for a, b in pairs
    ])  # fmt: skip
    parts = _lesser_parts(bench, halves, curves, pairs, bends, lambda: False)
    assert np.allclose(parts[0], 0.0)
    assert np.allclose(parts[1], [[0, 0, 0], [0, 0.4, 0]])


def test_measured_by_posing(tmp_path):
    pytest.importorskip("bpy")
    from exprgen.exprgen_addon.studio.face_studio import FaceStudio
    from exprgen.exprgen_addon.studio.response import ensure_response, measure_response

    made = synthetic.with_landmarks(synthetic.build(tmp_path, "figure"))
    model = measure_response(made)
    rng = np.random.default_rng(3)
    units = rng.uniform(0, 1, (4, len(model.controls)))
    controls = [made.control(n) for n in model.controls]
    with FaceStudio(made) as studio:
        rest = studio.world_landmarks()
        for row in units:
            native = np.array([c.rest for c in made.controls], float)
            for c, value in zip(controls, from_unit(tuple(controls), row), strict=True):
                native[made.names.index(c.name)] = value
            studio.pose(native)
            moved = (studio.world_landmarks() - rest) @ studio.axes().T / model.meta["scale"]
            predicted = model.predict(row[None])[0] - model.predict(0 * row[None])[0]
            assert np.allclose(predicted, moved, atol=2e-3)
    assert ensure_response(made) == ""
    written = response_path(made).stat().st_mtime_ns
    assert ensure_response(made) == ""
    assert response_path(made).stat().st_mtime_ns == written
    assert is_measured(made)
    assert model.meta["dense"]["r2"] > 0.99
    replace(model, meta=model.meta | {"way": 1}).save(response_path(made))
    assert load_response(made).predict(units).shape == (4, 49, 3), "it serves until"
    assert not is_measured(made), "it is measured as it is now"
    assert ensure_response(made) == ""
    assert is_measured(made)
    written = response_path(made).stat().st_mtime_ns
    with open(made.blend, "ab") as f:
        f.write(b" ")
    assert not is_measured(made)
    assert ensure_response(made, stop=lambda: True) == ""
    assert response_path(made).stat().st_mtime_ns == written
    assert ensure_response(made) == ""
    assert is_measured(made)


def test_one_that_cannot_be_measured_or_kept_is_told_by_the_exit_code(tmp_path, capsys):
    pytest.importorskip("bpy")
    from exprgen.exprgen_addon.command_line.main import main

    bare = synthetic.build(tmp_path, "figure")
    bare.save(bare.path)
    assert main(["response", "--changed", str(bare.path)]) == EXIT_PARTIAL
    assert "has no landmarks" in capsys.readouterr().err
    made = synthetic.with_landmarks(bare)
    made.save(made.path)
    response_path(made).unlink(missing_ok=True)
    response_path(made).mkdir()
    assert main(["response", "--changed", str(made.path)]) == EXIT_PARTIAL
    said = capsys.readouterr().err
    assert response_path(made).name in said
    assert "Fix:" in said
    response_path(made).rmdir()
    assert main(["response", "--changed", str(made.path)]) == EXIT_OK


def test_accuracy_of_a_perfect_and_of_a_useless_prediction():
    model = load_response(find_character("tobi"))
    units = np.random.default_rng(2).uniform(0, 0.5, (8, len(model.controls)))
    points = model.through(np.eye(3 * len(POINTS))).predict(units).reshape(8, -1, 3)
    assert accuracy(model, units, points)["r2"] == 1.0
    assert accuracy(model, 0 * units, points)["r2"] < 0.1
    assert isinstance(model, ResponseModel)
