"""Other libraries on the work of bench/support/workload.c: peer.py torch|jax|onnx threads.

Answers one line for each line on stdin, for bench/support/peer.c:
    prepare SECONDS SPEC   names of the ways it has, separated by tabs ("" for none); SECONDS is the length of a block
    block I                seconds of one step of way I, the mean over a block
A way that cannot be had here (no compiler, say) is left out, and stderr says why. Every library gets the best ways that its users know.
"""
import os
import sys
import time
import traceback

LEARNING_RATE = 0.001
MOMENTUM = 0.9
WARM_PART = 5  # as in workload.c


class Spec:
    """The words of bench_spec as numbers."""

    def __init__(self, words):
        self.kind = words[0]
        if self.kind == "matmul":
            self.m, self.n, self.k, self.ta, self.tb = (int(w) for w in words[1:])
        else:
            self.activation, self.optimizer = words[1:3]
            self.batch, self.batches, *self.sizes = (int(w) for w in words[3:])


def inputs(spec):
    """Batches of x and classes, as NumPy arrays."""
    import numpy as np
    rng = np.random.default_rng(1)
    xs = [rng.uniform(-1, 1, (spec.batch, spec.sizes[0])).astype(np.float32) for _ in range(spec.batches)]
    ts = [(np.arange(spec.batch) * 7 + i) % spec.sizes[-1] for i in range(spec.batches)]
    return xs, ts


def operands(spec):
    import numpy as np
    rng = np.random.default_rng(1)
    a = rng.uniform(-1, 1, (spec.k, spec.m) if spec.ta else (spec.m, spec.k)).astype(np.float32)
    b = rng.uniform(-1, 1, (spec.n, spec.k) if spec.tb else (spec.k, spec.n)).astype(np.float32)
    return a, b


class Torch:
    def __init__(self, threads):
        import torch
        self.torch = torch
        torch.set_num_threads(threads)
        self.version = "PyTorch " + torch.__version__

    def net(self, spec):
        nn = self.torch.nn
        parts = []
        for i, (a, b) in enumerate(zip(spec.sizes, spec.sizes[1:])):
            if i:
                parts.append(nn.Tanh() if spec.activation == "tanh" else nn.ReLU())
            parts.append(nn.Linear(a, b))
        return nn.Sequential(*parts)

    def optimizer(self, spec, params, **how):
        optim = self.torch.optim
        if spec.optimizer == "adam":
            return optim.Adam(params, lr=LEARNING_RATE, **how)
        return optim.SGD(params, lr=LEARNING_RATE, momentum=MOMENTUM, **how)

    def ways(self, spec):
        self.torch._dynamo.reset()  # code compiled for another shape must not make this one's general
        if spec.kind == "matmul":
            return self.matmul_ways(spec)
        xs, ts = inputs(spec)
        xs = [self.torch.from_numpy(x) for x in xs]
        ts = [self.torch.from_numpy(t) for t in ts]
        return self.train_ways(spec, xs, ts) if spec.kind == "train" else self.infer_ways(spec, xs)

    def train_ways(self, spec, xs, ts):
        return {
            "eager": lambda: self.train(spec, xs, ts),
            "eager, fused optimizer": lambda: self.train(spec, xs, ts, fused=True),
            "compile": lambda: self.train(spec, xs, ts, compiled=True, fused=True),
            "compile, whole step": lambda: self.train_whole(spec, xs, ts),
        }

    def train(self, spec, xs, ts, compiled=False, **how):
        torch, net = self.torch, self.net(spec)
        optimizer = self.optimizer(spec, net.parameters(), **how)

        def loss_of(x, t):
            return torch.nn.functional.cross_entropy(net(x), t)

        if compiled:
            loss_of = torch.compile(loss_of)

        def step(i):
            optimizer.zero_grad()
            loss_of(xs[i], ts[i]).backward()
            optimizer.step()
        return step

    def train_whole(self, spec, xs, ts):
        """Forward, backward and update as one compiled graph that writes the parameters."""
        torch, net = self.torch, self.net(spec)
        params = {name: p.detach() for name, p in net.named_parameters()}
        first = {name: torch.zeros_like(p) for name, p in params.items()}
        second = {name: torch.zeros_like(p) for name, p in params.items()}
        count = torch.zeros(())

        def loss_of(ps, x, t):
            return torch.nn.functional.cross_entropy(torch.func.functional_call(net, ps, (x,)), t)

        def sgd(grads):
            for name, g in grads.items():
                first[name].mul_(MOMENTUM).add_(g)
                params[name].sub_(first[name], alpha=LEARNING_RATE)

        def adam(grads):
            count.add_(1)
            size = LEARNING_RATE / (1 - 0.9 ** count)
            root = torch.sqrt(1 - 0.999 ** count)
            for name, g in grads.items():
                first[name].lerp_(g, 0.1)
                second[name].mul_(0.999).addcmul_(g, g, value=0.001)
                params[name].sub_(size * first[name] / (second[name].sqrt() / root + 1e-8))

        @torch.compile(fullgraph=True)
        def whole(x, t):
            grads = torch.func.grad(loss_of)(params, x, t)
            adam(grads) if spec.optimizer == "adam" else sgd(grads)

        def step(i):
            with torch.no_grad():
                whole(xs[i], ts[i])
        return step

    def infer_ways(self, spec, xs):
        torch = self.torch

        def make(wrap):
            net = self.net(spec).eval()
            with torch.inference_mode():
                net = wrap(net)

            def step(i):
                with torch.inference_mode():
                    return net(xs[i])
            return step

        return {
            "eager": lambda: make(lambda net: net),
            "compile": lambda: make(torch.compile),
            "compile, frozen": lambda: make(lambda net: torch.compile(net, options={"freezing": True})),
            "traced, frozen": lambda: make(lambda net: torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, xs[0])))),
        }

    def matmul_ways(self, spec):
        torch = self.torch
        a, b = (torch.from_numpy(x) for x in operands(spec))
        a, b = a.t() if spec.ta else a, b.t() if spec.tb else b
        out = torch.empty(spec.m, spec.n)

        def into(_):
            with torch.inference_mode():
                torch.mm(a, b, out=out)
        return {"mm": lambda: lambda _: torch.mm(a, b), "mm, out given": lambda: into}


