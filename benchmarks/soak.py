"""The server under 32 concurrent clients for two minutes: no failed request, the 99th percentile, memory flat.

`make soak`, or `python benchmarks/soak.py [SECONDS [CLIENTS]]`. The server is a process of its own on loopback; half of
the clients speak REST and half gRPC, and beside them others send garbage, bombs and bodies that are too large. Exits
with 1 if a good request fails, a bad one is not refused, or memory grows.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from threading import Event, Thread

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import grpc
import httpx
import keras
import numpy as np
import psutil
import tensorflow as tf
from measure import machine, photographs
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

import keras_transfer as kt

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
CLIENTS = int(sys.argv[2]) if len(sys.argv) > 2 else 32
SIZE = 96
GROWTH = 0.05  # of memory, from when all is warm to the end
PERIOD = 1.0  # seconds between two figures of memory, and between two bad requests


def main() -> int:
    """Runs the soak and prints what came of it. Returns the exit code."""
    with tempfile.TemporaryDirectory() as folder, photographs(8, 1) as pictures:
        model = kt.build_model("MobileNetV2", 5, weights=None, image_size=SIZE, backbone_options={"alpha": 0.35})
        keras.utils.set_random_seed(0)
        kt.export(model, Path(folder, "soak"), verify=False)
        contents = [path.read_bytes() for path in sorted(pictures.rglob("*.jpg"))]
        with subprocess.Popen(
            [
                sys.executable,
                "-m",
                "keras_transfer.cli",
                "serve",
                str(Path(folder, "soak")),
                "--port=0",
                "--grpc-port=0",
            ],
            stdout=subprocess.PIPE,
            text=True,
        ) as server:
            try:
                lines = [server.stdout.readline().split() for _ in range(4)]
                addresses = {line[0]: line[-1] for line in lines if line}
                result = soak(addresses["REST"], addresses["gRPC"], contents, psutil.Process(server.pid))
            finally:
                server.terminate()
            code = server.wait(60)
    result["exit_code"] = code
    good = not result["failures"] and not result["bad_requests_answered"] and result["growth"] <= GROWTH and code == 0
    print(json.dumps({"claim": "soak", "machine": machine(), "flawless": good, **result}))
    return 0 if good else 1


def soak(url: str, address: str, contents: list[bytes], process: psutil.Process) -> dict[str, object]:
    """Asks for `SECONDS` from all clients at once. Returns the figures."""
    stop, latencies, failures, bad = Event(), [], Counter(), Counter()
    encoded = [base64.b64encode(content).decode() for content in contents]

    def rest(index: int) -> None:
        with httpx.Client(timeout=60) as client:
            turn = index
            while not stop.is_set():
                body = {"instances": [{"image_bytes": {"b64": encoded[turn % len(encoded)]}}]}
                record(lambda body=body: client.post(url, json=body).raise_for_status().json()["predictions"][0])
                turn += 1

    def rpc(index: int) -> None:
        with grpc.insecure_channel(address) as channel:
            stub, turn = PredictionServiceStub(channel), index
            while not stop.is_set():
                request = PredictRequest()
                request.model_spec.name = "soak"
                request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([contents[turn % len(contents)]]))
                record(lambda request=request: stub.Predict(request, timeout=60).outputs["probabilities"])
                turn += 1

    def record(ask) -> None:
        started = time.perf_counter()
        try:
            ask()
        except Exception as error:  # whatever it is, it is a failed request
            failures[type(error).__name__ + ": " + str(error)[:100]] += 1
        latencies.append((time.perf_counter() - started, started))

    def misbehave() -> None:
        rng = np.random.default_rng(0)
        picture = {"b64": base64.b64encode(b"no picture").decode()}
        bodies = {
            "garbage": (rng.bytes(10_000), 400),
            "no picture": (json.dumps({"instances": [picture]}).encode(), 400),
            "too large": (bytes(40 * 2**20), 413),
        }
        with httpx.Client(timeout=60) as client:
            while not stop.wait(PERIOD):
                for kind, (body, expected) in bodies.items():
                    status = client.post(url, content=body).status_code
                    bad[f"{kind}: {status}" if status != expected else "refused"] += 1

    threads = [Thread(target=(rest, rpc)[index % 2], args=(index,)) for index in range(CLIENTS)]
    threads.append(Thread(target=misbehave))
    for thread in threads:
        thread.start()
    memory, started = [], time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        time.sleep(PERIOD)
        memory.append(process.memory_info().rss / 2**20)
        if len(memory) % 20 == 0:
            print(f"{len(memory):4} s  {len(latencies):7,} requests  {memory[-1]:.0f} MiB", flush=True)
    stop.set()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    spent = np.array([latency for latency, _ in latencies]) * 1000
    tenth = max(1, len(memory) // 10)
    warm, end = np.median(memory[2 * tenth : 3 * tenth]), np.median(memory[-tenth:])
    refused = bad.pop("refused", 0)
    p50, p99 = np.percentile(spent, [50, 99])
    print(
        f"\n{CLIENTS} clients, {seconds:.0f} s: {len(spent):,} requests, {len(spent) / seconds:.0f} a second, "
        f"{sum(failures.values())} failed\nlatency: median {p50:.0f} ms, 99th percentile {p99:.0f} ms, worst "
        f"{spent.max():.0f} ms\nmemory: {memory[0]:.0f} MiB at the start, {warm:.0f} MiB warm, {end:.0f} MiB at the end"
        f"\nbad requests: {refused} sent and refused"
    )
    return {
        "clients": CLIENTS,
        "seconds": round(seconds, 1),
        "requests": len(spent),
        "failures": dict(failures),
        "p50_ms": round(float(p50), 1),
        "p99_ms": round(float(p99), 1),
        "memory_mib": [round(float(value), 1) for value in (memory[0], warm, end)],
        "growth": round(float(end / warm - 1), 4),
        "bad_requests_refused": refused,
        "bad_requests_answered": dict(bad),
    }


if __name__ == "__main__":
    sys.exit(main())
