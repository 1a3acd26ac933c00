"""Random expressions of ops for compare_torch.py: what an op is in soma and in PyTorch, and how operands that fit are drawn. The element-wise ops
come from ops.def; an op missing here is a row to add."""
import numpy as np
import torch

import compare_soma as cs

FLOATS = (torch.float32, torch.float64)
INTS = (torch.int64, torch.int32, torch.uint8)
ANY = FLOATS + INTS + (torch.bool,)
NUMBERS = FLOATS + INTS
TORCH = dict(zip(cs.DTYPES, (torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool)))
NUMPY = {t: n for n, t in TORCH.items()}


class Op:
    """draw(g) gives operands and attributes, or None when nothing fits; torch(ins, **attributes) and soma(s, ins, **attributes) compute. exact: no
    rounding, and kinks, so the reference runs without noise on its operands."""

    # a gradient rule made of the result: for the noisy runs, where what is saved has to carry the noise, too
    by_result = None
    absolute = False  # its sum is near 1 where the result is near 0

    def __init__(self, name, draw, torch_, soma, exact=False):
        self.name, self.draw, self.torch, self.soma, self.exact = name, draw, torch_, soma, exact


OPS = {}


def op(name, draw, torch_, soma, exact=False):
    OPS[name] = Op(name, draw, torch_, soma, exact)


def whole(v):
    """soma's scalars are doubles that count as Python's ints when they are whole."""
    return int(v) if v == int(v) else v


def floating(x):
    return x if x.dtype in FLOATS else x.to(torch.get_default_dtype())


def wide(dtype):
    """The dtype in the run that is the reference: float64 for float32."""
    return torch.float64 if dtype == torch.float32 and torch.get_default_dtype() == torch.float64 else dtype


