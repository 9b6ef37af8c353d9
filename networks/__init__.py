"""What a face says: numpy and torch, never bpy (tests/test_borders.py enforces it)."""
