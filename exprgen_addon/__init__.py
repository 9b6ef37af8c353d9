"""All of Blender: the extension's operators, panels and rig families."""
