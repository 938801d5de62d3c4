"""identity_of: one walk through a part and all that it holds."""

from __future__ import annotations

import copyreg
import functools
import json
import math
import types
import uuid
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._identity.code import functions_and_values, installed_name_of, is_installed, name_of, used_by
from keras_transfer._identity.configs import operations, unnamed, values_of

_UNREADABLE = (TypeError, ValueError, AttributeError, RuntimeError, tf.errors.OpError)  # of what cannot be pickled


def identity_of(part: Any, *, strict: bool = False) -> Any:
    """Returns what tells a part from all others, ready for JSON.

    Names and numbers stand for themselves, and collections for their members. A function is known by its module, name
    and code, by the defaults and variables that it holds, and by what it uses of the user's own modules; a partial by
    function and arguments; an object of Keras by its config and weights; any other object by its class and state.
    Functions and classes of an installed library are known by name and the library's version. Texts and numbers stay
    readable; code, arrays and states become hashes.

    Args:
        part: anything.
        strict: make what has no readable state, such as a lock or a running generator, another each time. By default
            it is known by its class.
    """
    return _Walk(strict).of(part)


def form_of(model: keras.Model) -> str:
    """Returns a hash of the layers of a model and how they are connected, whatever their names and weights are."""
    return digest(_Walk(strict=False).form(model))


def digest(identity: Any) -> str:
    """Returns a hash of what `identity_of` gives, of 32 letters."""
    return _hash(json.dumps(identity, sort_keys=True).encode())


class _Walk:
    def __init__(self, strict: bool):
        self._strict = strict
        self._done: dict[int, tuple[Any, Any]] = {}  # by id, with the object itself, so that no other gets its id

    def of(self, part: Any) -> Any:
        """Returns the identity of a part of any kind."""
        if part is None or isinstance(part, (bool, int, str)):
            return part
        if isinstance(part, float):
            return part if math.isfinite(part) else repr(part)
        if isinstance(part, np.generic):
            return self.of(part.item())
        if isinstance(part, bytes):
            return f"bytes ({_hash(part)})"
        if id(part) not in self._done:
            self._done[id(part)] = part, "itself"  # what it holds may lead back to it
            self._done[id(part)] = part, self._look(part)
        return self._done[id(part)][1]

    def form(self, model: keras.Model) -> Any:
        """Returns the config of a model, with places for names, and the code of layers of the user's own."""
        every = list(operations(model))
        places = {operation.name: f"operation {index}" for index, operation in enumerate(every)}
        own = [type(operation) for operation in every if not is_installed(type(operation).__module__)]
        try:
            config = model.get_config()
        except _UNREADABLE:  # of one of its layers
            config = [self._settings(operation) for operation in every if not isinstance(operation, keras.Model)]
        return [self.of(unnamed(config, places)), *map(self.of, own)]

    def _look(self, part: Any) -> Any:
        if isinstance(part, (list, tuple)):
            return [self.of(member) for member in part]
        if isinstance(part, (set, frozenset)):
            return sorted((self.of(member) for member in part), key=json.dumps)
        if isinstance(part, Mapping):
            if all(isinstance(key, str) for key in part):
                return {key: self.of(value) for key, value in part.items()}
            return [[self.of(key), self.of(value)] for key, value in part.items()]
        if isinstance(part, np.ndarray):
            return f"{part.dtype} {part.shape} ({self._content(part)})"
        if isinstance(part, types.ModuleType):
            return f"module {part.__name__}"
        if isinstance(part, functools.partial):
            return {"partial": self.of(part.func), "args": self.of(part.args), "keywords": self.of(part.keywords)}
        if isinstance(part, types.MethodType):
            return {"method": self.of(part.__func__), "self": self.of(part.__self__)}
        if isinstance(part, types.FunctionType):
            return installed_name_of(part) or f"{name_of(part)} (code {digest(self._function(part))})"
        if isinstance(part, type):
            return installed_name_of(part) or f"{name_of(part)} (code {digest(self._class(part))})"
        try:
            return self._object(part)
        except _UNREADABLE:
            return self._unreadable(part)

    def _content(self, array: np.ndarray) -> str:
        if array.dtype.hasobject:
            return digest([self.of(value) for value in array.flat])
        return _hash(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    def _object(self, part: Any) -> Any:
        if isinstance(part, (tf.Tensor, tf.Variable, keras.Variable)):
            return self.of(np.asarray(keras.ops.convert_to_numpy(part)))
        if isinstance(part, tf.types.experimental.PolymorphicFunction):
            return self.of(part.python_function)
        if hasattr(type(part), "get_config") and hasattr(type(part), "from_config"):
            return self._of_keras(part)
        reduce = copyreg.dispatch_table.get(type(part))  # how any object tells what makes it, to be pickled or copied
        reduced = reduce(part) if reduce else part.__reduce_ex__(2)
        if isinstance(reduced, str):  # a name
            return [f"{getattr(part, '__module__', None)}.{reduced}", self.of(getattr(part, "__wrapped__", None))]
        make, arguments, *state = reduced
        states = [list(each) if isinstance(each, Iterator) else each for each in state]
        return f"{name_of(type(part))} ({digest([self.of(make), self.of(arguments), self.of(states)])})"

    def _unreadable(self, part: Any) -> str:
        return f"{name_of(type(part))} {uuid.uuid4().hex}" if self._strict else name_of(type(part))

    def _of_keras(self, part: Any) -> Any:
        known: dict[str, Any] = {"class": self.of(type(part))}
        weights = part.weights if isinstance(part, keras.layers.Layer) else []
        if weights:
            known["weights"] = digest([self.of(weight) for weight in weights])
        if isinstance(part, keras.Model):
            return known | {"form": digest(self.form(part))}
        return known | self._settings(part)

    def _settings(self, part: Any) -> dict[str, Any]:
        """The config of an object of Keras, and values that it does not tell: a loss of the user's own need not."""
        try:
            config = self.of(unnamed(part.get_config(), {}))
        except _UNREADABLE:
            config = self._unreadable(part)
        else:
            if isinstance(part, keras.layers.Layer) or is_installed(type(part).__module__):
                return {"config": config}
        return {"config": config, "values": self.of(values_of(part))}

    def _class(self, kind: type) -> Any:
        members = {name: self.of(member) for name, member in functions_and_values(kind)}
        return [[self.of(base) for base in kind.__bases__], members]

    def _function(self, function: types.FunctionType) -> Any:
        code = function.__code__
        cells = [cell.cell_contents for cell in function.__closure__ or () if cell != types.CellType()]  # not empty
        held = [function.__defaults__, function.__kwdefaults__, *cells]
        used = {} if is_installed(function.__module__) else dict(used_by(code, function.__globals__))
        return [self._code(code, function.__doc__), [self.of(value) for value in held], self.of(used)]

    def _code(self, code: types.CodeType, doc: str | None = None) -> Any:
        constants = [
            self._code(value) if isinstance(value, types.CodeType) else [type(value).__name__, self.of(value)]
            for value in code.co_consts
            if value is None or value != doc
        ]
        names = [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars]
        counts = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags]
        return [code.co_code.hex(), code.co_exceptiontable.hex(), constants, self.of(names), counts]


def _hash(content: Any) -> str:
    return blake2b(content, digest_size=16).hexdigest()
