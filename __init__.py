"""ExprGen: characters that read the way the actor reads. Register and unregister, nothing else."""


def register():
    from . import exprgen_addon

    exprgen_addon.register()


def unregister():
    from . import exprgen_addon

    exprgen_addon.unregister()
