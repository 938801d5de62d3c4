"""Memory and disk from 1,000 to 50,000 images with the cache on disk: each size in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import machine, photographs

SIZES = (1_000, 5_000, 20_000, 50_000)
SIDE = 32


def one(folder: Path, cache: Path) -> None:
    """Trains a head and then the last stage on a folder, and prints what that took."""
    import keras_transfer as kt

    start = time.perf_counter()
    data = kt.data.from_directory(folder, image_size=SIDE, batch_size=64)
    options = {"alpha": 0.25}
    model = kt.build_model("MobileNet", 2, weights=None, image_size=SIDE, backbone_options=options)
    phases = (kt.Phase(2, "head", 1e-3), kt.Phase(1, 1, 1e-4))
    kt.fine_tune(model, data, schedule=phases, cache=kt.Cache("disk", cache), verbose=0)
    size = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak_mb": peak, "disk_mb": size / 1e6, "seconds": time.perf_counter() - start}))


def main() -> None:
    """Makes the pictures once, and gives each size a part of them."""
    if len(sys.argv) == 3:
        one(Path(sys.argv[1]), Path(sys.argv[2]))
        return
    results = {}
    print("\nmemory and disk, cache on disk\n| images | peak resident | on disk | seconds |\n|---|---|---|---|")
    with photographs(max(SIZES), 64, size=SIDE + 8) as folder, tempfile.TemporaryDirectory() as work:
        files = sorted((folder / "train").glob("*/*.jpg"), key=lambda path: path.name)
        for count in SIZES:
            part = Path(work, str(count))
            for file in files[:count]:
                target = part / "photos" / "train" / file.parent.name / file.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.hardlink_to(file) if file.stat().st_dev == target.parent.stat().st_dev else target.symlink_to(
                    file
                )
            (part / "photos" / "val").symlink_to(folder / "val")
            command = [sys.executable, "-W", "ignore", __file__, str(part / "photos"), str(part / "cache")]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            results[count] = json.loads(done.stdout.splitlines()[-1])
            row = results[count]
            print(
                f"| {count:,} | {row['peak_mb']:,.0f} MB | {row['disk_mb']:,.1f} MB | {row['seconds']:.0f} |",
                flush=True,
            )
    ratio = results[50_000]["peak_mb"] / results[5_000]["peak_mb"]
    print(f"| 50,000 over 5,000 | {ratio:.3f} | | |")
    print(json.dumps({"claim": "memory and disk", "machine": machine(), "results": results}))


if __name__ == "__main__":
    main()
