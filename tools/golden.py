"""Writes tests/golden/*.h from PyTorch: run with a Python that has torch, from the top folder. The tests themselves need no Python."""
import textwrap

import torch

import golden_fold
import golden_layers
import golden_nets
import golden_see

torch.manual_seed(0)


def numbers(t):
    return ", ".join("%.9gf" % v if "." in "%.9g" % v or "e" in "%.9g" % v or "n" in "%.9g" % v else "%.9g.0f" % v for v in t.detach().reshape(-1).tolist())


def optimizers():
    rows = []
    make = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
        "sgd_momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.01),
        "sgd_nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True),
        "sgd_maximize": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.5, maximize=True),
        "adam": lambda p: torch.optim.Adam(p, lr=0.05),
        "adam_decay": lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.05),
        "adamw_maximize": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.3, maximize=True),
        "adam_amsgrad": lambda p: torch.optim.Adam(p, lr=0.05, amsgrad=True, weight_decay=0.1),
        "adamw_amsgrad": lambda p: torch.optim.AdamW(p, lr=0.05, amsgrad=True, weight_decay=0.2, betas=(0.5, 0.6)),
        "adamax": lambda p: torch.optim.Adamax(p),
        "adamax_other": lambda p: torch.optim.Adamax(p, lr=0.1, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1, maximize=True),
        "nadam": lambda p: torch.optim.NAdam(p),
        "nadam_other": lambda p: torch.optim.NAdam(p, lr=0.1, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1, momentum_decay=0.05),
        "nadam_decoupled": lambda p: torch.optim.NAdam(p, lr=0.1, weight_decay=0.2, decoupled_weight_decay=True),
        "radam": lambda p: torch.optim.RAdam(p),
        "radam_other": lambda p: torch.optim.RAdam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
        "radam_decoupled": lambda p: torch.optim.RAdam(p, lr=0.1, betas=(0.9, 0.9), weight_decay=0.2, decoupled_weight_decay=True, maximize=True),
        "rmsprop": lambda p: torch.optim.RMSprop(p),
        "rmsprop_momentum": lambda p: torch.optim.RMSprop(p, lr=0.02, alpha=0.9, eps=1e-4, weight_decay=0.1, momentum=0.7),
        "rmsprop_centered": lambda p: torch.optim.RMSprop(p, lr=0.005, centered=True),
        "rmsprop_all": lambda p: torch.optim.RMSprop(p, lr=0.005, momentum=0.5, centered=True, maximize=True),
        "adagrad": lambda p: torch.optim.Adagrad(p),
        "adagrad_other": lambda p: torch.optim.Adagrad(p, lr=0.2, lr_decay=0.05, weight_decay=0.1, initial_accumulator_value=0.5, eps=1e-3),
        "adadelta": lambda p: torch.optim.Adadelta(p),
        "adadelta_other": lambda p: torch.optim.Adadelta(p, lr=0.5, rho=0.8, eps=1e-3, weight_decay=0.1, maximize=True),
        "rprop": lambda p: torch.optim.Rprop(p),
        "rprop_other": lambda p: torch.optim.Rprop(p, lr=0.3, etas=(0.4, 1.5), step_sizes=(1e-3, 0.4)),
    }
    for name, f in make.items():
        w = torch.tensor([0.5, -1.0, 2.0, 0.1], requires_grad=True)
        o = f([w])
        for _ in range(20):
            o.zero_grad()
            (w.pow(4).sum() * 0.1 + (w * torch.tensor([1.0, -2.0, 0.5, 3.0])).sum()).backward()
            o.step()
        rows.append('    {"%s", {%s}},' % (name, numbers(w)))
    return "static const struct {\n    const char *name;\n    float w[4];\n} golden_optimizers[] = {\n" + "\n".join(rows) + "\n};\n"


