"""RigTracks to keys: keyframes, takes, corrections, curves, options."""
