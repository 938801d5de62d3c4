"""`predict_folder` over 5,000 and 50,000 pictures: memory, seconds; then it is killed at three points and goes on."""

from __future__ import annotations

import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import machine, photographs

SIZES = (5_000, 50_000)
SIDE = 32


def one(version: str, folder: str, table: str) -> None:
    """Predicts a folder and prints what that took."""
    import keras_transfer as kt

    start = time.perf_counter()
    kt.predict_folder(version, folder, table, verbose=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak_mb": peak, "seconds": time.perf_counter() - start}))


def make_version(path: Path) -> Path:
    """Exports a small network."""
    import keras_transfer as kt

    model = kt.build_model("MobileNet", 2, weights=None, image_size=SIDE, backbone_options={"alpha": 0.25})
    return kt.export(model, path, class_names=("a", "b"))


def killed(command: list[str], unfinished: Path, rows: int) -> int:
    """Starts a run, kills it as soon as the unfinished table has so many rows, and returns how many it has then."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and (not unfinished.exists() or unfinished.read_bytes().count(b"\n") < rows):
            time.sleep(0.02)
        process.kill()
    return unfinished.read_bytes().count(b"\n") if unfinished.exists() else -1


def main() -> None:
    """Makes the pictures once, gives the small run a part of them, and kills the large one on its way."""
    if len(sys.argv) == 4:
        one(*sys.argv[1:])
        return
    results = {}
    print("\npredictions of a folder\n| images | peak resident | seconds |\n|---|---|---|")
    with photographs(max(SIZES), 2, size=SIDE + 8) as folder, tempfile.TemporaryDirectory() as work:
        version = make_version(Path(work, "version"))
        files = sorted((folder / "train").glob("*/*.jpg"), key=lambda path: path.name)
        command = [sys.executable, "-W", "ignore", __file__, str(version)]
        for count in SIZES:
            part = Path(work, str(count))
            part.mkdir()
            for file in files[:count]:
                (part / file.name).symlink_to(file)
            table = part.with_suffix(".csv")
            done = subprocess.run([*command, str(part), str(table)], check=True, stdout=subprocess.PIPE, text=True)
            results[count] = json.loads(done.stdout.splitlines()[-1])
            print(f"| {count:,} | {results[count]['peak_mb']:,.0f} MB | {results[count]['seconds']:.0f} |", flush=True)
        small, large = (results[count]["peak_mb"] for count in SIZES)
        print(f"| {SIZES[1]:,} over {SIZES[0]:,} | {large / small:.3f} | |")
        again = Path(work, "again.csv")
        points = sorted(random.Random(0).sample(range(1_000, max(SIZES) - 1_000), 3))
        on_its_way = [*command, str(Path(work, str(max(SIZES)))), str(again)]
        stopped = [killed(on_its_way, again.with_name(".again.unfinished.csv"), rows) for rows in points]
        subprocess.run(on_its_way, check=True, stdout=subprocess.DEVNULL)
        with again.open(newline="") as one_row_each:
            names = [row["file"] for row in csv.DictReader(one_row_each)]
        once = sorted(names) == sorted(file.name for file in files)
        shown = ", ".join(f"{rows:,}" for rows in stopped)
        print(f"\nkilled with {shown} rows and gone on with: each file {'once' if once else 'NOT once'}")
        same = again.read_bytes() == Path(work, f"{max(SIZES)}.csv").read_bytes()
        print(f"the table is {'that' if same else 'NOT that'} of the run that was not killed")
    claim = {"claim": "predictions of a folder", "machine": machine(), "results": results}
    print(json.dumps({**claim, "killed": stopped, "each_once": once, "same": same}))
    sys.exit(0 if once and large / small <= 1.15 else 1)


if __name__ == "__main__":
    main()
