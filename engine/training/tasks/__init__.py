"""What is trained: a task for each network, its losses, its first weights."""
