"""PyTorch's fused Adam on ten million parameters, for bench/run --ops."""
import time

import torch

for threads in (1, 2):
    torch.set_num_threads(threads)
    p = torch.zeros(10_000_000, requires_grad=True)
    p.grad = torch.ones_like(p)
    optimizer = torch.optim.Adam([p], lr=1e-3, fused=True)
    best = 1e9
    for _ in range(30):
        start = time.perf_counter()
        optimizer.step()
        best = min(best, time.perf_counter() - start)
    print(f"PyTorch {torch.__version__}, fused Adam, {threads} thread{'s' if threads > 1 else ''}: {best * 1e3:.2f} ms")
