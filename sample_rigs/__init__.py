"""The sample characters, what builds them, and the embedded reference."""
