"""The trainings, a file each: what `exprgen train NAME` runs is the `main(words)` in it."""
