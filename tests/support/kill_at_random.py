"""Kill commands and builds at random moments; see that nothing is lost or left.

    python -m exprgen.tests.support.kill_at_random FOLDER [--commands train,...] [--kills 50]

Made-up characters, random weights, a drawn face: a run takes some seconds. Each is killed at a
moment drawn from its whole length, by SIGKILL, every fourth time by SIGTERM, which may keep what is
done as x.partial.y. Of ten kills five meet a folder that holds the whole result already. After each
what stands under a final name must be whole; after every fifth the command runs to its end, whose
result must be that of a run that nobody killed and beside which nothing may lie, in the output's
folder and in the temporary one. Goes on where it was stopped: the kills done are kept in FOLDER.
Ends with 1 if there was a fault.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np

from exprgen.networks.files import write_text
from exprgen.networks.models.weights_places import WEIGHTS_VARIABLE

CONSOLE = "exprgen.exprgen_addon.command_line.main"
PACKAGING = "exprgen.exprgen_addon.packaging.extension_build"
CHARACTERS = "exprgen.sample_rigs.build"
MARK = "EXPRGEN_KILLED_RUN"
"""A variable by which all processes of a run are known."""
RERUN_EVERY = 5
WAIT = 40.0
"""Seconds that the processes of a killed command have to end by themselves."""


class House:
    """What the commands work with: made once in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder / "house"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "ready").exists():
            code = "from exprgen.tests.support.kill_at_random import build; import sys, os; "
            code += "from pathlib import Path; build(Path(sys.argv[1])); os._exit(0)"
            subprocess.run([sys.executable, "-c", code, str(self.folder)], check=True)
        self.environment = {
            **os.environ,
            WEIGHTS_VARIABLE: str(self.folder / "weights"),
            "TMPDIR": str(self.temporary),
            MARK: str(folder.resolve()),
        }


def build(folder: Path) -> None:
    """Characters, weights, a clip and a list; needs bpy."""
    from exprgen.tests.support import synthetic, tiny_weights

    profiles = [synthetic.build(folder, "ann", primary=True), synthetic.build(folder, "bob")]
    tiny_weights.write(folder / "weights", profiles)
    synthetic.speaking_clip(folder / "clip.mp4", frames=50)
    _export_avatar(folder)
    (folder / "ready").touch()


def _export_avatar(folder: Path) -> None:
    """The second character as an avatar of the web."""
    import bpy

    bpy.ops.wm.open_mainfile(filepath=str(folder / "bob.blend"))
    bpy.ops.export_scene.gltf(filepath=str(folder / "bob.glb"))


# --- the commands: words, and what of their result counts ----------------------------------------


class Retarget:
    """A .blend and its tracks."""

    module = CONSOLE

    def words(self, house: House, out: Path) -> list[str]:
        first = ["retarget", house.folder / "clip.mp4", "--primary", house.folder / "ann.json"]
        more = ["--secondary", house.folder / "bob.json", "--out", out / "take.blend"]
        return [*map(str, (*first, *more, "--tracks", out / "tracks"))]

    def result(self, out: Path) -> dict[str, str]:
        tracks = {p.name: content(p) for p in out.glob("tracks/*.npz")}
        blends = {p.name: blend_content(p) for p in out.glob("*.blend")}
        return tracks | blends


class Batch(Retarget):
    """Two shots of a list."""

    def words(self, house: House, out: Path) -> list[str]:
        read = f"{house.folder / 'clip.mp4'},{house.folder / 'ann.json'}"
        rows = [f"s{i},{read},s{i}/take.blend,s{i}/tracks" for i in (1, 2)]
        shots = out / "shots.csv"
        shots.write_text("\n".join(("shot,reference,primary,out,tracks", *rows)) + "\n")
        return ["batch", str(shots), "--again"]

    def result(self, out: Path) -> dict[str, str]:
        shots = [(f, super(Batch, self).result(f)) for f in sorted(out.glob("s?"))]
        return {f"{f.name}/{name}": value for f, made in shots for name, value in made.items()}


class Capture:
    """Labelled pictures."""

    module = CONSOLE

    def words(self, house: House, out: Path) -> list[str]:
        count = ["--count", "24", "--size", "48", "--samples", "1", "--processes", "2"]
        return ["capture", str(house.folder / "ann.json"), "--out", str(out), *count]

    def result(self, out: Path) -> dict[str, str]:
        pictures = {p.name: content(p) for p in out.glob("ann/images/*.png")}
        return pictures | {p.name: content(p) for p in out.glob("ann/samples.npz")}


