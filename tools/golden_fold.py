"""Batch norms that PyTorch folded into the layers before them, for tests/golden/fold.h: weights and biases by torch.nn.utils.fusion in float64, from
float32 numbers by the formula of golden_nets.py. tests/nn/test_fold.c has the same layers in the same order."""
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from golden_nets import draw


def cases():
    """name, layer, norm, how it is folded."""
    conv = lambda l, n: fuse_conv_bn_eval(l, n)
    return [
        ("conv1d", nn.Conv1d(4, 4, 3, groups=2), nn.BatchNorm1d(4, eps=1e-3), conv),
        ("conv2d", nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), conv),
        ("conv2d/no_bias", nn.Conv2d(2, 3, 2, bias=False), nn.BatchNorm2d(3), conv),
        ("conv2d/no_affine", nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3, affine=False), conv),
        ("conv3d", nn.Conv3d(1, 2, (1, 2, 3)), nn.BatchNorm3d(2), conv),
        ("conv_transpose1d", nn.ConvTranspose1d(2, 3, 2), nn.BatchNorm1d(3), lambda l, n: fuse_conv_bn_eval(l, n, transpose=True)),
        ("conv_transpose2d/no_bias", nn.ConvTranspose2d(3, 2, 2, bias=False), nn.BatchNorm2d(2), lambda l, n: fuse_conv_bn_eval(l, n, transpose=True)),
        ("linear", nn.Linear(3, 4), nn.BatchNorm1d(4), lambda l, n: fuse_linear_bn_eval(l, n)),
    ]


def start(layer, norm):
    with torch.no_grad():
        layer.weight.copy_(draw(layer.weight.numel(), 0).reshape(layer.weight.shape))
        if layer.bias is not None:
            layer.bias.copy_(draw(layer.bias.numel(), 1))
        n = norm.num_features
        if norm.affine:
            norm.weight.copy_(1 + draw(n, 2) / 4)
            norm.bias.copy_(draw(n, 3))
        norm.running_mean.copy_(draw(n, 4))
        norm.running_var.copy_(1.5 + draw(n, 5))


def text():
    rows = []
    for name, layer, norm, fold in cases():
        layer, norm = layer.to(torch.float64).eval(), norm.to(torch.float64).eval()
        start(layer, norm)
        fused = fold(layer, norm)
        numbers = [", ".join("%.17g" % v for v in t.detach().reshape(-1).tolist()) for t in (fused.weight, fused.bias)]
        rows.append('    {"%s", %d, {%s}, {%s}},' % (name, fused.weight.numel(), *numbers))
    return ("static const struct {\n    const char *name;\n    int n;\n    double weight[24], bias[4];\n} golden_folds[] = {\n%s\n};\n" % "\n".join(rows))