def losses():
    x = torch.tensor([[0.2, -1.3, 0.7], [2.0, 0.1, -0.4], [0.0, 0.5, 0.25], [-1.0, 1.5, 0.3]])
    t = torch.tensor([2, 0, 1, 1])
    w = torch.tensor([0.5, 1.0, 2.0])
    p = torch.softmax(x.flip(0), 1)
    F = torch.nn.functional
    cases = {
        "mean": lambda x: F.cross_entropy(x, t),
        "sum": lambda x: F.cross_entropy(x, t, reduction="sum"),
        "weight": lambda x: F.cross_entropy(x, t, weight=w),
        "ignore": lambda x: F.cross_entropy(x, t, ignore_index=1),
        "weight_ignore_smooth": lambda x: F.cross_entropy(x, t, weight=w, ignore_index=0, label_smoothing=0.2),
        "smooth_sum": lambda x: F.cross_entropy(x, t, label_smoothing=0.1, reduction="sum"),
        "probabilities": lambda x: F.cross_entropy(x, p),
        "probabilities_weight_smooth": lambda x: F.cross_entropy(x, p, weight=w, label_smoothing=0.3),
        "mse": lambda x: F.mse_loss(x, p),
        "mse_sum": lambda x: F.mse_loss(x, p, reduction="sum"),
        "softmax": lambda x: (torch.softmax(x, 1) * p).sum(),
        "logsumexp": lambda x: torch.logsumexp(x, 0).sum(),
        "std": lambda x: x.std(1).sum(),
    }
    rows = []
    for name, f in cases.items():
        y = x.clone().requires_grad_()
        loss = f(y)
        loss.backward()
        rows.append('    {"%s", %s, {%s}},' % (name, numbers(loss), numbers(y.grad)))
    return "static const struct {\n    const char *name;\n    float loss, grad[12];\n} golden_losses[] = {\n" + "\n".join(rows) + "\n};\n"


# In the order of soma_dtype.
DTYPES = [torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool]


def promotion():
    """Digits of soma_dtype for every pair of 15 operands: tensors of each dtype, 0-d tensors of each, and Python's 1.0, 1 and True."""
    operands = [torch.ones(2, dtype=d) for d in DTYPES] + [torch.ones((), dtype=d) for d in DTYPES] + [1.0, 1, True]
    condition = torch.tensor([True, False])

    def of(f):
        def dtype(a, b):
            if not (torch.is_tensor(a) or torch.is_tensor(b)):
                raise TypeError
            return f(a, b).dtype
        return dtype

    def digit(f, a, b):
        try:
            return str(DTYPES.index(f(a, b)))
        except (TypeError, RuntimeError):
            return "-"  # refused, or two of Python's own numbers

    tables = {"result_type": torch.result_type, "add": of(lambda a, b: a + b), "sub": of(lambda a, b: a - b), "div": of(lambda a, b: a / b),
              "lt": of(lambda a, b: a < b), "where": of(lambda a, b: torch.where(condition, a, b))}
    text = ""
    for name, f in tables.items():
        rows = ["".join(digit(f, a, b) for b in operands) for a in operands]
        text += "static const char *const promotion_%s[15] = {%s};\n" % (name, ", ".join('"%s"' % r for r in rows))
    return text


# Inputs of the ops, exact in float32 and a multiple of 1/64 apart, so that differences are exact, too.
WIDE = torch.tensor([[-2.5, -0.75, 0.375], [1.25, 3.0, -1.5]])
SECOND = torch.tensor([[0.5, -1.25, 2.0], [1.25, -0.875, 0.625]])
POSITIVE = torch.tensor([[0.25, 0.6875, 1.5], [2.75, 4.0, 0.125]])
UNIT = torch.tensor([[-0.875, -0.25, 0.125], [0.5, 0.8125, -0.4375]])
SPECIAL = torch.tensor([[float("nan"), float("inf"), -float("inf")], [0.0, 1.0, -2.0]])
ROW = torch.tensor([0.75, -1.125, 2.25])
CUBE = torch.arange(24).reshape(2, 3, 4) * 0.28125 % 3 - 1.375
INDEX = torch.tensor([[2, 0, 1, 1], [0, 0, 2, 1]])
LIST = torch.tensor([2, 0, 2])


