"""Writes tests/golden/*.h from PyTorch: run with a Python that has torch, from the top folder. The tests themselves need no Python."""
import torch

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


with open("tests/golden/golden.h", "w") as f:
    f.write("/* Values of PyTorch " + torch.__version__.split("+")[0] + ", written by tools/golden.py. */\n" + optimizers() + "\n" + losses())
