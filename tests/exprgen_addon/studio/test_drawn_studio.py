"""Pictures drawn from triangles: pixels, shadows, materials, and likeness to those of rays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.studio import rasteriser
from exprgen.exprgen_addon.studio.drawn_studio import DrawnStudio, png, studio
from exprgen.exprgen_addon.studio.face_studio import CED, FaceStudio
from exprgen.exprgen_addon.studio.plain_light import Sun, irradiance, sky_directions, visible
from exprgen.exprgen_addon.studio.plain_surfaces import NotPlain, surface
from exprgen.networks.characters.profile import sample_characters
from exprgen.networks.footage.pictures import read_image

FRONT, UP = np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])


def grid(count: int, side: float, height: float) -> np.ndarray:
    """(count^2, 3) points of a level square about the origin."""
    places = np.linspace(-side / 2, side / 2, count)
    x, y = (a.ravel() for a in np.meshgrid(places, places))
    return np.stack([x, y, np.full_like(x, height)], 1).astype(np.float32)


class TestPixels:
    def test_what_is_nearer_is_seen(self):
        points = np.array(
            [[0, 0, 5], [8, 0, 5], [0, 8, 5], [8, 8, 5], [2, 2, 3], [6, 2, 3], [2, 6, 3]],
            np.float32,
        )
        triangles = np.array([[4, 5, 6], [0, 1, 2], [3, 2, 1]])
        covered = rasteriser.cover(points, triangles, 8)
        seen = np.full(64, -1)
        seen[covered.sample] = covered.triangle
        assert (seen >= 0).all(), "two triangles fill the square without a gap"
        assert seen.reshape(8, 8)[2, 2] == 0
        assert {1, 2} <= {*seen.tolist()}

    def test_a_row_along_a_shared_edge_belongs_to_a_triangle(self):
        rng = np.random.default_rng(0)
        for _ in range(200):
            left, right = rng.uniform(0, 3), rng.uniform(5, 8)
            points = np.array(
                [[left, 4.5, 5], [right, 4.5, 5], [rng.uniform(3, 5), 0.3, 5], [4, 7.9, 5]]
            )
            covered = rasteriser.cover(
                points.astype(np.float32), np.array([[0, 1, 2], [1, 0, 3]]), 8
            )
            row = covered.sample[covered.sample // 8 == 4] % 8
            assert {*range(int(np.ceil(left)), int(right) - 1)} <= {*row.tolist()}

    def test_values_are_blended_between_corners(self):
        points = np.array([[0, 0, 1], [16, 0, 1], [0, 16, 1]], np.float32)
        covered = rasteriser.cover(points, np.array([[0, 2, 1]]), 16)
        values = points[[0, 2, 1], :2][None]
        found = covered.blend(values.astype(np.float32))
        rows, columns = np.divmod(covered.sample, 16)
        np.testing.assert_allclose(found, np.stack([columns, rows], 1) + 0.5, atol=1e-4)
        np.testing.assert_allclose(covered.shares.sum(1), 1, atol=1e-5)

    def test_what_is_outside_or_behind_is_left_out(self):
        points = np.array([[-9, -9, 1], [-5, -9, 1], [-9, -5, 1], [1, 1, -1], [3, 1, 1], [1, 3, 1]])
        triangles = np.array([[0, 1, 2], [3, 4, 5], [4, 4, 4], [4, 5, 4]])
        assert not len(rasteriser.cover(points.astype(np.float32), triangles, 8).sample)

    def test_long_thin_triangles_cost_no_more_than_they_cover(self):
        rng = np.random.default_rng(1)
        ends = rng.uniform(0, 200, (50, 2, 2)).astype(np.float32)
        third = ends[:, 1] + rng.uniform(-2, 2, (50, 2)).astype(np.float32)
        flat = np.concatenate([ends, third[:, None]], 1).reshape(-1, 2)
        points = np.hstack([flat, rng.uniform(1, 2, (150, 1))]).astype(np.float32)
        covered = rasteriser.cover(points, np.arange(150).reshape(-1, 3), 200)
        assert 0 < len(covered.sample) < 50 * 600
        assert covered.shares.min() >= 0

    def test_png_is_read_by_others(self, tmp_path):
        rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
        (tmp_path / "a.png").write_bytes(png(rgb))
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), rgb)


class TestLight:
    CELL = 0.02

    def test_a_roof_hides_the_sun_and_half_of_the_sky(self):
        floor, roof = grid(60, 1.0, 0.0), grid(30, 0.5, 0.2)
        points = np.concatenate([floor, roof])
        normals = np.tile(np.float32([0, 0, 1]), (len(points), 1))
        sun = Sun(UP, np.array([3.0, 3.0, 3.0]))
        direct, sky, shares = irradiance(
            points, normals, [sun], sky_directions(FRONT, UP), self.CELL
        )
        below = (np.abs(floor[:, :2]) < 0.15).all(1)
        beside = (np.abs(floor[:, :2]) > 0.35).all(1)
        assert shares[0][: len(floor)][below].max() < 0.05
        assert shares[0][: len(floor)][beside].min() > 0.95
        np.testing.assert_allclose(direct[: len(floor)][beside], 3 / np.pi, rtol=0.06)
        assert sky[: len(floor)][below].mean() < 0.6 * sky[: len(floor)][beside].mean()
        assert shares[0][len(floor) :].min() > 0.95, "a surface does not shadow itself"

    def test_the_side_that_is_turned_away_gets_nothing(self):
        points = grid(20, 1.0, 0.0)
        normals = np.tile(np.float32([0, 0, -1]), (len(points), 1))
        direct, _, _ = irradiance(
            points, normals, [Sun(UP, np.ones(3))], sky_directions(FRONT, UP), self.CELL
        )
        assert not direct.any()

    def test_nothing_in_the_way_is_all_of_it(self):
        points = grid(20, 1.0, 0.0)
        assert visible(points, points + np.float32([0, 0, 0.03]), UP, self.CELL).min() == 1


class TestSurfaces:
    @pytest.fixture
    def material(self):
        made = bpy.data.materials.new("trial")
        made.use_nodes = True
        yield made
        bpy.data.materials.remove(made)

    def node(self, material, kind):
        return material.node_tree.nodes.new(kind)

    def shader(self, material):
        return next(n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")

    def test_numbers(self, material):
        shader = self.shader(material)
        shader.inputs["Base Color"].default_value = (0.1, 0.2, 0.3, 1)
        shader.inputs["Roughness"].default_value = 0.7
        shader.inputs["Emission Strength"].default_value = 2.0
        shader.inputs["Emission Color"].default_value = (1, 0.5, 0, 1)
        told = surface(material)
        np.testing.assert_allclose(told.colour, (0.1, 0.2, 0.3), atol=1e-6)
        np.testing.assert_allclose(told.emission, (2, 1, 0), atol=1e-6)
        assert told.roughness == pytest.approx(0.7)
        assert surface(None).colour.shape == (3,)

    def test_a_picture_by_its_uvs(self, material):
        image = bpy.data.images.new("trial", 4, 2)
        image.pixels = [1.0, 0.0, 0.0, 1.0] * 8
        node = self.node(material, "ShaderNodeTexImage")
        node.image = image
        material.node_tree.links.new(node.outputs[0], self.shader(material).inputs["Base Color"])
        told = surface(material)
        assert told.picture.shape == (2, 4, 3)
        np.testing.assert_allclose(told.picture[0, 0], (1, 0, 0), atol=1e-3)
        bpy.data.images.remove(image)

    @pytest.mark.parametrize("what", ["alpha", "noise", "glass", "rough"])
    def test_what_needs_rays_is_named(self, material, what):
        shader = self.shader(material)
        noise = self.node(material, "ShaderNodeTexNoise")
        links = material.node_tree.links
        if what == "alpha":
            shader.inputs["Alpha"].default_value = 0.5
        elif what == "glass":
            shader.inputs["Transmission Weight"].default_value = 1.0
        else:
            socket = "Base Color" if what == "noise" else "Roughness"
            links.new(noise.outputs[0], shader.inputs[socket])
        with pytest.raises(NotPlain, match="trial"):
            surface(material)


@pytest.mark.skipif(not sample_characters(), reason="no sample characters")
def test_a_drawn_picture_is_like_that_of_rays():
    """Light, shade, eyes and hair of the primary, as four rays a pixel show them."""
    profile = sample_characters()[0]
    settings = replace(CED, size=128)
    pose = np.array([c.rest for c in profile.controls])
    with FaceStudio(profile, settings) as rays:
        rays.pose(pose)
        seen = rays.render().astype(float)
    with studio(profile, replace(settings, drawn=True)) as drawn:
        assert isinstance(drawn, DrawnStudio), "every sample character's materials are plain"
        drawn.pose(pose)
        found = drawn.render().astype(float)
    assert found.shape == seen.shape
    assert np.abs(found - seen).mean() < 12
    assert np.corrcoef(found.mean(2).ravel(), seen.mean(2).ravel())[0, 1] > 0.95
