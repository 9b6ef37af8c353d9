"""Pictures to choose from, side by side over the 3D view: where each lies, and their drawing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

LEAST = 132
"""Side of a picture in pixels at a user interface scale of 1, at least; more go to another page."""
LINE = 20
"""Height of a line of text, likewise."""
GAP = 6


@dataclass(frozen=True)
class Grid:
    """Cells of a page in a region, from the top left.

    left, bottom, width, height: of the region's free part, pixels. count: pictures in all. scale:
    of the user interface.
    """

    left: float
    bottom: float
    width: float
    height: float
    count: int
    scale: float = 1.0

    @property
    def columns(self) -> int:
        return max(1, int(self.width // (LEAST * self.scale + GAP)))

    @property
    def side(self) -> float:
        """Of a picture, pixels."""
        return self.width / self.columns - GAP

    @property
    def rows(self) -> int:
        """That fit onto a page, below a heading."""
        free = self.height - 2 * LINE * self.scale
        return max(1, int(free // (self.side + LINE * self.scale + GAP)))

    @property
    def pages(self) -> int:
        return max(1, math.ceil(self.count / (self.columns * self.rows)))

    def shown(self, page: int) -> range:
        """The pictures of a page."""
        a_page = self.columns * self.rows
        return range(page * a_page, min(self.count, (page + 1) * a_page))

    def place(self, number: int) -> tuple[float, float]:
        """The lower left corner of a picture on its page."""
        row, column = divmod(number % (self.columns * self.rows), self.columns)
        top = self.bottom + self.height - 2 * LINE * self.scale
        step = self.side + LINE * self.scale + GAP
        return self.left + column * (self.side + GAP), top - row * step - self.side

    def at(self, x: float, y: float, page: int) -> int | None:
        """The picture at a place of the region, its name below it counts too."""
        for number in self.shown(page):
            left, bottom = self.place(number)
            if left <= x <= left + self.side and (
                bottom - LINE * self.scale <= y <= bottom + self.side
            ):
                return number
        return None


class Pictures:
    """Picture files as textures, read once. Use `close`."""

    def __init__(self, files: list[Path]):
        import bpy
        import gpu

        self.textures = []
        for file in files:
            if not file.is_file():
                self.textures.append(None)
                continue
            image = bpy.data.images.load(str(file), check_existing=False)
            # Drawn as they are: a region's pixels are not managed.
            image.colorspace_settings.name = "Non-Color"
            self.textures.append(gpu.texture.from_image(image))
            bpy.data.images.remove(image)

    def draw(self, number: int, x: float, y: float, side: float) -> None:
        import gpu
        from gpu_extras.presets import draw_texture_2d

        if self.textures[number] is not None:
            gpu.state.blend_set("NONE")
            draw_texture_2d(self.textures[number], (x, y), side, side)
        gpu.state.blend_set("ALPHA")

    def close(self) -> None:
        self.textures.clear()


def draw_frame(x: float, y: float, width: float, height: float, colour, thick: float = 0.0) -> None:
    """A filled rectangle, or with `thick` its outline."""
    import gpu
    from gpu_extras.batch import batch_for_shader

    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    parts = [(x, y, x + width, y + height)]
    if thick:
        parts = [
            (x, y, x + width, y + thick),
            (x, y + height - thick, x + width, y + height),
            (x, y, x + thick, y + height),
            (x + width - thick, y, x + width, y + height),
        ]
    shader.bind()
    shader.uniform_float("color", colour)
    for x0, y0, x1, y1 in parts:
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        batch_for_shader(shader, "TRIS", {"pos": corners}, indices=[(0, 1, 2), (0, 2, 3)]).draw(
            shader
        )


def draw_words(x: float, y: float, words: str, scale: float, colour=(1, 1, 1, 1)) -> None:
    """A line of text; x, y: its lower left corner."""
    import blf

    blf.size(0, 12 * scale)
    blf.color(0, *colour)
    blf.position(0, x, y, 0)
    blf.draw(0, words)
