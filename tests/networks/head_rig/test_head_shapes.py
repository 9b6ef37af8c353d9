"""Shapes for heads that have none, on a caricature of the face model in a mesh of its own."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.errors import InputError, ModelError, UsageError
from exprgen.networks.face_model.model import face_model
from exprgen.networks.head_rig import head_shapes, lids, lips, mirror, muzzle, rigid_parts, sides
from exprgen.networks.head_rig.mesh_graph import Links, distances, edges_of, normals_of, solve
from exprgen.networks.head_rig.pieces import Mesh
from exprgen.networks.head_rig.registration import similarity
from exprgen.networks.head_rig.sides import named
from exprgen.networks.head_rig.stylised import draw_warp
from exprgen.networks.head_rig.template import template
from exprgen.networks.head_rig.transfer import transfer
from exprgen.networks.vocabulary import ARKIT_CHANNELS, mirror_name

CENTIMETRES = 0.1
TURN = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""From the template's axes to a world that has z up."""


def world(points: np.ndarray) -> np.ndarray:
    return CENTIMETRES * points @ TURN.T + np.array([0.0, 3.0, 150.0])


@pytest.fixture(scope="module")
def caricature():
    """(meshes, landmarks): skin, eyeballs, lower teeth, in centimetres, z up, off the middle."""
    shape, model = template(), face_model()
    warp = draw_warp(np.random.default_rng(3), 0.6)
    points = warp(model.mean)
    meshes = [Mesh("head", world(points[: shape.count]), shape.triangles)]
    quads = model.faces[model.skin : model.skin + model.eyes]
    for group, name in (("eye_left", "eye"), ("eye_right", "eye"), ("teeth_lower", "teeth")):
        rows = model.groups[group]
        own = quads if name == "eye" else model.faces[model.skin + model.eyes :]
        own = own[np.isin(own, rows).all(1)]
        triangles = np.concatenate([own[:, (0, 1, 2)], own[:, (0, 2, 3)]])
        a, b, c = triangles.T
        triangles = np.searchsorted(rows, triangles[(a != b) & (b != c) & (a != c)])
        meshes.append(Mesh(group, world(points[rows]), triangles, frozenset({name, "lower"})))
    return meshes, world(warp(shape.landmarks(shape.rest)))


@pytest.fixture(scope="module")
def steps():
    return []


@pytest.fixture(scope="module")
def found(caricature, steps):
    return head_shapes.shapes_for(*caricature, progress=lambda *told: steps.append(told))


def test_its_steps_are_told(found, steps):
    total = steps[0][1]
    assert steps == [(done, total) for done in range(1, total + 1)]


def test_every_channel_is_there(found):
    head = found.shapes[0]
    assert set(ARKIT_CHANNELS) <= set(head)
    still = [n for n in ARKIT_CHANNELS if not np.abs(head[n]).max() > 0]
    assert still == ["tongueOut"]  # it has no tongue, and says so
    assert any("tongue" in line for line in found.told)
    assert found.off < 1.0
    assert found.scale == pytest.approx(1.0 / CENTIMETRES, rel=0.15)


def test_left_and_right_are_mirror_images(caricature, found):
    assert found.symmetric
    head, flip = caricature[0][0], template().flip
    assert np.abs(head.points[flip] * (-1, 1, 1) - head.points).max() < 1e-9
    for name, moves in found.shapes[0].items():
        image = found.shapes[0][mirror_name(name)][flip] * (-1.0, 1.0, 1.0)
        assert np.abs(moves - image).max() < 1e-6, name


def test_lids_close_over_the_ball(caricature, found):
    """Seen from the eyeball's middle, a shut eye is skin all around; a blink half way is outside
    the ball."""
    head, eye = caricature[0][0], caricature[0][1]
    ball = rigid_parts.fit_ball(eye.points)
    shapes, triangles = found.shapes[0], head.triangles
    shut = head.points + shapes["eyeBlinkLeft"]
    assert _open_share(head.points, triangles, ball.middle) > 0.1
    assert _open_share(shut, triangles, ball.middle) == 0.0
    ring = np.unique(
        np.r_[template().model.groups["lid_upper_left"], template().model.groups["lid_lower_left"]]
    )
    half = head.points + 0.5 * shapes["eyeBlinkLeft"] + shapes["fixLidLeft"]
    away = np.linalg.norm(half[ring] - ball.middle, axis=1) / ball.radius
    assert away.min() > 0.97


