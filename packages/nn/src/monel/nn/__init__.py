"""Layers, losses and initializers of neural networks, with MLX's names and results."""

from . import init as init
from . import layers as layers
from . import losses as losses
from . import utils as utils
from .layers import *
from .module import Module as Module
from .utils import average_gradients as average_gradients
from .utils import value_and_grad as value_and_grad
