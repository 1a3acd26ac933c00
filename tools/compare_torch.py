"""Random configurations run by soma and by PyTorch, and compared. Needs a Python with torch; run by hand after make:

    python3 tools/compare_torch.py [--seed 0] [--count 2000] [--only ops|nets] [--op NAME] [--library build/libsoma.so]

Configuration i of a run has the seed --seed + i, so `--seed N --count 1` repeats one. Two kinds: expressions of 1 to 4 ops with the gradients of all
floating inputs (compare_ops.py), and networks with losses and optimizers (compare_nets.py).

Shapes, dtypes, integers and bools must be equal. For floating values the reference r is PyTorch in float64. soma may be off from it by

    4 |t - r|  +  8 max |n - r|  +  4 ulp(r)      (more where some value has over 1000 elements: 32, and 1000 in float64)

t: PyTorch in float32. n: four more runs in float64, in which every operand and every result of each op, forward and backward, is multiplied by
1 + e with a random |e| <= 2^-23 (2^-50 when all is float64: r has errors of its own then): what errors of a rounding each, in any order, make of the result. The noise stands in
for |t - r| where PyTorch's own error is small by luck. Where integers, bools or non-finite places differ among PyTorch's own runs they are not compared.
Ops that do not round and have kinks (views, relu, maximum, clamp, ...) get noise on gradients only, so that the gradient at a kink is compared, too."""
import argparse
import os
import sys
import traceback
import warnings

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare_nets as nets
import compare_ops as ops
import compare_soma as cs

NOISY_RUNS, MORE_RUNS = 4, 100


def shaken(x, eps, generator):
    return x * (1 + eps * (2 * torch.rand(x.shape, generator=generator, dtype=torch.float64) - 1))


class Noise(torch.autograd.Function):
    """Noise on a value and on its gradient."""

    @staticmethod
    def forward(ctx, x, eps, back, generator):
        ctx.back, ctx.generator = back, generator
        return shaken(x, eps, generator) if eps else x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return shaken(g, ctx.back, ctx.generator), None, None, None


class ByResult(torch.autograd.Function):
    """An op whose gradient is made of its result: of the result with its noise."""

    @staticmethod
    def forward(ctx, x, op, attributes, eps, generator):
        ctx.op, ctx.attributes, ctx.x, y = op, attributes, x, op.torch([x], **attributes)
        ctx.y = shaken(y, eps, generator) + (shaken(torch.ones_like(y), eps, generator) - 1 if op.absolute else 0)
        return ctx.y

    @staticmethod
    def backward(ctx, g):
        return ctx.op.by_result(g, ctx.x, ctx.y, **ctx.attributes), None, None, None, None


class NoiseOf:
    """Noise of a size, from a seed; the size 0 is none."""

    def __init__(self, eps, seed):
        self.eps, self.generator = eps, torch.Generator().manual_seed(seed)

    def __call__(self, x, forward=True):
        return Noise.apply(x, self.eps if forward else 0, self.eps, self.generator) if self.eps and x.dtype == torch.float64 else x

    def run(self, op, ins, attributes):
        ins = [self(x, not op.exact) for x in ins]
        if self.eps and op.by_result and ins[0].dtype == torch.float64: return self(ByResult.apply(ins[0], op, attributes, self.eps, self.generator), False)
        return self(op.torch(ins, **attributes), not op.exact)


