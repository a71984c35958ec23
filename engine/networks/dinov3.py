"""DINOv3 picture tokens, as TRELLIS.2 was trained on them.

The tokens are the last layer's hidden states before the model's own final norm, normalised
without weights. The order is class token, register tokens, patches row by row.
"""

import logging
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from engine.networks.quiet import without_bars
from engine.weights.hub_errors import explain_loading
from engine.weights.hub_names import DINOV3
from protocol.errors import EngineError

log = logging.getLogger(__name__)

PUBLISHED_ID = DINOV3
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class DinoV3(nn.Module):
    """A DINOv3 vision transformer; an ``ImageEncoder``.

    Use ``DinoV3.load``. Moves between devices like any module.
    """

    def __init__(self, backbone: Any) -> None:
        """Wrap a transformers ``DINOv3ViTModel`` and its weights.

        Its final norm is taken out, which leaves the hidden states before it. Asking for
        ``hidden_states[-1]`` instead would not do: up to transformers 4.5x that entry is the
        output after the norm, in 5.x it is the one before.
        """
        super().__init__()
        backbone.norm = nn.Identity()
        self.backbone = backbone
        self.patch_size = int(backbone.config.patch_size)
        # In training mode the model jitters the positions of its patches.
        self.eval()
        self.requires_grad_(False)

    @classmethod
    def load(
        cls,
        folder_or_id: str | Path = PUBLISHED_ID,
        *,
        dtype: torch.dtype = torch.float32,
        local_files_only: bool = False,
    ) -> Self:
        """Load weights laid out as the published ones (config.json, model.safetensors).

        Args:
            folder_or_id: a folder, or an id on the Hugging Face hub.
            dtype: of the weights and the computation; the reference uses float32.
            local_files_only: never use the network: take a hub id from the local cache.

        Raises:
            EngineError: ``image_encoder_gated``, ``image_encoder_offline``,
                ``image_encoder_missing`` or ``image_encoder_invalid``, each with its remedy.
        """
        # Importing transformers takes seconds, and only this function needs it.
        from transformers import DINOv3ViTConfig, DINOv3ViTModel

        name = str(folder_or_id)
        with explain_loading(name), without_bars():
            values, _ = DINOv3ViTConfig.get_config_dict(name, local_files_only=local_files_only)
            if values.get("model_type") != "dinov3_vit":
                raise _invalid(name, f"its config.json says {values.get('model_type')!r}")
            # With output_loading_info it gives a pair, which its annotation does not say.
            loaded: Any = DINOv3ViTModel.from_pretrained(
                name,
                config=DINOv3ViTConfig.from_dict(values),
                dtype=dtype,
                use_safetensors=True,
                local_files_only=local_files_only,
                output_loading_info=True,
            )
        backbone, report = loaded
        missing = sorted(report["missing_keys"])
        if missing:
            raise _invalid(name, f"{len(missing)} tensors are missing, the first is {missing[0]}")
        if report["unexpected_keys"]:
            log.info("%s: unused tensors: %s", name, sorted(report["unexpected_keys"]))
        return cls(backbone)

    @torch.no_grad()
    def tokens(self, image: Image.Image, size: int) -> Tensor:
        """``image_tokens`` (1, T, C), float32, on the device of the weights.

        Args:
            image: mode "RGB"; resized to a square of ``size`` pixels (Lanczos).
            size: a multiple of the patch size (16): 512 gives 1029 tokens, 1024 gives 4101 with
                the published model (1 class token, 4 registers, (size / 16)² patches).

        Raises:
            EngineError: ``image_size`` when ``size`` is not a multiple of the patch size.
        """
        patch = self.patch_size
        if size < patch or size % patch:
            raise EngineError(
                "image_size",
                f"Pictures cannot be encoded at {size} pixels.",
                f"Choose a multiple of {patch}, such as {32 * patch}.",
            )
        weight = next(self.parameters())
        pixels = normalised_pixels(image, size).to(weight.device, weight.dtype)
        return self(pixels)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) normalised pixels -> (B, T, C) float32 tokens."""
        hidden = self.backbone(pixel_values=pixels).last_hidden_state.float()
        return nn.functional.layer_norm(hidden, hidden.shape[-1:])


def normalised_pixels(image: Image.Image, size: int) -> Tensor:
    """An "RGB" picture as (1, 3, size, size) float32 with ImageNet's mean and deviation taken out.

    Pillow resizes, so torchvision is not needed.
    """
    resized = image.convert("RGB").resize((size, size), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.asarray(resized).astype(np.float32) / 255)
    pixels = (pixels - torch.tensor(_IMAGENET_MEAN)) / torch.tensor(_IMAGENET_STD)
    return pixels.permute(2, 0, 1).unsqueeze(0).contiguous()


def _invalid(name: str, why: str) -> EngineError:
    return EngineError(
        "image_encoder_invalid",
        f"The image encoder {name} is not a complete DINOv3 model: {why}.",
        f"Use a folder or hub id laid out like {PUBLISHED_ID}.",
    )