class Train:
    """Weights, of a training that goes on."""

    module = CONSOLE
    options = ("--resume",)

    def words(self, house: House, out: Path) -> list[str]:
        how = ["--sizes", "32:1500:0.003", "--threads", "1", *self.options]
        weights = str(out / "w.safetensors")
        return ["train", "hcnn", "--data", "drawn:70", "--out", weights, *how]

    def result(self, out: Path) -> dict[str, str]:
        return {p.name: content(p) for p in out.glob("*.safetensors")}


class TrainAnew(Train):
    """The same of one that begins anew each time."""

    options = ()


class Profile:
    """A profile of an avatar and the .blend that is made of it."""

    module = CONSOLE

    def words(self, house: House, out: Path) -> list[str]:
        return ["profile", str(house.folder / "bob.glb"), "--out", str(out / "bob.json")]

    def result(self, out: Path) -> dict[str, str]:
        profiles = {p.name: content(p) for p in out.glob("*.json")}
        return profiles | {p.name: blend_content(p) for p in out.glob("*.blend")}


class Package:
    """An installable zip."""

    module = PACKAGING

    def words(self, house: House, out: Path) -> list[str]:
        return ["--lite", "--out", str(out)]

    def result(self, out: Path) -> dict[str, str]:
        return {p.name: content(p) for p in out.glob("*.zip")}


class Mouths:
    """Pictures of made-up mouths, and what is known of them."""

    module = CHARACTERS
    words_of = ("mouths", "--count", "6", "--people", "2", "--size", "96", "--samples", "3")

    def words(self, house: House, out: Path) -> list[str]:
        return [*self.words_of, "--out", str(out)]

    def result(self, out: Path) -> dict[str, str]:
        made = [p for kind in ("*.png", "*.npz", "*.csv") for p in sorted(out.rglob(kind))]
        return {str(p.relative_to(out)): content(p) for p in made}


class People(Mouths):
    """The same of whole faces."""

    words_of = ("people", "--count", "2", "--pictures", "4", "--size", "64")


COMMANDS = {
    "retarget": Retarget(),
    "batch": Batch(),
    "capture": Capture(),
    "train": Train(),
    "train_anew": TrainAnew(),
    "profile": Profile(),
    "package": Package(),
    "mouths": Mouths(),
    "people": People(),
}


def content(path: Path) -> str:
    """A digest of what a file holds, without what differs from run to run (times, seconds)."""
    digest = hashlib.sha256()
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            for name in sorted(set(arrays.files) - {"header"}):
                digest.update(name.encode() + arrays[name].tobytes())
    elif path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        for name, tensor in sorted(load_file(path).items()):
            digest.update(name.encode() + tensor.tobytes())
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            digest.update(b"damaged" if archive.testzip() else b"")
            for part in sorted(archive.infolist(), key=lambda i: i.filename):
                digest.update(f"{part.filename} {part.CRC}".encode())
    elif path.suffix in (".json", ".csv"):
        digest.update(path.read_bytes())
    else:  # a picture, without the time of its rendering that Blender notes in it
        import cv2

        pixels = cv2.imread(str(path))
        digest.update(b"unreadable" if pixels is None else pixels.tobytes())
    return digest.hexdigest()


_BLEND_CODE = """
import bpy, hashlib, os, sys
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
d = hashlib.sha256()
for a in bpy.data.actions:
    for bag in (b for l in a.layers for s in l.strips for b in s.channelbags):
        for c in bag.fcurves:
            d.update(repr((c.data_path, [tuple(k.co) for k in c.keyframe_points])).encode())
part = "partial " if bpy.context.scene.get("exprgen_partial") else ""
print(); print(part + d.hexdigest(), flush=True); os._exit(0)
"""


def blend_content(path: Path) -> str:
    """A digest of all keys of a .blend; of one that was seen before by its bytes."""
    seen = hashlib.sha256(path.read_bytes()).hexdigest()
    if seen not in _blends:
        command = [sys.executable, "-c", _BLEND_CODE, str(path)]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        _blends[seen] = said.strip().splitlines()[-1] if said.strip() else "unreadable"
    return _blends[seen]


_blends: dict[str, str] = {}


# --- killing -------------------------------------------------------------------------------------


def start(house: House, module: str, words: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", module, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env=house.environment,
    )


def processes_of(house: House) -> list[int]:
    """The processes of the run that are there still."""
    mark, found = f"{MARK}={house.environment[MARK]}".encode(), []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (place / "environ").read_bytes().split(b"\0"):
                found.append(int(place.name))
        except OSError:
            continue
    return found


def left_in(*folders: Path) -> list[str]:
    """What may not be there once a command has ended."""
    hidden = [p for f in folders for p in f.rglob("*") if p.name.startswith(".")]
    parts = [p for f in folders for p in f.rglob("*.part")]
    return sorted({str(p) for p in (*hidden, *parts)})


