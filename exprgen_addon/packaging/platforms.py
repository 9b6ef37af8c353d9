"""The platforms that a release is built for, as Blender, pip and package metadata call them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Platform:
    """A platform as Blender, pip and package metadata call it."""

    name: str
    tags: tuple[str, ...]
    system: str
    sys_platform: str
    machine: str

    def marker(self, python: str) -> dict[str, str]:
        """Values that a requirement's conditions are judged by."""
        return {
            "implementation_name": "cpython",
            "os_name": "nt" if self.system == "Windows" else "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_system": self.system,
            "python_full_version": f"{python}.0",
            "python_version": python,
            "sys_platform": self.sys_platform,
            "extra": "",
        }


PLATFORMS = {
    p.name: p
    for p in (
        Platform(
            "linux-x64",
            ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64",
             "manylinux2014_x86_64"),
            "Linux", "linux", "x86_64",
        ),
        Platform("windows-x64", ("win_amd64",), "Windows", "win32", "AMD64"),
        Platform("macos-arm64", ("macosx_14_0_arm64",), "Darwin", "darwin", "arm64"),
    )
}  # fmt: skip
