"""The extension's zip: what is in it, what Blender says of it, and its life in a clean profile."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

from exprgen.exprgen_addon.packaging import extension_build, wheel_check
from exprgen.exprgen_addon.packaging.platforms import PLATFORMS
from exprgen.networks.characters.profile import sample_characters
from exprgen.networks.errors import ExprGenError, InputError
from exprgen.networks.tracking import landmark_model

pytest.importorskip("bpy")

PROJECT = tomllib.loads((extension_build.ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def lite(tmp_path_factory) -> Path:
    """The lite zip, with any file for the landmark model where it is not here."""
    folder = tmp_path_factory.mktemp("dist")
    with pytest.MonkeyPatch.context() as patch:
        try:
            landmark_model.landmark_model()
        except ExprGenError:
            stand_in = folder / landmark_model.LANDMARK_MODEL
            stand_in.write_bytes(b"model")
            patch.setattr(landmark_model, "fetch_landmark_model", lambda say: stand_in)
        made = extension_build.build(folder)
    assert made["bytes"] == Path(made["zip"]).stat().st_size
    assert [p.name for p in folder.iterdir() if p.is_dir()] == []
    return Path(made["zip"])


class TestLite:
    def test_it_holds_what_a_user_needs(self, lite):
        names = set(zipfile.ZipFile(lite).namelist())
        for wanted in (
            "blender_manifest.toml",
            "__init__.py",
            "LICENSE",
            "exprgen_addon/command_line/main.py",
            "networks/worker.py",
            "networks/training/cmlp.py",
            "networks/weights/hcnn.safetensors",
            "networks/weights/hcnn.md",
            "networks/weights/face_landmarker.task",
            "networks/weights/face_landmarker.LICENSE",
            "sample_rigs/reference/reference.mp4",
            "sample_rigs/blender_assets.cats.txt",
        ):
            assert wanted in names
        for profile in sample_characters():
            assert {
                f"sample_rigs/{profile.name}.json",
                f"sample_rigs/{profile.blend.name}",
            } <= names

    def test_it_holds_nothing_else(self, lite):
        for name in zipfile.ZipFile(lite).namelist():
            parts = Path(name).parts
            assert parts[0] in extension_build.PARTS, name
            assert not any(p.startswith(".") or p == "__pycache__" for p in parts), name
            assert not name.endswith((".whl", ".blend1", ".part", ".pyc")), name
            assert "build" not in parts, name

    def test_its_manifest_is_the_repository_s(self, lite):
        text = zipfile.ZipFile(lite).read("blender_manifest.toml").decode()
        manifest = tomllib.loads(text)
        assert manifest == tomllib.loads(
            (extension_build.ROOT / "blender_manifest.toml").read_text("utf-8")
        )
        assert "wheels" not in manifest

    def test_blender_finds_it_valid(self, lite):
        assert "Success" in extension_build.blender_extension("validate", lite)


def wheel_of(folder: Path, name: str, files: dict[str, bytes], requires: str = "") -> Path:
    """A wheel as an index gives it, with its record."""
    info = f"{name}-1.0.dist-info"
    asks = f"Requires-Dist: {requires}\n" if requires else ""
    files = {**files, f"{info}/METADATA": f"Name: {name}\nVersion: 1.0\n{asks}".encode()}
    rows = [
        f"{n},sha256={base64.urlsafe_b64encode(hashlib.sha256(d).digest()).rstrip(b'=').decode()},"
        for n, d in files.items()
    ]
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for n, data in files.items():
            archive.writestr(n, data)
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]))
    return path


@pytest.mark.skipif(os.name == "nt", reason="who owns a folder is told by processes of POSIX")
def test_a_killed_build_leaves_no_zip_and_nothing_that_the_next_one_does_not_sweep(tmp_path):
    try:
        landmark_model.landmark_model()
    except ExprGenError:
        pytest.skip("no landmark model")
    command = [sys.executable, "-m", extension_build.__name__, "--lite", "--out", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob(".spool-*/exprgen/networks")):
        assert process.poll() is None, "it has ended before it could be killed"
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not list(tmp_path.glob("*.zip"))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert [p.suffix for p in tmp_path.iterdir()] == [".zip"]


class TestRelease:
    WINDOWS = PLATFORMS["windows-x64"]

    @pytest.mark.parametrize("platform", PLATFORMS.values(), ids=lambda p: p.name)
    @pytest.mark.parametrize("python", extension_build.PYTHONS)
    def test_its_packages(self, platform, python):
        wanted = dict(r.split("==") for r in extension_build.requirements(platform, python))
        assert not {*extension_build.ABSENT} & set(wanted)
        for requirement in PROJECT["dependencies"]:
            name, version = requirement.split("==")
            if name not in extension_build.ABSENT:
                assert wanted[extension_build.INSTEAD.get(name, name)] == version
        assert "certifi" in wanted, "what packages need in turn is there"

    def test_its_manifest(self, tmp_path):
        stage = tmp_path / "exprgen"
        extension_build.copy_package(stage)
        (stage / "wheels").mkdir()
        wheel = wheel_of(stage / "wheels", "thing", {"thing.py": b""})
        path = stage / "blender_manifest.toml"
        extension_build.extend_manifest(path, self.WINDOWS, [wheel])
        manifest = tomllib.loads(path.read_text("utf-8"))
        assert manifest["platforms"] == ["windows-x64"]
        assert manifest["wheels"] == ["./wheels/thing-1.0-py3-none-any.whl"]
        assert manifest["blender_version_min"] == "4.5.0"
        assert "blender_version_max" not in manifest
        assert set(manifest["permissions"]) == {"files", "network", "camera"}, "tables are whole"
        assert "Success" in extension_build.blender_extension("validate", stage)

    def test_what_the_index_lacks_is_an_error(self, tmp_path, monkeypatch):
        def download(*_):
            raise InputError("the package index has no av")

        monkeypatch.setattr(extension_build, "download", download)
        monkeypatch.setattr(landmark_model, "fetch_landmark_model", lambda say: __file__)
        with pytest.raises(ExprGenError, match="no av"):
            extension_build.build(tmp_path, platform=self.WINDOWS)
        assert not list(tmp_path.glob("*.zip"))

    def test_a_wheel_whose_download_was_killed_is_fetched_again(self, tmp_path, monkeypatch):
        with zipfile.ZipFile(tmp_path / "whole-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr("whole.py", "pass\n" * 99)
        cut = (tmp_path / "whole-1-py3-none-any.whl").read_bytes()[:-30]
        (tmp_path / "cut-1-py3-none-any.whl").write_bytes(cut)
        seen: list[str] = []

        def look(wanted, platform, python, folder):
            seen.extend(p.name for p in folder.iterdir())
            raise InputError("no index here")

        monkeypatch.setattr(extension_build, "download", look)
        with pytest.raises(InputError, match="no index here"):
            extension_build.collect_wheels(PLATFORMS["linux-x64"], ["3.11"], tmp_path)
        assert seen == ["whole-1-py3-none-any.whl"]

    def test_a_zip_that_is_too_large_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr(landmark_model, "fetch_landmark_model", lambda say: __file__)
        monkeypatch.setattr(extension_build, "LARGEST_ZIP", 1_000_000)
        with pytest.raises(ExprGenError, match="MB, not 1"):
            extension_build.build(tmp_path)
        assert not list(tmp_path.glob("*.zip"))


class TestWheels:
    ELF = b"\x7fELF" + bytes(14) + (62).to_bytes(2, "little") + bytes(40)
    PE = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0" + (0x8664).to_bytes(2, "little")
    MACH = b"\xcf\xfa\xed\xfe" + (0x0100000C).to_bytes(4, "little")

    def look(self, wheels, platform="linux-x64", modules=(), needed=(), absent=()):
        wheel_check.check_wheels(wheels, platform, modules, needed, absent)

    @pytest.mark.parametrize(
        ("platform", "code"),
        [("linux-x64", ELF), ("windows-x64", PE), ("macos-arm64", MACH)],
        ids=["ELF", "PE", "Mach-O"],
    )
    def test_machine_code_is_the_platform_s(self, tmp_path, platform, code):
        wheel = wheel_of(tmp_path, "thing", {"thing/__init__.py": b"", "thing/a.so": code})
        self.look([wheel], platform, ["thing"], ["thing"])
        for other in set(PLATFORMS) - {platform}:
            with pytest.raises(InputError, match=f"thing/a.so is .*not for {other}") as caught:
                self.look([wheel], other)
            assert caught.value.file == str(wheel)

    def test_a_changed_file_is_named(self, tmp_path):
        wheel = wheel_of(tmp_path, "thing", {"thing.py": b"1"})
        with zipfile.ZipFile(wheel, "a") as archive:
            archive.writestr("more.py", b"2")
        with pytest.raises(InputError, match=r"more\.py is not as the wheel's record says"):
            self.look([wheel])
        wheel.write_bytes(wheel.read_bytes()[:200])
        with pytest.raises(InputError, match="no whole wheel"):
            self.look([wheel])

    def test_what_is_asked_for_is_there(self, tmp_path):
        wheel = wheel_of(tmp_path, "thing", {"thing.py": b""}, requires="Other_Thing>=2")
        with pytest.raises(InputError, match="no wheel of other-thing, which thing"):
            self.look([wheel])
        self.look([wheel], absent=["other-thing"])
        more = wheel_of(tmp_path, "other_thing", {"other/__init__.py": b""})
        self.look([wheel, more], modules=["other", "thing"], needed=["thing"])
        with pytest.raises(InputError, match="no wheel of av, which the engine needs"):
            self.look([wheel, more], needed=["av"])
        with pytest.raises(InputError, match="av could be imported"):
            self.look([wheel, more], modules=["av"])


def test_faults_are_told_in_blender_s_words(tmp_path):
    stage = tmp_path / "exprgen"
    extension_build.copy_package(stage)
    manifest = stage / "blender_manifest.toml"
    manifest.write_text(manifest.read_text("utf-8").replace('"add-on"', '"opera"'))
    with pytest.raises(ExprGenError, match="opera"):
        extension_build.blender_extension("validate", stage)


LIFE = """
import os, sys, pathlib
import bpy