def _open_share(points, triangles, middle) -> float:
    """Share of rays ahead from the ball's middle, through where the lids are, that meet nothing."""
    across, up = np.meshgrid(
        np.radians(np.linspace(-32, 32, 17)), np.radians(np.linspace(-14, 14, 9))
    )
    ways = np.stack([np.sin(across), -np.cos(across) * np.cos(up), np.sin(up)], -1).reshape(-1, 3)
    a, b, c = (points[triangles[:, k]] - middle for k in range(3))
    normal = np.cross(b - a, c - a)
    free = 0
    for way in ways:
        sides = [np.cross(p, q) @ way for p, q in ((a, b), (b, c), (c, a))]
        same = np.all([s >= 0 for s in sides], 0) | np.all([s <= 0 for s in sides], 0)
        reach = (normal * a).sum(1) / np.where(np.abs(normal @ way) < 1e-12, np.inf, normal @ way)
        free += not (same & (reach > 0)).any()
    return free / len(ways)


def test_lips_meet(caricature, found):
    """mouthClose closes an open jaw; what keeps the template's lips together keeps them."""
    groups, head = template().model.groups, found.shapes[0]
    points = found.scale * caricature[0][0].points
    touching = lips.contacts(points, groups["lip_contact_upper"], groups["lip_contact_lower"])
    rest = lips.gap_between(points, touching)

    def gap(**weights: float) -> float:
        moved = sum(w * head[n] for n, w in weights.items())
        return lips.gap_between(points + found.scale * moved, touching) - rest

    assert gap(jawOpen=1.0) > 15.0
    assert gap(jawOpen=1.0, mouthClose=1.0) < 0.6
    assert gap(jawOpen=0.4, mouthClose=0.4) < 0.6
    assert gap(mouthSmileLeft=1.0, mouthSmileRight=1.0) < 0.6
    sealed = dict.fromkeys(("mouthClose", "fixSeal"), 1.0)
    assert abs(gap(**sealed)) < 1e-6


def test_pressed_lips_do_not_pass_through_each_other(caricature, found):
    groups, head = template().model.groups, found.shapes[0]
    points = found.scale * caricature[0][0].points
    _, lower = lips.contacts(points, groups["lip_contact_upper"], groups["lip_contact_lower"])
    for name in ("mouthPressLeft", "mouthPucker", "mouthShrugLower", "mouthRollLower", "mouthLeft"):
        moves = found.scale * head[name]
        off = moves[lower.own] - lower.of(moves)
        past = off[:, 2] - lips.COVERS[1] * np.abs(off[:, 1])  # one behind the other covers it
        assert past.max() < 0.7, name
        assert past.mean() < 0.35, name  # they are a millimetre apart at rest


def test_parts_go_along(caricature, found):
    meshes = caricature[0]
    assert found.kinds[1:] == (("eye",), ("eye",), ("lower teeth",))
    assert set(found.shapes[1]) == {f"eyeLook{way}Left" for way in rigid_parts.LOOKS}
    turned = found.shapes[1]["eyeLookOutLeft"]
    front = meshes[1].points[:, 1].argmin()
    assert turned[front, 0] > 0.3  # to the subject's left, centimetres
    teeth = found.shapes[3]["jawOpen"]
    assert teeth[:, 2].mean() < -1.0
    before, after = meshes[3].points, meshes[3].points + teeth
    lengths = [np.linalg.norm(p[1:] - p[:-1], axis=1) for p in (before, after)]
    assert np.abs(lengths[0] - lengths[1]).max() < 1e-6  # teeth are hard


def test_a_face_turned_inside_out_is_turned_back():
    shape = template()
    marks = shape.landmarks(shape.rest)
    for triangles in (shape.triangles, shape.triangles[:, ::-1]):
        made = head_shapes._outward(shape.rest, triangles, marks)
        assert np.array_equal(made, shape.triangles)


def test_refusals(caricature, monkeypatch):
    meshes, landmarks = caricature
    with pytest.raises(UsageError, match="no method"):
        head_shapes.shapes_for(meshes, landmarks, "magic")
    monkeypatch.setenv("EXPRGEN_WEIGHTS_DIR", "nowhere")
    with pytest.raises(ModelError, match="never trained") as error:
        head_shapes.shapes_for(meshes, landmarks, "network")
    assert "exprgen train head_shapes" in error.value.fix
    coarse = replace(meshes[0], points=meshes[0].points[:40], triangles=np.array([[0, 1, 2]]))
    with pytest.raises(InputError, match="too few"):
        head_shapes.shapes_for([coarse], landmarks)
    with pytest.raises(InputError, match="neither a mouth nor eyes"):
        head_shapes._check_openings(meshes[0], ("mouth", "left eye", "right eye"))
    head_shapes._check_openings(meshes[0], ("mouth", "left eye"))
    points = meshes[0].points
    with pytest.raises(InputError, match="exchanged"):
        head_shapes.shapes_for(meshes, landmarks[head_shapes._PARTNERS])
    half = (points[meshes[0].triangles][:, :, 0] > 0.0).all(1)
    with pytest.raises(InputError, match="half a head"):
        head_shapes.shapes_for([replace(meshes[0], triangles=meshes[0].triangles[half])], landmarks)
    far = head_shapes.Laid(points, points, np.zeros((51, *points.shape)), off=9.0)
    monkeypatch.setattr(head_shapes, "lay", lambda head, **_: far)
    with pytest.raises(InputError, match="no face"):
        head_shapes.shapes_for(meshes, landmarks)


