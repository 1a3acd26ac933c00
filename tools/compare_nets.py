"""Random networks, losses and optimizers for compare_torch.py: the same multi-layer perceptron built in soma and in PyTorch, soma's initial
parameters copied by their state_dict keys, five steps, losses, norms and parameters compared after them."""
import ctypes as C

import numpy as np
import torch

import compare_soma as cs
from compare_ops import OPS

STEPS = 5
ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid}
REDUCTIONS = ["mean", "sum", "none"]


def draw_optimizer(r, kind):
    o = {"lr": float(10 ** r.uniform(-3, -0.7)), "maximize": bool(r.random() < 0.15), "weight_decay": float(r.choice([0, 0, 0.01, 0.3]))}
    if kind == "sgd":
        o["momentum"] = float(r.choice([0, 0.5, 0.9]))
        o["nesterov"] = bool(o["momentum"] and r.random() < 0.4)
        o["dampening"] = 0.0 if o["nesterov"] else float(r.choice([0, 0, 0.3]))
    else:
        o["betas"] = [(0.9, 0.999), (0.8, 0.95), (0.0, 0.9), (0.5, 0.5)][r.integers(4)]
        o["eps"] = float(r.choice([1e-8, 1e-3]))
        if r.random() < 0.3: del o["betas"]
        if r.random() < 0.3: del o["eps"]
        if r.random() < 0.3: del o["weight_decay"]
    return o


def draw(seed):
    """A configuration: plain data, all that a run needs."""
    r = np.random.default_rng(seed)
    pick = lambda xs: xs[int(r.integers(len(xs)))]
    c = {"dtype": "float64" if r.random() < 0.2 else "float32", "batch": int(r.integers(1, 10)), "inner": [int(n) for n in r.integers(1, 4, r.choice([0, 0, 1, 2]))]}
    widths = [int(n) for n in r.integers(1, 10, r.integers(2, 6))]
    if r.random() < 0.05: widths[0] = 700
    layers = []
    for i, (a, b) in enumerate(zip(widths, widths[1:])):
        layers.append(("linear", a, b, bool(r.random() < 0.8)))
        if i < len(widths) - 2:
            if r.random() < 0.9: layers.append((pick(list(ACTIVATIONS)),))
            if r.random() < 0.2: layers.append(("dropout", float(pick([0, 0.4]))))
    c["eval"] = any(l[0] == "dropout" and l[1] for l in layers) or bool(r.random() < 0.2)
    c["loss"] = pick(["mse", "classes", "classes", "probabilities"])
    if c["loss"] == "mse" and r.random() < 0.3: layers.append((pick(["softmax", "log_softmax"]), -1))
    if r.random() < 0.1: layers = [("nested", layers)]
    c["layers"], c["widths"] = layers, widths
    c["reduction"] = pick(REDUCTIONS)
    if c["loss"] != "mse":
        c["weight"] = bool(r.random() < 0.4)
        c["smoothing"] = float(pick([0, 0, 0.1, 0.3, 1.0]))
        c["ignore"] = None if c["loss"] == "probabilities" or r.random() < 0.5 else int(pick([-100, 0, widths[-1] - 1, -1, 255]))
        c["single"] = not c["inner"] and bool(r.random() < 0.1)
    c["optimizer"] = pick(["sgd", "adam", "adamw"])
    c["groups"] = [draw_optimizer(r, c["optimizer"]) for _ in range(r.integers(1, 3))]
    for g in c["groups"][1:]: g["maximize"] = c["groups"][0]["maximize"]
    c["clip"] = pick([None, None, ("norm", float(pick([0.01, 0.5, 100.0]))), ("value", float(pick([0.01, 0.3])))])
    c["change_lr"] = bool(r.random() < 0.3)
    c["read_each"] = bool(r.random() < 0.5)
    c["seed"] = int(seed)
    return c


