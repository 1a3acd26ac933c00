"""5-fold results on tables, soma beside scikit-learn, the same folds: bench/tables.py SOMA DATA [REPEATS]

soma: the recipe that `soma new` writes. scikit-learn: StandardScaler and MLPClassifier or MLPRegressor; of a grid over hidden layers and alpha (its
default among them) the setting that is best on these very folds, which is an advantage."""
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
grid = list(itertools.product([(100,), (64, 32)], [1e-4, 1e-1, 1.0, 10.0]))


def read(name):
    opened = gzip.open(os.path.join(data, name), "rt") if name.endswith(".gz") else open(os.path.join(data, name))
    rows = list(csv.reader(opened))
    return rows[1:] if len(rows[0]) != len(rows[1]) else rows


def by_soma(folder, recipe, train, test):
    for part, rows in (("train", train), ("test", test)):
        with open(os.path.join(folder, part + ".csv"), "w") as f:
            csv.writer(f).writerows(rows)
    out = os.path.join(folder, "run")
    subprocess.run(["rm", "-rf", out], check=True)
    subprocess.run([soma, "train", recipe, "--out", out, "--quiet", "--set", f"data.path={folder}/train.csv", "--set", f"data.test_path={folder}/test.csv"],
                   check=True, stdout=subprocess.DEVNULL)
    last = json.loads(open(os.path.join(out, "metrics.jsonl")).read().splitlines()[-1])
    return last["r2"] if "r2" in last else last["accuracy"]


print(f"{'table':<28}{'soma new':>20}{'scikit-learn':>20}  its best setting")
for name in tables:
    rows = read(name)
    valued = "housing" in name
    x = np.array([r[:-1] for r in rows], float)
    y = np.array([r[-1] for r in rows], float if valued else str)
    ours, theirs = [], {g: [] for g in grid}
    with tempfile.TemporaryDirectory() as folder:
        recipe = os.path.join(folder, "r.yaml")
        with open(recipe, "w") as f:
            subprocess.run([soma, "new", os.path.join(data, name)], check=True, stdout=f)
        for seed in range(repeats):
            folds = (KFold if valued else StratifiedKFold)(5, shuffle=True, random_state=seed)
            for train, test in folds.split(x, y):
                ours.append(by_soma(folder, recipe, [rows[i] for i in train], [rows[i] for i in test]))
                for hidden, alpha in grid:
                    kind = MLPRegressor if valued else MLPClassifier
                    m = make_pipeline(StandardScaler(), kind(hidden, alpha=alpha, max_iter=1000, random_state=seed))
                    theirs[hidden, alpha].append(m.fit(x[train], y[train]).score(x[test], y[test]))
    best = max(grid, key=lambda g: np.mean(theirs[g]))
    scale = 1 if valued else 100
    show = lambda v: f"{scale * np.mean(v):.{4 if valued else 2}f} +- {scale * np.std(v):.{4 if valued else 2}f}"
    print(f"{os.path.basename(name):<28}{show(ours):>20}{show(theirs[best]):>20}  hidden {best[0]}, alpha {best[1]}", flush=True)
