# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
"""What training computes in: bfloat16 where the device does, float32 elsewhere."""

from typing import Any

import torch


def autocast(device: str) -> Any:
    """A context in which matrices are multiplied in bfloat16, where that is faster.

    A CPU without AVX-512 emulates it: the convolutions of the encoder then take ten times as long
    as in float32.
    """
    fast = device != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.autocast(device, dtype=torch.bfloat16, enabled=fast)
