"""How fast this machine generates, measured with networks of random weights."""
