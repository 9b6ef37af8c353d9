"""What trainings share: sets of pictures, the loop, checkpoints, options, reports, pairs."""
