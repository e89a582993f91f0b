"""Train an MLP on scikit-learn's 1,797 handwritten digits, save it, reload it, draw it.

    python examples/digits.py --epochs 40 --seed 0 --out digits

Needs monel-core, monel-nn, monel-io, a backend that is fast (monel-backend-cpu), and
scikit-learn (for the data only), matplotlib and tqdm.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import monel.core as mx
import monel.nn as nn
import monel.optimizers as optim
from monel.utils import tree_flatten

CLASSES = 10
PIXELS = 64
BATCH = 64
FORMATS = ("safetensors", "npz", "gguf")


class MLP(nn.Module):
    """Two hidden layers with dropout."""

    def __init__(self, hidden: int = 192, dropout: float = 0.3) -> None:
        super().__init__()
        self.layers = [nn.Linear(PIXELS, hidden), nn.Linear(hidden, hidden)]
        self.head = nn.Linear(hidden, CLASSES)
        self.dropout = nn.Dropout(dropout)

    def __call__(self, x: mx.array) -> mx.array:
        for layer in self.layers:
            x = self.dropout(nn.relu(layer(x)))
        return self.head(x)


Split = tuple[mx.array, mx.array]


def load_data(seed: int) -> tuple[Split, Split, Split]:
    """Read the digits that the scikit-learn wheel ships; split them 70, 10 and 20 percent."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x = mx.array(pixels.astype("float32") / 16)
    y = mx.array(labels.astype("int32"))
    order = mx.random.permutation(len(y), key=mx.random.key(seed))
    ends = [len(y) * 7 // 10, len(y) * 8 // 10]
    train, validation, test = ((x[part], y[part]) for part in mx.split(order, ends))
    return train, validation, test


def batches(data: Split) -> Iterator[Split]:
    """Cut the data, shuffled, into batches of one size; what is left over sits this epoch out."""
    x, y = data
    order = mx.random.permutation(len(y))
    for start in range(0, len(y) - BATCH + 1, BATCH):
        chosen = order[start : start + BATCH]
        yield x[chosen], y[chosen]


def loss_fn(model: MLP, x: mx.array, y: mx.array) -> mx.array:
    """Mean cross entropy of a batch."""
    return nn.losses.cross_entropy(model(x), y, label_smoothing=0.05, reduction="mean")


def accuracy(model: MLP, data: Split) -> float:
    """Share of the digits that are recognized, out of training mode."""
    x, y = data
    model.eval()
    right = mx.mean(mx.argmax(model(x), axis=1) == y).item()
    model.train()
    return right


def train(
    model: MLP, data: Split, validation: Split, epochs: int
) -> tuple[list[float], list[float]]:
    """Train ``model``; return the losses of the steps and the validation accuracies."""
    from tqdm import tqdm

    steps = epochs * (len(data[1]) // BATCH)
    optimizer = optim.AdamW(optim.cosine_decay(3e-3, steps), weight_decay=0.01)
    loss_and_grad = nn.value_and_grad(model, partial(loss_fn, model))
    # All that a step changes: parameters, moments and step count, and the key of the dropout.
    state = [model.state, optimizer.state, mx.random.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(x: mx.array, y: mx.array) -> mx.array:
        loss, grads = loss_and_grad(x, y)
        optimizer.update(model, grads)
        return loss

    losses: list[float] = []
    accuracies: list[float] = []
    with tqdm(total=steps, desc="training", unit="step", mininterval=0.5) as bar:
        for _ in range(epochs):
            pending = []
            for x, y in batches(data):
                pending.append(step(x, y))
                mx.eval(state, pending[-1])
                bar.update()
            losses.extend(loss.item() for loss in pending)
            accuracies.append(accuracy(model, validation))
            bar.set_postfix(loss=f"{losses[-1]:.3f}", validation=f"{accuracies[-1]:.3f}")
    return losses, accuracies


def same_bits(a: mx.array, b: mx.array) -> bool:
    """Compare two float32 arrays bit by bit."""
    return a.shape == b.shape and mx.array_equal(a.view(mx.uint32), b.view(mx.uint32)).item()


def save(model: MLP, out: Path) -> dict[str, Path]:
    """Save the weights in each format."""
    paths = {name: out / f"digits.{name}" for name in FORMATS}
    model.save_weights(str(paths["safetensors"]))
    model.save_weights(str(paths["npz"]))
    named = tree_flatten(model.parameters(), destination={})
    mx.save_gguf(str(paths["gguf"]), named)
    return paths


def check(weights: str, expected: str) -> None:
    """Load ``weights`` into a new model; exit unless its logits are those of ``expected``."""
    model = MLP()
    model.load_weights(weights)
    model.eval()
    saved = mx.load(expected)
    if not same_bits(model(saved["inputs"]), saved["logits"]):
        sys.exit(f"{weights}: the logits of the reloaded model differ")
    print(f"{Path(weights).name}: reloaded in a new process, logits equal bit for bit")


def draw(path: Path, model: MLP, losses: list[float], accuracies: list[float], test: Split) -> None:
    """Write one picture: the loss of each step, and digits of the test with predictions."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    x, y = test
    predicted = mx.argmax(model(x), axis=1).tolist()
    images, labels = x.reshape(-1, 8, 8).tolist(), y.tolist()
    # The mistakes first.
    order = sorted(range(len(labels)), key=lambda i: predicted[i] == labels[i])
    figure = pyplot.figure(figsize=(13, 5), layout="constrained")
    left, right = figure.subfigures(1, 2)
    upper, lower = left.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    upper.plot(losses, linewidth=0.8)
    upper.set(ylabel="training loss (cross entropy)")
    ends = [(i + 1) * len(losses) / len(accuracies) for i in range(len(accuracies))]
    lower.plot(ends, accuracies, color="tab:green")
    lower.set(xlabel="step", ylabel="validation accuracy", ylim=(0.9, 1.0))
    for cell, i in zip(right.subplots(5, 8).flat, order, strict=False):
        cell.imshow(images[i], cmap="gray_r")
        right_one = predicted[i] == labels[i]
        title = f"{predicted[i]}" if right_one else f"{predicted[i]}, is {labels[i]}"
        cell.set_title(title, color="black" if right_one else "red", fontsize=9, pad=2)
        cell.axis("off")
    right.suptitle("predictions on the test set (mistakes red, first)")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Do it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("digits"), help="folder for the results")
    parser.add_argument("--check", nargs=2, metavar=("WEIGHTS", "EXPECTED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.check:
        check(*options.check)
        return
    if options.epochs < 1:
        parser.error("--epochs must be at least 1")
    mx.random.seed(options.seed)
    train_set, validation, test = load_data(options.seed)
    model = MLP()
    start = time.perf_counter()
    losses, accuracies = train(model, train_set, validation, options.epochs)
    print(f"training took {time.perf_counter() - start:.1f} s on {mx.default_device()}")
    print(f"test accuracy: {100 * accuracy(model, test):.2f} % of {len(test[1])} digits")

    options.out.mkdir(parents=True, exist_ok=True)
    model.eval()
    expected = options.out / "expected.npz"
    mx.savez(str(expected), inputs=test[0], logits=model(test[0]))
    for path in save(model, options.out).values():
        command = [sys.executable, __file__, "--check", str(path), str(expected)]
        subprocess.run(command, check=True)
    picture = options.out / "digits.png"
    draw(picture, model, losses, accuracies, test)
    print(f"picture: {picture}")


if __name__ == "__main__":
    main()
