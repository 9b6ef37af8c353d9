"""Data from a file or a message as a frozen dataclass: every field of its annotated type, numbers
finite, nothing missing and nothing unknown.

The annotations are the one description of what a file may hold, so that a reader checks what it
reads by naming the class. What the values mean is the reader's own to check.
"""

from __future__ import annotations

import functools
import json
import math
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass

T = typing.TypeVar("T")

LARGEST_NUMBER = 1e12
"""Of a number in a file. Nothing that ExprGen stores comes near it, and what is computed from
smaller ones stays finite."""


class FieldError(ValueError):
    """A field that is missing, unknown or of another type; says which."""


def as_record(cls: type[T], data: object, where: str = "") -> T:
    """`data`, as JSON gives it, as the dataclass `cls`.

    Args:
        where: the path of field names that leads to it, for messages.

    Raises:
        FieldError: see the module's docstring.
    """
    if not isinstance(data, dict):
        raise FieldError(f"{where or 'it'} is no object")
    types_of = _annotations(cls)
    unknown = [k for k in data if k not in types_of]
    if unknown:
        raise FieldError(f"{_at(where, unknown[0])} is unknown")
    made = {k: as_type(types_of[k], v, _at(where, k)) for k, v in data.items()}
    for f in fields(cls):
        if f.name not in made and f.default is MISSING and f.default_factory is MISSING:
            raise FieldError(f"{_at(where, f.name)} is missing")
    return cls(**made)


def as_type(kind: object, value: object, where: str) -> object:
    """`value` as the annotated type `kind`; lists become tuples where those are annotated.

    Raises:
        FieldError: it is of another type.
    """
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _as_one_of(typing.get_args(kind), value, where)
    if origin in (tuple, list):
        return origin(_items(origin, typing.get_args(kind), value, where))
    if origin is dict:
        return _as_table(typing.get_args(kind)[1], value, where)
    if is_dataclass(kind):
        return as_record(kind, value, where)
    if kind is object or kind is typing.Any:
        return value
    return _PLAIN[kind](value, where)


def _as_one_of(kinds: tuple, value: object, where: str) -> object:
    if value is None and types.NoneType in kinds:
        return None
    problem: FieldError | None = None
    for kind in (k for k in kinds if k is not types.NoneType):
        try:
            return as_type(kind, value, where)
        except FieldError as error:
            problem = problem or error
    raise problem


def _items(origin: type, kinds: tuple, value: object, where: str) -> list:
    if not isinstance(value, (list, tuple)):
        raise FieldError(f"{where} is no list")
    if origin is list or kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(value) != len(kinds):
        raise FieldError(f"{where} holds {len(value)} values, not {len(kinds)}")
    return [
        as_type(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True))
    ]


def _as_table(kind: object, value: object, where: str) -> dict:
    if not isinstance(value, dict):
        raise FieldError(f"{where} is no object")
    return {text(k, where): as_type(kind, v, _at(where, k)) for k, v in value.items()}


def text(value: object, where: str) -> str:
    """A text that can be printed, saved and be a part of a path.

    Raises:
        FieldError: it is something else.
    """
    if not isinstance(value, str):
        raise FieldError(f"{where} is no text")
    if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
        raise FieldError(f"{where} holds what is no text")
    return value


def number(value: object, where: str) -> float:
    """A finite number up to LARGEST_NUMBER either way.

    Raises:
        FieldError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise FieldError(f"{where} is no number")
    if not abs(value) <= LARGEST_NUMBER:
        word = "too large" if isinstance(value, int) or math.isfinite(value) else "not a number"
        raise FieldError(f"{where} is {word}")
    return float(value)


def number_of(written: str) -> float:
    """The finite number that a text writes, up to LARGEST_NUMBER either way.

    Raises:
        ValueError: it is none.
    """
    return number(float(written), written)


def whole_number(value: object, where: str) -> int:
    """A whole number, up to LARGEST_NUMBER either way.

    Raises:
        FieldError: it is something else.
    """
    if number(value, where) != value or not isinstance(value, int):
        raise FieldError(f"{where} is no whole number")
    return value


def switch(value: object, where: str) -> bool:
    """True or false; raises FieldError otherwise."""
    if not isinstance(value, bool):
        raise FieldError(f"{where} is neither true nor false")
    return value


def table(value: object, where: str) -> dict:
    """An object whose values may be anything; raises FieldError otherwise."""
    return _as_table(object, value, where)


def any_list(value: object, where: str) -> list:
    """A list whose values may be anything; raises FieldError otherwise."""
    return _items(list, (object,), value, where)


_PLAIN: dict[object, Callable[[object, str], object]] = {
    str: text,
    float: number,
    int: whole_number,
    bool: switch,
    dict: table,
    list: any_list,
}


@functools.cache
def _annotations(cls: type) -> dict[str, object]:
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in fields(cls)}


def _at(where: str, name: str) -> str:
    name = name if len(name) < 60 else f"{name[:60]}..."
    return f"{where}.{name}" if where else name


def json_text(data: object, **how) -> str:
    """`data` as JSON, as all that leaves the program is written: numbers and arrays of numpy become
    plain ones (the rounding of numpy 2 gives numpy's own), what else JSON lacks becomes text.

    Args:
        how: of json.dumps.
    """
    return json.dumps(data, default=_plain, **how)


def _plain(value: object) -> object:
    return value.tolist() if hasattr(value, "tolist") else str(value)