class Generator:
    """Draws an expression. Values so far are computed by PyTorch along the way: their shapes and dtypes tell what fits next."""

    def __init__(self, seed, only=None):
        self.r = np.random.default_rng(seed)
        self.values, self.leaves, self.steps, self.only, self.indices = [], {}, [], only, set()
        # a third of the expressions have numbers on a grid, for ties, zeros and bounds that are met
        self.grid = self.r.random() < 0.33

    def size(self):
        return int(self.r.choice([0, 1, 2, 3, 4, 5, 7, 33], p=[0.04, 0.2, 0.22, 0.22, 0.15, 0.1, 0.05, 0.02]))

    def any_shape(self):
        if self.r.random() < 0.01: return [5000]
        return [self.size() for _ in range(self.r.integers(0, 5))]

    def any_dtype(self, dtypes):
        weights = np.array([{torch.float32: 10, torch.float64: 3}.get(d, 1) for d in dtypes], float)
        return dtypes[self.r.choice(len(dtypes), p=weights / weights.sum())]

    def add(self, value):
        self.values.append(value)
        return len(self.values) - 1

    def leaf(self, shape, dtype):
        shape = list(shape)
        if dtype == torch.bool: a = self.r.random(shape) < 0.5
        elif dtype not in ops.FLOATS: a = self.r.integers(0 if dtype == torch.uint8 else -4, 5, shape)
        elif self.grid: a = self.r.integers(-4, 5, shape) / 2
        else: a = np.exp(self.r.standard_normal(shape)) if self.r.random() < 0.3 else self.r.standard_normal(shape)
        return self.known(np.asarray(a).astype(ops.NUMPY[dtype]))

    def known(self, a):
        i = self.add(torch.from_numpy(np.array(a)).requires_grad_(a.dtype in (np.float32, np.float64)))
        self.leaves[i] = a
        return i

    def index(self, shape, n):
        i = self.known(self.r.integers(0, n, shape).astype(np.int64) if len(shape) else np.array(self.r.integers(0, n), np.int64))
        self.indices.add(i)
        return i

    def shape(self, i): return tuple(self.values[i].shape)
    def dtype(self, i): return self.values[i].dtype

    def dim(self, i):
        d = int(self.r.integers(-len(self.shape(i)), len(self.shape(i))))
        return d, self.shape(i)[d]

    def pick(self, dtypes, rank=0):
        """An operand: the last result if it fits, else any value or a new leaf."""
        fits = lambda i: self.dtype(i) in dtypes and len(self.shape(i)) >= rank and i not in self.indices
        last = len(self.values) - 1
        if self.steps and fits(last) and self.r.random() < 0.85: return last
        have = [i for i in range(len(self.values)) if fits(i)]
        if have and self.r.random() < 0.5: return have[self.r.integers(len(have))]
        shape = self.any_shape()
        return self.leaf([self.size() for _ in range(max(rank - len(shape), 0))] + shape, self.any_dtype(dtypes))

    def ranked(self, dtypes, rank): return self.pick(dtypes, rank)

    def broadcastable(self, shape, least=0):
        """A shape that broadcasts to the given one."""
        drop = int(self.r.integers(0, len(shape) + 1)) if self.r.random() < 0.3 else 0
        out = [1 if self.r.random() < 0.25 else n for n in shape[drop:]]
        return [1] * max(least - len(out), 0) + out if least else out

    def fitting(self, x):
        return self.leaf(self.broadcastable(self.shape(x)), self.dtype(x))

    def pair(self, dtypes):
        x = self.pick(dtypes)
        y = self.leaf(self.broadcastable(self.shape(x)), self.dtype(x) if self.r.random() < 0.7 else self.any_dtype(dtypes))
        return [y, x] if self.r.random() < 0.5 else [x, y]

    def step(self, name, ins, attributes):
        y = ops.OPS[name].torch([self.values[i] for i in ins], **attributes)
        self.steps.append((name, ins, attributes))
        return self.add(y)

    def usable(self, y):
        """Most values that overflow or are NaN end an expression's use."""
        if not y.is_floating_point() or not y.numel() or self.r.random() < 0.03: return True
        v = y.detach()
        return bool(torch.isfinite(v).all()) and float(v.abs().max()) < 1e4

    def grow(self, refused):
        """Adds one op; what PyTorch refuses is noted with the error."""
        for _ in range(60):
            name = self.only or list(ops.OPS)[self.r.integers(len(ops.OPS))]
            before = len(self.values), len(self.steps)
            drawn = ops.OPS[name].draw(self)
            try:
                if drawn and self.usable(self.values[self.step(name, *drawn)]): return True
            except (RuntimeError, IndexError, ZeroDivisionError, TypeError, ValueError) as e:
                refused.append((name, drawn, {i: self.values[i].detach() for i in drawn[0]}, e))
            del self.values[before[0]:], self.steps[before[1]:]
            for i in [i for i in self.leaves if i >= before[0]]: del self.leaves[i]
            self.indices = {i for i in self.indices if i < before[0]}
        return False


def text(g):
    """The expression for a person."""
    lines = ["x%d = %s%s" % (i, str(a.dtype), list(a.shape)) + (" " + np.array2string(a, precision=9, separator=", ").replace("\n", "") if a.size <= 12 else "")
             for i, a in g.leaves.items()]
    at = [i for i in range(len(g.values)) if i not in g.leaves]
    lines += ["x%d = %s(%s)" % (i, name, ", ".join(["x%d" % k for k in ins] + ["%s=%s" % kv for kv in attributes.items()]))
              for i, (name, ins, attributes) in zip(at, g.steps)]
    return "\n    ".join(lines)


