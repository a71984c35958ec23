"""A small CPU rasteriser: thumbnails, turntables and training pictures."""
