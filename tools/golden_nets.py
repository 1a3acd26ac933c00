"""LeNet-5 and a narrow ResNet-20 trained for ten steps by PyTorch, for tests/golden/nets.h: losses, and of each entry of the state_dict a weighted sum
(element i counts i % 7 + 1 times), in float64. What float32 changes is there, too: it is the scale that tests/nn/test_nets.c allows errors by. First
weights and data follow from a formula that both have."""
import torch
from torch import nn

STEPS = 10


def draw(n, j):
    """n numbers in [-1, 1), the j-th row of them."""
    i = torch.arange(n, dtype=torch.int64)
    x = (i * 2654435761 + j * 1013904223 + 12345) & 0xffffffff
    x = (x ^ (x >> 15)) * 2246822519 & 0xffffffff
    return (x >> 16).to(torch.float64) / 32768 - 1


class Residual(nn.Sequential):
    def forward(self, x):
        return (self[1](x) if len(self) > 1 else x) + self[0](x)


def lenet():
    return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 10)), (8, 1, 16, 16)


def resnet20():
    layers, channels = [nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()], 4
    for stage in range(3):
        for block in range(3):
            out, stride = 4 << stage, 2 if stage and not block else 1
            body = nn.Sequential(nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out))
            shortcut = [nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))] if stride == 2 else []
            layers += [Residual(body, *shortcut), nn.ReLU()]
            channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)), (6, 3, 12, 12)


def start(net):
    with torch.no_grad():
        for j, (name, p) in enumerate(net.named_parameters()):
            u = draw(p.numel(), j).reshape(p.shape)
            fan = p.numel() // p.shape[0]
            p.copy_(u * (6 / fan) ** 0.5 if p.dim() > 1 else 1 + u / 4 if name.endswith("weight") else u / 8)


def train(make, lr, dtype):
    net, shape = make()
    net = net.to(torch.float64)
    start(net)
    x, t = draw(torch.Size(shape).numel(), 1000).reshape(shape), torch.arange(shape[0]) * 7 % 10
    net = net.to(torch.float32).to(dtype)  # float32 numbers in both
    x = x.to(torch.float32).to(dtype)
    o, losses = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9), []
    for _ in range(STEPS):
        o.zero_grad()
        loss = nn.functional.cross_entropy(net(x), t)
        loss.backward()
        o.step()
        losses.append(loss.item())
    return losses, {k: v.to(torch.float64) for k, v in net.state_dict().items() if v.is_floating_point()}


def weighted(t):
    return float((t.reshape(-1) * (torch.arange(t.numel()) % 7 + 1)).sum())


def text():
    out = "typedef struct golden_state {\n    const char *key;\n    double sum, spread; /* in float64; of what float32 changes, the sum of magnitudes */\n} golden_state;\n"
    for make, lr in ((lenet, 0.05), (resnet20, 0.05)):
        name = make.__name__
        exact, state = train(make, lr, torch.float64)
        rounded, other = train(make, lr, torch.float32)
        spread = max(abs(a - b) for a, b in zip(exact, rounded))
        out += "static const double golden_%s_losses[%d] = {%s};\n" % (name, STEPS, ", ".join("%.17g" % v for v in exact))
        out += "static const double golden_%s_spread = %.3g;\n" % (name, spread)
        rows = ['    {"%s", %.17g, %.3g},' % (k, weighted(v), weighted((v - other[k]).abs())) for k, v in state.items()]
        out += "static const golden_state golden_%s[] = {\n%s\n};\n" % (name, "\n".join(rows))
    return out
