"""The layers, one family a module."""

from .activations import *
from .attention import *
from .containers import *
from .conv import *
from .dropout import *
from .embedding import *
from .functions import *
from .linear import *
from .norm import *
from .pooling import *
from .positional import *
from .quantized import *
from .recurrent import *
from .transformer import *
from .upsample import *
