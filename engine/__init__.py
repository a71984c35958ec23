"""The engine: everything between a picture and a finished 3D asset."""

__version__ = "0.1.0"
