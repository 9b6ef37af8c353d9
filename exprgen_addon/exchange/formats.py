"""The formats that a take can leave in."""

FORMATS = {
    ".csv": "Live Link Face, for Unreal and MotionBuilder",
    ".vrma": "VRM animation: expressions, head and gaze for any VRM avatar",
    ".glb": "glTF: the character whole, with bones, shape keys and its take",
    ".fbx": "FBX: the character whole, with bones, shape keys and its take",
}
"""Ending -> what it is for."""
LAST = (".glb", ".fbx")
"""What is baked changes the open file, so it comes last."""
