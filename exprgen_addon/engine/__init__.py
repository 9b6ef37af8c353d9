"""The worker's process, its jobs and their queue, and whether the engine's Python is whole."""
