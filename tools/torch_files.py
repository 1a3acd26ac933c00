"""With Python's safetensors and PyTorch: torch_files.py write FILE makes the file that tests/io reads; torch_files.py check RUN loads RUN/model.safetensors
into torch.nn by load_state_dict, by the description of layers in the file."""
import argparse
import json
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def write(path):
    x = torch.arange(6, dtype=torch.float32).reshape(2, 3) / 4 - 0.5
    tensors = {
        "f32": x, "f64": x.double() / 3, "f16": (x * 100).half(), "bf16": (x * 1000).bfloat16(), "i64": torch.tensor([-(2**40), 5]), "i32": torch.tensor([-7, 7], dtype=torch.int32),
        "i16": torch.tensor([-300, 300], dtype=torch.int16), "i8": torch.tensor([-128, 127], dtype=torch.int8), "u8": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]), "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 4), "layer.0.weight": torch.eye(3),
    }
    save_file(tensors, path, metadata={"format": "pt", "words": "äöü \"quoted\""})


def check(run):
    path = run + "/model.safetensors"
    with safe_open(path, "pt") as f:
        recipe = json.loads(f.metadata()["soma"])
    kinds = {"flatten": lambda **_: torch.nn.Flatten(), "relu": lambda **_: torch.nn.ReLU(), "tanh": lambda **_: torch.nn.Tanh(), "sigmoid": lambda **_: torch.nn.Sigmoid(),
             "dropout": lambda p: torch.nn.Dropout(p)}
    features, layers = 1, []
    for size in recipe["input"]:
        features *= size
    for layer in recipe["model"]:
        name, fields = (layer, {}) if isinstance(layer, str) else next(iter(layer.items()))
        if name == "linear":
            layers.append(torch.nn.Linear(features, fields["features"], bias=fields["bias"]))
            features = fields["features"]
        else:
            layers.append(kinds[name](**fields))
    net = torch.nn.Sequential(*layers)
    print(net.load_state_dict(load_file(path)))
    print("parameters:", sum(p.numel() for p in net.parameters()))


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("what", choices=["write", "check"])
    p.add_argument("path")
    a = p.parse_args()
    write(a.path) if a.what == "write" else check(a.path)


if __name__ == "__main__":
    sys.exit(main())
