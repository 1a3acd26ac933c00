"""With Python's safetensors and PyTorch: torch_files.py write FILE makes the file that tests/io reads; torch_files.py check RUN loads RUN/model.safetensors
into torch.nn by load_state_dict, by the description of layers in the file, and compares predictions with those of build/libsoma.so."""
import argparse
import ctypes
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


# Layers of recipes in torch.nn, with the settings that have other names there.
N = torch.nn
KINDS = {
    "flatten": N.Flatten, "relu": N.ReLU, "tanh": N.Tanh, "sigmoid": N.Sigmoid, "identity": N.Identity, "relu6": N.ReLU6, "selu": N.SELU, "gelu": N.GELU,
    "gelu_tanh": lambda: N.GELU(approximate="tanh"), "silu": N.SiLU, "mish": N.Mish, "softsign": N.Softsign, "hardsigmoid": N.Hardsigmoid, "hardswish": N.Hardswish,
    "logsigmoid": N.LogSigmoid, "tanhshrink": N.Tanhshrink, "leaky_relu": N.LeakyReLU, "elu": N.ELU, "celu": N.CELU, "softshrink": N.Softshrink, "hardshrink": N.Hardshrink,
    "hardtanh": N.Hardtanh, "softplus": N.Softplus, "threshold": N.Threshold, "softmax": N.Softmax, "log_softmax": N.LogSoftmax, "softmin": N.Softmin, "glu": N.GLU,
    "prelu": lambda count, init: N.PReLU(count, init), "rrelu": N.RReLU, "dropout": N.Dropout, "alpha_dropout": N.AlphaDropout,
}


NORMS = {
    "batch_norm": lambda shape, momentum, eps, affine: N.BatchNorm1d(shape[1], eps, momentum, affine),
    "layer_norm": lambda shape, eps, affine: N.LayerNorm(shape[-1], eps, affine),
}


def network(path):
    """The network of a model file, by its description of layers, with its weights; the shape of a sample, and the scale of inputs."""
    with safe_open(path, "pt") as f:
        recipe = json.loads(f.metadata()["soma"])
    layers, x = [], torch.zeros(1, *recipe["input"])
    for layer in recipe["model"]:
        name, fields = (layer, {}) if isinstance(layer, str) else next(iter(layer.items()))
        if name in NORMS:
            layers.append(NORMS[name](x.shape, **fields))
        else:
            layers.append(N.Linear(x.shape[1], fields["features"], bias=fields["bias"]) if name == "linear" else KINDS[name](**fields))
        layers[-1].eval()
        x = layers[-1](x)
    net = N.Sequential(*layers)
    weights = load_file(path)
    for key in list(weights):  # a count that soma does not keep
        if key.endswith("running_mean"):
            weights[key.replace("running_mean", "num_batches_tracked")] = torch.tensor(0)
    print(net.load_state_dict(weights))
    return net.eval(), recipe["input"], recipe["scale"]


def predictions(path, x, outputs):
    """Probabilities by libsoma.so, which is looked for in build/."""
    lib = ctypes.CDLL("build/libsoma.so")
    lib.soma_error_message.restype = ctypes.c_char_p
    context, model = ctypes.c_void_p(), ctypes.c_void_p()
    y = torch.zeros(len(x), outputs)
    if lib.soma_context_create_v(ctypes.byref(context), None, ctypes.c_size_t(0)) != 0:
        raise SystemExit("no context")
    if lib.soma_model_load(context, path.encode(), ctypes.byref(model)) or lib.soma_model_predict(model, ctypes.c_void_p(x.data_ptr()), ctypes.c_int64(len(x)), ctypes.c_void_p(y.data_ptr())):
        raise SystemExit(lib.soma_error_message(context).decode())
    lib.soma_context_free(context)
    return y


def check(run):
    path = run if run.endswith(".safetensors") else run + "/model.safetensors"
    net, shape, scale = network(path)
    x = torch.rand(100, *shape) / scale
    with torch.no_grad():
        want = torch.softmax(net(x * scale), 1)
    worst = (predictions(path, x.contiguous(), want.shape[1]) - want).abs().max().item()
    print("parameters: %d, largest difference of 100 predictions: %.2g" % (sum(p.numel() for p in net.parameters()), worst))
    if not worst < 1e-5:
        raise SystemExit("the predictions differ")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("what", choices=["write", "check"])
    p.add_argument("path")
    a = p.parse_args()
    write(a.path) if a.what == "write" else check(a.path)


if __name__ == "__main__":
    sys.exit(main())
