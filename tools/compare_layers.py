#!/usr/bin/env python3
"""Random convolutions, pools, paddings, unfoldings and interpolations with random options in soma and in PyTorch, in float64: the same shapes and values,
gradients, gradients of gradients, and the same refusals.

usage: compare_layers.py LIBRARY [CASES [SEED]]"""
import ctypes as C
import sys

import numpy as np
import torch

import compare_soma as cs

F, I64, D3, PTR = torch.nn.functional, C.c_int64, C.c_int64 * 3, C.c_void_p
Pool = cs.options("Pool", ("kernel", D3), ("stride", D3), ("padding", D3), ("dilation", D3), ("ceil_mode", I64), ("no_count_pad", I64), ("divisor_override", I64))
Conv = cs.options("Conv", ("stride", D3), ("padding", D3), ("dilation", D3), ("groups", I64), ("same", I64), ("output_padding", D3))
Interpolate = cs.options("Interpolate", ("size", D3), ("scale_factor", C.c_double * 3), ("mode", I64), ("align_corners", I64))


def three(xs):
    return D3(*xs, *[0] * (3 - len(xs)))


class Draw:
    def __init__(self, r):
        self.r, self.nd = r, int(r.integers(1, 4))

    def ints(self, low, high):
        return [int(v) for v in self.r.integers(low, high, self.nd)]

    def image(self, channels=None, low=1):
        return np.round(self.r.standard_normal([int(self.r.integers(1, 3)), channels or int(self.r.integers(1, 4))] + self.ints(low, 8)), 3)


def draw_max_pool(d):
    x = d.image()
    k, s, p, ceil = d.ints(1, 4), d.ints(1, 4), d.ints(0, 3), bool(d.r.random() < 0.5)
    l = [int(d.r.integers(1, 3)) if n > 1 else 1 for n in x.shape[2:]]  # a window without an element: PyTorch writes outside its memory
    return [x], lambda x: getattr(F, "max_pool%dd" % d.nd)(x, k, s, p, l, ceil), \
        lambda S, x: S.call("max_pool%dd" % d.nd, x, 1, None, Pool(kernel=three(k), stride=three(s), padding=three(p), dilation=three(l), ceil_mode=ceil))


def draw_avg_pool(d):
    k, s, p, ceil, count, over = d.ints(1, 4), d.ints(1, 4), d.ints(0, 3), bool(d.r.random() < 0.5), bool(d.r.random() < 0.5), int(d.r.integers(1, 6)) if d.nd > 1 and d.r.random() < 0.3 else None
    more = () if d.nd == 1 else (over,)
    return [d.image()], lambda x: getattr(F, "avg_pool%dd" % d.nd)(x, k, s, p, ceil, count, *more), \
        lambda S, x: S.call("avg_pool%dd" % d.nd, x, 1, Pool(kernel=three(k), stride=three(s), padding=three(p), ceil_mode=ceil, no_count_pad=not count, divisor_override=over or 0))


def draw_adaptive(d):
    sizes, kind = d.ints(1, 10), str(d.r.choice(["max", "avg"]))
    name = "adaptive_%s_pool%dd" % (kind, d.nd)
    return [d.image()], lambda x: getattr(F, name)(x, sizes), lambda S, x: S.call(name, x, cs.ints(sizes), d.nd, *([None] if kind == "max" else []))


def draw_pad(d):
    mode = int(d.r.integers(4))
    sizes = [int(v) for v in d.r.integers(-2 if mode == 0 else 0, 4, 2 * d.nd)]
    return [d.image()], lambda x: F.pad(x, sizes, ["constant", "reflect", "replicate", "circular"][mode], 0.5 if mode == 0 else None) * 1, \
        lambda S, x: S.call("pad", x, cs.ints(sizes), len(sizes), C.c_int(mode), 0.5)


def draw_unfold(d):
    d.nd = 2
    k, s, p, l = d.ints(1, 4), d.ints(1, 4), d.ints(0, 3), d.ints(1, 3)
    return [d.image()], lambda x: F.unfold(x, k, l, p, s), lambda S, x: S.call("unfold_v", x, 1, Pool(kernel=three(k), stride=three(s), padding=three(p), dilation=three(l)))


def draw_interpolate(d):
    linear, align, by_size = bool(d.r.random() < 0.6), bool(d.r.random() < 0.4), bool(d.r.random() < 0.5)
    size, scale = d.ints(1, 12), [float(v) for v in d.r.choice([0.3, 0.5, 0.7, 1.0, 1.3, 2.0, 2.9, 3.0], d.nd)]
    if not linear and d.nd != 2: scale = [2.0] * d.nd  # of others PyTorch's gradient is not that of its value
    mode = ["linear", "bilinear", "trilinear"][d.nd - 1] if linear else "nearest"
    given = {"size": size} if by_size else {"scale_factor": scale}
    o = Interpolate(size=three(size) if by_size else three([]), mode=linear, align_corners=align and linear)
    if not by_size:
        for i, v in enumerate(scale): o.scale_factor[i] = v
    return [d.image()], lambda x: F.interpolate(x, **given, mode=mode, align_corners=align if linear else None), lambda S, x: S.call("interpolate_v", x, o)