class Jax:
    def __init__(self, threads):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[-threads:])  # sizes its pool; it has no call for that
        os.environ["JAX_PLATFORMS"] = "cpu"
        import jax
        self.jax = jax
        self.version = "JAX " + jax.__version__

    def params(self, spec):
        import numpy as np
        rng, made = np.random.default_rng(2), []
        for a, b in zip(spec.sizes, spec.sizes[1:]):
            bound = a ** -0.5
            made.append((self.jax.numpy.asarray(rng.uniform(-bound, bound, (a, b)), "float32"),
                         self.jax.numpy.asarray(rng.uniform(-bound, bound, b), "float32")))
        return made

    def logits(self, spec, params, x):
        jnp = self.jax.numpy
        for i, (w, b) in enumerate(params):
            if i:
                x = jnp.tanh(x) if spec.activation == "tanh" else self.jax.nn.relu(x)
            x = x @ w + b
        return x

    def ways(self, spec):
        if spec.kind == "matmul":
            return {"jit": lambda: self.matmul(spec)}
        return {"jit": lambda: self.train(spec) if spec.kind == "train" else self.infer(spec)}

    def train(self, spec):
        jax, jnp = self.jax, self.jax.numpy

        def loss_of(params, x, t):
            logp = jax.nn.log_softmax(self.logits(spec, params, x))
            return -jnp.mean(jnp.take_along_axis(logp, t[:, None], axis=1))

        def sgd(state, grads):
            params, first = state
            first = jax.tree.map(lambda m, g: MOMENTUM * m + g, first, grads)
            return jax.tree.map(lambda p, m: p - LEARNING_RATE * m, params, first), first

        def adam(state, grads):
            params, first, second, count = state
            count = count + 1
            first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
            second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
            size, root = LEARNING_RATE / (1 - 0.9 ** count), jnp.sqrt(1 - 0.999 ** count)
            params = jax.tree.map(lambda p, m, v: p - size * m / (jnp.sqrt(v) / root + 1e-8), params, first, second)
            return params, first, second, count

        def whole(state, x, t):
            loss, grads = jax.value_and_grad(loss_of)(state[0], x, t)
            return (adam if spec.optimizer == "adam" else sgd)(state, grads), loss

        compiled = jax.jit(whole, donate_argnums=0)
        params = self.params(spec)
        zeros = lambda: jax.tree.map(jnp.zeros_like, params)
        state = (params, zeros(), zeros(), jnp.zeros(())) if spec.optimizer == "adam" else (params, zeros())
        xs, ts = ([jnp.asarray(x) for x in part] for part in inputs(spec))

        def step(i):
            nonlocal state
            state, loss = compiled(state, xs[i], ts[i])
            return loss
        return step

    def infer(self, spec):
        params = self.params(spec)
        compiled = self.jax.jit(lambda ps, x: self.logits(spec, ps, x))
        xs = [self.jax.numpy.asarray(x) for x in inputs(spec)[0]]
        return lambda i: compiled(params, xs[i])

    def matmul(self, spec):
        a, b = (self.jax.numpy.asarray(x) for x in operands(spec))
        compiled = self.jax.jit(lambda a, b: (a.T if spec.ta else a) @ (b.T if spec.tb else b))
        return lambda _: compiled(a, b)


