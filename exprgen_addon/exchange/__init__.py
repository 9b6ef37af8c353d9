"""What goes out to other programs and comes in from them, besides Blender's own files."""
