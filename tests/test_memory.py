"""Memory: the limit of a container counts as well as that of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

import keras_transfer as kt
from keras_transfer import _memory
from keras_transfer._memory import available_memory

GIB = 2**30


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine with 64 GiB free."""
    monkeypatch.setattr(_memory.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 64 * GIB}))


def group(folder: Path, names: tuple[str, str], limit: object, used: int, **stat: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text("".join(f"{name} {value}\n" for name, value in stat.items()))


def belongs(root: Path, *lines: str) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("".join(f"{line}\n" for line in lines))


V1, V2 = ("memory.limit_in_bytes", "memory.usage_in_bytes"), ("memory.max", "memory.current")


def test_a_container_of_version_2_has_its_limit_less_what_is_used(tmp_path):
    belongs(tmp_path, "0::/")
    group(tmp_path / "sys/fs/cgroup", V2, 8 * GIB, 3 * GIB, anon=2 * GIB, inactive_file=1 * GIB)
    assert available_memory(tmp_path) == 6 * GIB, "cached files are given up when memory is short"


def test_the_tightest_of_all_groups_above_counts(tmp_path):
    belongs(tmp_path, "0::/kubepods/pod7/box")
    top = tmp_path / "sys/fs/cgroup/kubepods"
    group(top / "pod7/box", V2, "max", GIB)
    group(top / "pod7", V2, 4 * GIB, GIB)
    group(top, V2, 32 * GIB, 30 * GIB)
    assert available_memory(tmp_path) == 2 * GIB


def test_a_container_of_version_1_has_its_limit_though_its_path_is_that_of_the_host(tmp_path):
    belongs(tmp_path, "12:cpu,cpuacct:/docker/abc", "5:memory:/docker/abc", "1:name=systemd:/docker/abc")
    group(tmp_path / "sys/fs/cgroup/memory", V1, 4 * GIB, 3 * GIB, cache=GIB, total_inactive_file=GIB // 2)
    assert available_memory(tmp_path) == 3 * GIB // 2


def test_a_job_of_version_1_has_the_limit_of_its_own_group(tmp_path):
    belongs(tmp_path, "5:memory:/slurm/job_9")
    group(tmp_path / "sys/fs/cgroup/memory", V1, 2**63 - 4096, 50 * GIB)
    group(tmp_path / "sys/fs/cgroup/memory/slurm/job_9", V1, 2 * GIB, GIB)
    assert available_memory(tmp_path) == GIB


def test_a_group_that_is_over_its_limit_has_nothing_left(tmp_path):
    belongs(tmp_path, "0::/")
    group(tmp_path / "sys/fs/cgroup", V2, GIB, 2 * GIB)
    assert available_memory(tmp_path) == 0


@pytest.mark.parametrize("lines", [None, (), ("0::/",), ("garbage",)])
def test_without_a_limit_the_machine_counts(tmp_path, lines):
    if lines is not None:
        belongs(tmp_path, *lines)
    group(tmp_path / "sys/fs/cgroup", V2, "max", GIB)
    assert available_memory(tmp_path) == 64 * GIB


def test_the_budget_of_the_cache_is_a_share_of_what_the_container_has(monkeypatch):
    monkeypatch.setattr(_memory, "_left_in_groups", lambda root: [8 * GIB])
    assert kt.Cache().memory_budget() == 2 * GIB and kt.Cache("memory").memory_budget() == 8 * GIB
