"""What this machine is and whether Maquette works on it."""
