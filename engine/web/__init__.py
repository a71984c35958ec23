"""A small HTTP face of the service, off by default: one more client, in a process of its own."""
