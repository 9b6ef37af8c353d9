"""The sample characters (<name>.blend, <name>.json), what builds them, and the embedded
reference."""
