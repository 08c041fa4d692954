"""What the adversary rests on of the metrics API: which figures of a pod are read, and which lies are left out."""

from typing import Any, Protocol

import pytest

from utilitarian_operator.core.observation.model.usage import PodUsage

CPU, MEMORY = "12345678n", "123456Ki"
LIES: tuple[Any, ...] = ("-5", "1e400", "NaN", "18446744073709551616Ki", "9999999999999Ti", "", None, 7, {"a": 1})
"""What no container uses, as an API that lies says it; an API server hands all of it on."""


class Scene(Protocol):
    """A cluster with one pod, that has a container `worker`."""

    def uses(self, cpu: Any, memory: Any) -> None:
        """Have the metrics API say this of the container."""

    async def read(self) -> PodUsage | None:
        """What the operator's client reads of it."""


class MetricsContract:
    """Each test has a `scene` of its own."""

    async def test_nanocores_and_kibibytes_are_read(self, scene: Scene) -> None:
        scene.uses(CPU, MEMORY)
        read = await scene.read()
        assert read is not None
        assert read.cpu == pytest.approx(0.012345678)
        assert read.memory == 123456 * 1024

    async def test_a_container_that_uses_nothing_is_read(self, scene: Scene) -> None:
        scene.uses("0", "0")
        read = await scene.read()
        assert read is not None
        assert (read.cpu, read.memory) == (0, 0)

    @pytest.mark.parametrize("lie", LIES, ids=repr)
    async def test_a_lie_about_either_is_no_figure(self, scene: Scene, lie: Any) -> None:
        for said in ((lie, MEMORY), (CPU, lie)):
            scene.uses(*said)
            assert await scene.read() is None
