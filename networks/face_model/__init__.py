"""A face in three dimensions: a bilinear model, and its fit to what the tracker saw.

It must not know characters, rigs or Blender; it takes a FaceTrack and gives a FaceFit.
"""