# 0, the ends of all activations' pieces, and numbers between and beyond.
KINKS = torch.tensor([[-30.0, -3.5, -3.0, -1.5], [-0.75, -0.5, 0.0, 0.25], [0.5, 0.75, 1.0, 1.25], [2.5, 3.0, 6.0, 25.0]])


def activations(case):
    F = torch.nn.functional
    special = torch.tensor([float("nan"), float("inf"), -float("inf")])
    for name in "relu6 selu gelu silu mish softsign hardswish logsigmoid tanhshrink".split():
        case(name, getattr(F, name), KINKS)
        case(name + "/special", lambda x, f=getattr(F, name): f(x.detach()), special)
    case("hardsigmoid", lambda x: F.hardtanh(x + 3, 0, 6) / 6, KINKS)  # its own float64 gradient has a factor of float32's 1/6
    case("hardsigmoid/special", lambda x: F.hardsigmoid(x.detach()), special)
    case("identity", lambda x: x * 1, KINKS)
    case("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), KINKS)
    defaults = {"leaky_relu": [0.01], "elu": [1], "celu": [1], "softshrink": [0.5], "hardshrink": [0.5], "hardtanh": [-1, 1], "softplus": [1, 20], "threshold": [0, 0]}
    for name, numbers in defaults.items():
        for variant, n in (("", numbers), ("/other", [0.75] if len(numbers) == 1 else [0.5, 1.25])):
            case(name + variant, lambda x, f=getattr(F, name), n=n: f(x, *n), KINKS)
        case(name + "/special", lambda x, f=getattr(F, name), n=numbers: f(x.detach(), *n), special)
    for variant, value in (("", 0.0), ("/other", 0.75)):
        case("heaviside" + variant, lambda x, value=value: torch.heaviside(x.detach(), torch.tensor(value, dtype=x.dtype)), KINKS)
    case("softmin", lambda x: F.softmin(x, 1), CUBE)
    case("glu", lambda x: F.glu(x, 1), KINKS)
    case("prelu", F.prelu, KINKS, torch.tensor([0.25]))
    case("prelu/channels", F.prelu, KINKS, torch.tensor([0.25, -0.5, 0.75, 1.5]))
    case("rrelu", lambda x: F.rrelu(x, 0.125, 0.375, training=False), KINKS)
    case("alpha_dropout", lambda x: F.alpha_dropout(x, 0.5, training=False) * 1, KINKS)


def loss_cases(case):
    F = torch.nn.functional
    # differences on the kinks of Huber (0.5, 1), and beyond
    x, y = WIDE, WIDE + torch.tensor([[0.0, 0.5, -0.5], [1.0, -1.0, 2.25]])
    logits, classes, weight = CUBE[:, :, 0], torch.tensor([2, 0]), torch.tensor([0.5, 1.5, 2.0])
    four = torch.tensor([[0.25, -1.5, 0.75], [2.0, 0.125, -0.5], [0.0, 0.5, 0.25], [-1.0, 1.5, 0.375]])
    four_classes = torch.tensor([2, 0, 1, 1])
    unit, target = torch.tensor([[0.25, 0.5, 0.9375], [0.125, 0.75, 0.0625]]), torch.tensor([[0.0, 1.0, 0.5], [1.0, 0.0, 0.25]])
    signs = torch.tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]])
    case("mse_loss", F.mse_loss, x, y)
    case("mse_loss/none", lambda a, b: F.mse_loss(a, b, reduction="none"), x, y)
    case("l1_loss", F.l1_loss, x, y)
    case("l1_loss/sum", lambda a, b: F.l1_loss(a, b, reduction="sum"), x, y)
    case("smooth_l1_loss", F.smooth_l1_loss, x, y)
    case("smooth_l1_loss/beta", lambda a, b: F.smooth_l1_loss(a, b, beta=0.5, reduction="none"), x, y)
    case("smooth_l1_loss/zero", lambda a, b: F.smooth_l1_loss(a, b, beta=0.0), x, y)
    case("huber_loss", F.huber_loss, x, y)
    case("huber_loss/delta", lambda a, b: F.huber_loss(a, b, delta=0.5, reduction="sum"), x, y)
    case("nll_loss", F.nll_loss, logits, classes)
    case("nll_loss/weight", lambda a, w, t: F.nll_loss(a, t, weight=w.detach(), ignore_index=1) + 0 * w.sum(), four, weight, four_classes)
    case("nll_loss/none", lambda a, w, t: F.nll_loss(a, t, weight=w.detach(), ignore_index=1, reduction="none") + 0 * w.sum(), four, weight, four_classes)
    case("nll_loss/dims", lambda a, t: F.nll_loss(a, t, reduction="sum"), CUBE, torch.tensor([[2, 0, 1, 1], [0, 0, 2, 1]]))
    case("binary_cross_entropy", F.binary_cross_entropy, unit, target)
    case("binary_cross_entropy/weight", lambda a, b, w: F.binary_cross_entropy(a, b, w.detach(), reduction="sum") + 0 * w.sum(), unit, target, SECOND.abs())
    case("binary_cross_entropy/cut", lambda a, b: F.binary_cross_entropy(a.detach(), b, reduction="none"), torch.tensor([[0.0, 1.0, 0.5], [0.0, 1.0, 1.0]]), target)
    case("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits, x, target)
    case("binary_cross_entropy_with_logits/weights", lambda a, b, w: F.binary_cross_entropy_with_logits(a, b, w.detach(), pos_weight=w.detach(), reduction="sum") + 0 * w.sum(), x, target, SECOND.abs())
    case("kl_div", F.kl_div, x, POSITIVE)
    case("kl_div/log", lambda a, b: F.kl_div(a, b, log_target=True, reduction="batchmean"), x, SECOND)
    case("poisson_nll_loss", F.poisson_nll_loss, x, POSITIVE)
    case("poisson_nll_loss/full", lambda a, b: F.poisson_nll_loss(a, b.detach(), full=True, reduction="none"), x, POSITIVE)
    case("poisson_nll_loss/plain", lambda a, b: F.poisson_nll_loss(a, b, log_input=False, eps=0.01, reduction="sum"), POSITIVE, unit)
    case("hinge_loss", lambda a, b: (0.5 - a * b).relu().mean(), x, signs)
    case("soft_margin_loss", lambda a, t: F.soft_margin_loss(a, t.detach()) + 0 * t.sum(), x, signs)
    case("hinge_embedding_loss", F.hinge_embedding_loss, x, signs)
    case("hinge_embedding_loss/margin", lambda a, b: F.hinge_embedding_loss(a, b, margin=0.5, reduction="sum"), x, signs)
    case("multi_margin_loss", F.multi_margin_loss, logits, classes)
    case("multi_margin_loss/all", lambda a, w, t: F.multi_margin_loss(a, t, p=2, margin=0.75, weight=w.detach(), reduction="none") + 0 * w.sum(), four, weight, four_classes)
    case("multilabel_margin_loss", F.multilabel_margin_loss, four, torch.tensor([[2, 0, -1], [1, -1, 0], [-1, 1, 2], [0, 1, 2]]))
    case("multilabel_soft_margin_loss", F.multilabel_soft_margin_loss, x, target)
    case("multilabel_soft_margin_loss/weight", lambda a, b, w: F.multilabel_soft_margin_loss(a, b, w, reduction="sum"), x, target, weight)
    case("gaussian_nll_loss", F.gaussian_nll_loss, x, y, POSITIVE)
    case("gaussian_nll_loss/full", lambda a, b, v: F.gaussian_nll_loss(a, b, v, full=True, eps=0.5, reduction="none"), x, y, POSITIVE)
    case("margin_ranking_loss", F.margin_ranking_loss, x, y, signs)
    case("margin_ranking_loss/margin", lambda a, b, t: F.margin_ranking_loss(a, b, t, margin=0.5, reduction="sum"), x, y, signs)
    case("cosine_embedding_loss", lambda a, b, t: F.cosine_embedding_loss(a, b, t.detach()) + 0 * t.sum(), x, SECOND, torch.tensor([1.0, -1.0]))
    case("cosine_embedding_loss/margin", lambda a, b, t: F.cosine_embedding_loss(a, b, t.detach(), margin=-0.5, reduction="none") + 0 * t.sum(), x, SECOND, torch.tensor([-1.0, -1.0]))
    case("triplet_margin_loss", F.triplet_margin_loss, x, SECOND, UNIT)
    case("triplet_margin_loss/all", lambda a, p, n: F.triplet_margin_loss(a, p, n, margin=2.0, p=1, eps=0.01, swap=True, reduction="none"), x, SECOND, UNIT)
    case("triplet_margin_loss/p", lambda a, p, n: F.triplet_margin_loss(a, p, n, margin=5.0, p=3), x, SECOND, UNIT)


def ops():
    """name or name/variant, inputs, function. The C side (tests/ops/test_golden.c) has the same names."""
    F = torch.nn.functional
    cases = []

    def case(name, f, *inputs):
        cases.append((name, f, inputs))

    for name in "neg abs sign square exp expm1 sin cos tan atan sinh cosh tanh sigmoid erf erfc relu floor ceil round trunc".split():
        case(name, getattr(torch, name), WIDE)
    for name in "reciprocal sqrt rsqrt log log1p log2 log10".split():
        case(name, getattr(torch, name), POSITIVE)
    for name in "asin acos".split():
        case(name, getattr(torch, name), UNIT)
    for name in "isnan isinf isfinite".split():
        case(name, getattr(torch, name), SPECIAL)
    case("floor_divide", lambda a, b: torch.floor_divide(a.detach(), b.detach()), WIDE, SECOND)
    for name in "add sub mul div remainder atan2 maximum minimum eq ne lt le gt ge".split():
        case(name, getattr(torch, name), WIDE, SECOND)
        case(name + "/broadcast", getattr(torch, name), WIDE, ROW)
    case("pow", torch.pow, POSITIVE, SECOND)
    case("pow/broadcast", torch.pow, POSITIVE, ROW)
    case("logical_not", lambda a: torch.logical_not(a > 0), WIDE)
    for name in "logical_and logical_or logical_xor".split():
        case(name, lambda a, b, f=getattr(torch, name): f(a > 0, b > 0), WIDE, SECOND)
        case(name + "/broadcast", lambda a, b, f=getattr(torch, name): f(a > 0, b > 0), WIDE, ROW)
    case("relu_backward", lambda g, y: torch.ops.aten.threshold_backward(g, y.detach(), 0), WIDE, SECOND)
    case("tanh_backward", lambda g, y: torch.ops.aten.tanh_backward(g, y), WIDE, UNIT)
    case("sigmoid_backward", lambda g, y: torch.ops.aten.sigmoid_backward(g, y), WIDE, UNIT)
    case("where", lambda a, b: torch.where(a > b, a, b * 2), WIDE, SECOND)
    case("to", lambda a: a.to(torch.int32), WIDE)
    case("clamp", torch.clamp, WIDE, UNIT - 1, UNIT + 1)
    case("clamp/low", lambda a, b: torch.clamp(a, min=b), WIDE, UNIT)
    case("clamp_to", lambda a: torch.clamp(a, -1.5, 1.25), WIDE)
    case("add_scalar", lambda a: a + 1.5, WIDE)
    case("sub_scalar", lambda a: a - 1.5, WIDE)
    case("rsub_scalar", lambda a: 1.5 - a, WIDE)
    case("mul_scalar", lambda a: a * 1.5, WIDE)
    case("div_scalar", lambda a: a / 1.5, WIDE)
    case("pow_scalar", lambda a: a ** 3, WIDE)
    case("pow_scalar/half", lambda a: a ** 0.5, POSITIVE)
    case("pow_scalar/two", lambda a: a ** 2, WIDE)

    case("reshape", lambda x: x.reshape(4, 6), CUBE)
    case("permute", lambda x: x.permute(2, 0, 1), CUBE)
    case("slice", lambda x: x[:, :, 1:4:2], CUBE)
    case("expand", lambda x: x.expand(2, 3, 3), ROW)
    case("transpose", lambda x: x.transpose(0, 2), CUBE)
    case("squeeze", lambda x: x[:1].squeeze(0), CUBE)
    case("unsqueeze", lambda x: x.unsqueeze(-1), WIDE)
    case("flatten", lambda x: x.flatten(1, 2), CUBE)
    case("select", lambda x: x.select(1, -1), CUBE)
    case("expand_as", lambda x, y: x.expand_as(y) * y, ROW, WIDE)
    case("reshape_as", lambda x, y: x.reshape_as(y) * y, WIDE, WIDE.reshape(3, 2) + 1)

    case("cat", lambda a, b: torch.cat([a, b, a], 1), WIDE, SECOND)
    case("stack", lambda a, b: torch.stack([a, b], 1), WIDE, SECOND)
    case("gather", lambda x, i: x.gather(1, i), WIDE, INDEX)
    case("scatter_add", lambda x, s, i: x.scatter_add(1, i, s), WIDE, torch.cat([SECOND, SECOND], 1)[:, :4], INDEX)
    case("index_select", lambda x, i: x.index_select(1, i), WIDE, LIST)
    case("index_add", lambda x, s, i: x.index_add(1, i, s), WIDE, SECOND, LIST)
    case("one_hot", lambda i: F.one_hot(i, 4), INDEX)
    case("matmul", torch.matmul, WIDE, SECOND.reshape(3, 2))
    case("matmul/batched", torch.matmul, CUBE, (CUBE[:1] + 0.25).transpose(1, 2))
    case("matmul/vector", torch.matmul, CUBE, CUBE[1, 2])
    case("matmul/dot", torch.matmul, ROW, WIDE[1])
    case("linear", F.linear, WIDE, SECOND, ROW[:2])

    activations(case)
    case("unflatten", lambda x: x.unflatten(1, (3, -1)) * 1, torch.arange(24).reshape(2, 12) * 0.25)
    case("embedding", lambda w, i: F.embedding(i, w), WIDE.reshape(3, 2), INDEX)
    case("bilinear", lambda a, b, w: F.bilinear(a, b, w), WIDE, SECOND[:, :2], torch.arange(24).reshape(4, 3, 2) * 0.28125 % 3 - 1.375)
    case("layer_norm", lambda x, w, b: F.layer_norm(x, (4,), w, b, 1e-5), CUBE, torch.tensor([0.5, 1.5, -1.0, 2.0]), torch.tensor([0.25, 0.0, -0.5, 1.0]))
    case("layer_norm/plain", lambda x: F.layer_norm(x, (3, 4), eps=0.5), CUBE)
    case("batch_norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, True, 0.1, 1e-5), CUBE, ROW, WIDE[0])
    case("batch_norm/rows", lambda x: F.batch_norm(x, None, None, training=True, eps=0.1), torch.cat([WIDE, SECOND]))
    case("batch_norm/running", lambda x, m, v: F.batch_norm(x, m.detach(), v.detach(), training=False) + 0 * (m.sum() + v.sum()), CUBE, ROW, POSITIVE[0])
    case("sum", torch.sum, CUBE)
    case("sum/dims", lambda x: x.sum((0, -1), keepdim=True), CUBE)
    case("mean", torch.mean, CUBE)
    case("mean/dims", lambda x: x.mean(1), CUBE)
    case("var", torch.var, CUBE)
    case("var/biased", lambda x: x.var((0, 2), correction=0), CUBE)
    case("std", lambda x: x.std(-1, keepdim=True), CUBE)
    tied = torch.tensor([[1.5, -0.5, 1.5], [-0.5, -0.5, 2.0]])
    case("amax", lambda x: x.amax(1), tied)
    case("amin", lambda x: x.amin(), tied)
    case("max", lambda x: x.max(1, keepdim=True)[0], CUBE)
    case("min", lambda x: x.min(0)[0], CUBE)
    case("max/indices", lambda x: x.max(2)[1], CUBE)
    case("min/indices", lambda x: x.min(1)[1], CUBE)
    case("argmax", lambda x: x.argmax(2), CUBE)
    case("argmin", lambda x: x.argmin(1, keepdim=True), CUBE)
    case("topk", lambda x: x.topk(2, 2)[0], CUBE)
    case("topk_indices", lambda x: x.topk(2, 1, largest=False)[1], CUBE)
    case("logsumexp", lambda x: x.logsumexp((1, 2)), CUBE)
    case("softmax", lambda x: x.softmax(1), CUBE)
    case("log_softmax", lambda x: x.log_softmax(-1), CUBE)
    case("norm", torch.linalg.vector_norm, CUBE)
    case("sum_to", lambda x: x.sum_to_size(3, 1), CUBE)
    loss_cases(case)
    case("arange", lambda: torch.arange(1, 2.5, 0.25))
    case("full", lambda: torch.full((2, 2), -1.5))
    case("detach", lambda a: a.detach() * a, WIDE)
    return cases


def ops_text():
    """Everything in float64: where float32 is tested, too, its inputs are the same numbers."""
    pool, rows = [], []

    def place(t):
        shape = list(t.shape)
        pool.extend(t.detach().reshape(-1).to(torch.float64).tolist())
        return "{%d, {%s}, %d, %d}" % (len(shape), ", ".join(map(str, shape)) or "0", t.dtype == torch.int64, len(pool) - t.numel())

    for name, f, inputs in ops():
        xs = [x.clone() if x.dtype == torch.int64 else x.to(torch.float64).requires_grad_() for x in inputs]
        y = f(*xs)
        floats = [x for x in xs if x.dtype != torch.int64]
        if y.requires_grad:
            weights = (torch.arange(y.numel(), dtype=torch.float64) * 0.25 + 0.5).reshape(y.shape)
            (y * weights).sum().backward()
        placed = [place(x) for x in xs]
        out = place(y.to(torch.float64))
        grads = [place(x.grad if x.grad is not None else torch.zeros_like(x)) for x in floats] if y.requires_grad else []
        rows.append('    {"%s", %d, {%s}, %s, %d, {%s}},' % (name, len(xs), ", ".join(placed) or "{0, {0}, 0, 0}", out, len(grads), ", ".join(grads) or "{0, {0}, 0, 0}"))

    def number(v):
        if v != v:
            return '__builtin_nan("")'
        return ("-" if v < 0 else "") + "__builtin_inf()" if abs(v) == float("inf") else "%.17g" % v if "%.15g" % v != repr(v) else repr(v)

    text = "typedef struct golden_array {\n    int ndim, shape[4], integer, at;\n} golden_array;\n"
    text += "static const struct golden_op {\n    const char *name;\n    int n_in;\n    golden_array in[3], out;\n    int n_grads;\n    golden_array grad[3];\n} golden_ops[] = {\n"
    text += "\n".join(rows) + "\n};\nstatic const double golden_pool[] = {\n"
    return text + textwrap.fill(", ".join(number(v) for v in pool), 150, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False) + "};\n"


METRICS = [3.0, 2.5, 2.4999, 2.6, 2.4, 2.4, 2.4, 2.5, 2.3, 2.3, 2.35, 2.4, 2.31, 2.2, 2.1, 2.1, 2.1, 2.1, 2.1, 2.1, 2.1, 2.1, 2.09, 2.08, 2.0] * 4


def schedules():
    """100 steps of each schedule on a rate of 0.1, in float64."""
    L = torch.optim.lr_scheduler
    make = {
        "step": lambda o: L.StepLR(o, 7, 0.5), "multistep": lambda o: L.MultiStepLR(o, [5, 30, 31, 77], 0.3), "constant": lambda o: L.ConstantLR(o, 0.25, 9),
        "linear": lambda o: L.LinearLR(o, 0.125, 0.75, 40), "exponential": lambda o: L.ExponentialLR(o, 0.93), "polynomial": lambda o: L.PolynomialLR(o, 60, 2.5),
        "cosine": lambda o: L.CosineAnnealingLR(o, 40, 0.01), "restarts": lambda o: L.CosineAnnealingWarmRestarts(o, 7, 2, 0.005),
        "restarts_same": lambda o: L.CosineAnnealingWarmRestarts(o, 9),
        "one_cycle": lambda o: L.OneCycleLR(o, 0.5, total_steps=101, cycle_momentum=False),
        "one_cycle_linear": lambda o: L.OneCycleLR(o, 0.5, total_steps=101, pct_start=0.2, anneal_strategy="linear", div_factor=10, final_div_factor=50, cycle_momentum=False),
        "one_cycle_three": lambda o: L.OneCycleLR(o, 0.5, total_steps=101, three_phase=True, cycle_momentum=False),
        "cyclic": lambda o: L.CyclicLR(o, 0.01, 0.2, 8, 5, cycle_momentum=False), "cyclic_2": lambda o: L.CyclicLR(o, 0.01, 0.2, 8, mode="triangular2", cycle_momentum=False),
        "cyclic_exp": lambda o: L.CyclicLR(o, 0.01, 0.2, 10, 20, mode="exp_range", gamma=0.97, cycle_momentum=False),
        "sequential": lambda o: L.SequentialLR(o, [L.LinearLR(o, 0.1, 1.0, 10), L.CosineAnnealingLR(o, 50), L.ConstantLR(o, 0.5, 1000)], [10, 60]),
        "chained": lambda o: L.ChainedScheduler([L.LinearLR(o, 0.5, 1.0, 20), L.ExponentialLR(o, 0.97)]),
        "plateau": lambda o: L.ReduceLROnPlateau(o, patience=2, eps=0), "plateau_abs": lambda o: L.ReduceLROnPlateau(o, "max", 0.5, 1, 0.2, "abs", cooldown=3, eps=0),
    }
    rows = []
    for name, f in make.items():
        o = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        s, rates = f(o), []
        for t in range(100):
            rates.append(o.param_groups[0]["lr"])
            o.step()
            s.step(METRICS[t]) if name.startswith("plateau") else s.step()
        rows.append('    {"%s", {%s}},' % (name, ", ".join("%.17g" % float(r) for r in rates)))
    metrics = "static const double golden_metrics[100] = {%s};\n" % ", ".join(map(repr, METRICS))
    return metrics + "static const struct {\n    const char *name;\n    double lr[100];\n} golden_schedules[] = {\n" + "\n".join(rows) + "\n};\n"


def write(name, text):
    with open("tests/golden/" + name, "w") as f:
        f.write("/* Values of PyTorch " + torch.__version__.split("+")[0] + ", written by tools/golden.py. */\n" + text)


write("golden.h", optimizers() + "\n" + losses())
write("promotion.h", promotion())
write("ops.h", ops_text())
write("schedules.h", schedules())
write("layers.h", golden_layers.text())
write("nets.h", golden_nets.text())
write("see.h", golden_see.text())
write("fold.h", golden_fold.text())
