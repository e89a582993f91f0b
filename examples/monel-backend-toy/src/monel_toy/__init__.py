"""The toy backend: what its distribution declares to monel."""

from monel.core.plugin import BackendSpec, hookimpl


@hookimpl
def monel_backends():
    return [BackendSpec(name="toy", load=load, api_version=1)]  # the one it was tested with


def load():
    from .backend import ToyBackend  # imports the device runtime

    return ToyBackend()
