"""Saliency and Grad-CAM of two small nets by PyTorch, for tests/golden/see.h, in float64. Weights, running statistics and samples follow from a formula
that the test has, too (draw, of golden_nets)."""
import torch
from torch import nn
from torch.nn import functional as F

from golden_nets import draw


def colour():
    return nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 6, 3), nn.ReLU(), nn.Flatten(),
                         nn.Linear(72, 4)), (3, 10, 12), None, 4, 5


def grey():
    return nn.Sequential(nn.Conv2d(1, 4, 5, 2, 2), nn.Tanh(), nn.Conv2d(4, 3, 3, padding=1, bias=False), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
                         nn.Linear(27, 10)), (1, 12, 12), (0.3, 0.4), 2, 3


def start(net):
    with torch.no_grad():
        for j, (name, p) in enumerate(net.state_dict().items()):
            if not p.is_floating_point():
                continue
            u = draw(p.numel(), j).reshape(p.shape)
            fan = p.numel() // p.shape[0]
            p.copy_(u * (6 / fan) ** 0.5 if p.dim() > 1 else 1 + u / 4 if name.endswith(("weight", "var")) else u / 8)


def values(name, t):
    return "static const double golden_%s[%d] = {%s};\n" % (name, t.numel(), ", ".join("%.9g" % v for v in t.reshape(-1).tolist()))


def text():
    out = ""
    for make in (colour, grey):
        net, shape, normal, conv, activation = make()
        net = net.to(torch.float64).eval()
        start(net)
        net = net.to(torch.float32).to(torch.float64)  # float32 numbers in both
        raw = torch.floor((draw(torch.Size(shape).numel(), 1000) + 1) * 128).reshape(1, *shape).requires_grad_()
        x = raw if normal is None else (raw / 255 - normal[0]) / normal[1]
        kept = {}
        for i, layer in enumerate(net):
            x = kept[i] = layer(x)
        best = int(x.argmax())
        other = (best + 1) % x.shape[1]
        out += "static const int golden_%s_class = %d;\n" % (make.__name__, best)
        for what, c in (("", best), ("_other", other)):
            out += values("%s_saliency%s" % (make.__name__, what), torch.autograd.grad(x[0, c], raw, retain_graph=True)[0].abs().amax(1))
        for what, i in (("", conv), ("_relu", activation)):
            g = torch.autograd.grad(x[0, best], kept[i], retain_graph=True)[0]
            cam = F.relu((g.mean((2, 3), keepdim=True) * kept[i]).sum(1, keepdim=True))
            out += values("%s_cam%s" % (make.__name__, what), F.interpolate(cam, shape[1:], mode="bilinear").detach())
    return out
