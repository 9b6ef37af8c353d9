"""The experiments of MIA (Jourabloo et al. 2022, section 4) on simulated captures.

`python -m exprgen.networks.evaluation.headset --data HEADSET --weights FOLDER` trains every network
that a table needs and that FOLDER does not hold yet, and prints the tables; stopped, it goes on
where it was. HEADSET is what `python -m exprgen.sample_rigs.build headset` has made.

- 1: people never seen, one by one (the paper's Table 1), and the correlation of their channels.
- 2: people learned from, in another headset, light, appearance: the person-specific network against
  the one of many (Table 2), and what the 3D augmentation layer adds to both (Figure 8).
- 3: people never seen with a backbone that is kept and an F of their own, against a network of
  their own, under each change (Table 3).
- 4: the same backbone with an F for a character's controls (equations 4 and 5), on people never
  seen, beside everybody's F by the channels that the controls stand for.
- 9: how many people are learned from (Figure 9).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import exit_code_of
from ..models.headset import HeadsetNetwork
from ..models.weights_io import load_network
from ..training.headset import (
    Groups,
    HeadsetSettings,
    answers,
    captures,
    correlations,
    first_captures,
    millimetres,
    parted,
    seen_channels,
    train_on,
)
from ..training.headset_character import HeadsetCharacterSettings
from ..training.headset_character import train as train_character
from ..training.shared.headset_set import CHANGES, REGIONS, HeadsetPerson, load_people
from ..training.shared.sets import TRAIN, VALIDATION
from ..vocabulary import ARKIT_CHANNELS

TABLES = (1, 2, 3, 4, 9)
KINDS = {
    "jaw": "jawOpen",
    "blinks": "eyeBlink",
    "gaze": "eyeLook",
    "brows": "brow",
    "smile": "mouthSmile",
    "pucker": "mouthPucker",
}
"""Word of a table -> the beginning of its channels' names."""


@dataclass(frozen=True)
class Sizes:
    """images: frames from which a network of many, or a character's F, learns; alone: one of a
    single person; adapted: a person's F. people: numbers of people of Figure 9, the last one's
    network is MIA's elsewhere. changed, strangers: how many people tables 2 and 3 are about;
    characters: whose table 4 is."""

    images: int = 200_000
    alone: int = 40_000
    adapted: int = 20_000
    people: tuple[int, ...] = (8, 16, 30, 60)
    changed: int = 4
    strangers: int = 4
    characters: tuple[str, ...] = ("mira", "tobi", "anselm", "rosa", "blip")


class Networks:
    """The networks of the tables, trained when they are first asked for."""

    def __init__(
        self,
        people: list[HeadsetPerson],
        data: Path,
        folder: Path,
        sizes: Sizes,
        given: Path | None = None,
    ):
        self.people, self.folder, self.sizes, self.given = people, folder, sizes, given
        self._base = HeadsetSettings(data=str(data), out="", resume=True)

    def best(self) -> HeadsetNetwork:
        """The network that was given, otherwise that of most people."""
        return load_network(self._best(), "headset")[0].eval()

    def _best(self) -> Path:
        if self.given is not None:
            return self.given
        self.many(self.sizes.people[-1])
        return self._path(f"many_{self.sizes.people[-1]}")

    def many(self, count: int, augment: bool = True) -> HeadsetNetwork:
        """Of the first `count` people."""
        name = f"many_{count}" + ("" if augment else "_plain")
        return self._made(name, people=count, augment=augment, images=self.sizes.images)

    def alone(self, person: int, augment: bool = False, stranger: bool = False) -> HeadsetNetwork:
        """Person-specific."""
        name = f"{'stranger' if stranger else 'alone'}_{person}" + ("_3d" if augment else "")
        own = {"person": person, "augment": augment, "stranger": stranger}
        return self._made(name, **own, images=self.sizes.alone)

    def adapted(self, person: int) -> HeadsetNetwork:
        """The best backbone, with an F of somebody never seen."""
        own = {"person": person, "augment": True, "stranger": True, "images": self.sizes.adapted}
        return self._made(f"adapted_{person}", backbone=str(self._best()), **own)

    def played(self, character: str) -> dict[str, float]:
        """What an F for a character's controls, on the same backbone, is worth."""
        path = self._path(f"headset_{character}")
        if not path.is_file():
            print(f"-- {path.stem}", flush=True)
            words = self._base.data, str(self._best()), character, str(path)
            own = HeadsetCharacterSettings(*words)
            train_character(replace(own, images=self.sizes.images, resume=True))
        return load_network(path, "headset")[1].training["metrics"]

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def _made(self, name: str, **own) -> HeadsetNetwork:
        path = self._path(name)
        if not path.is_file():
            print(f"-- {name}", flush=True)
            train_on(self.people, replace(self._base, out=str(path), **own))
        return load_network(path, "headset")[0].eval()


