"""What the sources say of a Struct's fields: the string that follows a field is its description in the document."""

import ast
import functools
import inspect
import sys
from collections.abc import Iterable
from typing import Any, get_origin

import msgspec


def field_docs(shape: type[Any]) -> dict[str, str]:
    """Field -> description, for those that have one; of the class and what it is derived from."""
    found: dict[str, str] = {}
    for cls in reversed(shape.__mro__):
        found |= _of_module(cls.__module__).get(cls.__qualname__, {})
    return found


@functools.cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    """Class -> field -> description, for every class of a module of ours. Its source is read once."""
    if not name.startswith("cloud."):
        return {}
    tree = ast.parse(inspect.getsource(sys.modules[name]))
    return {node.name: _of_class(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _of_class(declared: ast.ClassDef) -> dict[str, str]:
    found = {}
    for field, doc in zip(declared.body, declared.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(doc, ast.Expr)
            and isinstance(doc.value, ast.Constant)
            and isinstance(doc.value.value, str)
        ):
            found[field.target.id] = " ".join(doc.value.value.split())
    return found


def structs_in(types: Iterable[Any]) -> dict[str, type[Any]]:
    """Every Struct that these types are made of, by the name of its class."""
    found: dict[str, type[Any]] = {}
    waiting = [msgspec.inspect.type_info(kind) for kind in types]
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType):
            cls: type[Any] = get_origin(info.cls) or info.cls
            if cls.__name__ in found:
                continue
            found[cls.__name__] = cls
            waiting += [field.type for field in info.fields]
        for name in ("item_type", "value_type", "type"):
            inner = getattr(info, name, None)
            if isinstance(inner, msgspec.inspect.Type):
                waiting.append(inner)
        for name in ("types", "item_types"):
            waiting += [one for one in getattr(info, name, ()) if isinstance(one, msgspec.inspect.Type)]
    return found
