"""Live: a camera, a clip as a camera or a phone -> control values, frame by frame, now."""
