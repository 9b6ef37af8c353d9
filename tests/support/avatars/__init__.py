"""Small avatars like those that the web has, made by script out of a sample character (CC0): each
names and builds its controls as one tool does, with what such files bring beside the face.

`python -m exprgen.tests.support.avatars` makes all of them and measures how far they come.
"""