def data_of(c):
    """Inputs, targets and class weights of all steps."""
    r = np.random.default_rng(c["seed"] + 1)
    f, k = np.dtype(c["dtype"]), c["widths"][-1]
    batch = [] if c.get("single") else [c["batch"]]
    rows = batch + c["inner"]
    out = []
    for _ in range(STEPS):
        x = r.standard_normal(rows + [c["widths"][0]]).astype(f)
        if c["loss"] == "classes":
            t = r.integers(0, k, rows)
            if c["ignore"] is not None: t = np.where(r.random(rows) < 0.3, c["ignore"], t)
            t = np.asarray(t, np.int64)
        else:
            t = r.random(rows + [k])
            t = (t / t.sum(-1, keepdims=True) if c["loss"] == "probabilities" else t * 2 - 1).astype(f)
            if c["loss"] == "probabilities": t = np.moveaxis(t, -1, len(batch))
        out.append((x, np.ascontiguousarray(t) if t.ndim else t, r.standard_normal(rows + ([k] if c["loss"] == "mse" else [])).astype(f)))
    return out, (r.random(k) + 0.2).astype(f)


# soma


def soma_layers(s, c, layers):
    made = []
    for l in layers:
        if l[0] == "nested": made.append(soma_layers(s, c, l[1]))
        elif l[0] == "linear": made.append(s.call("nn_linear_v", s.ctx, l[1], l[2], cs.Linear(no_bias=not l[3], dtype=c["dtype"] == "float64")))
        else: made.append(s.call("nn_" + l[0], s.ctx, *l[1:]))
    return s.call("nn_sequential", s.ctx, cs.handles([m.value for m in made]), C.c_size_t(len(made)))


def state_of(s, m):
    out = []
    for i in range(s.raw("module_state_count", m, result=C.c_size_t)):
        key, t = C.create_string_buffer(256), cs.PTR()
        s.status("module_state", m, C.c_size_t(i), key, C.c_size_t(256), C.byref(t))
        out.append((key.value.decode(), t))
    return out


def soma_options(o, kind):
    if kind == "sgd":
        return cs.Sgd(o["momentum"], o["dampening"], o["weight_decay"], o["nesterov"], o["maximize"])
    betas = o.get("betas", (None, None))
    return cs.Adam(cs.some(betas[0]), cs.some(betas[1]), cs.some(o.get("eps")), cs.some(o.get("weight_decay")), o["maximize"])


def split(c, params):
    """Parameters by group."""
    return [params] if len(c["groups"]) == 1 or len(params) < 2 else [params[:1], params[1:]]


def soma_optimizer(s, c, params):
    kind, o = c["optimizer"], None
    for g, part in zip(c["groups"], split(c, params)):
        given = cs.handles([p.value for p in part]), C.c_size_t(len(part)), g["lr"], soma_options(g, kind)
        if o is None: o = s.call("optim_%s_v" % kind, s.ctx, *given)
        else: s.status("optim_%s_group_v" % ("sgd" if kind == "sgd" else "adam"), o, *given)
    return o


def classes_second(c, y, permute):
    """[batch, inner..., C] to PyTorch's [batch, C, inner...]."""
    n = len(c["inner"])
    return permute(y, [0, n + 1] + list(range(1, n + 1))) if n else y


def soma_loss(s, c, y, t, weight):
    reduction = REDUCTIONS.index(c["reduction"])
    if c["loss"] == "mse": return s.call("mse_loss", y, t, cs.Loss(reduction=reduction))
    y = classes_second(c, y, lambda x, d: s.call("permute", x, cs.ints(d), len(d)))
    o = cs.CrossEntropy(weight=weight.value if c["weight"] else None, reduction=reduction, ignore_index=cs.some(c["ignore"]),
                        label_smoothing=cs.some(c["smoothing"] or None))
    return s.call("cross_entropy_v", y, t, o)


def run_soma(s, c):
    """Initial parameters by key, and results by name."""
    m = soma_layers(s, c, c["layers"])
    if c["eval"]: s.status("module_train", m, False)
    state = state_of(s, m)
    start = {k: s.read(t) for k, t in state}
    o = soma_optimizer(s, c, [t for _, t in state])
    params, count, steps, results, later = cs.handles([t.value for _, t in state]), C.c_size_t(len(state)), data_of(c), {}, []
    weight = s.array(steps[1])
    for i, (x, t, seed) in enumerate(steps[0]):
        s.status("optim_zero_grad", o)
        loss = soma_loss(s, c, s.call("forward", m, s.array(x)), s.array(t), weight)
        s.status("backward", loss, s.array(seed) if c["reduction"] == "none" else None)
        norm = cs.PTR()
        if c["clip"] and c["clip"][0] == "norm":
            s.status("clip_grad_norm", params, count, c["clip"][1], C.byref(norm))
        elif c["clip"]: s.status("clip_grad_value", params, count, c["clip"][1])
        if c["change_lr"] and i == 3: s.status("optim_set_lr", o, -1, c["groups"][0]["lr"] / 2)
        s.status("optim_step", o)
        later += [("loss %d" % i, loss)] + ([("norm %d" % i, norm)] if norm.value else [])
        if c["read_each"]: results.update((k, s.read(v)) for k, v in later[-2:])
    for k, v in later + state: results[k] = s.read(v)
    return start, results


