"""Models and their gradients that the tests of exports send to other tools."""

import monel.core as mx
import monel.nn as nn


class Classifier(nn.Module):
    """A small convolutional network over images of 8 by 8."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm(8)
        self.second = nn.Conv2d(8, 16, 3, stride=2)
        self.pool = nn.MaxPool2d(2)
        self.last = nn.Linear(16, 5)

    def __call__(self, x):
        x = nn.relu(self.norm(self.first(x)))
        x = self.pool(nn.gelu(self.second(x)))
        return mx.log(mx.softmax(self.last(x.reshape(x.shape[0], -1)), axis=-1))


class Language(nn.Module):
    """A small transformer over tokens, causal."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(17, 16)
        self.positions = nn.RoPE(16)
        self.encoder = nn.TransformerEncoder(2, 16, 2, mlp_dims=32, norm_first=True)
        self.norm = nn.RMSNorm(16)

    def __call__(self, tokens):
        x = self.positions(self.embedding(tokens))
        mask = nn.MultiHeadAttention.create_additive_causal_mask(x.shape[1])
        return self.embedding.as_linear(self.norm(self.encoder(x, mask)))


def perceptron():
    return nn.Sequential(
        nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 3)
    )


def with_gradients(model, loss):
    """Return a function of parameters and input that gives the loss and all gradients."""

    def fun(parameters, *inputs):
        def of(parameters):
            model.update(parameters)
            return loss(model(*inputs))

        return mx.value_and_grad(of)(parameters)

    return fun


def square(y):
    return mx.mean(y * y)


def cases():
    """Yield name, function and arguments."""
    mx.random.seed(7)
    inputs = {
        "perceptron": (perceptron(), mx.random.normal((4, 6))),
        "classifier": (Classifier(), mx.random.normal((2, 8, 8, 3))),
        "language": (Language(), mx.random.randint(0, 17, (2, 5))),
    }
    for name, (model, x) in inputs.items():
        model.eval()
        mx.eval(model.parameters())
        yield name, model, (x,)
        yield f"{name}-gradients", with_gradients(model, square), (model.trainable_parameters(), x)
