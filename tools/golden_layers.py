"""PyTorch's values of the layers of images for tests/golden/layers.h: inputs by a formula, results as weighted sums (element i counts i % 7 + 1 times).
tests/ops/test_layers.c has the same names and the same formula."""
import torch

F = torch.nn.functional


def fill(shape, a, b):
    n = torch.Size(shape).numel()
    return (((torch.arange(n) * a + b) % 17 - 8).to(torch.float64) / 8).reshape(shape)


def permuted_norm(x, w, b, eps):
    back = [0, x.dim() - 1] + list(range(1, x.dim() - 1))
    return F.layer_norm(x.permute([0] + list(range(2, x.dim())) + [1]), (x.shape[1],), w, b, eps).permute(back)


def cases():
    """name or name/variant, shapes of the inputs, function."""
    line, odd, box, even = (2, 3, 11), (2, 3, 7, 5), (1, 2, 5, 6, 4), (2, 4, 6, 8)
    c3, c4 = (3,), (4,)
    return [
        ("max_pool1d", [line], lambda x: F.max_pool1d(x, 3, 2, 1)),
        ("max_pool1d/dilated", [line], lambda x: F.max_pool1d(x, 3, 1, 0, 2)),
        ("max_pool1d/indices", [line], lambda x: F.max_pool1d(x, 3, 2, 1, return_indices=True)[1]),
        ("max_pool2d", [odd], lambda x: F.max_pool2d(x, 2)),
        ("max_pool2d/all", [odd], lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 1), (1, 2))),
        ("max_pool2d/ceil", [odd], lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True)),
        ("max_pool2d/ceil_far", [even], lambda x: F.max_pool2d(x, 2, 3, 1, ceil_mode=True)),
        ("max_pool2d/indices", [odd], lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 1), (1, 2), return_indices=True)[1]),
        ("max_pool3d", [box], lambda x: F.max_pool3d(x, (2, 3, 2), 2, (1, 1, 0))),
        ("max_pool3d/indices", [box], lambda x: F.max_pool3d(x, (2, 3, 2), 2, (1, 1, 0), return_indices=True)[1]),
        ("avg_pool1d", [line], lambda x: F.avg_pool1d(x, 3, 2, 1)),
        ("avg_pool1d/real", [line], lambda x: F.avg_pool1d(x, 4, 3, 2, True, False)),
        ("avg_pool2d", [odd], lambda x: F.avg_pool2d(x, (3, 2), (2, 1), (1, 1))),
        ("avg_pool2d/ceil", [even], lambda x: F.avg_pool2d(x, 3, 2, 1, True)),
        ("avg_pool2d/real", [odd], lambda x: F.avg_pool2d(x, 3, 2, 1, True, False)),
        ("avg_pool2d/divisor", [odd], lambda x: F.avg_pool2d(x, 3, 1, 1, divisor_override=5)),
        ("avg_pool3d", [box], lambda x: F.avg_pool3d(x, (2, 3, 2), 2, (1, 1, 0))),
        ("avg_pool3d/all", [box], lambda x: F.avg_pool3d(x, 3, 2, 1, True, False)),
        ("adaptive_max_pool1d", [line], lambda x: F.adaptive_max_pool1d(x, 4)),
        ("adaptive_max_pool2d", [odd], lambda x: F.adaptive_max_pool2d(x, (3, 2))),
        ("adaptive_max_pool2d/indices", [odd], lambda x: F.adaptive_max_pool2d(x, (3, 2), return_indices=True)[1]),
        ("adaptive_max_pool3d", [box], lambda x: F.adaptive_max_pool3d(x, (2, 4, 3))),
        ("adaptive_avg_pool1d", [line], lambda x: F.adaptive_avg_pool1d(x, 4)),
        ("adaptive_avg_pool2d", [odd], lambda x: F.adaptive_avg_pool2d(x, (3, 2))),
        ("adaptive_avg_pool2d/keep", [odd], lambda x: F.adaptive_avg_pool2d(x, (None, 3))),
        ("adaptive_avg_pool2d/more", [odd], lambda x: F.adaptive_avg_pool2d(x, (9, 8))),
        ("adaptive_avg_pool2d/global", [odd], lambda x: F.adaptive_avg_pool2d(x, 1)),
        ("adaptive_avg_pool3d", [box], lambda x: F.adaptive_avg_pool3d(x, (2, 4, 3))),
        ("pad", [odd], lambda x: F.pad(x, (1, 2, 3, 0), value=0.375)),
        ("pad/cut", [odd], lambda x: F.pad(x, (-1, 2, 1, -3, 1, 0, 0, 1), value=-1.5)),
        ("pad/reflect", [odd], lambda x: F.pad(x, (1, 4, 2, 0), "reflect")),
        ("pad/reflect1d", [line], lambda x: F.pad(x, (5, 3), "reflect")),
        ("pad/replicate", [odd], lambda x: F.pad(x, (2, 1, 0, 9), "replicate")),
        ("pad/replicate3d", [box], lambda x: F.pad(x, (1, 2, 0, 1, 2, 0), "replicate")),
        ("pad/circular", [odd], lambda x: F.pad(x, (5, 1, 2, 3), "circular")),
        ("unfold", [even], lambda x: F.unfold(x, 3)),
        ("unfold/all", [odd], lambda x: F.unfold(x, (3, 2), (1, 2), (2, 1), (2, 1))),
        ("fold", [(2, 12, 20)], lambda x: F.fold(x, (5, 6), 2)),
        ("fold/all", [(2, 18, 25)], lambda x: F.fold(x, (7, 5), (3, 2), (1, 2), (2, 1), (2, 1))),
        ("interpolate", [odd], lambda x: F.interpolate(x, (14, 3))),
        ("interpolate/factor", [odd], lambda x: F.interpolate(x, scale_factor=(1.7, 0.6))),
        ("interpolate/nearest1d", [line], lambda x: F.interpolate(x, scale_factor=2)),
        ("interpolate/nearest3d", [box], lambda x: F.interpolate(x, (3, 12, 5))),
        ("interpolate/linear", [line], lambda x: F.interpolate(x, 7, mode="linear")),
        ("interpolate/linear_corners", [line], lambda x: F.interpolate(x, 18, mode="linear", align_corners=True)),
        ("interpolate/bilinear", [odd], lambda x: F.interpolate(x, (9, 13), mode="bilinear")),
        ("interpolate/bilinear_factor", [odd], lambda x: F.interpolate(x, scale_factor=(1.7, 0.6), mode="bilinear")),
        ("interpolate/bilinear_corners", [odd], lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)),
        ("interpolate/trilinear", [box], lambda x: F.interpolate(x, (3, 9, 4), mode="trilinear")),
        ("pixel_shuffle", [(2, 12, 3, 4)], lambda x: F.pixel_shuffle(x, 2)),
        ("pixel_unshuffle", [(2, 2, 6, 9)], lambda x: F.pixel_unshuffle(x, 3)),
        ("channel_shuffle", [(2, 6, 3, 2)], lambda x: F.channel_shuffle(x, 3)),
        ("local_response_norm", [(2, 7, 3, 2)], lambda x: F.local_response_norm(x, 5, 0.5, 0.75, 2.0)),
        ("local_response_norm/even", [line], lambda x: F.local_response_norm(x, 2, 1.0, 0.5, 1.0)),
        ("group_norm", [even, c4, c4], lambda x, w, b: F.group_norm(x, 2, w, b, 1e-5)),
        ("group_norm/plain", [even], lambda x: F.group_norm(x, 4, eps=0.5)),
        ("instance_norm", [odd, c3, c3], lambda x, w, b: F.instance_norm(x, weight=w, bias=b, eps=0.01)),
        ("instance_norm/running", [line, c3, c3], lambda x, m, v: F.instance_norm(x, m.detach(), v.detach() + 2, use_input_stats=False) + 0 * (m.sum() + v.sum())),
        ("layer_norm2d", [odd, c3, c3], lambda x, w, b: permuted_norm(x, w, b, 0.125)),
        ("max_pool1d/wide", [(1, 2, 40)], lambda x: F.max_pool1d(x, 17, 5, 8)),
    ]


