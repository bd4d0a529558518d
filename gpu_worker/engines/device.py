"""The device engines run on, and how much memory it has. torch is imported only where it is used."""

from __future__ import annotations

import gc
import importlib.util
from functools import cache
from typing import Any, Literal, Protocol

from shared.errors import EngineUnavailable

DeviceChoice = Literal["auto", "cuda", "cpu"]


class Memory(Protocol):
    """A device's memory, in bytes."""

    def total(self) -> int:
        """All there is."""
        ...

    def used(self) -> int:
        """What our tensors take."""
        ...

    def peak(self) -> int:
        """The most they took since `restart`."""
        ...

    def restart(self) -> None:
        """Begin a new peak."""
        ...

    def release(self) -> None:
        """Give back what nothing refers to any more."""
        ...


class CudaMemory:
    """The GPU's, as PyTorch's allocator sees it."""

    def __init__(self) -> None:
        import torch

        self._cuda: Any = torch.cuda

    def total(self) -> int:
        """All there is."""
        return int(self._cuda.get_device_properties(0).total_memory)

    def used(self) -> int:
        """What our tensors take."""
        return int(self._cuda.memory_allocated())

    def peak(self) -> int:
        """The most they took since `restart`."""
        return int(self._cuda.max_memory_allocated())

    def restart(self) -> None:
        """Begin a new peak."""
        self._cuda.reset_peak_memory_stats()

    def release(self) -> None:
        """Collect cycles, then hand the allocator's empty blocks back to the driver."""
        gc.collect()
        self._cuda.empty_cache()


class HostMemory:
    """Of a machine without a GPU. Pages are the system's affair there: nothing is counted, nothing is evicted."""

    def total(self) -> int:
        """More than anything needs."""
        return 2**62

    def used(self) -> int:
        """Nothing that would matter."""
        return 0

    def peak(self) -> int:
        """Nothing that would matter."""
        return 0

    def restart(self) -> None:
        """Nothing to do."""

    def release(self) -> None:
        """Collect cycles: a pipeline refers to itself."""
        gc.collect()


@cache
def has_torch() -> bool:
    """Whether this worker was installed with its GPU engines."""
    return importlib.util.find_spec("torch") is not None and importlib.util.find_spec("diffusers") is not None


def choose(choice: DeviceChoice) -> str:
    """`cuda` or `cpu`. Raises EngineUnavailable, saying what is missing."""
    if not has_torch():
        raise EngineUnavailable("This worker was installed without torch and diffusers.")
    if choice == "cpu":
        return "cpu"
    import torch

    if not torch.cuda.is_available():
        raise EngineUnavailable("This worker has no GPU that torch can use.")
    return "cuda"


def memory_of(device: str) -> Memory:
    """The memory meter of a device."""
    return CudaMemory() if device == "cuda" else HostMemory()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device ran out of memory; drivers and libraries say it in their own ways."""
    return type(error).__name__ == "OutOfMemoryError" or (
        isinstance(error, RuntimeError) and "out of memory" in str(error).lower()
    )


def name_of(device: str) -> str:
    """The GPU's own name, or `cpu`."""
    if device != "cuda":
        return device
    import torch

    return str(torch.cuda.get_device_name(0))
