"""Cache keys, folders that appear complete or not at all, and locks; touches nothing but the test's own folder."""

from pathlib import Path

import pytest

from hack import base, cluster, places, tools
from hack.failure import Failure
from hack.places import HACK_FOLDER


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "utilitarian-operator"


def test_a_key_changes_with_content_and_name_and_not_with_the_place(tmp_path: Path) -> None:
    keys = []
    for folder, name, content in (("a", "f", "1"), ("b", "f", "1"), ("c", "g", "1"), ("d", "f", "2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(content)
        keys.append(places.key_of(tmp_path / folder))
    assert keys[0] == keys[1]
    assert len({keys[0], keys[2], keys[3]}) == 3


def test_two_parts_are_not_the_same_as_their_sum() -> None:
    assert places.key_of("ab", "c") != places.key_of("a", "bc")


def test_a_folder_is_made_once_and_supersedes_its_older_key(own_cache: Path) -> None:
    made: list[str] = []

    def make(folder: Path) -> None:
        made.append(folder.name)
        (folder / "program").write_text("x")

    old = places.published("tool", "old", make)
    new = places.published("tool", "new", make)
    assert places.published("tool", "new", make) == new == own_cache / "tool" / "new"
    assert len(made) == 2
    assert not old.exists()
    assert (new / "program").exists()


def test_what_was_interrupted_is_not_taken_for_complete() -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise Failure("no network")

    with pytest.raises(Failure):
        places.published("tool", "key", fail)
    done = places.published("tool", "key", lambda folder: (folder / "whole").touch())
    assert [path.name for path in done.iterdir()] == ["whole"]
    assert [path.name for path in done.parent.iterdir()] == ["key"]


def test_a_lock_that_is_held_says_by_whom(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with (
        places.locked(lock, "`make up`"),
        pytest.raises(Failure, match=r"already under way \(pid \d+\)"),
        places.locked(lock, "`make up`", wait=False),
    ):
        pytest.fail("two runs at once")


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    places.replace_file(tmp_path / "deep" / "secret", "one", mode=0o600)
    places.replace_file(tmp_path / "deep" / "secret", "two", mode=0o600)
    assert (tmp_path / "deep" / "secret").read_text() == "two"
    assert (tmp_path / "deep" / "secret").stat().st_mode & 0o777 == 0o600
    assert len(list((tmp_path / "deep").iterdir())) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n",
        "# a remark\ndeb http://mirror.example/debian bookworm main contrib\n",
        "deb [signed-by=/usr/share/keyrings/k.gpg] http://mirror.example/debian bookworm main\n",
    ],
    ids=["deb822", "one-line", "with options"],
)
def test_the_mirror_is_read_from_the_apt_sources(text: str) -> None:
    assert list(base.mirrors_in(text)) == ["http://mirror.example/debian"]


@pytest.mark.parametrize(
    "text",
    [
        "deb http://mirror.example/debian-security bookworm-security main\n",
        "Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main\n",
        "Types: deb\nURIs: http://other.example/node_20.x\nSuites: nodistro\nComponents: main\n",
        "# deb http://mirror.example/debian bookworm main\n",
    ],
    ids=["security", "security deb822", "another vendor", "switched off"],
)
def test_a_source_that_is_no_release_of_debian_is_not_the_mirror(text: str) -> None:
    assert list(base.mirrors_in(text)) == []


def test_the_pinned_version_is_that_of_the_module() -> None:
    assert tools.kubernetes_version().startswith("v1.34.")


@pytest.mark.parametrize(
    "wanted, module, version",
    [
        pytest.param(None, "kubernetes", "v1.34.", id="none asked for"),
        pytest.param("1.34", "kubernetes", "v1.34.", id="the pinned one"),
        pytest.param("1.35", "kubernetes-1.35", "v1.35.", id="another one that is built"),
        pytest.param("1.31", "kubernetes", "v1.34.", id="of kind's image alone"),
    ],
)
def test_the_api_server_of_a_version_has_its_own_module(wanted: str | None, module: str, version: str) -> None:
    assert tools.of_kubernetes(wanted) == module
    assert tools.kubernetes_version(module).startswith(version)


def test_two_versions_are_kept_side_by_side() -> None:
    assert tools.shelf("fast-tier", "kubernetes") == "fast-tier"
    assert tools.shelf("fast-tier", "kubernetes-1.35") == "fast-tier-1.35"
    assert tools.group_of("kube-apiserver").name == tools.shelf("control-plane", tools.KUBERNETES)
    assert tools.group_of("kubelet").name == tools.shelf("node", tools.KUBERNETES)


@pytest.mark.parametrize("version", tools.versions())
def test_each_version_builds_the_same_programs(version: str) -> None:
    named = (HACK_FOLDER / "tools" / tools.of_kubernetes(version) / "go.mod").read_text()
    for group in tools.GROUPS:
        if group.module == tools.KUBERNETES:
            assert [package for package in group.packages.values() if f"\t{package}\n" not in named] == []


@pytest.mark.parametrize("name", [*tools.FAST_TIER, "kubelet", "kube-proxy", "kubeadm", "kind", "helm", "coredns"])
def test_every_program_has_a_module_with_its_sums(name: str) -> None:
    folder = tools.group_of(name).folder
    assert (folder / "go.mod").exists()
    assert (folder / "go.sum").exists()


def test_without_go_the_sentence_says_what_needs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure, match=r"helm must be built here, which needs Go 1\.\d+ or newer, and there is no `go`"):
        tools.check_go(tools.group_of("helm"))


def test_only_our_own_node_image_needs_the_patch_and_no_port_of_the_host_is_fixed() -> None:
    ours = cluster.configuration("node:1", official=False)
    official = cluster.configuration("node:1", official=True)
    assert "kubeadmConfigPatches" in ours
    assert "kubeadmConfigPatches" not in official
    assert "'hostPort': 0, 'listenAddress': '127.0.0.1'" in str(official)


@pytest.mark.parametrize("workers,roles", [("0", 1), ("1", 2), ("2", 3)])
def test_workers_are_nodes_with_a_folder_in_common(monkeypatch: pytest.MonkeyPatch, workers: str, roles: int) -> None:
    monkeypatch.setenv("WORKERS", workers)
    found = cluster.ours()
    assert len(found.nodes) == len(set(found.nodes)) == roles
    made = cluster.configuration("node:1", official=True, workers=found.workers)["nodes"]
    assert isinstance(made, list)
    assert [it["role"] for it in made] == ["control-plane", *["worker"] * found.workers]
    assert ["extraMounts" in it for it in made] == [found.workers > 0] * roles
    # One that is silenced there is soon called lost; a cluster of one node is as kind makes it.
    patched = str(cluster.configuration("node:1", official=True, workers=found.workers))
    assert ("node-monitor-grace-period" in patched) is (found.workers > 0)


def test_a_number_of_workers_that_means_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "many")
    with pytest.raises(Failure, match="WORKERS=many means nothing here"):
        cluster.ours()


@pytest.mark.parametrize(
    "package, name",
    [
        pytest.param("k8s.io/kubernetes/cmd/kubelet", "kubelet", id="a command's folder"),
        pytest.param("sigs.k8s.io/kind", "kind", id="a module"),
        pytest.param("go.etcd.io/etcd/server/v3", "server", id="a module's major version"),
    ],
)
def test_what_go_calls_a_program(package: str, name: str) -> None:
    assert tools._built_name(package) == name
