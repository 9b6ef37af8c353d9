"""Two characters that are built in a moment, and a new file of thirty frames a second with both."""

import pytest

from exprgen.tests.support import synthetic


@pytest.fixture(scope="module")
def profiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("characters")
    return [synthetic.build(folder, "ann", primary=True), synthetic.build(folder, "bob")]


@pytest.fixture
def scene(profiles):
    from exprgen.exprgen_addon.characters import in_scene
    from exprgen.exprgen_addon.keying import keyframes, takes

    scene = takes.new_file()
    keyframes.set_scene_fps(scene, 30.0)
    in_scene.append_characters(profiles, scene)
    return scene
