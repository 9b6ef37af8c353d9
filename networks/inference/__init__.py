"""The shipped networks without torch: numpy in and out, computed by OpenCV."""
