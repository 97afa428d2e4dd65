"""Logistic regression by mini-batch gradient descent: nothing but Python's own library."""

import argparse
import csv
import json
import math
import pathlib
import random
import time


def read(path):
    """Rows of features, and for each whether it is the second kind."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name != "kind"]
    return names, [[float(row[name]) for name in names] for row in rows], [int(row["kind"]) for row in rows]


def standardise(rows):
    """Mean 0 and spread 1 for every feature, and what was taken off, so that a user of the model can do the same."""
    columns = list(zip(*rows))
    means = [sum(column) / len(column) for column in columns]
    spreads = [
        math.sqrt(sum((x - mean) ** 2 for x in column) / len(column)) or 1.0 for column, mean in zip(columns, means)
    ]
    return means, spreads, [[(x - m) / s for x, m, s in zip(row, means, spreads)] for row in rows]


def predict(weights, bias, row):
    z = bias + sum(w * x for w, x in zip(weights, row))
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def loss(weights, bias, rows, kinds):
    """Mean cross-entropy."""
    total = 0.0
    for row, kind in zip(rows, kinds):
        p = min(max(predict(weights, bias, row), 1e-12), 1 - 1e-12)
        total -= math.log(p if kind else 1 - p)
    return total / len(rows)


def accuracy(weights, bias, rows, kinds):
    right = sum((predict(weights, bias, row) >= 0.5) == bool(kind) for row, kind in zip(rows, kinds))
    return right / len(rows)


def train(rows, kinds, epochs, rate, batch, chance):
    weights, bias = [chance.gauss(0, 0.1) for _ in rows[0]], 0.0
    order = list(range(len(rows)))
    for epoch in range(1, epochs + 1):
        chance.shuffle(order)
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            errors = [(predict(weights, bias, rows[i]) - kinds[i], rows[i]) for i in part]
            bias -= rate * sum(error for error, _ in errors) / len(part)
            for j in range(len(weights)):
                weights[j] -= rate * sum(error * row[j] for error, row in errors) / len(part)
        yield epoch, weights, bias


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", required=True)
    options.add_argument("--epochs", type=int, default=20)
    options.add_argument("--rate", type=float, default=0.5)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--model", type=pathlib.Path, required=True)
    options.add_argument("--metrics", type=pathlib.Path, required=True)
    options = options.parse_args()

    chance = random.Random(options.seed)
    names, rows, kinds = read(options.data)
    order = list(range(len(rows)))
    chance.shuffle(order)
    held_back = set(order[: len(order) // 5])
    means, spreads, rows = standardise(rows)
    split = lambda keep: [[list_[i] for i in range(len(list_)) if keep(i)] for list_ in (rows, kinds)]
    seen, unseen = split(lambda i: i not in held_back), split(lambda i: i in held_back)
    print(f"{len(seen[0])} flowers to learn from, {len(unseen[0])} held back, features {', '.join(names)}", flush=True)

    started, history = time.monotonic(), []
    for epoch, weights, bias in train(*seen, options.epochs, options.rate, 16, chance):
        history.append({"epoch": epoch, "loss": loss(weights, bias, *seen), "held_back": loss(weights, bias, *unseen)})
        print(f"epoch {epoch:3}  loss {history[-1]['loss']:.4f}  held back {history[-1]['held_back']:.4f}", flush=True)

    score = accuracy(weights, bias, *unseen)
    print(f"accuracy on flowers never seen: {score:.3f}", flush=True)
    model = {"features": names, "means": means, "spreads": spreads, "weights": weights, "bias": bias}
    options.model.write_text(json.dumps(model, indent=2) + "\n")
    metrics = {"accuracy": score, "seconds": time.monotonic() - started, "history": history}
    options.metrics.write_text(json.dumps(metrics, indent=2) + "\n")


if __name__ == "__main__":
    main()
