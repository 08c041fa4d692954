"""Runs a real RabbitMQ node as a process with its own name, ports and folders; it touches no other broker."""

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import amqp
import kombu

from tests.support.authority import Authority
from tests.support.http import HttpError, request_json
from tests.support.ports import LOOPBACK, accepts_connections, free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until

START_WITHIN = timedelta(seconds=60)
VHOST_WITHIN = timedelta(seconds=90)
# Debian's program on the PATH changes user and folder and needs root; the one it wraps is RabbitMQ's own.
_PROGRAMS = (Path("/usr/lib/rabbitmq/bin/rabbitmq-server"), Path("/opt/rabbitmq/sbin/rabbitmq-server"))


class Depth(NamedTuple):
    """What a passive declare says of a queue: messages ready for delivery, and its consumers."""

    ready: int
    consumers: int


class Totals(NamedTuple):
    """What the management API says of a queue: messages ready, and delivered but not acknowledged."""

    ready: int
    unacked: int


def server_program() -> Path:
    """The program that runs a RabbitMQ node in the foreground.

    Raises:
        RuntimeError: RabbitMQ is not installed.
    """
    for program in _PROGRAMS:
        if program.exists():
            return program
    found = shutil.which("rabbitmq-server")
    if found is None:
        raise RuntimeError("rabbitmq-server is not installed: install the package rabbitmq-server")
    return Path(found)


