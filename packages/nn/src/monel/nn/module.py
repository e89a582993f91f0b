"""`Module`: a dict of arrays, containers and modules, and the walks over it."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable, Iterator
from os import PathLike
from typing import Any, ClassVar

import monel.core as mx
from monel.utils import tree_flatten, tree_unflatten

from . import places

__all__ = ["Module"]

Filter = Callable[["Module", str, Any], bool]

_CONTAINERS = (dict, list, tuple)


def _is_floating(dtype: mx.Dtype) -> bool:
    return bool(mx.issubdtype(dtype, mx.floating))


class Module(dict[str, Any]):
    """The base of every layer and model: fields in the constructor, arithmetic in the call.

    A module is a dict. Attributes that are arrays, modules, dicts, lists or tuples are its items
    (``layer.weight`` and ``layer["weight"]`` are the same); all other attributes are ordinary
    ones. The *parameters* are the arrays in it, in its dicts and lists, and in the modules there,
    except those whose name begins with an underscore.

    Modules start in training mode with every parameter trainable.

    Example:
      >>> class Twice(nn.Module):
      ...     def __init__(self):
      ...         super().__init__()
      ...         self.scale = mx.array(2.0)
      ...
      ...     def __call__(self, x):
      ...         return self.scale * x
      >>> Twice().parameters()
      {'scale': array(2, dtype=float32)}
    """

    __call__: ClassVar[Callable[..., Any]]
    _no_grad: set[str]
    _training: bool

    def __init__(self) -> None:
        self._no_grad = set()
        self._training = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__call__" in cls.__dict__:
            cls.__call__ = places.telling(cls.__dict__["__call__"])

    # -- items and attributes ---------------------------------------------------------------------

    def __getattr__(self, key: str) -> Any:
        # Reached only when the ordinary look-up has failed.
        if key in self:
            return self[key]
        way_out = "; call super().__init__() first" if key in ("_no_grad", "_training") else ""
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {key!r}{way_out}", name=key, obj=self
        )

    def __dir__(self) -> list[str]:
        # Python lists the near matches of a misspelt attribute from here.
        return sorted({*super().__dir__(), *(key for key in self if isinstance(key, str))})

    def __setattr__(self, key: str, value: Any) -> None:
        if isinstance(value, (mx.array, *_CONTAINERS)):
            # An ordinary attribute of that name would hide the item.
            self.__dict__.pop(key, None)
            self[key] = value
        else:
            super().__setattr__(key, value)
            self.pop(key, None)

    def __delattr__(self, key: str) -> None:
        if key in self:
            del self[key]
        else:
            super().__delattr__(key)

    def __repr__(self) -> str:
        children = tree_flatten(self.children(), is_leaf=self.is_module)
        text = f"{type(self).__name__}({self._extra_repr()}"
        for name, child in children:
            text += "\n" + textwrap.indent(f"({name}): {child!r}", "  ")
        return f"{text}\n)" if children else f"{text})"

    def _repr_html_(self) -> str:
        """What notebooks show: the tree with shapes, numbers of parameters and bytes."""
        # Imported here, as `summary` stands above this module.
        from .summary import described

        return f"<pre>{html.escape(described(self))}</pre>"

    def _extra_repr(self) -> str:
        """What stands between the parentheses of ``repr``, before the children."""
        return ""

    @property
    def training(self) -> bool:
        """Whether the module is in training mode; :meth:`train` and :meth:`eval` set it."""
        return self._training

    @property
    def state(self) -> Module:
        """The module itself as a tree: live, so what is written there is seen here.

        It holds every array that the module has, also those that are no parameters. Pass it to
        ``mx.compile(..., inputs=..., outputs=...)``.
        """
        return self

    # -- filtered views ---------------------------------------------------------------------------

    @staticmethod
    def is_module(value: Any) -> bool:
        """Say whether ``value`` is a module."""
        return isinstance(value, Module)

    @staticmethod
    def valid_child_filter(module: Module, key: str, value: Any) -> bool:
        """Keep modules, and the dicts and lists that may hold some."""
        return isinstance(value, (dict, list))

    @staticmethod
    def valid_parameter_filter(module: Module, key: str, value: Any) -> bool:
        """Keep parameters, and the modules, dicts and lists that may hold some."""
        return isinstance(value, (dict, list, mx.array)) and not key.startswith("_")

    @staticmethod
    def trainable_parameter_filter(module: Module, key: str, value: Any) -> bool:
        """Keep parameters that are not frozen."""
        return Module.valid_parameter_filter(module, key, value) and key not in module._no_grad

    def filter_and_map(
        self,
        filter_fn: Filter,
        map_fn: Callable[[Any], Any] | None = None,
        is_leaf_fn: Filter | None = None,
    ) -> dict[str, Any]:
        """Build a tree of what ``filter_fn`` keeps, with ``map_fn`` applied to its leaves.

        Args:
          filter_fn: Called with the module, the name in it (dotted inside its dicts and lists)
            and the value; False leaves the value out.
          map_fn: Applied to each leaf that is kept.
          is_leaf_fn: Says which values are leaves; by default all but modules, dicts and lists.
        Returns:
          A dict of dicts and lists. Inside a list, what is left out becomes ``{}``.
        Raises:
          RuntimeError: ``is_leaf_fn`` takes a module as no leaf and then what it holds as one
            that cannot be.
        Example:
          >>> nn.LayerNorm(3).filter_and_map(nn.Module.valid_parameter_filter, lambda a: a.shape)
          {'weight': (3,), 'bias': (3,)}
        """
        walk = _Walk(
            filter_fn,
            map_fn or (lambda value: value),
            is_leaf_fn or (lambda module, key, value: not isinstance(value, (dict, list))),
        )
        return walk.module(self)

    def parameters(self) -> dict[str, Any]:
        """Return all parameters, as a tree of dicts and lists."""
        return self.filter_and_map(self.valid_parameter_filter)

    def trainable_parameters(self) -> dict[str, Any]:
        """Return the parameters that are not frozen, as a tree of dicts and lists."""
        return self.filter_and_map(self.trainable_parameter_filter)

    def children(self) -> dict[str, Any]:
        """Return the modules directly in this one, as a tree of dicts and lists."""
        return self.filter_and_map(
            self.valid_child_filter, is_leaf_fn=lambda module, key, value: self.is_module(value)
        )

    def leaf_modules(self) -> dict[str, Any]:
        """Return the modules below this one that hold no other modules."""

        def is_leaf(module: Module, key: str, value: Any) -> bool:
            if not isinstance(value, Module):
                return False
            return not tree_flatten(value.children(), is_leaf=self.is_module)

        return self.filter_and_map(self.valid_child_filter, is_leaf_fn=is_leaf)

    def named_modules(self) -> list[tuple[str, Module]]:
        """List this module (named ``""``) and all below it, with their dotted paths."""
        return list(self._walk_modules())

    def modules(self) -> list[Module]:
        """List this module and all below it."""
        return [module for _, module in self._walk_modules()]

    def _walk_modules(self) -> Iterator[tuple[str, Module]]:
        stack: list[tuple[str, Module]] = [("", self)]
        while stack:
            name, module = stack.pop()
            yield name, module
            prefix = f".{name}" if name else ""
            stack.extend(tree_flatten(module.children(), prefix=prefix, is_leaf=self.is_module))

    # -- replacing what is in it ------------------------------------------------------------------

    def update(self, parameters: dict[str, Any], strict: bool = True) -> Module:  # type: ignore[override]
        """Replace parameters by those of a tree, which need not be complete.

        Args:
          parameters: A tree like that of :meth:`parameters`.
          strict: Refuse names that the module does not have, and values that are no arrays.
        Returns:
          The module itself.
        Raises:
          ValueError: With ``strict``, a name is unknown, a list is too long, or an array and a
            container stand at the same place.
        Example:
          >>> layer = nn.LayerNorm(2).update({"weight": mx.array([2.0, 3.0])})
          >>> layer.weight
          array([2, 3], dtype=float32)
        """
        places.Replace("parameter", mx.array, strict).into(self, parameters)
        return self

    def update_modules(self, modules: dict[str, Any], strict: bool = True) -> Module:
        """Replace modules by those of a tree, which need not be complete.

        Args:
          modules: A tree like that of :meth:`children`, with modules as leaves.
          strict: Refuse names that the module does not have, and values that are no modules.
        Returns:
          The module itself.
        Raises:
          ValueError: With ``strict``, a name is unknown, a list is too long, or what is to be
            replaced is no module.
        """
        places.Replace("sub-module", Module, strict).into(self, modules)
        return self

    def apply(
        self, map_fn: Callable[[mx.array], mx.array], filter_fn: Filter | None = None
    ) -> Module:
        """Replace each parameter by what ``map_fn`` makes of it.

        Args:
          map_fn: Takes an array, returns an array.
          filter_fn: Which arrays; by default all parameters.
        Returns:
          The module itself.
        Example:
          >>> nn.LayerNorm(2).apply(lambda a: a.astype(mx.float16)).weight.dtype == mx.float16
          True
        """
        return self.update(self.filter_and_map(filter_fn or self.valid_parameter_filter, map_fn))

    def apply_to_modules(self, apply_fn: Callable[[str, Module], Any]) -> Module:
        """Call ``apply_fn(path, module)`` on this module and on all below it.

        Returns:
          The module itself.
        """
        for name, module in self.named_modules():
            apply_fn(name, module)
        return self

    def set_dtype(
        self, dtype: mx.Dtype, predicate: Callable[[mx.Dtype], bool] | None = _is_floating
    ) -> None:
        """Cast parameters to ``dtype``.

        Args:
          dtype: The new dtype.
          predicate: Called with a parameter's dtype, says whether to cast it: by default the
            floating ones; None casts all.
        """

        def cast(value: mx.array) -> mx.array:
            return value.astype(dtype) if predicate is None or predicate(value.dtype) else value

        self.apply(cast)

    # -- weights in files -------------------------------------------------------------------------

    def load_weights(
        self,
        file_or_weights: str | PathLike[str] | list[tuple[str, mx.array]] | dict[str, mx.array],
        strict: bool = True,
    ) -> Module:
        """Replace parameters by those of a file, or of a list of pairs.

        Args:
          file_or_weights: Path of a file that ``mx.load`` reads (``.npz``, ``.safetensors``,
            ``.gguf``), a list of pairs of dotted path and array, or a dict of them.
          strict: Ask for exactly the parameters of the module, with their shapes. Otherwise what
            the module does not have is ignored, and shapes are not checked.
        Returns:
          The module itself.
        Raises:
          ValueError: With ``strict``, names are missing or unknown, or a shape differs.
        Example:
          >>> layer = nn.Linear(2, 1, bias=False).load_weights([("weight", mx.ones((1, 2)))])
          >>> layer(mx.array([1.0, 2.0]))
          array([3], dtype=float32)
        """
        weights = self._read(file_or_weights)
        if strict:
            places.check_weights(tree_flatten(self.parameters(), destination={}), weights)
        if weights:
            self.update(tree_unflatten(weights), strict=False)
        return self

    @staticmethod
    def _read(source: Any) -> dict[str, mx.array]:
        """The named arrays of a file, a list or a dict."""
        if isinstance(source, (list, dict)):
            return dict(source)
        loaded = mx.load(str(source))
        if not isinstance(loaded, dict):
            raise ValueError(f"load_weights: {source} holds one array without a name")
        return loaded

    def save_weights(self, file: str | PathLike[str]) -> None:
        """Save the parameters under their dotted paths.

        Args:
          file: A path that ends in ``.npz``, ``.safetensors`` or, for shards,
            ``.safetensors.index.json``.
        Raises:
          ValueError: The path has another ending.
        """
        path, params = str(file), tree_flatten(self.parameters(), destination={})
        if path.endswith(".npz"):
            mx.savez(path, **params)
        elif path.endswith((".safetensors", ".safetensors.index.json")):
            mx.save_safetensors(path, params)
        else:
            raise ValueError(
                f"save_weights: unsupported file extension of {path!r}; use '.npz' or "
                "'.safetensors' (or mx.save_gguf)"
            )

    # -- freezing and mode ------------------------------------------------------------------------

    def freeze(
        self, *, recurse: bool = True, keys: str | list[str] | None = None, strict: bool = False
    ) -> Module:
        """Take parameters out of :meth:`trainable_parameters`, so that none gets a gradient.

        Args:
          recurse: Freeze those of the modules below as well.
          keys: Names of parameters; by default all.
          strict: Refuse names that no module here has.
        Returns:
          The module itself.
        Raises:
          KeyError: With ``strict``, a name is unknown.
        Example:
          >>> list(nn.Linear(2, 2).freeze(keys="bias").trainable_parameters())
          ['weight']
        """
        for module in self._with_keys(recurse, keys, strict):
            module._no_grad.update(module._own_parameters() if keys is None else _as_list(keys))
        return self

    def unfreeze(
        self, *, recurse: bool = True, keys: str | list[str] | None = None, strict: bool = False
    ) -> Module:
        """Undo :meth:`freeze`, for all parameters or for those with the names given.

        Args:
          recurse: Unfreeze those of the modules below as well.
          keys: Names of parameters; by default all.
          strict: Refuse names that no module here has.
        Returns:
          The module itself.
        Raises:
          KeyError: With ``strict``, a name is unknown.
        """
        # Layers override `unfreeze` to keep some state frozen, so each module's own one is called.
        if recurse:
            for module in self._with_keys(True, keys, strict):
                module.unfreeze(recurse=False, keys=keys)
        else:
            self._with_keys(False, keys, strict)
            self._no_grad.difference_update(
                self._no_grad.copy() if keys is None else _as_list(keys)
            )
        return self

    def _own_parameters(self) -> list[str]:
        """Dotted names of the parameters in this module, none of them in another."""
        own = self.filter_and_map(
            lambda module, key, value: (
                not isinstance(value, Module) and self.valid_parameter_filter(module, key, value)
            )
        )
        return [name for name, _ in tree_flatten(own)]

    def _with_keys(self, recurse: bool, keys: str | list[str] | None, strict: bool) -> list[Module]:
        """The modules that a (un)freeze is about, once its names are checked."""
        modules = self.modules() if recurse else [self]
        if strict and keys is not None:
            names = {name for module in modules for name in (*module, *module._own_parameters())}
            for key in _as_list(keys):
                if key not in names:
                    near = places.near(key, names)
                    raise KeyError(f"Module doesn't contain member {key}.{near}")
        return modules

    def train(self, mode: bool = True) -> Module:
        """Put this module and all below it into training mode, or with False out of it.

        `Dropout` and `BatchNorm` behave differently in the two.

        Returns:
          The module itself.
        """
        for module in self.modules():
            module._set_training_mode(mode)
        return self

    def eval(self) -> Module:
        """Put this module and all below it out of training mode: ``train(False)``."""
        return self.train(False)

    def _set_training_mode(self, mode: bool) -> None:
        self._training = mode


def _as_list(keys: str | list[str]) -> list[str]:
    return [keys] if isinstance(keys, str) else list(keys)


class _Walk:
    """One run of `filter_and_map`: the three functions, and the descent with them."""

    def __init__(self, keep: Filter, change: Callable[[Any], Any], is_leaf: Filter) -> None:
        self.keep, self.change, self.is_leaf = keep, change, is_leaf

    def module(self, module: Module) -> dict[str, Any]:
        return {
            key: self.value(module, key, value)
            for key, value in module.items()
            if self.keep(module, key, value)
        }

    def value(self, module: Module, key: str, value: Any) -> Any:
        if self.is_leaf(module, key, value):
            return self.change(value)
        if isinstance(value, Module):
            return self.module(value)
        if isinstance(value, dict):
            return {name: self.inner(module, f"{key}.{name}", item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.inner(module, f"{key}.{i}", item) for i, item in enumerate(value)]
        raise RuntimeError(
            f"filter_and_map: {key!r} of {type(module).__name__} is a {type(value).__name__}, "
            "which is neither a leaf nor a container"
        )

    def inner(self, module: Module, key: str, value: Any) -> Any:
        """A value inside a dict or list keeps its place: `{}` stands for what is left out."""
        return self.value(module, key, value) if self.keep(module, key, value) else {}
