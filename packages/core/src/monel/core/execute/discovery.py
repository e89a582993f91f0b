"""Plugins: found once, at first need, each in its own try; broken ones are kept with the reason."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from ..base.dtypes import DTYPES
from ..base.errors import BackendError
from ..contract.backend import API_VERSION, Backend, BackendSpec, KernelTable, is_capsule
from ..graph.primitive import REGISTRY, Primitive
from . import probe

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
        self._lock = threading.RLock()
        for plugin, point in self._entry_points():
            self._load(plugin, point)

    def _entry_points(self) -> list[tuple[Plugin, Any]]:
        from importlib.metadata import entry_points

        pairs = []
        for group in GROUPS:
            for point in entry_points(group=group):
                name = point.dist.name if point.dist is not None else "unknown"
                version = point.dist.version if point.dist is not None else "?"
                plugin = Plugin(f"{name}:{point.name}", name, version, group)
                pairs.append((plugin, point))
        pairs.sort(key=lambda pair: pair[0].key)
        return pairs

    def _load(self, plugin: Plugin, point: Any) -> None:
        if any(known.key == plugin.key for known in self.found):
            return
        self.found.append(plugin)
        try:
            self.manager.register(point.load(), name=plugin.key)
            self._check_hooks(plugin.key)
            self._declare(plugin)
        except (Exception, SystemExit) as error:
            if self.manager.has_plugin(plugin.key):
                self.manager.unregister(name=plugin.key)
            plugin.error = f"{plugin.distribution} {plugin.version}: {error!r}"
            for backend in plugin.backends or [point.name]:
                self.broken.setdefault(backend, plugin.error)

    def _check_hooks(self, key: str) -> None:
        """Raise for a hook of this plugin that does not exist: a misspelling is its own error."""
        module = self.manager.get_plugin(key)
        for name in dir(module):
            options = self.manager.parse_hookimpl_opts(module, name)
            if options is None or options.get("optionalhook"):
                continue
            hook = getattr(self.manager.hook, name, None)
            if hook is None or not hook.has_spec():
                known = sorted(n for n in vars(self.manager.hook) if n.startswith("monel_"))
                raise BackendError(f"unknown hook {name!r}; the hooks are {', '.join(known)}")

    def _declare(self, plugin: Plugin) -> None:
        module = self.manager.get_plugin(plugin.key)
        backends = _declared(module, "monel_backends")
        for spec in backends:
            if not isinstance(spec, BackendSpec):
                raise BackendError(f"monel_backends returned {spec!r}, which is no BackendSpec")
            plugin.backends.append(spec.name)
        for spec in backends:
            self._check_spec(plugin, spec)
        self._claim_primitives(plugin, _declared(module, "monel_primitives"))
        formats = _declared(module, "monel_formats")
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

    def ask(self, hook: str, *arguments: Any) -> Iterator[tuple[Plugin, list[Any] | Any]]:
        """Yield what ``hook`` of each usable plugin answers; one that raises is recorded."""
        for plugin in self.found:
            module = self.manager.get_plugin(plugin.key)
            function = getattr(module, hook, None)
            if plugin.error is not None or function is None:
                continue
            try:
                answer = function(*arguments)
            except (Exception, SystemExit) as error:
                plugin.conflicts.append(f"{hook} raised {error!r}")
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
                self.broken[name] = reason
                raise BackendError(
                    f"backend {name!r} failed when it was tried in a child process ({reason}); "
                    f"to try again: python -m monel.core doctor --store"
                )
        return self.backend(name)

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
        try:
            backend = spec.load()
            backend.name = backend.name or name
            if not backend.devices():
                raise BackendError("it found no device")
        except (Exception, SystemExit) as error:
            reason = f"{error!r}"
            self.broken[name] = reason
            raise BackendError(f"backend {name!r} failed to load ({reason})") from error
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
        for primitive, function in dict(kernels).items():
            strided, broadcasts = (getattr(function, n, False) for n in ("strided", "broadcasts"))
            add = table.register(primitive, strided=bool(strided), broadcasts=bool(broadcasts))
            add(function)
    return table


def _has_kernel(backend: Backend, primitive: str) -> bool:
    """Whether a backend has a kernel for ``primitive`` at any dtype."""
    return any(backend.kernel(primitive, (d,) * n) is not None for d in DTYPES for n in (1, 2, 3))


def _declared(module: Any, hook: str) -> list[Any]:
    """Return what one plugin's ``hook`` declares; calling it alone keeps its errors its own."""
    function = getattr(module, hook, None)
    return list(function() or ()) if function is not None else []


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
