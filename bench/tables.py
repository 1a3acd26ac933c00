"""5-fold results on tables, soma beside scikit-learn, the same folds: bench/tables.py SOMA DATA [REPEATS]

soma: the recipe that `soma new` writes, and the best of a few variants of it on these folds. scikit-learn: StandardScaler and MLPClassifier or
MLPRegressor with its defaults (but enough iterations), and the best of a grid over hidden layers and alpha on these folds."""
import csv
import gzip
import itertools
import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")
soma, data = os.path.abspath(sys.argv[1]), sys.argv[2]
repeats = int(sys.argv[3]) if len(sys.argv) > 3 else 3
tables = ["tabular/iris.csv", "tabular/wine.csv", "tabular/breast_cancer.csv", "tabular/pima-indians-diabetes.csv", "tabular/wheat-seeds.csv",
          "digits/digits.csv.gz", "tabular/housing.csv"]
hidden = lambda layers: ["--set", "model=[" + layers + ", {linear: %d}]"]
adam = lambda decay: ["--set", f"optimizer={{adam: {{lr: 0.003, weight_decay: {decay}}}}}"]
variants = {
    "as written": [],
    "weight decay 1": ["--set", "optimizer.adamw.weight_decay=1"],
    "100, adam, decay 0.01": hidden("{linear: 100}, relu") + adam(0.01),
    "100, adam, decay 0.03": hidden("{linear: 100}, relu") + adam(0.03),
    "100, batch 200, adam 0.001, decay 0.005, 200 epochs": hidden("{linear: 100}, relu") + [
        "--set", "optimizer={adam: {lr: 0.001, weight_decay: 0.005}}", "--set", "train={epochs: 200, batch: 200}", "--set", "schedule=none"],
    "64-32, adam, decay 0.07": hidden("{linear: 64}, relu, {linear: 32}, relu") + adam(0.07),
    "200-100, dropout 0.3, label smoothing 0.1": hidden("{linear: 200}, relu, {dropout: 0.3}, {linear: 100}, relu") + ["--set", "loss={cross_entropy: 0.1}"],
    "200-100, dropout 0.3, mixup 0.2": hidden("{linear: 200}, relu, {dropout: 0.3}, {linear: 100}, relu") + ["--set", "train.mixup=0.2"],
}
grid = list(itertools.product([(100,), (64, 32)], [1e-4, 1e-1, 1.0, 10.0]))
tables = [t for t in tables if os.environ.get("ONLY", "") in t]


def read(name):
    opened = gzip.open(os.path.join(data, name), "rt") if name.endswith(".gz") else open(os.path.join(data, name))
    rows = list(csv.reader(opened))
    return rows[1:] if len(rows[0]) != len(rows[1]) else rows


def by_soma(folder, recipe, train, test, changes, outputs):
    for part, rows in (("train", train), ("test", test)):
        with open(os.path.join(folder, part + ".csv"), "w") as f:
            csv.writer(f).writerows(rows)
    out = os.path.join(folder, "run")
    subprocess.run(["rm", "-rf", out], check=True)
    subprocess.run([soma, "train", recipe, "--out", out, "--quiet", "--set", f"data.path={folder}/train.csv", "--set", f"data.test_path={folder}/test.csv"] +
                   [c % outputs if "%d" in c else c for c in changes],
                   check=True, stdout=subprocess.DEVNULL)
    last = json.loads(open(os.path.join(out, "metrics.jsonl")).read().splitlines()[-1])
    return last["r2"] if "r2" in last else last["accuracy"]


print(f"{'table':<27}{'soma new':>18}{'soma, best':>18}{'sklearn, default':>18}{'sklearn, best':>18}")
for name in tables:
    rows = read(name)
    valued = "housing" in name
    x = np.array([r[:-1] for r in rows], float)
    y = np.array([r[-1] for r in rows], float if valued else str)
    ours, theirs = {v: [] for v in variants}, {g: [] for g in grid}
    outputs = 1 if valued else len(set(y))
    with tempfile.TemporaryDirectory() as folder:
        recipe = os.path.join(folder, "r.yaml")
        with open(recipe, "w") as f:
            subprocess.run([soma, "new", os.path.join(data, name)], check=True, stdout=f)
        for seed in range(repeats):
            folds = (KFold if valued else StratifiedKFold)(5, shuffle=True, random_state=seed)
            for train, test in folds.split(x, y):
                for v, changes in variants.items():
                    if valued and "smoothing" in v:
                        continue
                    ours[v].append(by_soma(folder, recipe, [rows[i] for i in train], [rows[i] for i in test], changes, outputs))
                for hidden, alpha in grid:
                    kind = MLPRegressor if valued else MLPClassifier
                    m = make_pipeline(StandardScaler(), kind(hidden_layer_sizes=hidden, alpha=alpha, max_iter=1000, random_state=seed))
                    theirs[hidden, alpha].append(m.fit(x[train], y[train]).score(x[test], y[test]))
    best, variant = max(grid, key=lambda g: np.mean(theirs[g])), max(variants, key=lambda v: np.mean(ours[v] or [-1]))
    scale, digits = (1, 3) if valued else (100, 2)
    show = lambda v: f"{scale * np.mean(v):.{digits}f} +- {scale * np.std(v):.{digits}f}"
    columns = [show(ours["as written"]), show(ours[variant]), show(theirs[(100,), 1e-4]), show(theirs[best])]
    print(f"{os.path.basename(name):<27}" + "".join(f"{c:>18}" for c in columns) + f"  ({variant}; hidden {best[0]}, alpha {best[1]})", flush=True)
