"""The ways in which the template's actions come onto a head, told without loading any of them."""

from __future__ import annotations

from ..errors import UsageError

METHODS = ("transfer", "network")
"""Deformation transfer, or the shape network."""


def check_method(method: str) -> None:
    """Raises UsageError where there is no such method, ModelError where it lacks its weights."""
    if method not in METHODS:
        raise UsageError(f"no method {method!r}", fix=f"use {' or '.join(METHODS)}")
    if method == "network":
        from ..inference.head_shapes import shape_network

        shape_network()
