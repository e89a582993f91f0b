"""Plugins: found once, at first need, each in its own try; broken ones are kept with the reason."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NoReturn

from ..base.dtypes import DTYPES
from ..base.errors import BackendError
from ..contract.backend import API_VERSION, Backend, BackendSpec, KernelTable, is_capsule
from ..graph.primitive import REGISTRY, Primitive
from . import answers, probe

GROUPS = tuple(f"monel.plugins.v{n}" for n in range(API_VERSION, max(API_VERSION - 2, 0), -1))

# Backends whose names belong to core's own distribution.
CORE_BACKENDS = ("reference",)


class Plugin:
    """One entry point and what became of it.

    Attributes:
      key: ``distribution:entry``.
      version: The distribution's version.
      group: The entry-point group, which names the contract's version.
      backends, formats: Names that it declared.
      error: Why it is not usable, or None.
      conflicts: What of it was left out, and why; the rest of it is used.
      fix: What the user of a plugin that is not in order can do.
    """

    def __init__(self, key: str, distribution: str, version: str, group: str) -> None:
        self.key = key
        self.distribution = distribution
        self.version = version
        self.group = group
        self.backends: list[str] = []
        self.formats: list[str] = []
        self.error: str | None = None
        self.conflicts: list[str] = []
        self.fix = (
            f"python -m pip install --upgrade {distribution}; where that does not help, tell its "
            f"authors; to go on without it: python -m pip uninstall {distribution}"
        )

    @property
    def speaks(self) -> int | None:
        """The version of the contract that the group names, or None where it names none."""
        number = re.fullmatch(r"monel\.plugins\.v(\d+)", self.group)
        return int(number[1]) if number else None


class Plugins:
    """Everything that discovery found; made once by ``plugins()``."""

    def __init__(self) -> None:
        import pluggy

        from ..contract import hookspecs

        self.manager = pluggy.PluginManager("monel")
        self.manager.add_hookspecs(hookspecs)
        self.found: list[Plugin] = []
        self.specs: dict[str, BackendSpec] = {}
        self.formats: list[Any] = []
        self.broken: dict[str, str] = {}
        self.primitives: dict[str, tuple[str, type]] = {}
        self.kernels: dict[str, dict[str, KernelTable]] = {}
        self._loaded: dict[str, Backend] = {}
        self._verdicts: dict[str, str] = {}
        self._lock = threading.RLock()
        for plugin, point in self._entry_points():
            self._load(plugin, point)

    def _entry_points(self) -> list[tuple[Plugin, Any]]:
        """Return what is installed, those of a group that this core can read first."""
        pairs = []
        for group, point in _points():
            dist = point.dist
            name = dist.name if dist is not None and dist.name else "unknown"
            version = dist.version if dist is not None else "?"
            pairs.append((Plugin(f"{name}:{point.name}", name, version, group), point))
        return sorted(
            pairs,
            key=lambda pair: (pair[0].group not in GROUPS, pair[0].key, -(pair[0].speaks or 0)),
        )

    def _load(self, plugin: Plugin, point: Any) -> None:
        if any(known.key == plugin.key for known in self.found):
            return
        self.found.append(plugin)
        try:
            self._check_group(plugin)
            self.manager.register(point.load(), name=plugin.key)
            self._check_hooks(plugin.key)
            self._declare(plugin)
        except (Exception, SystemExit) as error:
            if self.manager.has_plugin(plugin.key):
                self.manager.unregister(name=plugin.key)
            plugin.error = f"{plugin.distribution} {plugin.version}: {answers.reason(error)}"
            for backend in plugin.backends or [point.name]:
                if backend not in self.specs:
                    self.broken.setdefault(backend, plugin.error)

    def _check_group(self, plugin: Plugin) -> None:
        """Raise for a group that this core does not read; the plugin is not imported then."""
        if plugin.group in GROUPS:
            return
        if plugin.speaks is not None and plugin.speaks > API_VERSION:
            plugin.fix = (
                f"python -m pip install --upgrade monel-core, or a release of "
                f"{plugin.distribution} for this one"
            )
        raise BackendError(
            f"its entry-point group {plugin.group!r} is none that this core reads "
            f"({', '.join(GROUPS)})"
        )

    def _check_hooks(self, key: str) -> None:
        """Raise for a hook of this plugin that does not exist: a misspelling is its own error."""
        from difflib import get_close_matches

        module = self.manager.get_plugin(key)
        known = sorted(n for n, hook in vars(self.manager.hook).items() if _is_specified(n, hook))
        given = []
        for name in dir(module):
            options: Any = self.manager.parse_hookimpl_opts(module, name)
            if options is None and not name.startswith("monel_"):
                continue
            if name in known:
                given.append(name)
            elif not (options or {}).get("optionalhook"):
                close = get_close_matches(name, known, 1)
                meant = f" (did you mean {close[0]!r}?)" if close else ""
                raise BackendError(
                    f"unknown hook {name!r}{meant}; the hooks are {', '.join(known)}"
                )
        if not given:
            raise BackendError(f"{module!r} has no hook; the hooks are {', '.join(known)}")

    def _declare(self, plugin: Plugin) -> None:
        module = self.manager.get_plugin(plugin.key)
        backends = answers.specs(_declared(module, "monel_backends"))
        plugin.backends += [spec.name for spec in backends]
        for spec in backends:
            self._check_spec(plugin, spec)
        formats = answers.formats(_declared(module, "monel_formats"))
        primitives = _declared(module, "monel_primitives")
        self._claim_primitives(plugin, answers.items("monel_primitives", primitives))
        for spec in backends:
            self.specs[spec.name] = spec
            self.broken.pop(spec.name, None)
        for fmt in formats:
            plugin.formats.append(fmt.name)
            if any(known.name == fmt.name for known in self.formats):
                plugin.conflicts.append(f"the format {fmt.name!r} is another plugin's already")
            else:
                self.formats.append(fmt)

    def _claim_primitives(self, plugin: Plugin, classes: list[Any]) -> None:
        """Give each ``vendor::op`` to the first plugin that declares it."""
        for cls in classes:
            if not (isinstance(cls, type) and issubclass(cls, Primitive)):
                raise BackendError(f"monel_primitives returned {cls!r}, which is no Primitive")
            if "::" not in cls.name or cls.decompose is None:
                raise BackendError(
                    f"the primitive {cls.name!r} must be named vendor::op and have decompose"
                )
            owner, first = self.primitives.setdefault(cls.name, (plugin.key, cls))
            if first is not cls:
                REGISTRY[cls.name] = first
                plugin.conflicts.append(f"the primitive {cls.name!r} belongs to {owner} already")

    def ask(self, hook: str, *arguments: Any) -> Iterator[tuple[Plugin, Any]]:
        """Yield what ``hook`` of each usable plugin answers; one that raises is recorded."""
        for plugin in self.found:
            module = self.manager.get_plugin(plugin.key)
            function = getattr(module, hook, None)
            if plugin.error is not None or function is None:
                continue
            try:
                answer = function(*arguments)
                if answer is not None:
                    answer = answers.LATER[hook](answer)
            except (Exception, SystemExit) as error:
                plugin.conflicts.append(f"{hook} failed: {answers.reason(error)}")
                continue
            if answer is not None:
                yield plugin, answer

    def _add_kernels(self, name: str, backend: Backend) -> None:
        """Collect what other plugins' ``monel_kernels`` give for a backend that was loaded."""
        added = self.kernels.setdefault(name, {})
        for plugin, kernels in self.ask("monel_kernels", name):
            table = _table(plugin, kernels)
            for primitive in table.names:
                override = table.overrides(primitive)
                reason = None
                if primitive not in REGISTRY:
                    reason = "there is no such primitive"
                elif primitive in added:
                    reason = "another plugin has given one already"
                elif not override and _has_kernel(backend, primitive):
                    reason = "the backend has one; a replacement needs override = True"
                if reason is None:
                    added[primitive] = table
                else:
                    plugin.conflicts.append(f"its kernel {primitive!r} for {name!r}: {reason}")

    def _check_spec(self, plugin: Plugin, spec: BackendSpec) -> None:
        family = plugin.distribution.replace("_", "-").lower()
        owner = "monel-core" if spec.name in CORE_BACKENDS else f"monel-backend-{spec.name}"
        if family != owner:
            raise BackendError(
                f"the backend name {spec.name!r} belongs to the distribution {owner}, "
                f"not to {plugin.distribution}"
            )
        if spec.name in self.specs:
            raise BackendError(f"the backend name {spec.name!r} is declared already")
        if not API_VERSION - 1 <= spec.api_version <= API_VERSION:
            raise BackendError(
                f"it speaks version {spec.api_version} of the backend contract, this core "
                f"{API_VERSION}; install a release of {plugin.distribution} for this monel-core"
            )

    def backend(self, name: str) -> Backend:
        """Return the loaded backend ``name``; BackendError repeats why it is not usable."""
        with self._lock:
            found = self._loaded.get(name)
            if found is None:
                found = self._loaded[name] = self._load_backend(name)
            return found

    def probed(self, name: str) -> Backend:
        """Return the backend ``name`` where nobody asked for it by name.

        One that was never tried in this installation is loaded in a child process first, so that a
        native crash is a recorded reason, not the end of this process.
        """
        if name in self._loaded or name in CORE_BACKENDS or not probe.enabled():
            return self.backend(name)
        owner = self.owner(name)
        if owner is not None and name not in self.broken:
            reason = probe.verdict(name, owner.distribution, owner.version)
            if reason is not None:
                self._refuse(name, reason)
        return self.backend(name)

    def _refuse(self, name: str, reason: str) -> NoReturn:
        self.broken[name] = self._verdicts[name] = reason
        raise BackendError(
            f"backend {name!r} failed when it was tried in a child process ({reason}); "
            f"to try again: python -m monel.core doctor --store"
        )

    def _refuse_fatal(self, name: str) -> None:
        """Raise where loading ``name`` ended a child process, or hung: it would do so here."""
        reason = self._verdicts.get(name)
        owner = self.owner(name)
        if reason is None and owner is not None and probe.enabled():
            reason = probe.kept(name, owner.distribution, owner.version)
        if reason is not None and probe.is_fatal(reason):
            self._refuse(name, reason)

    def trouble(self, plugin: Plugin) -> list[str]:
        """Return why backends of a usable plugin do not load, as far as that has been seen."""
        known = []
        for name in plugin.backends if plugin.error is None else ():
            reason = self.broken.get(name)
            if reason is None and name not in self._loaded:
                reason = probe.kept(name, plugin.distribution, plugin.version)
            if reason is not None:
                known.append(f"backend {name!r} does not load: {reason}")
        return known

    def usable(self, name: str) -> bool:
        """Return whether backend ``name`` is installed and loads."""
        try:
            self.probed(name)
        except BackendError:
            return False
        return True

    def owner(self, name: str) -> Plugin | None:
        """Return the usable plugin that declares backend ``name``."""
        for plugin in self.found:
            if plugin.error is None and name in plugin.backends:
                return plugin
        return None

    def _load_backend(self, name: str) -> Backend:
        spec = self.specs.get(name)
        if spec is None:
            if name in self.broken:
                raise BackendError(f"backend {name!r} is not usable ({self.broken[name]})")
            known = ", ".join(sorted(self.specs)) or "none"
            raise BackendError(
                f"no backend {name!r} is installed (installed: {known}); "
                f"try: python -m pip install monel-backend-{name}"
            )
        self._refuse_fatal(name)
        try:
            backend = answers.backend(name, spec.load())
        except (Exception, SystemExit) as error:
            reason = answers.reason(error)
            self.broken[name] = reason
            raise BackendError(
                f"backend {name!r} failed to load ({reason}); what can be done about it: "
                f"python -m monel.core plugins"
            ) from error
        self._add_kernels(name, backend)
        return backend

    def by_priority(self, kind: str | None = None) -> list[str]:
        """Return the names of declared backends that have a ``kind`` of device, best first."""
        names = [n for n, s in self.specs.items() if kind is None or kind in s.kinds]
        return sorted(names, key=lambda n: (-self.specs[n].priority, n))


