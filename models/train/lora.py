# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedBaseClass=false, reportUnknownMemberType=false
"""Low-rank adaptation: what is learnt is two thin matrices beside each frozen one.

The optimiser then keeps state for a hundredth of the weights, which is what lets a large Whisper
be adapted on one GPU, and what was known before is harder to forget. Before the model is written
the product is added to the weight: it costs nothing afterwards.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from models.train.model import Attention


class LowRank(nn.Module):
    """weight -> weight + up @ down; up begins at zero, and with it the change."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.down = nn.Parameter(torch.empty(rank, inputs, device=weight.device))
        self.up = nn.Parameter(torch.zeros(outputs, rank, device=weight.device))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.up @ self.down


def freeze(model: nn.Module, rank: int) -> list[nn.Parameter]:
    """Freeze the model but for low-rank changes to the matrices of its attention.

    Returns:
        The parameters to train.

    Raises:
        ValueError: rank below 1.
    """
    if rank < 1:
        raise ValueError(f"rank is {rank}, not 1 or more")
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    found: list[nn.Parameter] = []
    for part in [part for part in model.modules() if isinstance(part, Attention)]:
        for linear in (part.q, part.k, part.v, part.out):
            change = LowRank(linear.weight, rank)
            parametrize.register_parametrization(linear, "weight", change)
            found += [change.down, change.up]
    return found


def merge(model: nn.Module) -> None:
    """Add the changes to the weights; the model is then as if it never had any."""
    for part in list(model.modules()):
        if parametrize.is_parametrized(part, "weight"):
            parametrize.remove_parametrizations(part, "weight")
