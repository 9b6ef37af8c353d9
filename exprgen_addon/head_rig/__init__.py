"""A bare head in a scene -> a character: read, marked, given shape keys and drivers."""