def weighted(t):
    n = t.numel()
    return float((t.detach().reshape(-1).to(torch.float64) * (torch.arange(n) % 7 + 1)).sum())


def row(name, shapes, f):
    xs = [fill(s, (5, 7, 3)[i], (1, 3, 2)[i]).requires_grad_() for i, s in enumerate(shapes)]
    y = f(*xs)
    sums = [weighted(y)] + [0.0] * 6
    if y.requires_grad:
        g = torch.autograd.grad((y * y * fill(y.shape, 11, 5)).sum(), xs, create_graph=True)
        gg = torch.autograd.grad(sum((t * t).sum() for t in g), xs, allow_unused=True)
        for i, t in enumerate(g): sums[1 + i] = weighted(t)
        for i, t in enumerate(gg): sums[4 + i] = 0.0 if t is None else weighted(t)
    brace = lambda s: "{%d, {%s}}" % (len(s), ", ".join(map(str, s)))
    return '    {"%s", %d, {%s}, %s, {%s}},' % (name, len(xs), ", ".join(brace(s) for s in shapes), brace(y.shape), ", ".join("%.17g" % v for v in sums))


def text():
    head = "typedef struct golden_shape {\n    int64_t ndim, size[5];\n} golden_shape;\nstatic const struct golden_layer {\n    const char *name;\n    int n_in;\n"
    head += "    golden_shape in[3], out;\n    double sums[7]; /* the result; gradients of sum(y * y * s) by each input; those of their sums of squares */\n} golden_layers[] = {\n"
    return head + "\n".join(row(*c) for c in cases()) + "\n};\n"
