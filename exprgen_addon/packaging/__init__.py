"""The extension's zip."""
