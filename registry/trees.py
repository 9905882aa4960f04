"""Asks a booster for predictions by XGBoost's C interface: the call that `Booster.inplace_predict` ends in.

For every batch the Python method looks for a dozen kinds of tables, writes its options anew as JSON and validates what
is known to be valid: 40 us. Without a proxy of its own XGBoost makes one, and reads the machine's cgroup files for it:
26 us. Here options and proxies are made once, and a batch of 32 rows takes 116 us where it took 176. The answers are
the same bits, which tests/unit/registry/test_trees.py compares.

Source: https://xgboost.readthedocs.io/en/stable/c.html, "Prediction".
"""

from __future__ import annotations

import ctypes
import threading

import numpy as np
import numpy.typing as npt
import xgboost
from xgboost.libpath import find_lib_path

Floats = npt.NDArray[np.float32]

_CONFIG = (
    b'{"type":0,"training":false,"iteration_begin":0,"iteration_end":0,"missing":NaN,"strict_shape":false,"cache_id":0}'
)
_LENGTH, _FLOATS = ctypes.c_uint64, ctypes.POINTER(ctypes.c_float)


def _library() -> ctypes.CDLL:
    """XGBoost's library, which importing xgboost has loaded, with types of our own; it runs without Python's lock."""
    library = ctypes.CDLL(find_lib_path()[0])
    handle, text = ctypes.c_void_p, ctypes.c_char_p
    library.XGBoosterPredictFromDense.argtypes = [
        *(handle, text, text, handle),
        *(ctypes.POINTER(ctypes.POINTER(_LENGTH)), ctypes.POINTER(_LENGTH), ctypes.POINTER(_FLOATS)),
    ]
    library.XGProxyDMatrixCreate.argtypes = [ctypes.POINTER(handle)]
    library.XGProxyDMatrixSetDataDense.argtypes = [handle, text]
    library.XGDMatrixSetInfoFromInterface.argtypes = [handle, text, text]
    library.XGDMatrixFree.argtypes = [handle]
    library.XGBGetLastError.restype = text
    return library


_XGBOOST = _library()


class Trees:
    """The trees of one version. Safe to use from several threads, as XGBoost's predictions are.

    Args:
        booster: is kept alive, and must not be trained further.
    """

    def __init__(self, booster: xgboost.Booster) -> None:
        self._booster, self._inputs, self._proxies = booster, booster.num_features(), _Proxies()
        booster.set_param({"nthread": 1})  # requests are the parallelism; see docs/architecture.md

    def predict(self, inputs: Floats, base_margin: Floats | None = None) -> npt.NDArray[np.float64]:
        """Predictions of shape (n,), on the scale of the booster's objective; (n, k) for one with k outputs.

        Args:
            inputs: shape (n, n_inputs), C-contiguous; NaN is missing.
            base_margin: shape (n,), what the trees are added to instead of the booster's own constant.

        Raises:
            ValueError: inputs of another shape or layout.
            xgboost.core.XGBoostError: XGBoost refuses them.
        """
        if inputs.ndim != 2 or inputs.shape[1] != self._inputs or inputs.dtype != np.float32:
            raise ValueError(f"the trees take float32 of shape (n, {self._inputs}), not {inputs.dtype} {inputs.shape}")
        if base_margin is None:
            return self._predict(inputs, self._proxies.plain)
        proxy, margin = self._proxies.with_margin, np.ascontiguousarray(base_margin, np.float32)
        _check(_XGBOOST.XGProxyDMatrixSetDataDense(proxy.handle, _interface(inputs)))  # so that it expects n margins
        _check(_XGBOOST.XGDMatrixSetInfoFromInterface(proxy.handle, b"base_margin", _interface(margin)))
        return self._predict(inputs, proxy)

    def _predict(self, inputs: Floats, proxy: _Proxy) -> npt.NDArray[np.float64]:
        lengths, dimensions, found = ctypes.POINTER(_LENGTH)(), _LENGTH(), _FLOATS()
        _check(
            _XGBOOST.XGBoosterPredictFromDense(
                *(self._booster.handle, _interface(inputs), _CONFIG, proxy.handle),
                *(ctypes.byref(lengths), ctypes.byref(dimensions), ctypes.byref(found)),
            )
        )
        shape = lengths[: dimensions.value]
        # a copy: XGBoost writes this thread's next answers to the same memory
        copied = ctypes.string_at(found, 4 * int(np.prod(shape)))
        return np.frombuffer(copied, np.float32).astype(np.float64).reshape(shape)


class _Proxy:
    """A place where XGBoost keeps what it is told of the inputs."""

    def __init__(self) -> None:
        self.handle, self._free = ctypes.c_void_p(), _XGBOOST.XGDMatrixFree
        _check(_XGBOOST.XGProxyDMatrixCreate(ctypes.byref(self.handle)))

    def __del__(self) -> None:
        self._free(self.handle)


class _Proxies(threading.local):
    """Each thread's own. One never has a margin: it could not be taken away again."""

    def __init__(self) -> None:
        self.plain, self.with_margin = _Proxy(), _Proxy()


def _interface(array: Floats) -> bytes:
    """Where an array lies, as NumPy's array interface in JSON. The array must outlive its use.

    Raises:
        ValueError: it is not C-contiguous.
    """
    if not array.flags.c_contiguous:
        raise ValueError("the trees take C-contiguous arrays")
    shape = ",".join(map(str, array.shape)).encode()
    return b'{"data":[%d,true],"shape":[%b],"typestr":"<f4","version":3}' % (array.ctypes.data, shape)


def _check(status: int) -> None:
    if status:
        raise xgboost.core.XGBoostError(_XGBOOST.XGBGetLastError().decode(errors="replace"))
