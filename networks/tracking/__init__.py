"""Frames to a FaceTrack: the landmarker, whose face, registration, measurements, lost frames."""
