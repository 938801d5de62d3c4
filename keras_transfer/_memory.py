"""How much memory this process may still take: of the machine, and of the container or job it runs in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

# Where Linux tells limits of control groups: mount point, file of the limit, file of what is used, and the row of
# memory.stat that counts cached files, which are given up when memory is short.
_V2 = ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")
_V1 = ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def available_memory(root: Path = Path("/")) -> int:
    """Returns the bytes that this process can still take before the machine or a control group is out of memory.

    Docker, Kubernetes and Slurm limit a process by control groups, of which psutil knows nothing. The smallest of all
    counts: what is free on the machine, and what is left in the group of the process and in each group above it.

    Args:
        root: the folder below which Linux has `proc` and `sys`.
    """
    return min([psutil.virtual_memory().available, *_left_in_groups(root)])


def _left_in_groups(root: Path) -> Iterator[int]:
    """Yields the bytes left in each control group that has a limit (cgroup v1 and v2; nothing on other systems)."""
    try:
        # each line is NUMBER:CONTROLLERS:PATH; version 2 has no controllers
        lines = [line.split(":", 2) for line in (root / "proc/self/cgroup").read_text().splitlines()]
    except OSError:
        return
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if controllers and "memory" not in controllers.split(","):
            continue
        mount, limit, used, cached = _V1 if controllers else _V2
        group = Path(path.strip("/"))
        for folder in (group, *group.parents):  # inside a container the path may be that of the host: the mount is last
            left = _left(root / mount / folder, limit, used, cached)
            if left is not None:
                yield left


def _left(folder: Path, limit: str, used: str, cached: str) -> int | None:
    """Returns the bytes left in one group, or None where it has no limit or cannot be read."""
    try:
        most, taken = int((folder / limit).read_text()), int((folder / used).read_text())
        rows = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such group, or "max": no limit
        return None
    return max(0, most - max(0, taken - int(rows.get(cached, 0))))
