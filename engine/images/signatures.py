"""Kinds of files by their first bytes, without decoding anything."""

HEAD = 4096
"""Bytes that are enough."""

_STARTS = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",  # JPEG
    b"II*\0", b"MM\0*", b"II+\0", b"MM\0+",  # TIFF
    b"BM",
    b"GIF8",
    b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51",  # JPEG 2000
    b"\0\0\1\0", b"\0\0\2\0",  # ICO
)  # fmt: skip


def may_be_picture(head: bytes) -> bool:
    """Whether a file that begins so may be in one of the formats that are read."""
    if head.startswith(_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return True
    if head[4:8] == b"ftyp":
        return b"avif" in head[8:64] or b"avis" in head[8:64]
    if head[:1] == b"P" and head[1:2] in (b"1", b"2", b"3", b"4", b"5", b"6", b"f"):
        return head[2:3].isspace()  # PPM and its kin
    return _may_be_tga(head)


def _may_be_tga(head: bytes) -> bool:
    """TGA has no signature, only a header with few possible values."""
    return (
        len(head) > 18
        and head[1] in (0, 1)
        and head[2] in (1, 2, 3, 9, 10, 11)
        and head[16] in (1, 8, 15, 16, 24, 32)
        and any(head[12:14])
        and any(head[14:16])
    )


def what_it_is(head: bytes) -> str:
    """What a file is that is not read, as far as its first bytes tell: "is ..., which ..."."""
    kinds = [
        (head[4:8] == b"ftyp" and head[8:11] in (b"hei", b"hev", b"mif"), "is a HEIC picture"),
        (head.startswith(b"8BPS"), "is a Photoshop document"),
        (head.startswith(b"gimp xcf"), "is a GIMP document"),
        (head.startswith(b"v/1\x01"), "is an OpenEXR picture"),
        (head.startswith(b"#?RADIANCE"), "is a Radiance HDR picture"),
        (head.startswith(b"DDS "), "is a DDS texture"),
        (head[1:5] == b"KTX ", "is a KTX texture"),
        (head.startswith((b"%PDF", b"%!PS")), "is a document to print"),
        (b"<svg" in head[:HEAD], "is an SVG drawing"),
        (head[:1] in b"<{" or head[:9].lower() == b"<!doctype", "is a text file or a web page"),
    ]
    return next((f"{what}, which cannot be read" for fits, what in kinds if fits), "") or (
        "is not in a known format"
    )
