"""What the front process and a worker say to each other, over the worker's stdin and stdout.

A worker is a program that is started without arguments of its own and does this::

    with worker_end() as end:                 # takes stdin and stdout away from everything else
        setup = end.next()                    # always a Setup
        end.send(Ready(device="cuda:0"))      # within START_SECONDS of its start
        while (command := end.next()) is not None:
            ...                               # Run, Warm

- **Frames**: four bytes, big-endian, of length; then msgpack of ``protocol.plain.to_dict`` with
  the name of the message: ``{"run": {"job": "...", ...}}``. At most ``LARGEST_FRAME`` bytes. Data
  do not travel here: parts are files.
- **Run**: the worker answers with Started, then any of Progress, Note, PartFile and Memory, and in
  the end exactly one of Done, Failed and Cancelled; all name the job. Only one job runs at a time,
  and no command but Cancel comes while it does. What the worker sends after the end of a job is not
  looked at.
- **Two halves**: a Run whose ``half`` is "first" is answered by Saved once the asset is, and the
  worker waits for HandOver, which comes at once. Accepted, that was its part, and there is no end;
  another worker gets the same Run as the "second" half. That one, a finisher, was told by Setup
  that it has no networks. Where it cannot read what was saved, it removes that and fails with
  ``NEEDS_NETWORKS``.
- **Cancel** never waits in the queue: ``end.cancelled`` holds the job's id from the moment it
  arrives, and ``on_cancel`` is called on the reading thread, where it should set the job's
  ``CancelToken``. A worker that has not ended the job after two seconds is killed.
- **Parts**: ``write_part`` writes a part (packed by ``protocol.parts``) into ``Run.folder``, whole
  or not at all, and gives the PartFile to send. Within an attempt a name is used once.
- **Resuming**: ``Run.folder`` is the job's own and outlives crashes. What a finished stage made
  should be kept there, written atomically; a job that runs again (``Run.attempt`` above 1) gets
  the same folder and begins at what it finds. Stages that were found rather than done are in no
  ``Done.seconds``, so that estimates stay right.
- **Warm**: load and compile, at low priority, what the next job is likely to need; then Warmed. It
  must look at ``end.waiting()`` often and return when a command is there.
- **The end**: stdin closes when the front process ends, however it ended, and also when the worker
  is no longer wanted. ``next`` then gives None, ``on_cancel`` is called for a job that runs, and
  the process is gone ``GRACE_SECONDS`` later whatever it does. VRAM is given back in this way only.
- **Crashes**: a worker may simply die; the front process tells its exit status in a sentence. What
  it wrote to stderr goes to the log. A worker that is of no use any more, after a CUDA fault say,
  sends the end of its job and then exits with status 0, which is no crash.

``messages.py`` has the dataclasses, ``frames.py`` the framing, ``worker_end.py`` the worker's side,
and ``engine/service/fake.py`` is a whole worker in a few lines. Nothing here imports torch.
"""