# PyTorch


def torch_layers(c, layers, dtype):
    made = []
    for l in layers:
        if l[0] == "nested": made.append(torch_layers(c, l[1], dtype))
        elif l[0] == "linear": made.append(torch.nn.Linear(l[1], l[2], bias=l[3], dtype=dtype))
        elif l[0] == "dropout": made.append(torch.nn.Dropout(l[1]))
        elif l[0] in ACTIVATIONS: made.append(ACTIVATIONS[l[0]]())
        else: made.append({"softmax": torch.nn.Softmax, "log_softmax": torch.nn.LogSoftmax}[l[0]](l[1]))
    return torch.nn.Sequential(*made)


def torch_loss(c, y, t, weight):
    if c["loss"] == "mse": return torch.nn.functional.mse_loss(y, t, reduction=c["reduction"])
    return torch.nn.functional.cross_entropy(classes_second(c, y, lambda x, d: x.permute(d)), t, weight=weight if c["weight"] else None, reduction=c["reduction"],
                                             ignore_index=-100 if c["ignore"] is None else c["ignore"], label_smoothing=c["smoothing"])


def forward(m, x, noise):
    for l in m:
        if isinstance(l, torch.nn.Sequential): x = forward(l, x, noise)
        elif isinstance(l, torch.nn.Linear): x = noise(torch.nn.functional.linear(noise(x), noise(l.weight), l.bias))
        elif isinstance(l, (torch.nn.Tanh, torch.nn.Sigmoid)): x = noise.run(OPS[type(l).__name__.lower()], [x], {})
        else: x = noise(l(x))
    return x


def run_torch(c, start, dtype, noise):
    """noise stands where a run of less precision rounds, see compare_torch.py."""
    m = torch_layers(c, c["layers"], dtype)
    m.load_state_dict({k: torch.tensor(v, dtype=dtype) for k, v in start.items()})
    m.train(not c["eval"])
    params, results = [p for _, p in m.named_parameters()], {}
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[c["optimizer"]]
    o = kind([{"params": part, **g} for g, part in zip(c["groups"], split(c, params))])
    steps, weight = data_of(c)
    cast = lambda a: torch.tensor(a, dtype=dtype if a.dtype != np.int64 else torch.int64)
    for i, (x, t, seed) in enumerate(steps):
        o.zero_grad()
        loss = torch_loss(c, forward(m, cast(x), noise), cast(t), cast(weight))
        loss.backward(cast(seed) if c["reduction"] == "none" else None)
        with torch.no_grad():
            for p in params: p.grad.copy_(noise(p.grad))
        if c["clip"] and c["clip"][0] == "norm": results["norm %d" % i] = torch.nn.utils.clip_grad_norm_(params, c["clip"][1])
        elif c["clip"]: torch.nn.utils.clip_grad_value_(params, c["clip"][1])
        if c["change_lr"] and i == 3:
            for g in o.param_groups: g["lr"] = c["groups"][0]["lr"] / 2
        before = [p.detach().clone() for p in params]
        o.step()
        with torch.no_grad():
            for p, b in zip(params, before):
                if not noise.eps: continue
                # parts of a step may cancel
                step = p - b
                p.copy_(noise(b + noise(step) + noise.eps * (2 * torch.rand(p.shape, generator=noise.generator) - 1) * step.abs().max()))
        # a row's loss is a small difference of numbers near its logits' size
        with torch.no_grad(): results["loss %d" % i] = loss + noise.eps * (2 * torch.rand(loss.shape, generator=noise.generator) - 1)
    results.update(m.state_dict())
    return {k: v.detach().numpy().copy() for k, v in results.items()}
