"""Are the wheels of a zip whole, for its platform, and complete together? Nothing of them is run.

A zip for Windows or macOS is built on a machine that can not start it; what can be known of it all
the same is looked at here: every file against the wheel's own record, the machine code's kind, the
modules that the engine imports by name, and that whatever a wheel asks for is beside it.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import struct
import zipfile
from collections.abc import Collection, Iterable, Sequence
from email.parser import HeaderParser
from pathlib import Path

from ...networks.errors import InputError

_MACHINES = {
    "linux-x64": ("ELF", 62),
    "windows-x64": ("PE", 0x8664),
    "macos-arm64": ("Mach-O", 0x0100000C),
}
"""Platform -> its kind of machine code and the number of its processor (e_machine of ELF, Machine
of the COFF header, cputype of mach_header_64)."""
_NATIVE = (".so", ".pyd", ".dll", ".dylib")


def check_wheels(
    wheels: Sequence[Path],
    platform: str,
    modules: Iterable[str],
    needed: Collection[str],
    absent: Collection[str],
) -> None:
    """Look at the wheels that go into one zip.

    Args:
        modules: what has to be importable by name from them.
        needed: packages, in lower case with -, that have to be there.
        absent: packages that wheels may ask for in vain.

    Raises:
        InputError: names the wheel, or what is lacking, and why.
    """
    there: set[str] = set()
    importable: set[str] = set()
    wanted: dict[str, str] = {}
    for wheel in wheels:
        name, requires = check_wheel(wheel, platform)
        there.add(name)
        importable |= top_modules(wheel)
        wanted |= dict.fromkeys(requires, wheel.name)
    lacking = [n for n in [*needed, *wanted] if n not in there and n not in absent]
    if lacking:
        raise InputError(
            f"has no wheel of {lacking[0]}, which {wanted.get(lacking[0], 'the engine')} needs",
            file=platform,
        )
    nameless = [m for m in modules if m not in importable]
    if nameless:
        raise InputError(f"has no wheel from which {nameless[0]} could be imported", file=platform)


def check_wheel(wheel: Path, platform: str) -> tuple[str, list[str]]:
    """A wheel's package and what it asks for (names in lower case with -), after a look at it.

    Raises:
        InputError: a file differs from the wheel's record or is for another machine.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            info = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            _check_record(archive, info.replace("METADATA", "RECORD"))
            for name in archive.namelist():
                if name.endswith(_NATIVE) or ".so." in name:
                    _check_machine(archive.read(name), name, platform)
            metadata = HeaderParser().parsestr(archive.read(info).decode("utf-8"))
    except (zipfile.BadZipFile, StopIteration, KeyError, UnicodeDecodeError) as error:
        raise InputError(f"is no whole wheel ({error})", file=wheel) from error
    except InputError as error:
        error.file = str(wheel)
        raise
    return plain_name(metadata["Name"]), _requires(metadata, platform)


def top_modules(wheel: Path) -> set[str]:
    """The names that can be imported once a wheel is unpacked."""
    with zipfile.ZipFile(wheel) as archive:
        parts = [name.split("/") for name in archive.namelist()]
    packages = {p[0] for p in parts if len(p) == 2 and p[1] == "__init__.py"}
    return packages | {p[0].removesuffix(".py") for p in parts if len(p) == 1}


def plain_name(name: str) -> str:
    """A package's name as it is compared."""
    return name.lower().replace("_", "-")


def _check_record(archive: zipfile.ZipFile, record: str) -> None:
    """Every file is in the wheel's own list, with the sum that stands there."""
    rows = csv.reader(io.StringIO(archive.read(record).decode("utf-8")))
    sums = {row[0]: row[1] for row in rows if row}
    for name in archive.namelist():
        if name == record or name.endswith("/"):
            continue
        kind, _, given = sums.get(name, "").partition("=")
        found = hashlib.new(kind or "sha256", archive.read(name)).digest()
        if given != base64.urlsafe_b64encode(found).rstrip(b"=").decode():
            raise InputError(f"{name} is not as the wheel's record says")


def _check_machine(data: bytes, name: str, platform: str) -> None:
    """Machine code is for the platform's processor."""
    found = machine_of(data)
    if found != _MACHINES[platform]:
        raise InputError(f"{name} is {found or 'no library'}, not for {platform}")


def machine_of(data: bytes) -> tuple[str, int] | None:
    """Kind of machine code and the number of its processor; None where it is none."""
    if data[:4] == b"\x7fELF":
        return "ELF", struct.unpack_from("<H", data, 18)[0]
    if data[:4] == b"\xcf\xfa\xed\xfe":
        return "Mach-O", struct.unpack_from("<I", data, 4)[0]
    if data[:2] == b"MZ":
        header = struct.unpack_from("<I", data, 60)[0]
        return "PE", struct.unpack_from("<H", data, header + 4)[0]
    return None


def _requires(metadata, platform: str) -> list[str]:
    """What a wheel asks for there without extras."""
    from packaging.requirements import Requirement

    from .platforms import PLATFORMS

    marker = PLATFORMS[platform].marker("3.11")
    asked = [Requirement(line) for line in metadata.get_all("Requires-Dist") or []]
    return [plain_name(r.name) for r in asked if not r.marker or r.marker.evaluate(marker)]