@dataclass
class RabbitMQ:
    """A broker node with management and Prometheus plugins, on free ports of the loopback address.

    One administrator is made at the start, with a password of its own. Data survive `stop`, `kill` and `restart`.
    With TLS on ports of its own: a client certificate is a login for AMQP, and must be shown to the management API.
    With `joins` it becomes, at its first start, a member of the cluster of a node that runs, with the same users.
    With `root` it is the RabbitMQ of another system's folder instead of this one's. `settings` are more lines of its
    configuration, `plugins` more plugins, `prefix` the path under which it has the management API, such as "/rabbit".
    """

    directory: Path
    user: str = "tests"
    password: str = field(default_factory=lambda: secrets.token_hex(8))
    joins: "RabbitMQ | None" = None
    root: Path | None = None
    settings: Sequence[str] = ()
    plugins: Sequence[str] = ()
    prefix: str = ""
    server: Process = field(init=False)
    epmd: Process = field(init=False)

    def __post_init__(self) -> None:
        self.directory = self.directory.resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.amqp_port, self.management_port, self.prometheus_port = free_port(), free_port(), free_port()
        self.amqps_port, self.management_tls_port, self.prometheus_tls_port = free_port(), free_port(), free_port()
        self.authority = Authority()
        self._epmd_port, self._distribution_port = free_port(), free_port()
        self._clustered = self.joins is not None
        if self.joins is not None:
            self._share(self.joins)
        self._write_configuration()
        if self.joins is None:
            self.epmd = Process(
                "epmd",
                ["epmd", "-port", str(self._epmd_port), "-address", LOOPBACK],
                log=self.directory / "epmd.log",
            )
        self.server = Process("rabbitmq", self._command(), log=self.directory / "rabbitmq.log", env=self._environment())

    @property
    def node(self) -> str:
        """The name of the Erlang node."""
        return f"tests-{self.amqp_port}@localhost"

    @property
    def management_url(self) -> str:
        """The management API with user and password, with no path but its prefix."""
        return f"http://{self.user}:{self.password}@{LOOPBACK}:{self.management_port}{self.prefix}"

    @property
    def prometheus_url(self) -> str:
        """The Prometheus endpoint, without a path; it asks for no password."""
        return f"http://{LOOPBACK}:{self.prometheus_port}"

    def amqp_url(self, vhost: str = "/") -> str:
        """The AMQP address of a vhost with user and password."""
        return f"amqp://{self.user}:{self.password}@{LOOPBACK}:{self.amqp_port}/{quote(vhost, safe='')}"

    def start(self) -> Self:
        """Starts the node (again) and returns when AMQP, management and Prometheus answer.

        Raises:
            ProcessEndedError: the node ended.
            NotInTimeError: it does not answer; the message ends with its log.
        """
        if not self.epmd.running:
            self.epmd.start()
            self.epmd.wait_ready(lambda: accepts_connections(self._epmd_port), within=START_WITHIN)
        self.server.start()
        self.server.wait_ready(self.answers, within=START_WITHIN)
        return self

    def answers(self) -> bool:
        """Whether the node accepts AMQP connections and serves management and Prometheus."""
        if not all(map(accepts_connections, (self.amqp_port, self.prometheus_port, self.management_port))):
            return False
        try:
            self.api("GET", "/api/vhosts/%2F")
            self.api("GET", "/api/overview")  # of RabbitMQ 4.3 it fails for a moment longer
        except HttpError:
            return False
        return True

    def stop(self) -> None:
        """Ends the node in good order; its data stay."""
        self.server.stop(within=timedelta(seconds=30))
        if not self._clustered:
            self.epmd.stop()

    def kill(self) -> None:
        """Ends the node as a crash does (SIGKILL); its data stay."""
        self.server.kill()
        if not self._clustered:
            # It still knows the dead node's name and would refuse it to the next one for a while.
            self.epmd.kill()

    def restart(self) -> None:
        """Ends the node in good order and starts it on the same ports with the same data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freezes the node: connections stay open, no answer comes."""
        self.server.pause()

    def resume(self) -> None:
        """Lets a frozen node go on."""
        self.server.resume()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, *_: object) -> None:
        # A stop in good order takes six seconds and saves data that is not read any more.
        self.kill()
        if self.joins is None:
            self.epmd.kill()

    @contextlib.contextmanager
    def out_of_memory(self) -> Iterator[None]:
        """The memory alarm for the time of the block: the node reads nothing more from who publishes."""
        self.control("set_vm_memory_high_watermark", "absolute", "1")
        try:
            yield
        finally:
            self.control("set_vm_memory_high_watermark", "0.4")

    @contextlib.contextmanager
    def without_plugin(self, name: str) -> Iterator[None]:
        """A plugin switched off for the time of the block, its listener gone; the others go on."""
        self._tool("rabbitmq-plugins", "disable", name)
        try:
            yield
        finally:
            self._tool("rabbitmq-plugins", "enable", name)

    def control(self, *words: str) -> str:
        """Runs `rabbitmqctl` on the node and returns what it prints; each run takes a second or two."""
        return self._tool("rabbitmqctl", "--quiet", *words)

    def _tool(self, program: str, *words: str) -> str:
        command = [str(server_program().with_name(program)), *words]
        environment = {**os.environ, **self._environment()}
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout

    def api(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Sends one request to the management API and returns its JSON answer (None when it is empty).

        Raises:
            HttpError: the broker refused it.
            OSError: no answer comes.
        """
        url = f"http://{LOOPBACK}:{self.management_port}{self.prefix}{path}"
        return request_json(method, url, body, login=(self.user, self.password))

    def make_vhost(self, name: str | None = None) -> str:
        """Makes a vhost (with a name of its own when none is given) that the administrator may use."""
        vhost = name or f"test-{secrets.token_hex(4)}"
        # A young cluster may say 500, "timed out while waiting for the vhost to initialise": such a one stays down.
        wait_until(lambda: self._has_made(vhost), within=VHOST_WITHIN)
        self.grant(self.user, vhost)
        return vhost

    def _has_made(self, vhost: str) -> bool:
        """Asks for a vhost; whether it is up. One that isn't is taken away."""
        try:
            self.api("PUT", f"/api/vhosts/{quote(vhost, safe='')}")
        except HttpError as error:
            if error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            self.delete_vhost(vhost)
            return False
        return True

    def delete_vhost(self, vhost: str) -> None:
        """Deletes a vhost with all that is in it; its connections are closed."""
        self.api("DELETE", f"/api/vhosts/{quote(vhost, safe='')}")

    @contextlib.contextmanager
    def vhost(self) -> Iterator[str]:
        """A vhost for the time of the block."""
        name = self.make_vhost()
        try:
            yield name
        finally:
            self.delete_vhost(name)

    def make_user(self, name: str, password: str, *, tags: str = "") -> None:
        """Makes a user without any permission; `tags` as RabbitMQ has them, such as "monitoring"."""
        self.api("PUT", f"/api/users/{quote(name, safe='')}", {"password": password, "tags": tags})

    def grant(self, user: str, vhost: str, *, configure: str = ".*", write: str = ".*", read: str = ".*") -> None:
        """Gives a user permissions in a vhost (regular expressions over names of queues and exchanges)."""
        path = f"/api/permissions/{quote(vhost, safe='')}/{quote(user, safe='')}"
        self.api("PUT", path, {"configure": configure, "write": write, "read": read})

    def set_policy(self, vhost: str, pattern: str, definition: Mapping[str, object]) -> None:
        """Gives the queues whose names match a policy of that name, such as {"delivery-limit": 2}."""
        path = f"/api/policies/{quote(vhost, safe='')}/{quote(pattern, safe='')}"
        self.api("PUT", path, {"pattern": pattern, "definition": dict(definition), "apply-to": "queues"})

    def declare(self, vhost: str, *queues: str, arguments: Mapping[str, object] | None = None) -> None:
        """Declares durable queues; `arguments` such as {"x-queue-type": "quorum"}."""
        with self.channel(vhost) as channel:
            for queue in queues:
                channel.queue_declare(queue, durable=True, auto_delete=False, arguments=dict(arguments or {}))

    def publish(self, vhost: str, queue: str, bodies: Iterable[str] = ("{}",)) -> None:
        """Puts persistent messages straight into a queue and returns when the broker has confirmed them all."""
        with self.connection(vhost, confirm_publish=True) as connection, connection.channel() as channel:
            for body in bodies:
                channel.basic_publish(amqp.Message(body, delivery_mode=2), exchange="", routing_key=queue)

    def depth(self, vhost: str, queue: str) -> Depth:
        """Asks the queue itself (a passive declare).

        Raises:
            amqp.exceptions.NotFound: there is no such queue.
        """
        with self.channel(vhost) as channel:
            answer = channel.queue_declare(queue, passive=True)
        return Depth(answer.message_count, answer.consumer_count)

    def totals(self, vhost: str) -> dict[str, Totals]:
        """Ready and unacknowledged messages by queue, as the management API has them now.

        A queue that was just declared, or is down, comes without totals and is left out.
        """
        path = f"/api/queues/{quote(vhost, safe='')}?disable_stats=true&enable_queue_totals=true"
        return {
            row["name"]: Totals(row["messages_ready"], row["messages_unacknowledged"])
            for row in self.api("GET", path)
            if "messages_ready" in row
        }

    def queues(self, vhost: str) -> set[str]:
        """The names of the queues of a vhost."""
        rows = self.api("GET", f"/api/queues/{quote(vhost, safe='')}?disable_stats=true&enable_queue_totals=true")
        return {row["name"] for row in rows}

    def purge(self, vhost: str, *queues: str) -> int:
        """Drops the ready messages of queues and returns how many there were."""
        with self.channel(vhost) as channel:
            return sum(channel.queue_purge(queue) for queue in queues)

    def take(self, vhost: str, queue: str) -> list[amqp.Message]:
        """Takes all ready messages off a queue, the first first."""
        with self.channel(vhost) as channel:
            return list(iter(lambda: channel.basic_get(queue, no_ack=True), None))

    def close_connections(self, vhost: str) -> int:
        """Closes the connections of a vhost that the management API knows of, and returns how many it closed.

        A new connection is known after a moment only: wait until this is not 0.
        """
        names = [row["name"] for row in self.api("GET", f"/api/vhosts/{quote(vhost, safe='')}/connections")]
        return sum(map(self._close_connection, names))

    def _close_connection(self, name: str) -> bool:
        """Closes a connection; False where it has gone meanwhile."""
        try:
            self.api("DELETE", f"/api/connections/{quote(name)}")
        except HttpError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    def connection(self, vhost: str = "/", *, confirm_publish: bool = False) -> kombu.Connection:
        """A kombu connection (not opened yet) that the caller closes."""
        return kombu.Connection(
            self.amqp_url(vhost), connect_timeout=30, transport_options={"confirm_publish": confirm_publish}
        )

    @contextlib.contextmanager
    def channel(self, vhost: str = "/") -> Iterator[Any]:
        """A py-amqp channel for the time of the block."""
        with self.connection(vhost) as connection, connection.channel() as channel:
            yield channel

    def _command(self) -> list[str | Path]:
        if self.root is None:
            return [server_program()]
        # Mounts of its own, so that nothing of them outlives it; each step becomes the next, so that signals reach it.
        script = """
            mkdir -p "$1$2"
            touch "$1/etc/hosts"
            mount --bind /etc/hosts "$1/etc/hosts"
            mount --bind "$2" "$1$2"
            mount --rbind /proc "$1/proc"
            mount --rbind /dev "$1/dev"
            exec chroot "$1" "$3"
        """
        return ["unshare", "--mount", "sh", "-euc", script, "sh", self.root, self.directory, _PROGRAMS[0]]

    def _write_configuration(self) -> None:
        listen = f"""
            listeners.tcp.default = {LOOPBACK}:{self.amqp_port}
            management.tcp.ip = {LOOPBACK}
            management.tcp.port = {self.management_port}
            prometheus.tcp.ip = {LOOPBACK}
            prometheus.tcp.port = {self.prometheus_port}
            default_user = {self.user}
            default_pass = {self.password}
            disk_free_limit.absolute = 50MB
            log.console = true
            log.file = false
        """
        if self.prefix:
            listen += f"management.path_prefix = {self.prefix}\n"
        if self.joins is not None:
            listen += f"""
                cluster_formation.peer_discovery_backend = classic_config
                cluster_formation.classic_config.nodes.1 = {self.joins.node}
                cluster_formation.classic_config.nodes.2 = {self.node}
            """
        whole = "\n".join([listen, *self._tls_configuration(), *self.settings])
        self._configuration.write_text("\n".join(line.strip() for line in whole.splitlines()))
        plugins = ("rabbitmq_management", "rabbitmq_prometheus", "rabbitmq_auth_mechanism_ssl", *self.plugins)
        self._plugins.write_text(f"[{','.join(plugins)}].\n")

    def _tls_configuration(self) -> Iterator[str]:
        pair = self.authority.issue("broker", LOOPBACK, "localhost")
        texts = {"cacertfile": self.authority.certificate, "certfile": pair.certificate, "keyfile": pair.key}
        for place in ("ssl_options", "management.ssl", "prometheus.ssl"):
            for name, text in texts.items():
                (self.directory / name).write_text(text)
                yield f"{place}.{name} = {self.directory / name}"
        yield f"""
            listeners.ssl.default = {LOOPBACK}:{self.amqps_port}
            ssl_options.verify = verify_peer
            ssl_options.fail_if_no_peer_cert = false
            auth_mechanisms.1 = PLAIN
            auth_mechanisms.2 = AMQPLAIN
            auth_mechanisms.3 = EXTERNAL
            ssl_cert_login_from = common_name
            management.ssl.ip = {LOOPBACK}
            management.ssl.port = {self.management_tls_port}
            management.ssl.verify = verify_peer
            management.ssl.fail_if_no_peer_cert = true
            prometheus.ssl.ip = {LOOPBACK}
            prometheus.ssl.port = {self.prometheus_tls_port}
        """

    def _share(self, first: "RabbitMQ") -> None:
        """Have what the members of a cluster have in common: users, the port mapper and the cookie."""
        first._clustered = True
        self.user, self.password, self.epmd, self._epmd_port = first.user, first.password, first.epmd, first._epmd_port
        cookie = self.directory / ".erlang.cookie"
        cookie.write_bytes((first.directory / cookie.name).read_bytes())
        cookie.chmod(0o400)

    @property
    def _configuration(self) -> Path:
        return self.directory / "rabbitmq.conf"

    @property
    def _plugins(self) -> Path:
        return self.directory / "enabled_plugins"

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.directory),  # the Erlang cookie lives there
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/usr/bin",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_CONFIG_FILE": str(self._configuration),
            "RABBITMQ_CONF_ENV_FILE": str(self.directory / "none.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._plugins),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.directory / "log"),
            # Idle schedulers must not spin: the tests share few cores with the broker.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
            "RUNNING_UNDER_SYSTEMD": "true",  # makes the start script become the node, so that signals reach it
        }