def draw_conv(d):
    g, transposed = int(d.r.integers(1, 4)), bool(d.r.random() < 0.4)
    cin, cout, k, s, p, l, op = g * int(d.r.integers(1, 3)), g * int(d.r.integers(1, 3)), d.ints(1, 4), d.ints(1, 4), d.ints(0, 3), d.ints(1, 3), d.ints(0, 3)
    same = not transposed and bool(d.r.random() < 0.3)
    if same: s, p = [1] * d.nd, [0] * d.nd
    w = np.round(d.r.standard_normal(([cin, cout // g] if transposed else [cout, cin // g]) + k), 3)
    ins = [d.image(cin), w] + ([np.round(d.r.standard_normal(cout), 3)] if d.r.random() < 0.5 else [])
    name, o = ("conv_transpose%dd" if transposed else "conv%dd") % d.nd, Conv(stride=three(s), padding=three(p), dilation=three(l), groups=g, same=same, output_padding=three(op if transposed else []))
    if transposed: f = lambda x, w, b=None: getattr(F, name)(x, w, b, s, p, op, g, l)
    else: f = lambda x, w, b=None: getattr(F, name)(x, w, b, s, "same" if same else p, l, g)
    return ins, f, lambda S, x, w, b=None: S.call(name, x, w, b, o)


DRAWS = [draw_max_pool, draw_avg_pool, draw_adaptive, draw_pad, draw_unfold, draw_interpolate, draw_conv]


ACCIDENTS = ["smaller than kernel size"]  # refusals of PyTorch that are no rule: avg_pool3d forgets its padding


def by_torch(ins, f, seeds):
    xs = [torch.tensor(x, requires_grad=True) for x in ins]
    y = f(*xs)
    if y.numel() == 0: return None
    v = torch.tensor(seeds.standard_normal(tuple(y.shape)))
    g = torch.autograd.grad((y * y * v).sum(), xs, create_graph=True)
    gg = torch.autograd.grad(sum((t * t).sum() for t in g), xs)
    return [t.detach().numpy() for t in (y, *g, *gg)], v.numpy()


def by_soma(S, ins, f, v):
    xs = [S.variable(x) for x in ins]
    y = f(S, *xs)
    if S.read(y).shape != v.shape: return [S.read(y)]
    one = S.array(np.array(1.0))
    g = S.grad(S.call("sum", S.call("mul", S.call("square", y), S.array(v)), None), xs, one)
    squares = [S.call("sum", S.call("square", t), None) for t in g]
    total = squares[0]
    for t in squares[1:]: total = S.call("add", total, t)
    return [S.read(t) for t in [y] + g + S.grad(total, xs, one)]


def main(library, cases=1000, seed=0):
    bad = refused = 0
    for i in range(int(cases)):
        r = np.random.default_rng([int(seed), i])
        d = Draw(r)
        draw = DRAWS[int(r.integers(len(DRAWS)))]
        ins, f, g = draw(d)
        S = cs.Soma(library)
        try: want = by_torch(ins, f, r)
        except (RuntimeError, ValueError) as e: want = str(e)
        if want is None: continue
        try: got = by_soma(S, ins, g, want[1] if not isinstance(want, str) else np.zeros(0))
        except cs.SomaError as e: got = str(e)
        S.close()
        if isinstance(want, str) and any(t in want for t in ACCIDENTS): continue
        if isinstance(want, str) or isinstance(got, str):
            refused += 1
            if not (isinstance(want, str) and isinstance(got, str)):
                bad += 1
                print("case %d, %s, %s: PyTorch %s, soma %s" % (i, draw.__name__, [x.shape for x in ins], want if isinstance(want, str) else want[0][0].shape, got if isinstance(got, str) else got[0].shape))
            continue
        for k, (a, b) in enumerate(zip(want[0], got)):
            if a.shape != b.shape or not np.allclose(a, b, rtol=1e-9, atol=1e-9 * max(1, np.abs(a).max()), equal_nan=True):
                bad += 1
                print("case %d, %s, %s: result %d, shapes %s and %s" % (i, draw.__name__, [x.shape for x in ins], k, a.shape, b.shape))
                break
    print("%s cases, %d refused by both or one, %d differences" % (cases, refused, bad))
    return bad != 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 1 else __doc__)