def _mean(values: np.ndarray) -> float:
    """Of the numbers among them."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def _row(name: str, *cells: str) -> str:
    return "| " + " | ".join((name, *cells)) + " |"


def _head(*cells: str) -> Iterator[str]:
    yield _row(*cells)
    yield "|---" * len(cells) + "|"


def regions(model: HeadsetNetwork | None, groups: Groups) -> str:
    """Millimetres of face (eyes, mouth), mean over people."""
    own = answers(model, groups)
    face, eyes, mouth = (float(np.mean(millimetres(own, region))) for region in REGIONS)
    return f"{face:.2f} ({eyes:.2f}, {mouth:.2f})"


def table_1(model: HeadsetNetwork, groups: Groups, mask: np.ndarray) -> Iterator[str]:
    """People never seen."""
    own, still = answers(model, groups), answers(None, groups)
    untold = answers(model, groups, told=False)
    yield from _head("never seen", *REGIONS, "face, neutral not told", "no motion", "r")
    columns = [millimetres(own, r) for r in REGIONS] + [millimetres(untold), millimetres(still)]
    for number, row in enumerate(zip(*columns, strict=True)):
        r = _mean(correlations(own[number : number + 1])[mask > 0])
        yield _row(f"person {number + 1}", *(f"{v:.2f}" for v in row), f"{r:.2f}")
    found = correlations(own)
    mean = [f"{np.mean(c):.2f} ± {np.std(c):.2f}" for c in columns]
    yield _row("all", *mean, f"{_mean(found[mask > 0]):.2f}")
    yield ""
    yield from _head(*KINDS)
    names = np.array(ARKIT_CHANNELS)
    kinds = [np.char.startswith(names, start) for start in KINDS.values()]
    yield _row(*(f"{_mean(found[kind]):.2f}" for kind in kinds))
    weak = ", ".join(f"{n} {r:.2f}" for n, r in zip(names, found, strict=True) if r < 0.4)
    yield f"below .4: {weak}"


def under_changes(
    models: list[HeadsetNetwork | None], people: list[HeadsetPerson]
) -> tuple[str, ...]:
    """Cells of each change, and of all together: millimetres of `models[i]` on `people[i]`, mean
    over people."""
    cells, every = [], []
    for change in CHANGES[1:]:
        values = []
        for model, person in zip(models, people, strict=True):
            own = answers(model, captures([person], change))
            values.append([millimetres(own, region)[0] for region in REGIONS])
        every.append(np.mean(values, axis=0))
        cells.append(f"{every[-1][0]:.2f}")
    face, eyes, mouth = np.mean(every, axis=0)
    return (*cells, f"{face:.2f} ± {np.std(every, axis=0)[0]:.2f} ({eyes:.2f}, {mouth:.2f})")


def table_2(networks: Networks, learned: list[HeadsetPerson]) -> Iterator[str]:
    """People learned from, filmed again; with Figure 8's ablation."""
    people = [p for p in learned if p.change.max() == len(CHANGES) - 1][: networks.sizes.changed]
    numbers = [next(i for i, q in enumerate(learned) if q is p) for p in people]
    most = networks.sizes.people[-1]
    yield from _head(f"{len(people)} people filmed again", *CHANGES[1:], "mean")
    rows = {
        "no motion at all": [None] * len(people),
        "person-specific": [networks.alone(i) for i in numbers],
        "person-specific, 3D augmentation": [networks.alone(i, augment=True) for i in numbers],
        f"{most} people": [networks.many(most, augment=False)] * len(people),
        f"{most} people, 3D augmentation": [networks.many(most)] * len(people),
    }
    if networks.given is not None:
        rows["the network given"] = [networks.best()] * len(people)
    for name, models in rows.items():
        yield _row(name, *under_changes(models, people))


