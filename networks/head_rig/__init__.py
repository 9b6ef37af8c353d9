"""A bare head -> shapes that make it act: dense correspondence with the face model, its actions
carried over, lids and lips brought together. Knows points and triangles, no Blender."""
