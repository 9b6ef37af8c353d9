"""A character in a scene: appended, bound, cast; landmarks on its mesh."""
