"""Triton kernels, imported only where Triton is; each has a twin in plain torch.

Offsets are 64 bits wide: a fine level of a large shape has more than 2^31 numbers. Numbers of rows
are never specialised on, so no shape is compiled anew; widths are.
"""
