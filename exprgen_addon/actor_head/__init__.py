"""A FaceFit as a head in Blender: mesh and shape keys, keys, its camera with the footage."""
