"""soma for Python scripts of tools/: the library's ABI by ctypes, as little as they need. Other languages call the functions that end in _v with
an option struct and its size. Handles are plain integers here; None is NULL."""
import ctypes as C
import os
import re

import numpy as np

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DTYPES = [np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_]
NUMBER = {np.dtype(t): i for i, t in enumerate(DTYPES)}
MAX_DIMS = 8


class Optional(C.Structure):
    _fields_ = [("value", C.c_double), ("set", C.c_uint64)]


def options(name, *fields):
    """An option struct as soma's: fields that grow only at the end, and four reserved words."""
    return type(name, (C.Structure,), {"_fields_": list(fields) + [("reserved", C.c_uint64 * 4)]})


I64, F64, PTR = C.c_int64, C.c_double, C.c_void_p
Reduce = options("Reduce", ("ndims", I64), ("dims", I64 * MAX_DIMS), ("keepdim", I64), ("correction", Optional))
Loss = options("Loss", ("reduction", I64))
CrossEntropy = options("CrossEntropy", ("weight", PTR), ("reduction", I64), ("ignore_index", Optional), ("label_smoothing", Optional))
Variable = options("Variable", ("name", C.c_char_p), ("requires_grad", I64), ("scope_of", PTR))
Linear = options("Linear", ("no_bias", I64), ("dtype", I64))
Grad = options("Grad", ("seeds", PTR), ("allow_unused", I64))
Sgd = options("Sgd", ("momentum", F64), ("dampening", F64), ("weight_decay", F64), ("nesterov", I64), ("maximize", I64))
Adam = options("Adam", ("beta1", Optional), ("beta2", Optional), ("eps", Optional), ("weight_decay", Optional), ("maximize", I64))


def some(value):
    """An optional number: None is absent."""
    return Optional() if value is None else Optional(value, 1)


def ints(values):
    return (I64 * max(len(values), 1))(*values)


def handles(values):
    return (PTR * max(len(values), 1))(*values)


def reduce_options(dims=(), keepdim=False, correction=None):
    return Reduce(ndims=len(dims), dims=(I64 * MAX_DIMS)(*dims), keepdim=keepdim, correction=some(correction))


class SomaError(Exception):
    pass


class Soma:
    """One context. soma.call("relu", x) is soma_relu(x); an error that is pending afterwards is raised and cleared."""

    def __init__(self, path):
        self.lib = C.CDLL(path)
        self.statuses = set()
        self.ctx = PTR()
        if self.lib.soma_context_create_v(C.byref(self.ctx), None, 0) != 0:
            raise SomaError("no context")
        self.lib.soma_error_message.restype = C.c_char_p

    def close(self):
        self.lib.soma_context_free(self.ctx)

    def raw(self, name, *args, result=PTR):
        """Floats go as doubles, ints as int64, handles as pointers (wrapped by H). A call with options is name_v: its last argument, a struct by reference or None,
        is followed by the size."""
        sized = name.endswith("_v") or not hasattr(self.lib, "soma_" + name)
        f = getattr(self.lib, "soma_" + name + ("_v" if sized and not name.endswith("_v") else ""))
        f.restype = result
        given = []
        for a in args:
            if isinstance(a, float): given.append(F64(a))
            elif isinstance(a, bool): given.append(C.c_bool(a))
            elif isinstance(a, (int, np.integer)): given.append(I64(int(a)))
            elif isinstance(a, C.Structure): given += [C.byref(a)] + ([C.c_size_t(C.sizeof(a))] if sized else [])
            else: given.append(a)
        if sized and args[-1] is None: given.append(C.c_size_t(0))
        return f(*given)

    def check(self):
        status = self.lib.soma_error_take(self.ctx)
        if status != 0:
            raise SomaError(self.lib.soma_error_message(self.ctx).decode())

    def call(self, name, *args):
        """A call that returns a handle."""
        y = self.raw(name, *args)
        self.check()
        if y is None:
            raise SomaError("soma_%s returned NULL without an error" % name)
        return H(y)

    def status(self, name, *args):
        s = self.raw(name, *args, result=C.c_int)
        self.check()
        if s != 0:
            raise SomaError("soma_%s returned %d without an error" % (name, s))

    def array(self, x):
        """A tensor from a numpy array."""
        x = np.ascontiguousarray(x) if x.ndim else x
        return self.call("from", self.ctx, PTR(x.ctypes.data), C.c_int(NUMBER[x.dtype]), ints(x.shape), x.ndim)

    def variable(self, x, requires_grad=True):
        return self.call("variable_v", self.array(x), Variable(requires_grad=requires_grad))

    def read(self, x):
        shape = [self.raw("size", x, d, result=I64) for d in range(self.raw("ndim", x, result=I64))]
        out = np.empty(shape, DTYPES[self.raw("tensor_dtype", x, result=C.c_int)])
        self.status("read", x, PTR(out.ctypes.data), C.c_size_t(out.nbytes))
        return out

    def grad(self, y, inputs, seed):
        out = handles([None] * len(inputs))
        seeds = handles([seed.value])
        self.status("grad_v", handles([y.value]), C.c_size_t(1), handles([x.value for x in inputs]), C.c_size_t(len(inputs)), out,
                    Grad(seeds=C.cast(seeds, PTR), allow_unused=1))
        return [H(g) if g else None for g in out[:len(inputs)]]


H = PTR


def table(kind):
    """The rows of a kind (UNARY, BINARY) in ops.def, as pairs of name and kind of operands."""
    with open(os.path.join(TOP, "include/soma/ops.def")) as f:
        return re.findall(r"^%s\((\w+), (\w+)," % kind, f.read(), re.M)
