"""PyTorch on recipes/cifar-resnet20.yaml: the same pictures, shifts, flips and schedule. resnet20.py ARCHIVE [EPOCHS [RATE [SEED]]], where ARCHIVE is
cifar10-jpg.tar.gz. Its random numbers are its own, so losses are alike, not equal."""
import io
import sys
import tarfile
import time

import numpy
import torch
from nets import resnet20
from PIL import Image
from torch import nn


def read(archive):
    parts = {"train": ([], []), "test": ([], [])}
    with tarfile.open(archive) as files:
        for f in files:
            names = f.name.removeprefix("./").split("/")
            if f.isfile() and len(names) == 3 and names[0] in parts:
                parts[names[0]][0].append(numpy.asarray(Image.open(io.BytesIO(files.extractfile(f).read())).convert("RGB")))
                parts[names[0]][1].append(names[1])
    classes = sorted(set(parts["train"][1]))
    return [(torch.from_numpy(numpy.stack(x)).permute(0, 3, 1, 2).contiguous(), torch.tensor([classes.index(c) for c in y])) for x, y in parts.values()]


def net():
    model = resnet20()
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight)
    return model


def shifted(x):
    """Each picture flipped or not, and shifted by up to four pixels; black comes in."""
    out = torch.zeros_like(x)
    padded = nn.functional.pad(x, (4, 4, 4, 4))
    for i, (dy, dx, flip) in enumerate(zip(*(torch.randint(n, (len(x),)).tolist() for n in (9, 9, 2)))):
        part = padded[i, :, dy:dy + 32, dx:dx + 32]
        out[i] = part.flip(2) if flip else part
    return out


def main():
    archive, epochs, rate, seed = [*sys.argv[1:], *[None] * 4][:4]
    epochs, rate = int(epochs or 4), float(rate or 0.1)
    torch.manual_seed(int(seed or 1))
    (x, y), (tx, ty) = read(archive)
    mean = (x.float() / 255).mean((0, 2, 3)).view(1, 3, 1, 1)
    std = (x.float() / 255).std((0, 2, 3)).view(1, 3, 1, 1)
    model = net().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), rate, 0.9, weight_decay=5e-4, nesterov=True)
    steps = -(-len(x) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * steps, cycle_momentum=False)

    def inputs(pictures):
        return ((pictures.float() / 255 - mean) / std).to(memory_format=torch.channels_last)

    start = time.time()
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for rows in torch.randperm(len(x)).split(128):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs(shifted(x[rows]))), y[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        model.eval()
        with torch.inference_mode():
            scores = torch.cat([model(inputs(part)) for part in tx.split(500)])
        print(f"epoch {epoch + 1}/{epochs}  loss {total / len(x):.4f}  test loss {nn.functional.cross_entropy(scores, ty).item():.4f}"
              f"  accuracy {100 * (scores.argmax(1) == ty).float().mean().item():.2f} %  {time.time() - start:.0f} s", flush=True)


main()