def table_3(networks: Networks, others: list[HeadsetPerson]) -> Iterator[str]:
    """People never seen who get an F, or a network, of their own."""
    chosen = parted(others)[1][: networks.sizes.strangers]
    numbers = [next(i for i, q in enumerate(others) if q is p) for p in chosen]
    yield from _head(f"{len(chosen)} new people", *CHANGES[1:], "mean")
    rows = {
        "a network of their own": [networks.alone(i, stranger=True) for i in numbers],
        "backbone kept, F of everybody": [networks.best()] * len(chosen),
        "backbone kept, F of their own": [networks.adapted(i) for i in numbers],
    }
    for name, models in rows.items():
        yield _row(name, *under_changes(models, chosen))


def table_4(networks: Networks) -> Iterator[str]:
    """Characters' controls: landmarks in hundredths of the eye distance."""
    ways = ("at rest", "everybody's F", "own F")
    correlated = ("r everybody's F", "r own F")
    yield from _head("character", *ways, *correlated)
    for character in networks.sizes.characters:
        found = networks.played(character)
        yield _row(character, *(f"{found[name]:.2f}" for name in (*ways, *correlated)))


def table_9(networks: Networks, tested: Groups, mask: np.ndarray) -> Iterator[str]:
    """People never seen by how many were learned from."""
    yield from _head("learned from", "mm face (eyes, mouth)", "r")
    yield _row("no motion at all", regions(None, tested), "")
    for count in networks.sizes.people:
        model = networks.many(count)
        r = _mean(correlations(answers(model, tested))[mask > 0])
        yield _row(f"{count} people", regions(model, tested), f"{r:.2f}")


def speed(path: Path, person: HeadsetPerson, seconds: float = 2.0) -> str:
    """Triples a second of the network as it is used, a picture at a time."""
    from ..inference.headset import HeadsetReader
    from ..inference.opening import opened

    reader, count = opened(HeadsetReader, path, "headset"), 0
    neutral = reader.codes(person.pictures[:6]).mean(0)
    began = time.perf_counter()
    while time.perf_counter() < began + seconds:
        view = person.pictures[count % len(person)][None]
        reader.coefficients(reader.codes(view), neutral)
        count += 1
    return f"{count / (time.perf_counter() - began):.0f} triples a second"


def report(given: argparse.Namespace, people: list[HeadsetPerson], sizes: Sizes) -> Iterator[str]:
    """The lines of the tables that were asked for."""
    learned = [p for p in people if p.split == TRAIN]
    others = [p for p in people if p.split == VALIDATION]
    tested, mask = first_captures(parted(others)[1]), seen_channels(learned)
    networks = Networks(people, given.data, given.weights, sizes, given.network)
    for number in given.table or TABLES:
        yield f"\nTable {number}\n"
        if number == 1:
            yield from table_1(networks.best(), tested, mask)
            if given.network:
                yield speed(given.network, tested[0][0])
        elif number == 2:
            yield from table_2(networks, learned)
        elif number == 3:
            yield from table_3(networks, others)
        elif number == 4:
            yield from table_4(networks)
        else:
            yield from table_9(networks, tested, mask)


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of simulated captures")
    parser.add_argument("--weights", type=Path, required=True, help="folder of the networks")
    parser.add_argument("--network", type=Path, help="the network of tables 1, 3 and 4")
    parser.add_argument("--table", type=int, action="append", choices=TABLES)
    parser.add_argument("--people", type=int, nargs="+", default=Sizes.people)
    parser.add_argument("--characters", nargs="+", default=Sizes.characters)
    for name in ("images", "alone", "adapted", "changed", "strangers"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Sizes, name))
    given = parser.parse_args(args)
    return exit_code_of(lambda: _print_report(given))


def _print_report(given: argparse.Namespace) -> None:
    own = {n: getattr(given, n) for n in ("images", "alone", "adapted", "changed", "strangers")}
    many = {"people": tuple(given.people), "characters": tuple(given.characters)}
    for line in report(given, load_people(given.data), Sizes(**many, **own)):
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