class Onnx:
    def __init__(self, threads):
        import onnx
        import onnxruntime
        self.onnx, self.runtime, self.threads = onnx, onnxruntime, threads
        self.version = "ONNX Runtime " + onnxruntime.__version__

    def ways(self, spec):
        return {"runtime": lambda: self.infer(spec)} if spec.kind == "infer" else {}

    def infer(self, spec):
        import numpy as np
        helper, rng = self.onnx.helper, np.random.default_rng(2)
        nodes, weights, name = [], [], "x"
        for i, (a, b) in enumerate(zip(spec.sizes, spec.sizes[1:])):
            if i:
                nodes.append(helper.make_node("Tanh" if spec.activation == "tanh" else "Relu", [name], [f"a{i}"]))
                name = f"a{i}"
            weights.append(self.onnx.numpy_helper.from_array(rng.uniform(-0.1, 0.1, (a, b)).astype(np.float32), f"w{i}"))
            weights.append(self.onnx.numpy_helper.from_array(rng.uniform(-0.1, 0.1, b).astype(np.float32), f"b{i}"))
            nodes.append(helper.make_node("Gemm", [name, f"w{i}", f"b{i}"], [f"y{i}"]))
            name = f"y{i}"
        value = lambda key, size: helper.make_tensor_value_info(key, self.onnx.TensorProto.FLOAT, [spec.batch, size])
        graph = helper.make_graph(nodes, "net", [value("x", spec.sizes[0])], [value(name, spec.sizes[-1])], weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        session = self.runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        xs = [{"x": x} for x in inputs(spec)[0]]
        return lambda i: session.run(None, xs[i])


class Timed:
    """A way with the number of steps of its blocks."""

    def __init__(self, step, batches, seconds):
        self.step, self.batches, self.steps = step, batches, 1
        for _ in range(3):
            self.run(batches)  # compiles and warms up
        while (took := self.run(self.steps)) < seconds / 2:
            self.steps *= 2
        self.steps = int(self.steps * seconds / took) + 1

    def run(self, steps):
        step, batches, result = self.step, self.batches, None
        start = time.perf_counter()
        for i in range(steps):
            result = step(i % batches)
        if hasattr(result, "block_until_ready"):
            result.block_until_ready()
        return time.perf_counter() - start

    def block(self):
        self.run(self.steps // WARM_PART)
        return self.run(self.steps) / self.steps


def prepare(library, words):
    spec, ready = Spec(words[1:]), {}
    for name, make in library.ways(spec).items():
        try:
            ready[name] = Timed(make(), getattr(spec, "batches", 1), float(words[0]))
        except Exception:
            print(f"{library.version}, {' '.join(words)}, {name}:", file=sys.stderr)
            traceback.print_exc()
    return ready


def main():
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # no helper processes beside the measurement
    library = {"torch": Torch, "jax": Jax, "onnx": Onnx}[sys.argv[1]](int(sys.argv[2]))
    print("ready", library.version, file=answers)
    ready = {}
    for line in sys.stdin:
        command, *words = line.split()
        if command == "prepare":
            ready = {}  # frees the memory of the last one first
            ready = prepare(library, words)
            print("\t".join(ready), file=answers)
        elif command == "block":
            print(list(ready.values())[int(words[0])].block(), file=answers)


main()
