"""The weights on this disk and on the hub: catalogue, download, verification. Imports no torch."""
