"""DAP: the data-dependent abnormality prior (arXiv:2410.10289, section 3.3; METHOD section 4).

Shapes: B images, L patches, M prior patches, D joint width, W text width.
"""

import torch
from torch import Tensor, nn

from faprompt.config import MethodConfig, PriorGather
from faprompt.errors import ConfigError


class AbnormalityPrior(nn.Module):
    """psi: the most abnormal patches of an image to one vector in the text tower's space."""

    def __init__(self, embed_dim: int, text_width: int, config: MethodConfig) -> None:
        super().__init__()
        width = config.num_prior_patches * embed_dim
        self.linear1 = nn.Linear(width, width // config.prior_reduction)
        self.linear2 = nn.Linear(width // config.prior_reduction, text_width)

    def forward(self, patches: Tensor) -> Tensor:
        """Normalised patch features (B, M, D) to Omega (B, W)."""
        omega: Tensor = self.linear2(self.linear1(patches.flatten(1)).relu())
        return omega


def most_abnormal_patches(abnormality: Tensor, num_patches: int) -> Tensor:
    """Indices (B, M) of the patches with the largest abnormality (B, L), highest first.

    Raises:
        ConfigError: the image has fewer than M patches.
    """
    if abnormality.shape[1] < num_patches:
        raise ConfigError(
            f"the prior needs {num_patches} patches, an image of this size has "
            f"{abnormality.shape[1]}: use a larger input or lower num_prior_patches"
        )
    return abnormality.topk(num_patches, dim=1).indices


def chosen_among(
    abnormality: Tensor, keep: Tensor, num_patches: int, gather: PriorGather
) -> Tensor:
    """Indices (B, M) of the patches that feed the prior, where only some patches count.

    As without: the most abnormal ones (``top``), or the first in raster order (``first``). If fewer
    than M count, they are taken again from the start until M are found, so that the prior sees
    nothing that does not count.

    Args:
        abnormality: (B, L), in [0, 1].
        keep: Which patches count, bool (B, L); at least one per image.
        num_patches: M.
        gather: See ``MethodConfig.prior_gather``.

    Example:
        >>> keep = torch.tensor([[True, False, True, False]])
        >>> chosen_among(torch.tensor([[0.2, 0.9, 0.4, 0.1]]), keep, 3, "top")
        tensor([[2, 0, 2]])
    """
    values = abnormality
    if gather == "first":
        length = abnormality.shape[1]
        values = torch.arange(length, 0, -1, device=abnormality.device).expand_as(abnormality)
    order = most_abnormal_patches(values.masked_fill(~keep, -1), num_patches)  # (B, M)
    count = keep.sum(dim=1, keepdim=True).clamp(1, num_patches)  # (B, 1)
    positions = torch.arange(num_patches, device=order.device) % count  # (B, M)
    return order.gather(1, positions)


def gather_patches(patches: Tensor, indices: Tensor, gather: PriorGather) -> Tensor:
    """Patches (B, M, D) that feed the prior.

    ``top`` takes those of ``indices`` (B, M). ``first`` repeats the fault of the released code,
    which gathers by loop counter: the first M in raster order, the left end of the top row.
    """
    if gather == "first":
        return patches[:, : indices.shape[1]]
    # Spelled out, because take_along_dim would fix the batch size of an exported graph.
    return patches.gather(1, indices.unsqueeze(2).expand(-1, -1, patches.shape[2]))