KINDS = {"FLOATING": ANY, "NUMERIC": NUMBERS, "ANY": ANY, "TEST": ANY, "LOGIC": ANY}
# no rounding, or kinks that noise would move
EXACT = {"neg", "abs", "sign", "relu", "floor", "ceil", "round", "trunc", "isnan", "isinf", "isfinite", "logical_not", "maximum", "minimum", "eq", "ne",
         "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "floor_divide"}
def signed(*xs):
    """PyTorch's gradient rules of pow and atan2 negate bytes as bytes, and fail for bools."""
    return [x if x.dtype in FLOATS else x.to(torch.int64) for x in xs]


# soma's pow gives float32 for integers, and its sign of NaN is NaN; PyTorch's floor_divide has no gradient rule
OTHERWISE = {"pow": lambda a, b: torch.pow(*signed(a, b)) if a.dtype in FLOATS or b.dtype in FLOATS else torch.pow(floating(a), floating(b)),
             "sign": lambda x: torch.where(x.isnan(), x, x.sign()) if x.dtype in FLOATS else x.sign(),
             "floor_divide": lambda a, b: torch.floor_divide(a.detach(), b.detach()), "atan2": lambda a, b: torch.atan2(*signed(a, b))}

for name, kind in cs.table("UNARY"):
    op(name, lambda g, k=kind: ([g.pick(KINDS[k])], {}), lambda x, f=OTHERWISE.get(name) or getattr(torch, name): f(x[0]),
       lambda s, x, n=name: s.call(n, x[0]), name in EXACT)
for name, kind in cs.table("BINARY"):
    if not name.endswith("_backward"):
        op(name, lambda g, k=kind: (g.pair(KINDS[k]), {}), lambda x, f=OTHERWISE.get(name) or getattr(torch, name): f(x[0], x[1]),
           lambda s, x, n=name: s.call(n, x[0], x[1]), name in EXACT)

SCALARS = {"add": lambda x, v: x + v, "sub": lambda x, v: x - v, "rsub": lambda x, v: v - x, "mul": lambda x, v: x * v, "div": lambda x, v: x / v,
           "pow": lambda x, v: x ** v if x.dtype in FLOATS or v == 2 else floating(x) ** v}
for name, f in SCALARS.items():
    op(name + "_scalar", lambda g: ([g.pick(NUMBERS)], {"v": float(g.r.choice([2, 3, -1, 0, 1, 0.5, -1.7, 0.1]))}),
       lambda x, v, f=f: f(x[0], whole(v)), lambda s, x, v, n=name: s.call(n + "_scalar", x[0], v))


def draw_clamp(g):
    x = g.pick(NUMBERS)
    low, high = (g.fitting(x) if g.r.random() < 0.8 else None for _ in range(2))
    if low is None and high is None: return None
    # PyTorch's gradients of equal or crossing bounds are not soma's
    if low is not None and high is not None and bool((g.values[low] >= g.values[high]).any()): return None
    return [x] + [i for i in (low, high) if i is not None], {"low": low is not None, "high": high is not None}


def bounds(x, low, high):
    return (x[1] if low else None), (x[1 + low] if high else None)


op("clamp", draw_clamp, lambda x, low, high: torch.clamp(x[0], *bounds(x, low, high)), lambda s, x, low, high: s.call("clamp", x[0], *bounds(x, low, high)), True)
op("clamp_to", lambda g: ([g.pick(NUMBERS)], {"low": float(g.r.choice([-1, -0.5, 0, -np.inf])), "high": float(g.r.choice([0.5, 1, 2, np.inf]))}),
   lambda x, low, high: torch.clamp(x[0], *(whole(v) if np.isfinite(v) else None for v in (low, high))) if np.isfinite(low) or np.isfinite(high) else x[0] + 0,
   lambda s, x, low, high: s.call("clamp_to", x[0], low, high), True)


def draw_where(g):
    a, b = g.pair(ANY)
    return [g.leaf(g.broadcastable(g.shape(a)), torch.bool), a, b], {}


op("where", draw_where, lambda x: torch.where(*x), lambda s, x: s.call("where", *x), True)


def draw_to(g):
    x, dtype = g.pick(ANY), g.r.choice(len(ANY))
    v = g.values[x]
    if v.dtype in FLOATS and ANY[dtype] not in FLOATS and v.numel():
        # outside the range soma saturates and PyTorch is undefined
        if not bool(torch.isfinite(v).all()) or float(v.detach().abs().max()) > 100 or (ANY[dtype] == torch.uint8 and float(v.detach().min()) < 0): return None
    return [x], {"dtype": int(cs.NUMBER[np.dtype(NUMPY[ANY[dtype]])])}


op("to", draw_to, lambda x, dtype: x[0].to(wide(TORCH[cs.DTYPES[dtype]])), lambda s, x, dtype: s.call("to", x[0], cs.C.c_int(dtype)))

# views


def draw_reshape(g):
    x = g.pick(ANY)
    n, shape = g.values[x].numel(), []
    while n > 1 and len(shape) < 5:
        d = int(g.r.choice([d for d in range(1, n + 1) if n % d == 0]))
        shape.append(d)
        n //= d
    shape = shape + [n] * (n != 1)
    if shape and n and g.r.random() < 0.3: shape[int(g.r.integers(len(shape)))] = -1
    return [x], {"shape": shape}


def shaped(name):
    return lambda s, x, shape: s.call(name, x[0], cs.ints(shape), len(shape))


op("reshape", draw_reshape, lambda x, shape: x[0].reshape(shape), shaped("reshape"), True)


def draw_permute(g):
    x = g.pick(ANY)
    dims = [int(d) for d in g.r.permutation(len(g.shape(x)))]
    return [x], {"shape": [d - len(dims) if g.r.random() < 0.3 else d for d in dims]}


op("permute", draw_permute, lambda x, shape: x[0].permute(shape), shaped("permute"), True)


def draw_slice(g):
    x = g.ranked(ANY, 1)
    d, n = g.dim(x)
    return [x], {"dim": d, "start": int(g.r.integers(-n - 2, n + 3)), "end": int(g.r.integers(-n - 2, n + 3)), "step": int(g.r.integers(1, 4))}


def torch_slice(x, dim, start, end, step):
    at = [slice(None)] * x[0].dim()
    at[dim] = slice(start, end, step)
    return x[0][tuple(at)]


op("slice", draw_slice, torch_slice, lambda s, x, dim, start, end, step: s.call("slice", x[0], dim, start, end, step), True)


def draw_expand(g):
    x = g.pick(ANY)
    shape = [int(g.r.integers(0, 4)) if n == 1 and g.r.random() < 0.5 else (-1 if g.r.random() < 0.2 else n) for n in g.shape(x)]
    lead = [int(g.r.integers(1, 4)) for _ in range(g.r.integers(0, 3))] if len(shape) < 5 else []
    return [x], {"shape": lead + shape}


op("expand", draw_expand, lambda x, shape: x[0].expand(shape), shaped("expand"), True)


def dims(g, count, low=0, new=0):
    x = g.ranked(ANY, low)
    n = max(len(g.shape(x)) + new, 1)
    return [x], {"d%d" % i: int(g.r.integers(-n, n)) for i in range(count)}


op("transpose", lambda g: dims(g, 2), lambda x, d0, d1: x[0].transpose(d0, d1), lambda s, x, d0, d1: s.call("transpose", x[0], d0, d1), True)
op("squeeze", lambda g: dims(g, 1), lambda x, d0: x[0].squeeze(d0), lambda s, x, d0: s.call("squeeze", x[0], d0), True)
op("unsqueeze", lambda g: dims(g, 1, new=1), lambda x, d0: x[0].unsqueeze(d0), lambda s, x, d0: s.call("unsqueeze", x[0], d0), True)
op("flatten", lambda g: dims(g, 2), lambda x, d0, d1: x[0].flatten(d0, d1), lambda s, x, d0, d1: s.call("flatten", x[0], d0, d1), True)


def draw_select(g):
    x = g.ranked(ANY, 1)
    d, n = g.dim(x)
    return ([x], {"dim": d, "index": int(g.r.integers(-n, n))}) if n else None


op("select", draw_select, lambda x, dim, index: x[0].select(dim, index), lambda s, x, dim, index: s.call("select", x[0], dim, index), True)

# joining and picking


def draw_join(g, cat):
    x = g.ranked(ANY, cat)
    shape = list(g.shape(x))
    d = int(g.r.integers(-len(shape) - (not cat), len(shape) + (not cat)))
    count = 40 if g.r.random() < 0.03 else int(g.r.integers(0, 4))
    rest = []
    for _ in range(count):
        if cat: shape[d] = int(g.r.integers(0, 4))
        rest.append(g.leaf(shape, g.dtype(x) if not cat or g.r.random() < 0.8 else g.any_dtype(ANY)))
    return [x] + rest, {"dim": d}


def soma_join(name):
    return lambda s, x, dim: s.call(name, cs.handles([t.value for t in x]), cs.C.c_size_t(len(x)), dim)


op("cat", lambda g: draw_join(g, True), lambda x, dim: torch.cat(x, dim), soma_join("cat"), True)
op("stack", lambda g: draw_join(g, False), lambda x, dim: torch.stack(x, dim), soma_join("stack"), True)


def draw_gather(g, source):
    x = g.ranked(ANY if not source else NUMBERS, 1)
    d, n = g.dim(x)
    if not n: return None
    shape = [int(g.r.integers(1, m + 1)) if m else 0 for m in g.shape(x)]
    shape[d] = int(g.r.integers(0, 5))
    index = g.index(shape, n)
    return [x, index] + ([g.leaf(shape, g.dtype(x))] if source else []), {"dim": d}


op("gather", lambda g: draw_gather(g, False), lambda x, dim: torch.gather(x[0], dim, x[1]), lambda s, x, dim: s.call("gather", x[0], dim, x[1]), True)
op("scatter_add", lambda g: draw_gather(g, True), lambda x, dim: torch.scatter_add(x[0], dim, x[1], x[2]),
   lambda s, x, dim: s.call("scatter_add", x[0], dim, x[1], x[2]))


def draw_index(g, source):
    x = g.ranked(ANY if not source else NUMBERS, 1)
    d, n = g.dim(x)
    if not n: return None
    shape, m = list(g.shape(x)), int(g.r.integers(0, 6))
    shape[d] = m
    return [x, g.index([m], n)] + ([g.leaf(shape, g.dtype(x))] if source else []), {"dim": d}


op("index_select", lambda g: draw_index(g, False), lambda x, dim: torch.index_select(x[0], dim, x[1]), lambda s, x, dim: s.call("index_select", x[0], dim, x[1]), True)
op("index_add", lambda g: draw_index(g, True), lambda x, dim: torch.index_add(x[0], dim, x[1], x[2]),
   lambda s, x, dim: s.call("index_add", x[0], dim, x[1], x[2]))


def draw_one_hot(g):
    n = int(g.r.integers(1, 6))
    return [g.index(g.any_shape(), n)], {"classes": n}


op("one_hot", draw_one_hot, lambda x, classes: torch.nn.functional.one_hot(x[0], classes), lambda s, x, classes: s.call("one_hot", x[0], classes), True)

# products


def draw_matmul(g):
    x = g.ranked(FLOATS, 1)
    a = list(g.shape(x))
    k, rank = a[-1], int(g.r.integers(1, 5))
    b = [k] if rank == 1 else [k, g.size()]
    if rank > 2: b = g.broadcastable(tuple(a[:-2]), rank - 2) + b
    y = g.leaf(b, g.dtype(x))
    if g.r.random() < 0.3 and len(a) > 1 and rank > 1 and g.r.random() < 0.9:
        y = g.step("transpose", [g.leaf(b[:-2] + [b[-1], k], g.dtype(x))], {"d0": -1, "d1": -2})
    return [x, y], {}


op("matmul", draw_matmul, lambda x: torch.matmul(*x), lambda s, x: s.call("matmul", *x))


def draw_linear(g):
    x = g.ranked(FLOATS, 1)
    n, k = max(g.size(), 1), g.shape(x)[-1]
    return [x, g.leaf([n, k], g.dtype(x))] + ([g.leaf([n], g.dtype(x))] if g.r.random() < 0.7 else []), {}


op("linear", draw_linear, lambda x: torch.nn.functional.linear(*x), lambda s, x: s.call("linear", x[0], x[1], x[2] if len(x) > 2 else None))

# reductions


def draw_reduce(g, dtypes, correction=False):
    x = g.pick(dtypes)
    n = len(g.shape(x))
    some = [int(d) for d in g.r.permutation(n)[:g.r.integers(0, n + 1)]]
    attributes = {"dims": [d - n if g.r.random() < 0.3 else d for d in some], "keepdim": bool(g.r.random() < 0.4)}
    if correction:
        attributes["correction"] = [None, 0.0, 1.0, 2.0, 0.5][g.r.integers(5)]
        # a divisor of 0 gives the same infinities and NaNs, with other gradients
        count = np.prod([g.shape(x)[d] for d in some or range(n)])
        if count - (1 if attributes["correction"] is None else attributes["correction"]) <= 0 and g.r.random() < 0.95: return None
    return [x], attributes


def all_dims(x, chosen):
    return tuple(chosen) if chosen else tuple(range(x.dim()))


def reducer(name, f, dtypes, exact=False):
    op(name, lambda g: draw_reduce(g, dtypes), lambda x, dims, keepdim: f(x[0], all_dims(x[0], dims), keepdim),
       lambda s, x, dims, keepdim: s.call(name, x[0], cs.reduce_options(dims, keepdim)), exact)


reducer("sum", lambda x, d, k: torch.sum(x, d, k), ANY)
reducer("mean", lambda x, d, k: torch.mean(x, d, k), FLOATS)
reducer("amax", lambda x, d, k: torch.amax(x, d, k), ANY, True)
reducer("amin", lambda x, d, k: torch.amin(x, d, k), ANY, True)
reducer("logsumexp", lambda x, d, k: torch.logsumexp(x, d, k), FLOATS)
for name in "var", "std":
    op(name, lambda g: draw_reduce(g, FLOATS, True),
       lambda x, dims, keepdim, correction, f=getattr(torch, name): f(x[0], all_dims(x[0], dims), correction=1 if correction is None else correction, keepdim=keepdim),
       lambda s, x, dims, keepdim, correction, n=name: s.call(n, x[0], cs.reduce_options(dims, keepdim, correction)))


def draw_along(g, dtypes, distinct=True):
    x = g.pick(dtypes)
    n = len(g.shape(x))
    d = int(g.r.integers(-max(n, 1), max(n, 1)))
    # PyTorch does not say which of equal values is taken
    if distinct and n and g.values[x].numel():
        v = g.values[x].detach().sort(d).values
        if bool((v.narrow(d, 1, v.shape[d] - 1) == v.narrow(d, 0, v.shape[d] - 1)).any()): return None
    return [x], {"dim": d}


def with_keepdim(g, dtypes):
    drawn = draw_along(g, dtypes)
    if drawn: drawn[1]["keepdim"] = bool(g.r.random() < 0.5)
    return drawn


for name in "argmax", "argmin":
    op(name, lambda g: with_keepdim(g, NUMBERS), lambda x, dim, keepdim, f=getattr(torch, name): f(x[0], dim, keepdim),
       lambda s, x, dim, keepdim, n=name: s.call(n, x[0], dim, keepdim), True)
for name in "max", "min":
    op(name, lambda g: with_keepdim(g, NUMBERS), lambda x, dim, keepdim, f=getattr(torch, name): f(x[0], dim, keepdim).values,
       lambda s, x, dim, keepdim, n=name: s.call(n, x[0], dim, keepdim, None), True)


def draw_topk(g):
    drawn = draw_along(g, NUMBERS)
    if not drawn: return None
    shape = g.shape(drawn[0][0])
    drawn[1].update(k=int(g.r.integers(0, shape[drawn[1]["dim"]] + 1)) if shape else 1, largest=bool(g.r.random() < 0.5))
    return drawn


op("topk", draw_topk, lambda x, dim, k, largest: torch.topk(x[0], k, dim, largest).values, lambda s, x, dim, k, largest: s.call("topk", x[0], k, dim, largest, None), True)
op("topk_indices", draw_topk, lambda x, dim, k, largest: torch.topk(x[0], k, dim, largest).indices,
   lambda s, x, dim, k, largest: s.call("topk_indices", x[0], k, dim, largest), True)
for name in "softmax", "log_softmax":
    op(name, lambda g: draw_along(g, FLOATS, False), lambda x, dim, f=getattr(torch, name): f(x[0], dim), lambda s, x, dim, n=name: s.call(n, x[0], dim))
op("norm", lambda g: ([g.pick(FLOATS)], {}), lambda x: torch.linalg.vector_norm(x[0]), lambda s, x: s.call("norm", x[0]))


def draw_sum_to(g):
    x = g.pick(FLOATS)
    return [x], {"shape": list(g.broadcastable(g.shape(x)))}


op("sum_to", draw_sum_to, lambda x, shape: x[0].sum_to_size(shape), shaped("sum_to"))

OPS["tanh"].by_result = lambda g, x, y: g * (1 - y * y)
OPS["sigmoid"].by_result = lambda g, x, y: g * y * (1 - y)
OPS["exp"].by_result = lambda g, x, y: g * y
OPS["expm1"].by_result = lambda g, x, y: g * (y + 1)
OPS["tan"].by_result = lambda g, x, y: g * (1 + y * y)
OPS["softmax"].by_result = lambda g, x, y, dim: y * (g - (g * y).sum(dim, keepdim=True))
OPS["log_softmax"].by_result = lambda g, x, y, dim: g - y.exp() * g.sum(dim, keepdim=True)


def logsumexp_rule(g, x, y, dims, keepdim):
    shape = [1 if d in [k % x.dim() for k in all_dims(x, dims)] else n for d, n in enumerate(x.shape)]
    return g.reshape(shape) * (x - y.reshape(shape)).exp()


OPS["logsumexp"].by_result = logsumexp_rule
OPS["log_softmax"].absolute = OPS["logsumexp"].absolute = True
