"""How far jaws are apart from their lips, by pictures, from talkers whose jaws are known."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError
from ..solving.actor import own_motion
from ..solving.jaw_seen import (
    BESIDE,
    CHANNELS,
    FILE,
    HEIGHT,
    MARGIN,
    NEAR,
    PADDING,
    PER,
    STRIDES,
    WIDTH,
    JawSeen,
    LowerFaces,
    lower_faces,
    what_is_beside,
)
from ..solving.kept_faces import KeptFaces
from ..solving.mouth_motion import ANSWERS, MouthSeen, quick
from ..solving.patches_seen import Seen
from .mouth_motion import true_motion
from .shared.loop import say_written
from .shared.options import option, run_command
from .shared.talkers import talkers

WIDTHS, KERNELS = (16, 24, 32), (6, 3, 3)
"""Maps of the convolutions, and how wide those see."""
EMBEDDED, HIDDEN = 16, 32
DROPS = (0.3, 0.2)
"""Shares of what the convolutions and the hidden layer give that are left out, by chance."""
ASIDE = 0.5
"""Weight of what a frame's picture must tell by itself: jaw, jaw apart from the lips, lip gap."""
GAINS, BLURRED, GRAINY, GRAIN = 0.25, 0.4, 0.5, 0.2
"""Deviation of the logarithm by which contrasts are changed; shares of clips that are blurred and
that have grain, and how much at most."""


@dataclass(frozen=True)
class JawSeenSettings:
    """What the training needs; each option's help says what it is."""

    tracks: str = option(MISSING, "folder of face tracks (NAME.npz) of talkers")
    truth: str = option(MISSING, "folder of their truth (NAME.truth.npz)")
    out: str = option(str(FILE), "file to write")
    rounds: int = option(130, "how often each clip is learned from")
    rate: float = option(2e-3, "learning rate at its highest")
    decay: float = option(1e-2, "weight decay")
    seed: int = option(0, "seed of everything random")
    threads: int = option(1, "processor threads")


@dataclass(frozen=True)
class Clip:
    """What is learned of one clip of N frames: pictures (N, CHANNELS, HEIGHT, WIDTH); beside (N,
    BESIDE); quick (N, N), which makes values quick, and before, after (N, N), which takes them
    from a moment about; told, true (N, 3) ANSWERS, in PER parts; seen (N,) 1 where it counts."""

    pictures: Tensor
    beside: Tensor
    quick: Tensor
    before: Tensor
    after: Tensor
    told: Tensor
    true: Tensor
    seen: Tensor


class JawReader(nn.Module):
    """`JawSeen` to be trained, with an answer for each picture by itself."""

    def __init__(self):
        super().__init__()
        layers: list[nn.Module] = []
        wide = len(CHANNELS)
        for out, size, stride, pad in zip(WIDTHS, KERNELS, STRIDES, PADDING, strict=True):
            layers += [nn.Conv2d(wide, out, size, stride, pad), nn.BatchNorm2d(out), nn.ReLU()]
            wide = out
        self.look = nn.Sequential(*layers)
        high, aside = MARGIN
        some = torch.zeros(1, len(CHANNELS), HEIGHT - 2 * high, WIDTH - 2 * aside)
        self.embed = nn.Linear(self.look.eval()(some).numel(), EMBEDDED)
        self.alone = nn.Linear(EMBEDDED, 3)
        self.hidden = nn.Linear(len(NEAR) * EMBEDDED + len(BESIDE), HIDDEN)
        self.answer = nn.Linear(HIDDEN, 1)
        self.drop, self.leave = (nn.Dropout(share) for share in DROPS)

    def forward(self, pictures: Tensor, clip: Clip) -> tuple[Tensor, Tensor]:
        """(N, 3) quick jaw, jaw apart from the lips and lip gap by each picture, and (N,) what
        `mouth_motion` misses of the second, by all; in PER parts."""
        moves = clip.quick @ self.embed(self.drop(self.look(pictures).flatten(1)))
        near = clip.before @ moves, moves, clip.after @ moves
        seen = torch.cat([*near, clip.beside], 1)
        hidden = self.leave(torch.tanh(self.hidden(seen)))
        return self.alone(moves), clip.quick @ self.answer(hidden)[:, 0]

    @torch.no_grad()
    def told_by(self) -> JawSeen:
        """What ships of it: its statistics are part of its kernels."""
        convolutions = zip(self.look[::3], self.look[1::3], strict=True)
        kernels = tuple(_with_statistics(*both) for both in convolutions)
        embed, hidden, answer = (
            (layer.weight.numpy().copy(), layer.bias.numpy().copy())
            for layer in (self.embed, self.hidden, self.answer)
        )
        return JawSeen(kernels, embed, hidden, answer)


