"""Optimizers and schedules, with MLX's names and results."""

from .adafactor import Adafactor as Adafactor
from .adam import Adam as Adam
from .adam import Adamax as Adamax
from .adam import AdamW as AdamW
from .base import MultiOptimizer as MultiOptimizer
from .base import Optimizer as Optimizer
from .base import clip_grad_norm as clip_grad_norm
from .muon import Muon as Muon
from .scaled import AdaDelta as AdaDelta
from .scaled import Adagrad as Adagrad
from .scaled import RMSprop as RMSprop
from .schedules import cosine_decay as cosine_decay
from .schedules import exponential_decay as exponential_decay
from .schedules import join_schedules as join_schedules
from .schedules import linear_schedule as linear_schedule
from .schedules import step_decay as step_decay
from .sgd import SGD as SGD
from .sgd import Lion as Lion
