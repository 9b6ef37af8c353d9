"""A FaceTrack to RigTracks: neutral, emphasis, smoothing, limits; the worst frames."""