def _with_statistics(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[np.ndarray, np.ndarray]:
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = convolution.weight * scale[:, None, None, None]
    bias = (convolution.bias - norm.running_mean) * scale + norm.bias
    return weight.numpy(), bias.numpy()


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("jaw_seen", __doc__.partition("\n")[0], JawSeenSettings, learn, args)


def learn(settings: JawSeenSettings) -> dict:
    """Read the clips, train and write the file; how much of what `mouth_motion` misses on the clips
    that it learned from is told.

    Raises:
        InputError: no clip has both a track and a truth, or none shows a closed mouth.
    """
    torch.set_num_threads(settings.threads)
    clips = read_clips(Path(settings.tracks), Path(settings.truth))
    reader = fit(clips, settings)
    reader.told_by().save(Path(settings.out), {"clips": len(clips)})
    left, missed = _errors(reader, clips)
    told = {"clips": len(clips), "missed": round(missed, 5), "missed with pictures": round(left, 5)}
    say_written(settings.out, told)
    return told


def read_clips(tracks: Path, truth: Path) -> list[Clip]:
    """The clips of both folders that show a closed mouth."""
    clips = []
    for track, known in talkers(tracks, truth):
        seen, mouth = Seen.of(KeptFaces(track)), own_motion(track)
        faces = None if seen is None else lower_faces(seen, mouth)
        if faces is not None:
            clips.append(clip_of(seen, mouth, faces, true_motion(known, track.times)))
    if not clips:
        raise InputError("shows no closed mouth", file=tracks, fix="analyse talkers with pictures")
    return clips


def clip_of(seen: Seen, mouth: MouthSeen, faces: LowerFaces, true: np.ndarray) -> Clip:
    """A clip whose ANSWERS (N, 3), quick motion in eye distances, are known."""
    track = seen.kept.track
    pictures = np.zeros((len(track), len(CHANNELS), HEIGHT, WIDTH), np.float32)
    pictures[faces.rows] = np.concatenate([*faces.pictures()])
    beside = what_is_beside(seen, mouth)
    each = np.eye(len(track))
    before, _, after = (
        np.stack([np.interp(track.times + s, track.times, one) for one in each], axis=1)
        for s in NEAR
    )
    told = beside[:, : len(ANSWERS)]
    shown = np.isin(np.arange(len(track)), faces.rows)
    numbers = beside, quick(track.times, each), before, after, told, PER * true, shown
    return Clip(*(torch.tensor(np.asarray(a, np.float32)) for a in (pictures, *numbers)))


def fit(clips: Sequence[Clip], settings: JawSeenSettings) -> JawReader:
    """A network trained on clips, one a step, in evaluation mode."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    reader = JawReader().train()
    steps = torch.optim.AdamW(reader.parameters(), settings.rate, weight_decay=settings.decay)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        steps, settings.rate, total_steps=settings.rounds * len(clips)
    )
    for _ in range(settings.rounds):
        for i in rng.permutation(len(clips)):
            loss = _loss(reader, clips[i], changed(clips[i].pictures, rng))
            steps.zero_grad()
            loss.backward()
            steps.step()
            rates.step()
    return reader.eval()


def _loss(reader: JawReader, clip: Clip, pictures: Tensor) -> Tensor:
    gap, apart = (clip.true[:, ANSWERS.index(name)] for name in ("gap", "jaw_apart"))
    alone, more = reader(pictures, clip)
    wanted = torch.stack([gap + apart, apart, gap], 1)
    missed = apart - clip.told[:, ANSWERS.index("jaw_apart")]
    aside = (clip.seen[:, None] * (alone - wanted) ** 2).mean()
    return (clip.seen * (more - missed) ** 2).mean() + ASIDE * aside


def changed(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Pictures (N, C, HEIGHT, WIDTH) of a clip as another camera might show them, without their
    MARGIN, which lies elsewhere."""
    high, aside = (int(rng.integers(0, 2 * margin + 1)) for margin in MARGIN)
    height, width = HEIGHT - 2 * MARGIN[0], WIDTH - 2 * MARGIN[1]
    out = pictures[:, :, high : high + height, aside : aside + width]
    if rng.random() < 0.5:
        out = out.flip(3)
    gains = np.exp(GAINS * rng.standard_normal(out.shape[1])).astype(np.float32)
    out = out * torch.from_numpy(gains)[None, :, None, None]
    if rng.random() < BLURRED:
        out = F.avg_pool2d(F.pad(out, (1, 1, 1, 1), mode="replicate"), 3, 1)
    if rng.random() < GRAINY:
        out = out + float(rng.uniform(0.0, GRAIN)) * torch.randn_like(out)
    return out


@torch.no_grad()
def _errors(reader: JawReader, clips: Sequence[Clip]) -> tuple[float, float]:
    """Mean errors, eye distances, with pictures and by `mouth_motion` alone."""
    high, aside = MARGIN
    left, missed = [], []
    for clip in clips:
        own = clip.pictures[:, :, high:-high, aside:-aside]
        wrong = (clip.true - clip.told)[:, ANSWERS.index("jaw_apart")]
        left.append((reader(own, clip)[1] - wrong).abs())
        missed.append(wrong.abs())
    return tuple(float(torch.cat(errors).mean()) / PER for errors in (left, missed))


if __name__ == "__main__":
    sys.exit(main())
