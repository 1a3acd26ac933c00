"""PyTorch on the nets of bench/nets.c: its contiguous and channels_last layouts, eager and compiled; and ONNX Runtime for inference, where it is there.
nets.py [train|infer] [NAME] [THREADS]."""
import io
import logging
import sys
import time

import torch
from torch import nn


def mnist_cnn():
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(),
                         nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))


def conv_norm(i, o, kernel, stride):
    return nn.Sequential(nn.Conv2d(i, o, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(o))


class Block(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        stride = 1 if i == o else 2
        self.inner = nn.Sequential(conv_norm(i, o, 3, stride), nn.ReLU(), conv_norm(o, o, 3, 1))
        self.shortcut = nn.Identity() if i == o else conv_norm(i, o, 1, 2)

    def forward(self, x):
        return torch.relu(self.inner(x) + self.shortcut(x))


def resnet20():
    blocks, i = [], 16
    for stage in range(3):
        for _ in range(3):
            blocks.append(Block(i, 16 << stage))
            i = 16 << stage
    return nn.Sequential(conv_norm(3, 16, 3, 1), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


NETS = {"MNIST-CNN": (mnist_cnn, (1, 28, 28)), "ResNet-20": (resnet20, (3, 32, 32))}


def measure(step):
    step()
    start = time.perf_counter()
    step()
    per = int(0.15 / (time.perf_counter() - start)) + 1
    blocks = []
    for _ in range(9):
        start = time.perf_counter()
        for _ in range(per):
            step()
        blocks.append((time.perf_counter() - start) / per)
    return sorted(blocks)[4]


def ways(make, shape, training, batch):
    x = torch.randn(batch, *shape)
    t = torch.arange(batch) % 10
    for layout in ("contiguous", "channels_last"):
        for compiled in (False, True):
            torch._dynamo.reset()
            net = make().train(training)
            data = x
            if layout == "channels_last":
                net, data = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
            optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
            forward = torch.compile(net) if compiled else net

            def train():
                optimizer.zero_grad()
                nn.functional.cross_entropy(forward(data), t).backward()
                optimizer.step()

            def infer():
                with torch.inference_mode():
                    forward(data)

            try:
                yield layout + (" compiled" if compiled else ""), measure(train if training else infer)
            except Exception as e:  # without a compiler, say
                print("nets.py:", layout, "compiled" if compiled else "", str(e).splitlines()[0], file=sys.stderr)


def onnx(make, shape, batch, threads):
    import onnxruntime

    file, x = io.BytesIO(), torch.randn(batch, *shape)
    logging.disable(logging.WARNING)
    torch.onnx.export(make().eval(), (x,), file, input_names=["x"], output_names=["y"], verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    data = {"x": x.numpy()}
    return measure(lambda: session.run(None, data))


def main():
    mode, name, threads = (sys.argv[1:] + [None] * 3)[:3]
    for n, (make, shape) in NETS.items():
        for kind, batch in (("train", 128), ("infer", 1), ("infer", 128)):
            for count in (1, 2):
                if (mode and mode != kind) or (name and name != n) or (threads and int(threads) != count):
                    continue
                torch.set_num_threads(count)
                all_ways = list(ways(make, shape, kind == "train", batch))
                for way, seconds in all_ways:
                    print(f"PyTorch {way}\t{n}\t{kind}\t{batch}\t{count}\t{1e3 * seconds:.3f} ms", flush=True)
                if kind == "infer":
                    try:
                        print(f"ONNX Runtime\t{n}\t{kind}\t{batch}\t{count}\t{1e3 * onnx(make, shape, batch, count):.3f} ms", flush=True)
                    except Exception as e:  # it is not there, say
                        print("nets.py: ONNX Runtime:", str(e).splitlines()[0], file=sys.stderr)


if __name__ == "__main__":
    main()
