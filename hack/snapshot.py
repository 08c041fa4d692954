"""Notes a machine's engine processes, mounts, links and packet rules, and tells what came on top; changes none."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from hack.commands import run
from hack.failure import Failure

ENGINE_PROGRAMS = ("dockerd", "containerd", "containerd-shim", "docker-proxy", "runc")
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


@dataclass(frozen=True)
class Snapshot:
    """What was there at one moment; `rules` maps iptables and ip6tables to their saved lines."""

    processes: tuple[str, ...]
    mounts: tuple[str, ...]
    links: tuple[str, ...]
    rules: dict[str, tuple[str, ...]]
    forwarding: str

    def to_json(self) -> str:
        """A text that `from_json` reads."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Snapshot":
        """Read what `to_json` wrote."""
        data = json.loads(text)
        rules = {program: tuple(lines) for program, lines in data["rules"].items()}
        lists = {name: tuple(data[name]) for name in ("processes", "mounts", "links")}
        return cls(rules=rules, forwarding=data["forwarding"], **lists)


def take() -> Snapshot:
    """What is there now."""
    return Snapshot(
        processes=_processes(),
        mounts=tuple(sorted(line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())),
        links=tuple(sorted(path.name for path in Path("/sys/class/net").iterdir())),
        rules={program: saved_rules(program) for program in ("iptables", "ip6tables")},
        forwarding=FORWARDING.read_text().strip(),
    )


def _processes() -> tuple[str, ...]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended between the listing and the reading
        name = Path(command[0].decode(errors="replace")).name
        if name.startswith(ENGINE_PROGRAMS):
            found.append(f"{folder.name} {name}")
    return tuple(sorted(found))


def saved_rules(program: str) -> tuple[str, ...]:
    """The lines of `iptables-save` that carry a table, a chain or a rule; counters and remarks are left out."""
    try:
        text = run(f"{program}-save")
    except Failure:
        return ()
    return tuple(line.split(" [")[0] if line[:1] == ":" else line for line in text.splitlines() if line[:1] in "*:-")


def rules_by_table(lines: tuple[str, ...]) -> dict[str, list[str]]:
    """The chain and rule lines of each table."""
    tables: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        if line.startswith("*"):
            name = line[1:]
        else:
            tables.setdefault(name, []).append(line)
    return tables


def added_rules(before: tuple[str, ...], after: tuple[str, ...]) -> list[tuple[str, str]]:
    """(table, line) of each rule, chain of one's own, or changed policy that came on top.

    An empty built-in chain that accepts is no rule: a table appears by being looked at.
    """
    old = rules_by_table(before)
    return [
        (table, line)
        for table, lines in rules_by_table(after).items()
        for line in lines
        if line not in old.get(table, []) and not (line.startswith(":") and line.endswith(" ACCEPT"))
    ]


def left_over(before: Snapshot, after: Snapshot) -> list[str]:
    """One line for each thing that is there now and was not before."""
    lines = []
    for kind in ("processes", "mounts", "links"):
        old = getattr(before, kind)
        lines += [f"{kind}: {item}" for item in getattr(after, kind) if item not in old]
    for program, rules in after.rules.items():
        added = added_rules(before.rules.get(program, ()), rules)
        lines += [f"{program} -t {table}: {line}" for table, line in added]
    return lines
