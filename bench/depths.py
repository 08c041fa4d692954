"""How long one read of all depths takes against a real RabbitMQ, and what it costs this process; changes no queue."""

import json
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from tests.support.rabbitmq import RabbitMQ
from utilitarian_operator.adapters.broker.depths import DepthReader

SIZES = (14, 100, 1000)
READS = 30


def measured(reader: DepthReader, queues: list[str]) -> dict[str, object]:
    """Medians over several reads, in milliseconds: what a tick waits for, and the CPU time of the reading thread."""
    reader.read(queues)
    ticks, costs = [], []
    for _ in range(READS):
        cpu, started = time.thread_time(), time.monotonic()
        reader.read(queues)
        ticks.append(time.monotonic() - started)
        costs.append(time.thread_time() - cpu)
    return {
        "bench": "depths",
        "queues": len(queues),
        "tick_ms": round(statistics.median(ticks) * 1000, 2),
        "cpu_ms": round(statistics.median(costs) * 1000, 2),
    }


def main() -> None:
    """Print one JSON object for each number of queues."""
    with tempfile.TemporaryDirectory() as folder, RabbitMQ(Path(folder)) as broker:
        for size in SIZES:
            queues = [f"utilitarian.tasks.bench-{number:04}" for number in range(size)]
            broker.declare("/", *queues)
            with closing(DepthReader(broker.amqp_url())) as reader:
                print(json.dumps(measured(reader, queues)), flush=True)


if __name__ == "__main__":
    main()
