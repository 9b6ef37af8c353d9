"""A RigProfile proposed for a rig that nobody described: what moves the face, how far, and where.

Names are only hints. Whether something is a control of the face is found by moving it: every
candidate of every rig family (`rigs.find_controls`) is set to its limits, the scene is evaluated,
and the vertices of the face that move are measured (`probe.Probe`). What stays open is said in
words, for a person to decide.
"""

from .proposal import profile_before as profile_before
from .proposal import profile_file as profile_file
from .proposal import propose_profile as propose_profile
from .scenes import close_scene as close_scene
from .scenes import find_mesh as find_mesh