def test_transfer_of_a_head_to_itself_is_its_own():
    shape = template()
    rest, moves = shape.person(np.zeros(shape.model.identities))
    chosen = [shape.model.expressions.index(n) for n in ("jawOpen", "browInnerUp")]
    made = transfer(rest, rest, shape.triangles, moves[chosen])
    assert np.abs(made - moves[chosen]).max() < 0.3


def test_no_mirror_in_a_head_that_has_none(caricature):
    points = caricature[0][0].points
    rng = np.random.default_rng(1)
    left, axes = np.array([1.0, 0.0, 0.0]), np.eye(3)
    assert mirror.find_plane(points, left, np.zeros(3), axes) is not None
    shuffled = rng.permutation(len(points))
    flip = mirror.find_plane(points[shuffled], left, np.zeros(3), axes)[1]
    assert np.array_equal(shuffled[flip], template().flip[shuffled])
    uneven = points + rng.normal(0, 0.05, points.shape)
    assert mirror.find_plane(uneven, left, np.zeros(3), axes) is None
    away = np.array([0.0, 50.0, 3000.0])
    assert mirror.find_plane(1e-3 * points + away, left, away, axes) is not None
    assert mirror.find_plane(np.zeros((4, 3)), left, np.zeros(3), axes) is None


def test_a_face_that_stands_askew_in_a_symmetric_head_is_none(caricature):
    points, axes, origin = caricature[0][0].points, np.eye(3), np.zeros(3)
    turned = np.array([np.cos(0.7), np.sin(0.7), 0.0])
    assert mirror.is_askew(points, turned, origin, axes)
    assert not mirror.is_askew(points, axes[0], origin, axes)
    uneven = points + np.random.default_rng(1).normal(0, 0.05, points.shape)
    assert not mirror.is_askew(uneven, turned, origin, axes)


def test_similarity_and_graph():
    rng = np.random.default_rng(2)
    points = rng.normal(size=(20, 3))
    placed = similarity(points, 3.0 * points @ TURN.T + 1.0)
    assert placed.scale == pytest.approx(3.0)
    assert np.allclose(placed.back()(placed(points)), points)
    grid = np.array([[x, y, 0.0] for y in range(5) for x in range(5)], float)
    triangles = [[5 * y + x, 5 * y + x + 1, 5 * y + x + 5] for y in range(4) for x in range(4)]
    edges = edges_of(np.array(triangles))
    assert np.allclose(normals_of(grid, np.array(triangles))[0], (0, 0, 1))
    assert distances(grid, edges, np.array([0]), 99.0)[4] == pytest.approx(4.0)
    assert np.isinf(distances(grid, edges, np.array([], int), 99.0)).all(), "from nowhere"
    near = distances(grid, edges, np.array([0, 4]), 2.5)
    assert near[[2, 3, 10]] == pytest.approx([2.0, 1.0, 2.0])
    assert np.isinf(near[22])
    links = Links(25, edges)
    wanted = rng.normal(size=(25, 2))
    x = solve(lambda v: v + links.laplacian(v), 1 + links.degree, wanted, np.zeros((25, 2)), 1e-9)
    assert np.allclose(x + links.laplacian(x), wanted, atol=1e-6)


def test_a_mouth_that_is_grown_together_is_told():
    """Edges from lip to lip, as where a sculpt's mouth is only a groove."""
    shape, groups = template(), template().model.groups
    marks = shape.landmarks(shape.rest)
    assert sides.sides_of(shape.rest, shape.edges, marks)[1] == ()
    upper, lower = groups["lip_contact_upper"], groups["lip_contact_lower"]
    near = [upper[((shape.rest[upper] - p) ** 2).sum(1).argmin()] for p in shape.rest[lower]]
    grown = np.concatenate([shape.edges, np.stack([near, lower], 1)])
    told, sealed = sides.sides_of(shape.rest, grown, marks)
    assert sealed == ("mouth",)
    assert not np.isin(told, (sides.LIP_UPPER, sides.LIP_LOWER)).any()
    assert (told == sides.LID_UPPER["left"]).any()


