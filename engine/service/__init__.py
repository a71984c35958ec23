"""The front process: sockets, job queue, durable store, supervision of the worker. No torch."""
