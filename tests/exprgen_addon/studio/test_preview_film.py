"""The preview film: which frames are rendered, how they are laid out, and that players read it."""

from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from exprgen.exprgen_addon.studio import preview_film
from exprgen.networks.errors import InputError, OutputError, UsageError
from exprgen.networks.footage import film_composer
from exprgen.networks.track import HELD, TRACKED
from exprgen.networks.vocabulary import EXPRESSION_COLOURS, EXPRESSIONS
from exprgen.tests.support import synthetic


@pytest.fixture(scope="module")
def ann(tmp_path_factory):
    return synthetic.build(tmp_path_factory.mktemp("characters"), "ann")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """One second, 96x64, 30 fps, getting brighter."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for i in range(30):
            picture = np.full((64, 96, 3), 8 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def plan(clip, folder, frames=15, seen=None):
    picture = folder / "face.png"
    cv2.imwrite(str(picture), np.full((64, 64, 3), (40, 80, 160), np.uint8))
    expression = np.full((frames, len(EXPRESSIONS)), 0.05)
    expression[:, 3] = 0.7
    return film_composer.Plan(
        reference=str(clip),
        titles=["Ann", "Bob"],
        pictures=[[str(picture)] * frames] * 2,
        times=np.arange(frames) / 15,
        expression=expression,
        seen=np.ones(frames, bool) if seen is None else seen,
        fps=15.0,
        size=96,
        out=str(folder / "film.mp4"),
    )


def test_film_has_the_right_length_size_and_tiles(clip, tmp_path):
    made = plan(clip, tmp_path)
    steps = []
    film_composer.make_film(made, lambda done, total: steps.append((done, total)))
    board = film_composer.Board(made, (64, 96, 3))
    frames = _frames(tmp_path / "film.mp4")
    assert len(frames) == 15
    assert frames[0].shape == (board.height, board.width, 3)
    assert steps[-1] == (15, 15)
    x, width = board.tiles[1]
    tile = frames[5][board.top + 10 : board.top + 80, x + 10 : x + width - 10]
    np.testing.assert_allclose(tile.mean((0, 1)), (160, 80, 40), atol=12)  # RGB of the picture
    reference = [f[board.top + 48, board.tiles[0][0] + 60].mean() for f in frames]
    assert np.corrcoef(reference, np.arange(15))[0, 1] > 0.99  # the clip runs along


def test_an_unseen_face_is_marked(clip, tmp_path):
    made = plan(clip, tmp_path, seen=np.arange(15) < 8)
    board = film_composer.Board(made, (64, 96, 3))
    picture = np.zeros((64, 96, 3), np.uint8)
    seen, unseen = board.draw(3, picture), board.draw(10, picture)
    warning = np.array(film_composer.WARNING)
    tile = (slice(board.top, board.top + 96), slice(0, board.tiles[1][0]))
    assert not (seen[tile] == warning).all(-1).any()
    assert (unseen[tile] == warning).all(-1).sum() > 200


def test_bars_are_as_long_as_the_probabilities(clip, tmp_path):
    made = plan(clip, tmp_path)
    board = film_composer.Board(made, (64, 96, 3))
    frame = board.draw(0, np.zeros((64, 96, 3), np.uint8))
    length = {}
    for name in ("joy", "fear"):
        row = frame[
            board._row(EXPRESSIONS.index(name)), : film_composer.MARGIN + film_composer.BARS_WIDTH
        ]
        length[name] = (row == EXPRESSION_COLOURS[name]).all(-1).sum()
    assert length["joy"] / length["fear"] == pytest.approx(0.7 / 0.05, rel=0.2)


@pytest.mark.parametrize("shape", [(64, 300, 3), (300, 64, 3), (100, 100, 3)])
def test_every_aspect_fits(clip, tmp_path, shape):
    board = film_composer.Board(plan(clip, tmp_path), shape)
    frame = board.draw(0, np.full(shape, 200, np.uint8))
    assert frame.shape[0] % 2 == frame.shape[1] % 2 == 0


def test_damaged_pictures_and_places_are_named(clip, tmp_path):
    made = plan(clip, tmp_path)
    (tmp_path / "face.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"face\.png"):
        film_composer.make_film(made)
    assert not list(tmp_path.glob("*.mp4"))
    lost = plan(clip, tmp_path)
    object.__setattr__(lost, "out", str(tmp_path / "nowhere" / "film.mp4"))
    with pytest.raises(OutputError, match="nowhere"):
        film_composer.make_film(lost)


def test_still_faces_are_rendered_once_and_fast_ones_every_time(ann):
    rest = np.array([c.rest for c in ann.controls])
    values = np.tile(rest, (24, 1))
    assert set(preview_film.choose_pictures(ann, values, 24.0)) == {0}
    values[10:13, 0] = (0.5, 1.0, 0.5)  # a blink's speed
    shown = preview_film.choose_pictures(ann, values, 24.0)
    assert sorted(set(shown) - {0}) == [10, 11, 12, 13]
    values[:, 0] = np.linspace(0, 0.3, 24)  # slow: every second picture
    assert len(np.unique(preview_film.choose_pictures(ann, values, 24.0))) == 12


def test_frame_times_cover_what_the_tracks_share(ann):
    face = synthetic.face_track(frames=60)
    tracks = [synthetic.rig_track(ann, frames=60), synthetic.rig_track(ann, frames=30, start=0.5)]
    times = preview_film.frame_times(face, tracks, None)
    assert times[0] == pytest.approx(0.5)
    assert times[-1] == pytest.approx(0.5 + 29 / 30, abs=1e-6)
    assert len(preview_film.frame_times(face, tracks, 10.0)) == 10
    late = synthetic.rig_track(ann, frames=10, start=9.0)
    with pytest.raises(UsageError, match="share no moment"):
        preview_film.frame_times(face, [tracks[0], late], None)
    with pytest.raises(UsageError, match="at least one character"):
        preview_film.make_preview("clip.mp4", face, [], "film.mp4")


def test_preview_end_to_end(ann, clip, tmp_path):
    face = synthetic.face_track(frames=30)
    state = face.state.copy()
    state[20:] = HELD
    face = type(face)(**{**vars(face), "state": state})
    track = synthetic.rig_track(ann, frames=30)
    made = preview_film.make_preview(
        clip, face, [track], tmp_path / "film.mp4", fps=6, size=64, profiles=[ann], processes=1
    )
    assert made == tmp_path / "film.mp4"
    frames = _frames(made)
    assert len(frames) == 6
    board_width = film_composer.Board(plan(clip, tmp_path), (64, 96, 3)).width
    assert frames[0].shape[1] == board_width
    assert (face.state == TRACKED).sum() == 20


def test_a_stopped_preview_leaves_nothing(ann, clip, tmp_path):
    face, track = synthetic.face_track(frames=30), synthetic.rig_track(ann, frames=30)
    made = preview_film.make_preview(
        clip, face, [track], tmp_path / "film.mp4", size=64, profiles=[ann], stop=lambda: True
    )
    assert made is None
    assert not list(tmp_path.iterdir())


def _frames(path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]


def test_characters_of_one_title_are_told_apart():
    """A profile's title is its mesh's name, and two files may each have a "Head"."""

    def titled(*pairs):
        return preview_film.titles_of([SimpleNamespace(name=n, title=t) for n, t in pairs])

    assert titled(("ann", "Ann"), ("bob", "Bob")) == ["Ann", "Bob"]
    pairs = ("hero", "Head"), ("villain", "Head"), ("ann", "Ann")
    assert titled(*pairs) == ["Head (hero)", "Head (villain)", "Ann"]
    assert titled(("hero", "Head"), ("hero", "Head")) == ["Head 1", "Head 2"]
