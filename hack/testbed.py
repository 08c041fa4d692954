"""Brings the test bed up and takes it down, in the right order; each part's own module knows how."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from hack import (
    base,
    chart,
    cluster,
    engine,
    forwarding,
    images,
    node_image,
    packages,
    preflight,
    rabbitmq,
    tools,
    venv,
)
from hack.cluster import Cluster
from hack.console import exit_code, say, step
from hack.engine import Engine
from hack.failure import Failure
from hack.places import BUILD, replace_file

STATE = BUILD / "testbed.json"
BUILT_BY_GO = ("kind", "helm", "kubectl")


def up() -> dict[str, str]:
    """Have a cluster with RabbitMQ and the operator in it; returns what build/testbed.json holds.

    Raises:
        Failure: something is missing or does not come up; an engine and a cluster that this call began are gone then.
    """
    _check()
    with engine.exclusively():
        return _up_on_existing() if os.environ.get("CLUSTER") == "existing" else _up()


def prepare() -> None:
    """Make all that takes minutes, so that tests with a time limit find it made; nothing runs afterwards that did not.

    Raises:
        Failure: as `up`.
    """
    _check()
    tools.fast_tier()
    if os.environ.get("CLUSTER") != "existing":
        _with_engine(_prepare)


def _with_engine(use: Callable[[Engine], object]) -> None:
    """Call with an engine, which ends again if it was started for this; its images stay in its data folder."""
    with engine.exclusively():
        found = engine.running()
        try:
            use(found or engine.find_or_start())
        finally:
            if found is None:
                engine.stop()


def _check() -> None:
    """All that can be known to fail before anything is started."""
    if os.environ.get("CLUSTER", "existing") != "existing":
        raise Failure(f"CLUSTER={os.environ['CLUSTER']} means nothing here; leave it out, or say CLUSTER=existing")
    preflight.check_platform()
    needed: tuple[str, ...] = BUILT_BY_GO
    if os.environ.get("CLUSTER") != "existing":
        engine.check_startable()
        needed += node_image.PROGRAMS if engine.running() is None else ()
    for name in tools.missing(*needed):
        tools.check_go(tools.group_of(name))


def _up() -> dict[str, str]:
    found = engine.running()
    try:
        docker = found or engine.find_or_start()
        made = _prepare(docker)
        bed = cluster.ensure(docker)
    except BaseException:
        if found is None:
            engine.stop()
        raise
    secret = _install_rabbitmq(docker, bed)
    _load(docker, bed, made)
    ports = {name: cluster.host_port(docker, bed, port) for name, port in cluster.NODE_PORTS.items()}
    return _finish(docker, bed, made, secret, ports)


def _up_on_existing() -> dict[str, str]:
    bed = cluster.existing()
    docker = engine.running()
    if docker is None:
        raise Failure("images for CLUSTER=existing are built with Docker, and no engine answers; start it")
    _fetch_packages()
    made = images.ensure(docker)
    secret = _install_rabbitmq(docker, bed)
    _load(docker, bed, made)
    rabbitmq.wait(bed)
    ports = forwarding.start(bed, rabbitmq.NAMESPACE, "service/rabbitmq", rabbitmq.PORTS)
    return _finish(docker, bed, made, secret, ports)


def _prepare(docker: Engine) -> dict[str, str]:
    """Make images and programs; what waits for the network overlaps with what keeps the processor busy."""
    node_wanted = not cluster.has_node(docker)
    from_packages = node_wanted and not node_image.official(docker) and not docker.has_image(node_image.name())
    if from_packages:
        packages.ensure(packages.BASE)
    with ThreadPoolExecutor() as pool:
        jobs: list[Future[object]] = [
            pool.submit(_build, BUILT_BY_GO + (node_image.PROGRAMS if from_packages else ())),
            pool.submit(_fetch_packages),
        ]
        if from_packages:
            jobs += [pool.submit(base.ensure, which, docker) for which in (base.PODS, base.NODE)]
        for job in jobs:
            job.result()
        node = pool.submit(node_image.ensure, docker) if node_wanted else None
        made = images.ensure(docker)
        if node:
            node.result()
    return made


def _build(programs: Iterable[str]) -> None:
    """One after the other, since each build takes all the processors."""
    for name in programs:
        tools.program(name)


def _fetch_packages() -> None:
    venv.ensure()
    for product in images.PRODUCTS:
        images.wheels(product)


def _install_rabbitmq(docker: Engine, bed: Cluster) -> str:
    """Begin with RabbitMQ, which starts while the other images are loaded; returns its password."""
    server = rabbitmq.image(docker)
    cluster.load(docker, bed, [server])
    secret = rabbitmq.password(bed)
    rabbitmq.install(bed, server, secret)
    return secret


def _load(docker: Engine, bed: Cluster, made: dict[str, str]) -> None:
    everywhere = {made[images.WORKER.name]}  # the operator stays on the control plane
    cluster.load(docker, bed, list(made.values()), everywhere)
    for name, image in made.items():
        cluster.tag(docker, bed, image, f"{name}:dev", everywhere)


def _finish(docker: Engine, bed: Cluster, made: dict[str, str], secret: str, ports: dict[str, int]) -> dict[str, str]:
    """The state is written before the operator is waited for: one that does not come up wants looking at."""
    state = _write_state(bed, docker, secret, ports)
    chart.install(bed, made[images.OPERATOR.name])
    rabbitmq.wait(bed)
    return state


def _write_state(bed: Cluster, docker: Engine, secret: str, ports: dict[str, int]) -> dict[str, str]:
    login = f"{rabbitmq.USER}:{secret}"
    inside = f"rabbitmq.{rabbitmq.NAMESPACE}.svc"
    state = {
        "kubeconfig": str(bed.kubeconfig),
        "context": bed.context,
        "cluster": bed.name or bed.context,
        "amqp_url": f"amqp://{login}@127.0.0.1:{ports['amqp']}//",
        "management_url": f"http://{login}@127.0.0.1:{ports['management']}",
        "prometheus_url": f"http://127.0.0.1:{ports['prometheus']}",
        "cluster_amqp_url": f"amqp://{login}@{inside}:{rabbitmq.PORTS['amqp']}//",
        "cluster_management_url": f"http://{login}@{inside}:{rabbitmq.PORTS['management']}",
        "cluster_prometheus_url": f"http://{inside}:{rabbitmq.PORTS['prometheus']}",
        "docker_host": docker.host,
        "operator_image": images.OPERATOR.dev,
        "worker_image": images.WORKER.dev,
    }
    replace_file(STATE, json.dumps(state, indent=2) + "\n", mode=0o600)
    return state


def down() -> None:
    """Take away what `up` made and see that nothing of it is left; caches stay.

    Raises:
        Failure: something is left; names it.
    """
    with engine.exclusively():
        forwarding.stop()
        if os.environ.get("CLUSTER") == "existing":
            _clear_existing()
        else:
            _down()
        STATE.unlink(missing_ok=True)


def _clear_existing() -> None:
    bed = cluster.existing()
    with step(f"removing the operator and RabbitMQ from {bed.context}"):
        chart.uninstall(bed)
        bed.kubectl("delete", "namespace", rabbitmq.NAMESPACE, chart.NAMESPACE, "--ignore-not-found")


def _down() -> None:
    docker = engine.running() or engine.revive()
    if docker is not None:
        with step(f"removing the cluster {cluster.name()}"):
            cluster.delete(docker)
        if docker.docker("ps", "--quiet", "--filter", "network=kind"):
            say("the engine and kind's network stay, since other clusters use them")
            return
        docker.docker("network", "rm", "--force", "kind")
    if docker is None or docker.private:
        with step("stopping the private Docker engine"):
            left = engine.stop()
        if left:
            raise Failure("these are still there and were not before: " + "; ".join(left))


def show(state: dict[str, str]) -> None:
    """Say how the test bed is used."""
    say(f"up: KUBECONFIG={state['kubeconfig']}, addresses and passwords in {STATE}")


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(prog="hack.testbed", description=__doc__)
    commands = {"up": lambda: show(up()), "down": down, "images": _images, "prepare": prepare}
    parser.add_argument("command", choices=commands)
    commands[parser.parse_args().command]()


def _images() -> None:
    venv.ensure()
    _with_engine(lambda docker: print(*images.ensure(docker).values(), sep="\n"))


if __name__ == "__main__":
    sys.exit(exit_code(main))
