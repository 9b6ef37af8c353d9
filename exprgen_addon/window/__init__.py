"""What Blender shows: panels, operators, settings, preferences, what is drawn in the viewport."""
