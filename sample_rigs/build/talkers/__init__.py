"""Synthetic people who talk, with what is true of every frame: speech, acting, mouth, clips."""
