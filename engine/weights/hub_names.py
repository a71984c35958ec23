"""Repositories on the hub whose weights are used here."""

TRELLIS2 = "microsoft/TRELLIS.2-4B"
TRELLIS = "microsoft/TRELLIS-image-large"
DINOV3 = "facebook/dinov3-vitl16-pretrain-lvd1689m"
REMBG = "danielgatis/rembg"

GATED = frozenset({DINOV3})
KNOWN_MIRRORS = {DINOV3: "camenduru/dinov3-vitl16-pretrain-lvd1689m"}
"""Copies that need no login; the licence is the original's."""
