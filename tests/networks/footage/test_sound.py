"""A clip's sound: where it begins, what is heard over a range, and in the film."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from exprgen.networks.footage import film_composer
from exprgen.networks.footage.sound import RATE, sound_samples, sound_start
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.tests.support.clips import picture

FPS = 25


def sounding(path: Path, sound_at: float = 0.0, pictures_at: float = 0.0, seconds: int = 3) -> Path:
    """A clip whose sound has a click one second after it begins."""
    with av.open(str(path), "w") as container:
        film = container.add_stream("libx264", rate=FPS)
        film.width, film.height, film.pix_fmt = 96, 64, "yuv420p"
        voice = container.add_stream("aac", rate=16000, layout="mono")
        for i in range(seconds * FPS):
            frame = av.VideoFrame.from_ndarray(picture(i), format="rgb24")
            frame.pts, frame.time_base = i + round(pictures_at * FPS), Fraction(1, FPS)
            container.mux(film.encode(frame))
        container.mux(film.encode())
        samples = np.zeros((1, seconds * 16000), np.float32)
        samples[:, 16000:16400] = np.sin(np.arange(400) * 0.4) * 0.8
        for at in range(0, samples.shape[1], 1024):
            piece = np.ascontiguousarray(samples[:, at : at + 1024])
            frame = av.AudioFrame.from_ndarray(piece, "fltp", "mono")
            frame.sample_rate, frame.time_base = 16000, Fraction(1, 16000)
            frame.pts = at + round(sound_at * 16000)
            container.mux(voice.encode(frame))
        container.mux(voice.encode())
    return path


def click(samples: np.ndarray, rate: int = RATE) -> float:
    """Seconds of the first loud sample."""
    return float(np.argmax(np.abs(samples).max(0) > 0.25)) / rate


@pytest.mark.parametrize(("sound_at", "pictures_at"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.4)])
def test_sound_is_counted_from_the_first_picture(tmp_path, sound_at, pictures_at):
    clip = sounding(tmp_path / "clip.mp4", sound_at, pictures_at)
    begins = sound_at - pictures_at
    assert sound_start(clip) == pytest.approx(begins, abs=0.07)  # the codec's own lead-in
    heard = np.concatenate([*sound_samples(clip, 0.0, 2.0)], axis=1)
    assert heard.shape == (2, 2 * RATE)
    assert click(heard) == pytest.approx(1.0 + begins, abs=0.02)
    part = np.concatenate([*sound_samples(clip, 0.25, 4.0)], axis=1)
    assert part.shape[1] == round(3.75 * RATE), "silence behind its end"
    assert click(part) == pytest.approx(0.75 + begins, abs=0.02)


def test_what_has_no_sound(tmp_path):
    still = tmp_path / "face.png"
    cv2.imwrite(str(still), picture())
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip")
    for path in (still, broken, tmp_path, tmp_path / "none.mp4"):
        assert sound_start(path) is None
        assert sum(p.shape[1] for p in sound_samples(path, 0.0, 0.5)) == RATE // 2


@pytest.mark.parametrize("sound", [True, False])
def test_the_film_has_it_in_step_with_its_range(tmp_path, sound):
    clip = sounding(tmp_path / "clip.mp4", sound_at=0.2)
    face = tmp_path / "face.png"
    cv2.imwrite(str(face), np.full((64, 64, 3), 90, np.uint8))
    frames = 37
    plan = film_composer.Plan(
        reference=str(clip),
        titles=["Ann"],
        pictures=[[str(face)] * frames],
        times=0.5 + np.arange(frames) / FPS,
        expression=np.full((frames, len(EXPRESSIONS)), 1 / 7),
        seen=np.ones(frames, bool),
        fps=FPS,
        size=96,
        out=str(tmp_path / "film.mp4"),
        sound=sound,
    )
    film_composer.make_film(plan)
    with av.open(plan.out) as film:
        assert sum(1 for _ in film.decode(video=0)) == frames
        assert len(film.streams.audio) == int(sound)
    if sound:
        heard = np.concatenate([*sound_samples(plan.out, 0.0, frames / FPS)], axis=1)
        assert click(heard) == pytest.approx(0.7, abs=0.03)  # 1.2 s of the clip, less 0.5