def test_an_eyeball_is_found_in_its_points():
    polar, turn = np.meshgrid(np.linspace(0.2, 1.4, 9), np.linspace(0, 2 * np.pi, 24))
    dome = np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], -1)
    ball = rigid_parts.fit_ball(12.0 * dome.reshape(-1, 3) + (30.0, 2.0, -4.0))
    assert ball.radius == pytest.approx(12.0)
    assert np.allclose(ball.middle, (30.0, 2.0, -4.0))
    expected = {"left": lids.Ball(np.array([31.0, 0.0, 0.0]), 12.0)}
    piece = rigid_parts.Piece(12.0 * dome.reshape(-1, 3) + (30.0, 2.0, -4.0), frozenset())
    far = rigid_parts.Piece(piece.points + 80.0, frozenset())
    balls, taken = rigid_parts.find_balls([far, piece], expected)
    assert taken == {1}
    assert np.allclose(balls["left"].middle, (30.0, 2.0, -4.0), atol=1e-6)


def _mouth_of(kind: str, rest: np.ndarray | None = None, snapped: bool = False):
    """A person's skin alone with a mouth of a kind of `support.bare_heads`, its landmarks, and
    where its lips' contact points are, upper and lower, those that lie nearest to each other."""
    bare_heads = pytest.importorskip("exprgen.tests.support.bare_heads")
    shape, model = template(), face_model()
    points = (model.mean if rest is None else rest).copy()
    upper, lower = (model.groups[f"lip_contact_{half}"] for half in ("upper", "lower"))
    near = upper[np.abs(points[lower, None, 0] - points[upper, 0]).argmin(1)]
    if snapped:
        points[lower] = points[near]
    quads = bare_heads.with_mouth(model.faces[: model.skin], kind)
    triangles = np.concatenate([quads[:, (0, 1, 2)], quads[:, (0, 2, 3)]])
    a, b, c = triangles.T
    triangles = triangles[(a != b) & (b != c) & (a != c)]
    used = np.unique(triangles)
    place = np.full(len(points), -1)
    place[used] = np.arange(len(used))
    mesh = Mesh("head", world(points[used]), place[triangles])
    return mesh, world(shape.landmarks(points[: shape.count])), place[near], place[lower]


def _height(found, mesh, upper, lower, **weights: float) -> np.ndarray:
    """Millimetres from the lower to the upper lip's points in a pose, correctives included."""
    pose = weights | _driven(found, weights)
    points = mesh.points + sum(w * found.shapes[0][n] for n, w in pose.items())
    return found.scale * (points[upper] - points[lower])[:, 2]


def _driven(found, weights: dict) -> dict:
    return {
        c.name: eval(
            c.expression,
            {"max": max, "min": min},
            dict(zip("abcde", (weights.get(s, 0.0) for s in c.sources), strict=False)),
        )
        for c in found.correctives
    }


def test_parted_lips_meet_in_what_closes_lips():
    model = face_model()
    moves = model.person(np.zeros(model.identities))[1]
    rest = model.mean + 0.2 * moves[model.expressions.index("jawOpen")]
    mesh, marks, upper, lower = _mouth_of("whole", rest)
    found = head_shapes.shapes_for([mesh], marks)
    assert 3.0 < found.parted < 8.0
    assert any("apart at rest" in line for line in found.told)

    def gap(**weights: float) -> np.ndarray:
        return _height(found, mesh, upper, lower, **weights)

    assert gap().max() > 3.0
    for pose in (
        {"mouthClose": 1.0},
        {"mouthClose": 0.3, "jawOpen": 0.3},
        {"mouthClose": 1.0, "jawOpen": 1.0},
    ):
        assert np.abs(gap(**pose)).max() < 1.5, pose  # the face model's own are 1.2 apart
    pressed = gap(mouthPressLeft=1.0, mouthPressRight=1.0)
    assert pressed.min() > -1.2
    assert pressed.max() < 1.8
    assert gap(mouthRollUpper=1.0, mouthRollLower=1.0).max() < 1.8


