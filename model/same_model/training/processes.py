"""The processes of one run: alone, or started by torchrun on any number of devices."""

import gc
import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from same_engines.errors import InvalidInputError


@dataclass(frozen=True)
class Processes:
    """This process among its peers."""

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """``module``, averaging its gradients over the processes where there are several."""
        if self.count == 1:
            return module
        return DistributedDataParallel(module, find_unused_parameters=True)

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is true in any process; all of them must ask."""
        if self.count == 1:
            return flag
        flags = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        return bool(flags.item())

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.count > 1:
            dist.barrier()


def join_processes(device: str, threads: int | None) -> Processes:
    """Join the run that torchrun's environment describes; alone without one.

    ``device``: cpu, cuda or auto. Raises ``InvalidInputError`` for a device that is not there.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise InvalidInputError(f"device: expected auto, cpu or cuda, got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise InvalidInputError("device: PyTorch finds no CUDA device; use --device cpu")
    if threads is not None:
        torch.set_num_threads(threads)
    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    count, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    chosen = torch.device("cpu")
    if on_gpu:
        chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(chosen)
    if count > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if on_gpu else "gloo")
    return Processes(rank, count, chosen)


def have_joined() -> bool:
    """Whether this process is among peers already."""
    return dist.is_initialized()


def leave_processes() -> None:
    """Undo ``join_processes``."""
    if dist.is_initialized():
        # Wrapped modules are cycles that keep the group and its threads alive; one that still lets
        # go of tensors when the interpreter ends aborts the process.
        gc.collect()
        dist.destroy_process_group()