class Trial:
    """One command's kills, and what was found."""

    def __init__(self, name: str, house: House, folder: Path, seed: int):
        self.name, self.command, self.house = name, COMMANDS[name], house
        self.out, self.book = folder / name, folder / f"{name}.json"
        self.whole = folder / f"{name}.whole"
        self.seed = seed
        self.kept = {"kills": 0, "ended_first": 0, "reruns": 0, "faults": [], "seconds": 0.0}
        if self.book.exists():
            self.kept = json.loads(self.book.read_text())

    def prepare(self) -> None:
        """The result of a run that nobody kills."""
        if "result" not in self.kept:
            began = time.monotonic()
            self._run(self._fresh(None))
            self.kept["seconds"] = round(time.monotonic() - began, 2)
            self.kept["result"] = self.command.result(self.out)
            assert self.kept["result"], f"{self.name} made nothing"
            shutil.rmtree(self.whole, ignore_errors=True)
            shutil.copytree(self.out, self.whole)
            self._save()
        for path in self.whole.rglob("*.blend"):
            blend_content(path)

    def kill(self) -> None:
        """The next kill."""
        number = self.kept["kills"]
        chance = random.Random(f"{self.seed} {self.name} {number}")
        beginning = number % RERUN_EVERY == 0
        standing = (number // RERUN_EVERY) % 2 == 1
        out = self._fresh(self.whole if standing else None) if beginning else self.out
        process = self._start(out)
        how = signal.SIGTERM if number % 4 == 3 else signal.SIGKILL
        try:
            process.wait(chance.uniform(0.2, self.kept["seconds"]))
            self.kept["ended_first"] += 1
        except subprocess.TimeoutExpired:
            process.send_signal(how)
            process.wait()
        self._wait(number)
        self._look(number, standing)
        self.kept["kills"] += 1
        if self.kept["kills"] % RERUN_EVERY == 0:
            self._rerun(number)
        self._save()

    def _rerun(self, number: int) -> None:
        self.kept["reruns"] += 1
        self._run(self.out)
        found = self.command.result(self.out)
        whole = {name: value for name, value in found.items() if ".partial" not in name}
        if whole != self.kept["result"]:
            self._fault(number, f"the rerun's result is another: {sorted(found)}")
        if left := left_in(self.out, self.house.temporary):
            self._fault(number, f"left behind: {left}")
        console = self.command.module == CONSOLE  # builds leave Blender's own folder to Blender
        if console and (left := list(self.house.temporary.iterdir())):
            self._fault(number, f"left in the temporary folder: {list(map(str, left))}")

    def _look(self, number: int, standing: bool) -> None:
        """What has a final name must be whole, and what was whole must be there."""
        found, whole = self.command.result(self.out), self.kept["result"]
        for name, value in found.items():
            partial = ".partial" in name or value.startswith("partial ")  # it is marked so
            if not partial and value != whole.get(name) and not self._grows(name):
                self._fault(number, f"{name} is not whole")
        if standing and (lost := set(whole) - set(found)):
            self._fault(number, f"lost: {sorted(lost)}")

    def _grows(self, name: str) -> bool:
        """A capture's columns are measured picture by picture: they are whole at every moment."""
        return self.name == "capture" and name == "samples.npz"

    def _wait(self, number: int) -> None:
        end = time.monotonic() + WAIT
        while (alive := processes_of(self.house)) and time.monotonic() < end:
            time.sleep(0.1)
        if alive:
            self._fault(number, f"processes that go on: {len(alive)}")

    def _fresh(self, whole: Path | None) -> Path:
        shutil.rmtree(self.out, ignore_errors=True)
        if whole is None:
            self.out.mkdir(parents=True)
        else:
            shutil.copytree(whole, self.out)
        return self.out

    def _start(self, out: Path) -> subprocess.Popen:
        return start(self.house, self.command.module, self.command.words(self.house, out))

    def _run(self, out: Path) -> None:
        process = self._start(out)
        if process.wait():
            self._fault(self.kept["kills"], f"ended with {process.returncode}")
        self._wait(self.kept["kills"])

    def _fault(self, number: int, what: str) -> None:
        self.kept["faults"].append([number, what])
        print(f"FAULT {self.name}, kill {number}: {what}", flush=True)

    def _save(self) -> None:
        write_text(self.book, json.dumps(self.kept))


def main() -> int:
    """Kill; one line a command at the end."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--commands", default=",".join(COMMANDS))
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    house, faults = House(args.folder), 0
    for name in args.commands.split(","):
        trial = Trial(name, house, args.folder, args.seed)
        trial.prepare()
        while trial.kept["kills"] < args.kills:
            trial.kill()
        kept = {k: v for k, v in trial.kept.items() if k not in ("result", "faults")}
        print(f"{name}: {kept}, {len(trial.kept['faults'])} faults", flush=True)
        faults += len(trial.kept["faults"])
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
