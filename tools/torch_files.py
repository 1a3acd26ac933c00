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


def batch_norm(shape, momentum, eps, affine):
    return [N.BatchNorm1d, N.BatchNorm1d, N.BatchNorm2d, N.BatchNorm3d][len(shape) - 2](shape[1], eps, momentum, affine)


class Last(N.Module):
    """LayerNorm over the channels of an image."""

    def __init__(self, channels, eps, affine):
        super().__init__()
        self.weight, self.bias, self.eps = (N.Parameter(torch.ones(channels)), N.Parameter(torch.zeros(channels)), eps) if affine else (None, None, eps)

    def forward(self, x):
        return N.functional.layer_norm(x.movedim(1, -1), (x.shape[1],), self.weight, self.bias, self.eps).movedim(-1, 1)


def layer_norm(shape, eps, affine, over="last"):
    return Last(shape[1], eps, affine) if over == "channels" and len(shape) > 2 else N.LayerNorm(shape[-1], eps, affine)


class Residual(N.Sequential):
    def forward(self, x):
        return (self[1](x) if len(self) > 1 else x) + self[0](x)


def image(m, dims, shape):
    """The layer, for samples that have no channels, too."""
    if len(shape) == dims + 1: m.register_forward_pre_hook(lambda _, x: (x[0].unsqueeze(1),))
    return m


def conv(shape, dims, channels, **f):
    inputs = 1 if len(shape) == dims + 1 else shape[1]
    kind = [N.Conv1d, N.Conv2d, N.Conv3d][dims - 1] if "output_padding" not in f else [N.ConvTranspose1d, N.ConvTranspose2d][dims - 1]
    f = {k: tuple(v) if isinstance(v, list) else v for k, v in f.items() if k != "init"}
    return image(kind(inputs, channels, f.pop("kernel"), **f), dims, shape)


def pool(shape, dims, average, kernel, stride, **f):
    tuples = lambda v: tuple(v) if isinstance(v, list) else v
    kind = getattr(N, ("Avg" if average else "Max") + "Pool%dd" % dims)
    return image(kind(tuples(kernel), tuples(stride) or None, **{k: tuples(v) for k, v in f.items()}), dims, shape)


def residual(shape, layers, shortcut=()):
    body, _ = sequential(layers, torch.zeros(1, *shape[1:]))
    return Residual(body, sequential(shortcut, torch.zeros(1, *shape[1:]))[0]) if shortcut else Residual(body)


SHAPED = {
    "batch_norm": batch_norm, "layer_norm": layer_norm, "residual": residual,
    "linear": lambda shape, features, bias, init: N.Linear(shape[1], features, bias=bias),
    "repeat": lambda shape, times, layers: sequential(layers * times, torch.zeros(1, *shape[1:]))[0],
    "group_norm": lambda shape, groups, eps, affine: N.GroupNorm(groups, shape[1], eps, affine),
    "instance_norm": lambda shape, momentum, eps, affine, running: [N.InstanceNorm1d, N.InstanceNorm2d, N.InstanceNorm3d][len(shape) - 3](shape[1], eps, momentum, affine, running),
    "local_response_norm": lambda shape, size, alpha, beta, k: N.LocalResponseNorm(size, alpha, beta, k),
    "dropout1d": lambda shape, p: image(N.Dropout1d(p), 1, shape), "dropout2d": lambda shape, p: image(N.Dropout2d(p), 2, shape),
    "adaptive_avg_pool": lambda shape, size: image(N.AdaptiveAvgPool2d(size), 2, shape), "adaptive_max_pool": lambda shape, size: image(N.AdaptiveMaxPool2d(size), 2, shape),
    "global_avg_pool": lambda shape: N.Sequential(N.Flatten(2), N.AdaptiveAvgPool1d(1), N.Flatten()), "global_max_pool": lambda shape: N.Sequential(N.Flatten(2), N.AdaptiveMaxPool1d(1), N.Flatten()),
    "pixel_shuffle": lambda shape, factor: N.PixelShuffle(factor), "pixel_unshuffle": lambda shape, factor: N.PixelUnshuffle(factor),
    "channel_shuffle": lambda shape, groups: N.ChannelShuffle(groups),
}
for dims, end in (1, "1d"), (2, ""), (3, "3d"):
    SHAPED["conv" + end] = SHAPED["conv_transpose" + end] = lambda shape, dims=dims, **f: conv(shape, dims, **f)
    SHAPED["max_pool" + end] = lambda shape, dims=dims, **f: pool(shape, dims, False, **f)
    SHAPED["avg_pool" + end] = lambda shape, dims=dims, **f: pool(shape, dims, True, **f)


def sequential(description, x):
    """The layers for a sample x, and what they make of it."""
    layers = []
    for layer in description:
        name, fields = (layer, {}) if isinstance(layer, str) else next(iter(layer.items()))
        layers.append(SHAPED[name](x.shape, **fields) if name in SHAPED else KINDS[name](**fields))
        layers[-1].eval()
        x = layers[-1](x)
    return N.Sequential(*layers), x


def network(path):
    """The network of a model file, by its description of layers, with its weights; the shape of a sample, and the scale of inputs."""
    with safe_open(path, "pt") as f:
        recipe = json.loads(f.metadata()["soma"])
    net, _ = sequential(recipe["model"], torch.zeros(1, *recipe["input"]))
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
