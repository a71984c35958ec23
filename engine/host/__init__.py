"""What the machine offers: files written whole, threads, device facts; and the sRGB curve."""