def _table(plugin: Plugin, kernels: Any) -> KernelTable:
    """Return what a ``monel_kernels`` gave: functions by primitive, or a capsule of C kernels."""
    table = KernelTable(f"{plugin.distribution} {plugin.version}")
    if is_capsule(kernels):
        try:
            table.register_capsule(kernels)
        except BackendError as error:
            plugin.conflicts.append(str(error))
            return KernelTable(plugin.key)
    else:
        for primitive, function in kernels.items():
            if not callable(function):
                plugin.conflicts.append(f"its kernel {primitive!r}: {function!r} is no function")
                continue
            strided, broadcasts = (getattr(function, n, False) for n in ("strided", "broadcasts"))
            add = table.register(primitive, strided=bool(strided), broadcasts=bool(broadcasts))
            add(function)
    return table


def _has_kernel(backend: Backend, primitive: str) -> bool:
    """Whether a backend has a kernel for ``primitive`` at any dtype."""
    return any(backend.kernel(primitive, (d,) * n) is not None for d in DTYPES for n in (1, 2, 3))


def _is_specified(name: str, hook: Any) -> bool:
    """Whether pluggy knows ``hook`` from the contract, not from a plugin that gave one."""
    return name.startswith("monel_") and bool(hook.has_spec())


def _declared(module: Any, hook: str) -> Any:
    """Return what one plugin's ``hook`` declares; calling it alone keeps its errors its own."""
    function = getattr(module, hook, None)
    return function() if function is not None else None


