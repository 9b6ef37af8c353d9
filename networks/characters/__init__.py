"""What is known of a rig without Blender: its profile, its key poses, what its names tell."""
