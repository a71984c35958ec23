"""A million mutated frames against the decoder: only errors, no growth.

python -m benchmarks.fuzz_wire [COUNT] [SEED]
"""

import random
import resource
import sys
import time
from collections import Counter
from typing import Any

from protocol.errors import EngineError
from protocol.messages import FROM_CLIENT, FROM_ENGINE
from protocol.wire import decode, request_id
from tests.protocol.examples import example_frames, mutated


def main(count: int, seed: int) -> None:
    chance = random.Random(seed)
    kinds: dict[str, type[Any]] = {**FROM_CLIENT, **FROM_ENGINE}
    examples = example_frames()
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    start, start_cpu = time.perf_counter(), time.process_time()
    for i in range(count):
        frames = mutated(chance.choice(examples), chance)
        before = time.process_time()
        try:
            decode(frames, kinds)
            outcomes["decoded"] += 1
        except EngineError as error:
            outcomes[error.code] += 1
            request_id(frames)
        except Exception:
            print(f"frame {i} of seed {seed}: {frames}")
            raise
        slowest = max(slowest, time.process_time() - before)
        if i + 1 in (count // 10, count):
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{i + 1} messages, peak memory {peak:.1f} MB")
    wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    print(f"{wall:.0f} s, {cpu:.0f} CPU s, slowest {slowest * 1000:.1f} ms")
    print(dict(outcomes.most_common()))


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(*(numbers + [1_000_000, 12][len(numbers) :]))
