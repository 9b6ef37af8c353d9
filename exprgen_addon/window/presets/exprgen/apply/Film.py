import bpy

settings = bpy.context.scene.exprgen

settings.smoothing_eyes = 0.4
settings.smoothing_mouth = 0.4
settings.smoothing_head = 0.5
settings.emphasis = 0.3
settings.own_emphasis = False
settings.articulation = 1.3
settings.reduce = 0.0
settings.interpolation = "LINEAR"
settings.gain_brow = 1.0
settings.gain_eye = 1.0
settings.gain_nose = 1.0
settings.gain_cheek = 1.0
settings.gain_mouth = 1.0
settings.gain_jaw = 1.0
settings.gain_gaze = 1.0
settings.gain_head = 1.0