def torch_expression(g, wide, eps, seed, weights):
    """By name: all values, and the leaves' gradients of the last one."""
    noise = NoiseOf(eps, seed)
    values, steps = [], iter(g.steps)
    for i in range(len(g.values)):
        if i in g.leaves:
            a = torch.from_numpy(np.array(g.leaves[i]))
            v = a.to(ops.wide(a.dtype)) if wide else a
            values.append(v.requires_grad_(v.is_floating_point()))
        else:
            name, ins, attributes = next(steps)
            values.append(noise.run(ops.OPS[name], [values[k] for k in ins], attributes))
    out, grads = values[-1], {}
    if out.requires_grad:
        leaves = [i for i in g.leaves if values[i].requires_grad]
        got = torch.autograd.grad(out, [values[i] for i in leaves], noise(torch.from_numpy(np.array(weights)).to(out.dtype)), allow_unused=True)
        grads = {"gradient of x%d" % i: np.zeros_like(values[i].detach().numpy()) if d is None else d.numpy() for i, d in zip(leaves, got)}
    return {**{"x%d" % i: v.detach().numpy() for i, v in enumerate(values)}, **grads}


def soma_expression(s, g, weights, all_values):
    """The same by soma. Values that are not asked for are not read, so that they stay inside a plan."""
    values, steps = [], iter(g.steps)
    for i in range(len(g.values)):
        if i in g.leaves:
            x = s.array(g.leaves[i])
            if g.leaves[i].dtype in (np.float32, np.float64): s.status("requires_grad", x, True)
            values.append(x)
        else:
            name, ins, attributes = next(steps)
            values.append(ops.OPS[name].soma(s, [values[k] for k in ins], **attributes))
    leaves = [i for i in g.leaves if g.leaves[i].dtype in (np.float32, np.float64)]
    grads = {}
    if weights is not None:
        try:
            got = s.grad(values[-1], [values[i] for i in leaves], s.array(weights))
        except cs.SomaError as e:
            # no path for a gradient, as behind floor: PyTorch has zeros there, or no gradient either
            if "requires a gradient" not in str(e): raise
            got = [None] * len(leaves)
        grads = {"gradient of x%d" % i: None if d is None else s.read(d) for i, d in zip(leaves, got)}
    read = range(len(values)) if all_values else [len(values) - 1]
    return {**{"x%d" % i: s.read(values[i]) for i in read}, **grads}


def differs(got, t, r, noisy, large):
    """None, or a sentence. got: soma; t: PyTorch in soma's dtypes; r: PyTorch in float64; noisy: the runs with noise."""
    if got.shape != t.shape: return "shape %s, PyTorch %s" % (list(got.shape), list(t.shape))
    if got.dtype != t.dtype: return "dtype %s, PyTorch %s" % (got.dtype, t.dtype)
    if not got.size: return None
    runs = np.stack([r] + noisy)
    if got.dtype.kind != "f":
        bad = (got != t) & (runs == t).all(0)
    else:
        r64, g64, t64, n64 = (a.astype(np.float64) for a in (r, got, t, runs))
        finite = np.isfinite(t64) & np.isfinite(n64).all(0)
        with np.errstate(all="ignore"):
            ulp = np.spacing(np.abs(r64).astype(got.dtype)).astype(np.float64)
            allowed = 4 * np.abs(t64 - r64) + 8 * np.abs(n64 - r64).max(0) + (4 if not large else 32 if got.dtype == np.float32 else 1000) * ulp
            bad = finite & ~(np.abs(g64 - r64) <= allowed)
            same = (g64 == t64) | (np.isnan(g64) & np.isnan(t64))
            certain = ((n64 == t64) | (np.isnan(n64) & np.isnan(t64))).all(0)
        bad |= ~finite & ~same & certain
    if not bad.any(): return None
    at = tuple(int(i[0]) for i in np.nonzero(bad)) if bad.ndim else ()
    return "%d of %d elements; at %s soma %.10g, PyTorch %.10g, in float64 %.17g" % (bad.sum(), bad.size, list(at), got[at], t[at], r[at])


def first_difference(got, t, r, run, large):
    """got, t, r: arrays by name. run(k) makes the noisy run k. None, or what differs where."""
    noisy = [run(k) for k in range(NOISY_RUNS)]
    for name in got:
        sentence = differs(got[name], t[name], r[name], [n[name] for n in noisy], large)
        if sentence and len(noisy) < MORE_RUNS:
            noisy += [run(k) for k in range(NOISY_RUNS, MORE_RUNS)]
            sentence = differs(got[name], t[name], r[name], [n[name] for n in noisy], large)
        if sentence: return "%s: %s" % (name, sentence)
    return None


class Report:
    def __init__(self):
        self.lines, self.by_name, self.alone = 0, {}, {}

    def disagree(self, seed, name, sentence, expression):
        self.lines += 1
        self.by_name[name] = self.by_name.get(name, 0) + 1
        if self.by_name[name] <= 5:
            print("seed %d: %s: %s\n    %s" % (seed, name, sentence, expression), flush=True)