def test_a_slit_between_closed_lips_is_gone_where_they_are_to_be_shut():
    """A lip that goes behind the other one covers it, so that no teeth are seen between them."""
    mesh, marks, upper, lower = _mouth_of("whole")
    found = head_shapes.shapes_for([mesh], marks)
    assert not found.parted

    def gap(**weights: float) -> float:
        return float(_height(found, mesh, upper, lower, **weights).mean())

    assert gap() > 0.6
    assert gap(mouthPressLeft=1.0, mouthPressRight=1.0) < gap() - 0.1
    assert gap(jawOpen=0.6, mouthClose=0.6) < gap()
    for name in ("mouthRollUpper", "mouthRollLower", "jawForward"):
        assert gap(**{name: 1.0}) < 0.4, name


def test_lips_that_lie_on_each_other_are_not_grown_together():
    """A slit that was cut into a sculpt: two points at every place, and nothing behind."""
    mesh, marks, upper, lower = _mouth_of("slit", snapped=True)
    assert np.abs(mesh.points[upper] - mesh.points[lower]).max() == 0.0
    found = head_shapes.shapes_for([mesh], marks)
    assert not found.sealed
    assert found.hollow
    assert found.symmetric
    across = _height(found, mesh, upper, lower, jawOpen=0.5, mouthLeft=1.0)
    mirrored = _height(found, mesh, upper, lower, jawOpen=0.5, mouthRight=1.0)
    assert np.abs(np.sort(across) - np.sort(mirrored)).max() < 1e-6
    assert any("behind the lips" in line for line in found.told)
    assert _height(found, mesh, upper, lower, jawOpen=1.0).max() > 12.0
    for pose in ({"jawOpen": 1.0, "mouthClose": 1.0}, {"mouthSmileLeft": 1.0}):
        assert np.abs(_height(found, mesh, upper, lower, **pose)).max() < 0.1, pose


def test_a_mouth_without_an_opening_stays_shut():
    mesh, marks, upper, lower = _mouth_of("groove")
    found = head_shapes.shapes_for([mesh], marks)
    assert found.sealed == ("mouth",)
    rest = _height(found, mesh, upper, lower)
    assert np.linalg.norm(found.shapes[0]["jawOpen"], axis=1).max() > 1.0  # centimetres
    for name in ("jawOpen", "mouthFunnel", "mouthLowerDownLeft", "mouthUpperUpRight"):
        moved = _height(found, mesh, upper, lower, **{name: 1.0})
        assert np.abs(moved - rest).max() < 1.0, name


def test_the_jaw_of_a_muzzle_is_bone():
    """It turns about its joint as a whole from the corners on, its lips part all along, and
    mouthClose takes it back."""
    bare_heads = pytest.importorskip("exprgen.tests.support.bare_heads")
    model, shape = face_model(), template()
    points = model.mean.copy()
    for warp in bare_heads.LOOKS["wolf"].warps:
        points = warp(points)
    skin = points[: shape.count]
    marks = shape.landmarks(skin)
    found = head_shapes.shapes_for([Mesh("wolf", world(skin), shape.triangles)], world(marks))
    placed = similarity(marks, shape.landmarks(shape.rest))
    assert muzzle.is_long(placed(marks))
    assert not muzzle.is_long(shape.landmarks(shape.rest))
    moved = found.scale * found.shapes[0]["jawOpen"] @ TURN
    seen = head_shapes.Head(*[placed(skin)] * 4, placed(marks), True)
    opening = muzzle.jaw_motions(seen)["jawOpen"]
    joint = placed(np.array([[0.0, -53.5, -50.5]]))  # a person's, which the warps leave where it is
    assert np.linalg.norm(opening.moves(joint)) < 5.0
    corner = named(marks, sides.MOUTH.ends)[:, 2].mean()
    ahead = skin[:, 2] > corner + 0.4 * (skin[:, 2].max() - corner)
    groups = model.groups
    for half, goes in (("upper", 0.0), ("lower", 1.0)):
        rim = groups[f"lip_contact_{half}"]
        rim = rim[ahead[rim]]
        far = np.linalg.norm(moved[rim], axis=1)
        assert len(rim) > 3
        assert (far > 15.0).mean() == goes
    bone = groups["lip_contact_lower"][ahead[groups["lip_contact_lower"]]]
    before, after = (
        found.scale * world(skin)[bone],
        found.scale * world(skin)[bone] + moved[bone] @ TURN.T,
    )
    lengths = [np.linalg.norm(p[1:] - p[:-1], axis=1) for p in (before, after)]
    assert np.abs(lengths[0] - lengths[1]).max() < 0.05
    shut = found.shapes[0]["jawOpen"] + found.shapes[0]["mouthClose"]
    assert found.scale * np.abs(shut).max() < 0.2  # lids are kept off the eyeballs