zip_path, module = sys.argv[1], "bl_ext.user_default.exprgen"
preferences, ops = bpy.context.preferences, bpy.ops
entries = lambda: [f.__module__ for f in bpy.types.VIEW3D_MT_add._dyn_ui_initialize()]
before = entries()
ops.extensions.package_install_files(
    filepath=zip_path, repo="user_default", enable_on_install=True, overwrite=True
)
assert module in preferences.addons, "not enabled"
assert any(m.startswith(module) for m in entries()), "no entry in the Add menu"
assert sys.modules[module + ".exprgen_addon"]._run_command(["characters", "--json"]) == 0
name = "NAME"
if name:
    ops.exprgen.add_character(name=name)
    assert bpy.context.scene.collection.children_recursive
libraries = lambda: [x.name for x in preferences.filepaths.asset_libraries]
assert "ExprGen" not in libraries()
ops.exprgen.asset_library()
assert "ExprGen" in libraries()
for _ in range(2):
    ops.preferences.addon_disable(module=module)
    assert not [n for n in dir(bpy.types) if n.lower().startswith("exprgen")], "classes are left"
    assert not hasattr(bpy.types.Scene, "exprgen"), "settings are left"
    assert entries() == before, "the Add menu keeps an entry"
    assert "ExprGen" not in libraries(), "the asset library is left"
    ops.preferences.addon_enable(module=module)
ops.preferences.addon_disable(module=module)
repos = preferences.extensions.repos
number = next(i for i, r in enumerate(repos) if r.module == "user_default")
ops.extensions.package_uninstall(repo_index=number, pkg_id="exprgen")
root = pathlib.Path(bpy.utils.resource_path("USER"))
files = [str(p.relative_to(root)) for p in root.rglob("*")]
assert not [f for f in files if "exprgen" in f.lower()], files
assert module not in preferences.addons
print("ALL WELL", flush=True)
os._exit(0)
"""


def test_its_life_in_a_clean_profile(lite, tmp_path):
    """Installed, enabled, used, disabled, enabled, removed: without a trace or an error."""
    characters = sample_characters()
    script = LIFE.replace("NAME", characters[-1].name if characters else "")
    done = subprocess.run(
        [sys.executable, "-c", script, str(lite)],
        env={**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "profile")},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout
    assert "ALL WELL" in done.stdout
    for word in ("Error", "Traceback", "Warning", "been registered before"):
        assert word not in done.stdout, done.stdout
    assert [p.name for p in tmp_path.iterdir()] in ([], ["profile"])
