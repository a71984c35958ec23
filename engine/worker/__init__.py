"""The process that holds the device: takes a job from the front process, does it, reports.

``python -m engine.worker`` is started by the front process and talks by ``engine.pipe``.
"""