def soma_takes(s, refused, report, seed):
    """Ops that PyTorch refused: noted when soma takes them."""
    for name, (ins, attributes), values, error in refused:
        try:
            s.read(ops.OPS[name].soma(s, [s.array(values[i].numpy()) for i in ins], **attributes))
        except cs.SomaError:
            continue
        shapes = ", ".join("%s%s" % (str(values[i].dtype)[6:], list(values[i].shape)) for i in ins)
        report.alone.setdefault(name, []).append("seed %d: (%s) %s: %s" % (seed, shapes, attributes, str(error).split("\n")[0][:100]))


def compare_ops(s, seed, report, only=None):
    torch.set_default_dtype(torch.float32)
    g, refused = Generator(seed, only), []
    for _ in range(g.r.integers(1, 5)):
        if not g.grow(refused): break
    soma_takes(s, refused, report, seed)
    if not g.steps: return
    last = g.values[-1]
    weights = g.r.standard_normal(tuple(last.shape)).astype(ops.NUMPY[last.dtype]) if last.is_floating_point() else None
    if weights is not None: weights = np.asarray(weights)
    t = torch_expression(g, False, 0, 0, weights)
    torch.set_default_dtype(torch.float64)
    eps = 2.0 ** (-50 if all(v.dtype == torch.float64 for v in g.values if v.is_floating_point()) else -23)
    r = torch_expression(g, True, 0, 0, weights)
    name, large = g.steps[-1][0], any(v.numel() > 1000 for v in g.values)
    try:
        got = soma_expression(s, g, weights, g.r.random() < 0.5)
    except cs.SomaError as e:
        return report.disagree(seed, name, "soma refuses: %s" % e, text(g))
    for k in [k for k in got if got[k] is None or k not in t]: # one of them has no gradient: the other's are zeros, or NaN by 0 times infinity
        a = t.get(k) if got[k] is None else got[k]
        if a is not None and (np.isfinite(a) & (a != 0)).any():
            report.disagree(seed, name, "%s: %s has none" % (k, "soma" if got[k] is None else "PyTorch"), text(g))
        del got[k]
    bad = first_difference(got, t, r, lambda k: torch_expression(g, True, eps, k, weights), large)
    if bad: report.disagree(seed, name, bad, text(g))


def compare_nets(s, seed, report):
    torch.set_default_dtype(torch.float32)
    c = nets.draw(seed)
    name = "%s, %s" % (c["optimizer"], c["loss"])
    try:
        start, got = nets.run_soma(s, c)
    except cs.SomaError as e:
        return report.disagree(seed, name, "soma refuses: %s" % e, c)
    dtype = torch.float64 if c["dtype"] == "float64" else torch.float32
    t = nets.run_torch(c, start, dtype, NoiseOf(0, 0))
    r = nets.run_torch(c, start, torch.float64, NoiseOf(0, 0))
    eps = 2.0 ** (-23 if dtype == torch.float32 else -50)
    if set(got) != set(t): return report.disagree(seed, name, "keys %s, PyTorch %s" % (sorted(got), sorted(t)), c)
    bad = first_difference(got, t, r, lambda k: nets.run_torch(c, start, torch.float64, NoiseOf(eps, k)), max(c["widths"]) > 100)
    if bad: report.disagree(seed, name, bad, c)


def main():
    p = argparse.ArgumentParser(description="Random configurations run by soma and by PyTorch, and compared.")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--count", type=int, default=2000, help="of each kind")
    p.add_argument("--only", choices=["ops", "nets"])
    p.add_argument("--op", help="expressions of this op alone")
    p.add_argument("--library", default=os.path.join(cs.TOP, "build/libsoma.so"))
    a = p.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    report, s = Report(), None
    for kind, compare in ("ops", lambda s, i: compare_ops(s, i, report, a.op)), ("nets", lambda s, i: compare_nets(s, i, report)):
        if a.only not in (None, kind) or (a.op and kind == "nets"): continue
        for i in range(a.seed, a.seed + a.count):
            if s is None: s = cs.Soma(a.library)
            scope = s.call("scope_open", s.ctx)
            try:
                compare(s, i)
            except Exception:
                print("seed %d: the comparison itself failed" % i)
                traceback.print_exc()
                report.lines += 1
            s.lib.soma_error_take(s.ctx)
            s.lib.soma_scope_close(scope)
            if i % 200 == 199: s = s.close()
        print("%s: %d configurations, seeds %d to %d" % (kind, a.count, a.seed, a.seed + a.count - 1))
    for name, taken in sorted(report.alone.items()): print("soma takes what PyTorch refuses: %s, %d times; %s" % (name, len(taken), taken[0]))
    print("%d disagreements%s" % (report.lines, "".join("; %s %d" % kv for kv in sorted(report.by_name.items()))))
    return 1 if report.lines else 0


if __name__ == "__main__":
    sys.exit(main())