def _points() -> list[tuple[str, Any]]:
    """Return the entry points of every group that is, or was meant to be, one of ours."""
    from importlib import metadata

    damaged = []
    try:
        found: list[Any] = [metadata.entry_points()]
    except Exception:
        # One distribution with damaged metadata must not hide the others.
        found = []
        for dist in metadata.distributions():
            try:
                found.append(dist.entry_points)
            except Exception as error:
                if "[monel.plugin" in (dist.read_text("entry_points.txt") or ""):
                    damaged.append((GROUPS[0], _damaged(dist, repr(error))))
    return damaged + [
        (group, point)
        for points in found
        for group in points.groups
        if group.startswith("monel.plugin")
        for point in points.select(group=group)
    ]


def _damaged(dist: Any, reason: str) -> Any:
    """Return what stands for the entry points of a distribution that can't be read."""

    def load() -> NoReturn:
        raise BackendError(f"its entry_points.txt can't be read: {reason}")

    return SimpleNamespace(name="unknown", dist=dist, load=load)


_plugins: Plugins | None = None
_lock = threading.Lock()


def plugins() -> Plugins:
    """Return what is installed; looked up once, at the first call."""
    global _plugins
    if _plugins is None:
        with _lock:
            if _plugins is None:
                _plugins = Plugins()
    return _plugins
