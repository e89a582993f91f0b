"""`Optimizer`, its tree of state, and the optimizer that is several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import monel.core as mx
from monel.nn import Module
from monel.utils import tree_flatten, tree_map, tree_merge, tree_reduce, tree_unflatten

__all__ = ["MultiOptimizer", "Optimizer", "Scheduled", "clip_grad_norm"]

# A number, or a function from the step to it.
Scheduled = float | Callable[[mx.array], mx.array]

# Entries of the state that stand beside those of the parameters.
_OWN = ("step", "learning_rate")


class Optimizer:
    """The base of all optimizers: state in a tree like that of the parameters.

    A subclass says what to do for one parameter, in :meth:`init_single` and :meth:`apply_single`.
    ``state`` is a dict with ``"step"``, the scheduled values such as ``"learning_rate"``, and the
    tree of the parameters with a dict of arrays for each. All of it are arrays, so a compiled
    function can take it as input and output.

    Args:
      schedulers: Functions of the step for named values of the state.
    """

    def __init__(self, schedulers: dict[str, Callable[[mx.array], mx.array]] | None = None) -> None:
        self._initialized = False
        self._state: dict[str, Any] = {"step": mx.array(0, mx.uint64)}
        self._schedulers = dict(schedulers or {})

    def update(self, model: Module, gradients: dict[str, Any]) -> None:
        """Move the parameters of ``model`` by one step.

        Args:
          model: A module, which is changed.
          gradients: A tree like that of its parameters, or of a part of them.
        Example:
          >>> model = nn.Linear(1, 1, bias=False).update({"weight": mx.array([[1.0]])})
          >>> optim.SGD(0.1).update(model, {"weight": mx.array([[2.0]])})
          >>> model.weight
          array([[0.8]], dtype=float32)
        """
        model.update(self.apply_gradients(gradients, model))

    def init(self, parameters: dict[str, Any]) -> None:
        """Make the state for ``parameters``, where there is none yet.

        The first update does it otherwise; here it can be had before, for a compiled function.

        Args:
          parameters: A tree of arrays.
        Raises:
          ValueError: A parameter is named ``"step"`` or as another entry of the state.
        Example:
          >>> optimizer = optim.SGD(0.1, momentum=0.9)
          >>> optimizer.init(nn.Linear(2, 2).trainable_parameters())
          >>> list(optimizer.state)
          ['step', 'learning_rate', 'weight', 'bias']
        """
        for name in parameters:
            if isinstance(self._state.get(name), mx.array):
                raise ValueError(
                    f"{type(self).__name__}.init: a parameter named {name!r} at the top of the "
                    "tree would replace the optimizer's own; wrap the model in another module"
                )
        for name, below in parameters.items():
            self._state[name] = self._with_places(below, self._state.get(name))
        tree_map(self._init_missing, parameters, self._state)
        self._initialized = True

    def _with_places(self, parameters: Any, state: Any) -> Any:
        """A tree like ``parameters`` with a dict for each, those of ``state`` where there are."""
        if isinstance(parameters, dict):
            places = state if isinstance(state, dict) else {}
            for name, below in parameters.items():
                places[name] = self._with_places(below, places.get(name))
            return places
        if isinstance(parameters, (list, tuple)):
            old = list(state) if isinstance(state, (list, tuple)) else []
            # The state of a list may be longer or shorter than what is optimized now.
            old += [None] * (len(parameters) - len(old))
            new = [self._with_places(*pair) for pair in zip(parameters, old, strict=False)]
            return new + old[len(new) :]
        return state if isinstance(state, dict) else {}

    def _init_missing(self, parameter: mx.array, state: dict[str, Any]) -> None:
        if not state:
            self.init_single(parameter, state)

    def init_single(self, parameter: mx.array, state: dict[str, Any]) -> None:
        """Fill the empty ``state`` of one parameter. To be given by subclasses.

        Args:
          parameter: The parameter.
          state: A dict, to be filled with arrays.
        """
        raise TypeError(f"{type(self).__name__} does not say how to start: it has no init_single")

    def apply_gradients(self, gradients: dict[str, Any], parameters: dict[str, Any]) -> Any:
        """Return the parameters moved by one step, and count it.

        Args:
          gradients: A tree of arrays.
          parameters: A tree with at least the places of ``gradients``.
        Returns:
          A tree like ``gradients``.
        Raises:
          KeyError, IndexError: ``parameters`` lacks a place.
        """
        if not self._initialized:
            self.init(gradients)
        for name, scheduler in self._schedulers.items():
            self._state[name] = scheduler(self.step)
        self._state["step"] = self.step + 1
        try:
            return tree_map(self.apply_single, gradients, parameters, self._state)
        except (KeyError, IndexError) as error:
            error.add_note(
                f"in {type(self).__name__}.apply_gradients: the gradients have a place that the "
                "parameters or the state lack; if the model has grown, call "
                "optimizer.init(model.trainable_parameters())"
            )
            raise

    def apply_single(
        self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]
    ) -> mx.array:
        """Return one parameter moved by one step. To be given by subclasses.

        Args:
          gradient: Its gradient.
          parameter: The parameter.
          state: Its dict, whose entries are to be replaced.
        """
        raise TypeError(f"{type(self).__name__} does not say how to move: it has no apply_single")

    @property
    def state(self) -> dict[str, Any]:
        """The state, live; it can be set, for example to one that was saved."""
        return self._state

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        # What the new state lacks is made at the next update.
        self._initialized = False
        self._state = state

    @property
    def step(self) -> mx.array:
        """The number of updates so far, as uint64 array."""
        step: mx.array = self.state["step"]
        return step

    @property
    def learning_rate(self) -> mx.array:
        """The learning rate as array; it can be set to a number."""
        learning_rate: mx.array = self.state["learning_rate"]
        return learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: float | mx.array) -> None:
        self.state["learning_rate"] = mx.array(learning_rate)

    def _maybe_schedule(self, name: str, value: Scheduled) -> None:
        """Put ``value`` into the state as ``name``; a function is called with each step."""
        if callable(value):
            self._schedulers[name] = value
            self._state[name] = value(self.step)
        else:
            self._state[name] = mx.array(value)


Filter = Callable[[str, mx.array], bool]


class MultiOptimizer(Optimizer):
    """Several optimizers, each for the parameters that its filter chooses.

    Args:
      optimizers: The optimizers.
      filters: One for each but the last, called with path and array; a parameter goes to the
        first that says yes, and to the last optimizer if none does.
    Raises:
      ValueError: There is not one filter fewer than optimizers.
    Example:
      >>> optimizer = optim.MultiOptimizer(
      ...     [optim.Lion(0.01), optim.SGD(0.1)], [lambda path, array: array.ndim > 1]
      ... )
      >>> optimizer.init(nn.Linear(2, 2).parameters())
      >>> ["weight" in state for state in optimizer.state["states"]]
      [True, False]
    """

    def __init__(self, optimizers: Sequence[Optimizer], filters: Sequence[Filter] = ()) -> None:
        super().__init__()
        if len(filters) != len(optimizers) - 1:
            raise ValueError(f"Given {len(filters)} filters but {len(optimizers) - 1} needed.")
        self.optimizers = list(optimizers)
        self.filters: list[Filter] = [*filters, lambda path, array: True]
        self._state = {}

    def _split(self, tree: Any) -> list[Any]:
        """Cut a tree of arrays into one for each optimizer."""
        parts: list[list[tuple[str, Any]]] = [[] for _ in self.optimizers]
        for path, value in tree_flatten(tree):
            chosen = next(i for i, keep in enumerate(self.filters) if keep(path, value))
            parts[chosen].append((path, value))
        return [tree_unflatten(part) if part else {} for part in parts]

    def init(self, parameters: dict[str, Any]) -> None:
        """Make the state of each optimizer for its part of ``parameters``."""
        for optimizer, part in zip(self.optimizers, self._split(parameters), strict=True):
            optimizer.init(part)

    def apply_gradients(self, gradients: dict[str, Any], parameters: dict[str, Any]) -> Any:
        """Return the parameters moved by one step, each by its optimizer."""
        moved: Any = {}
        for optimizer, part in zip(self.optimizers, self._split(gradients), strict=True):
            moved = tree_merge(moved, optimizer.apply_gradients(part, parameters))
        return moved

    @property
    def state(self) -> dict[str, Any]:
        """The states of the optimizers, as the list ``"states"``; it can be set."""
        return {"states": [optimizer.state for optimizer in self.optimizers]}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        states = state.get("states")
        if not isinstance(states, list) or len(states) != len(self.optimizers):
            raise ValueError(
                f"MultiOptimizer.state: expected a dict with {len(self.optimizers)} entries in "
                "'states', one for each optimizer"
            )
        for optimizer, part in zip(self.optimizers, states, strict=True):
            optimizer.state = part

    @property
    def learning_rate(self) -> mx.array:
        """The learning rate of the first optimizer; setting it sets that of all."""
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: float | mx.array) -> None:
        for optimizer in self.optimizers:
            optimizer.learning_rate = learning_rate


def clip_grad_norm(grads: Any, max_norm: float) -> tuple[Any, mx.array]:
    """Scale gradients so that the norm of all together is at most ``max_norm``.

    Args:
      grads: A tree of arrays.
      max_norm: The largest norm.
    Returns:
      The scaled tree, and the norm it had, computed in float32.
    Example:
      >>> optim.clip_grad_norm({"w": mx.array([3.0, 4.0])}, 10.0)
      ({'w': array([3, 4], dtype=float32)}, array(5, dtype=float32))
    """
    squares = tree_reduce(
        lambda total, g: total + mx.sum(mx.square(g.astype(mx.float32))), grads, mx.array(0.0)
    )
    norm = mx.sqrt(squares)
    factor = mx.minimum(max_norm / (norm + 1e-6), 1.0)
    return tree_map(lambda g: (g * factor).astype(g.dtype), grads), norm
