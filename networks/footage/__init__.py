"""Images, folders and video to timed upright frames; pictures of a reference; the preview film."""
