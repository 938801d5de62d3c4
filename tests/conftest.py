"""What tests share: pictures, a trained model, an exported version, and the real ones that lie beside the project.

Networks are in `networks`, drawn pictures in `drawing`, clients of the server in `clients`.
"""

from __future__ import annotations

import gc
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# one thread computes: `make test` runs as many processes as there are cores; those that tests start do as they do
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import keras
import numpy as np
import pytest
import tensorflow as tf
from drawing import COLOURS, write_pictures
from networks import doubled, make_lively, toy_backbone, toy_network
from warm_probe import WarmProbe

import keras_transfer as kt
from keras_transfer.data.examples import Examples
from keras_transfer.data.pipelines.reading import read_pixels

__all__ = ["COLOURS", "ROOT", "make_lively", "toy_backbone", "toy_network", "write_pictures"]

# two devices, so that distribution can be tested on any machine; must come before TensorFlow's first operation
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

gc.set_threshold(100_000, 20, 20)  # tracing makes many objects and little garbage: four in a hundred of the time

ROOT = Path(__file__).parent.parent

# Long modules come first, so that no worker is left alone with one at the end.
FIRST = (
    "test_documentation.py",
    "test_demo.py",
    "test_real.py",
    "test_resuming.py",
    "test_unfreezing.py",
    "test_backbones.py",
    "test_caching.py",
    "test_domain_adaptation.py",
    "test_verification.py",
    "test_serving.py",
    "test_cli.py",
    "test_runtimes.py",
)
# Modules whose tests share nothing but what all share: any worker may take any of them.
SPREAD = {
    "test_augment.py",
    "test_channels.py",
    "test_demo.py",
    "test_documentation.py",
    "test_engines.py",
    "test_formats.py",
    "test_models.py",
    "test_project.py",
    "test_real.py",
    "test_unfreezing.py",
}
# Tests that wait for threads and processes of their own: never two of them at once.
SERIAL = {"test_server_batching.py", "test_server_faults.py", "test_server_grpc_bodies.py"}


def pytest_configure(config: pytest.Config) -> None:
    """Leaves TensorFlow's graphs as they are traced, which saves a quarter of the time; the slow tests rewrite them."""
    _rewrite_graphs(config.option.markexpr != "not slow")


def _rewrite_graphs(rewritten: bool) -> None:
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not rewritten})


@pytest.fixture
def rewritten_graphs(pytestconfig: pytest.Config) -> Iterator[None]:
    """Has TensorFlow rewrite graphs, as it does outside of tests: without it a gradient through `tf.cond` fails."""
    _rewrite_graphs(True)
    yield
    _rewrite_graphs(pytestconfig.option.markexpr != "not slow")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says which tests go to one worker together (`--dist loadgroup`), the long ones first."""
    _mark_long(items)
    place = {name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: place.get(item.path.name, len(FIRST)))
    for item in items:
        name = item.path.name
        if name not in SPREAD and not item.get_closest_marker("xdist_group"):
            group = "serial" if name in SERIAL else name if name.startswith("test_") else "docstrings"
            item.add_marker(pytest.mark.xdist_group(group))


def _mark_long(items: list[pytest.Item]) -> None:
    """Leaves what `long.txt` names to `make test-slow`."""
    lines = (Path(__file__).parent / "long.txt").read_text().splitlines()[1:]
    by_name = {item.nodeid.split("@")[0]: item for item in items}
    for line in lines:
        if line in by_name:
            by_name[line].add_marker(pytest.mark.slow)
    collected = {item.path.name for item in items}
    whole = not any("::" in argument for argument in items[0].config.args) if items else False
    gone = [line for line in lines if whole and line not in by_name and Path(line.partition("::")[0]).name in collected]
    if gone:
        raise pytest.UsageError(f"Expected tests that there are in tests/long.txt. Received: {gone}.")


def mostly_slow(values: Sequence[Any], *, fast: int = 1) -> list[Any]:
    """Returns parameters of which the first are for every run, and the others for `make test-slow`."""
    rest = (value if isinstance(value, tuple) else (value,) for value in values[fast:])
    return [*values[:fast], *(pytest.param(*value, marks=pytest.mark.slow) for value in rest)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says in one line for each reason what was skipped, and how to have it."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ").splitlines()[0]
        for report in terminalreporter.stats.get("skipped", ())
        if isinstance(report.longrepr, tuple)
    )
    for reason, count in reasons.items():
        terminalreporter.write_line(f"skipped: {count} tests. {reason}", yellow=True)


_made: dict[str, tuple[Callable[[], str], str]] = {}  # what tests share, by fixture: how to tell it, and what it was


def _share(name: str, tell: Callable[[], str]) -> None:
    _made[name] = tell, tell()


@pytest.fixture(autouse=True)
def _nobody_changes_what_is_shared(request):
    """A trained model or a folder that one test changes would make another fail, or pass, by their order."""
    yield
    for name, (tell, before) in _made.items():
        assert name not in request.fixturenames or tell() == before, f"this test changed `{name}`, which others share"


def _files_in(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return " ".join(f"{path.relative_to(folder)}:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files)


def _state_of(model: keras.Model) -> str:
    found = hashlib.sha256(b"".join(np.asarray(weight).tobytes() for weight in model.get_weights()))
    return f"{found.hexdigest()} {[layer.name for layer in model.layers if layer.trainable]} {model.history.epoch}"


@pytest.fixture(scope="module", autouse=True)
def _leave_the_past_alone():
    """Lets the garbage collector pass over what earlier modules left: graphs of a thousand tests, looked at in vain."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """What is computed once lies in a folder of the test run, not in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_TRANSFER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _warm_probe():
    """One probing process answers for all exports of a session."""
    warm = WarmProbe()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_transfer.serving.proof.probe._start", warm.start)
        yield warm
    warm.close()


@pytest.fixture
def cold_probe(_warm_probe, monkeypatch):
    """Each export and verification of the test starts a process of its own, as it does for users."""
    monkeypatch.setattr("keras_transfer.serving.proof.probe._start", _warm_probe.cold_start)


@pytest.fixture
def doubles():
    """Small networks under the names of those of the table."""
    with doubled():
        yield


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    folder = write_pictures(tmp_path_factory.mktemp("pictures"), per_class=10)
    _share("pictures", lambda: _files_in(folder))
    return folder


@pytest.fixture(scope="session")
def files(pictures) -> kt.data.ImageData:
    return kt.data.from_directory(pictures, image_size=32, batch_size=8)


@pytest.fixture(scope="session")
def arrays(files) -> kt.data.ImageData:
    """The images of `files` in the same splits, decoded: for tests to which files are nothing but slower."""
    splits = {
        name: Examples(read_pixels(part, files.kind).astype("uint8"), part.labels)
        for name, part in files.splits.items()
    }
    return kt.data.ImageData(splits, files.class_names, files.image_size, batch_size=files.batch_size)


@pytest.fixture(scope="session")
def data(files) -> kt.data.ImageData:
    """Labelled pictures. A module whose tests need no files puts `arrays` in its place."""
    return files


@pytest.fixture
def toy() -> keras.Model:
    keras.utils.set_random_seed(0)
    return kt.build_model(toy_backbone(), 3, image_size=32)


@pytest.fixture(scope="session")
def trained(arrays):
    """A toy model that has learnt the three colours, and its History. Not to be changed: clone it."""
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=32)
    history = kt.fine_tune(model, arrays, schedule="gradual", epochs=8, learning_rate=3e-2, verbose=0)
    _share("trained", lambda: _state_of(model))
    return model, history


@pytest.fixture(scope="session")
def trained_report(trained, files) -> kt.Report:
    """How good `trained` is."""
    return kt.evaluate(trained[0], files.validation, class_names=files.class_names)


@pytest.fixture(scope="session")
def exported(trained, files, trained_report, tmp_path_factory) -> Path:
    """A verified version of `trained` with every signature there is. Not to be changed: copy it."""
    folder = tmp_path_factory.mktemp("exported") / "colours"
    version = kt.export(trained[0], folder, data=files, report=trained_report, top_k=2)
    _share("exported", lambda: _files_in(folder))
    return version


@pytest.fixture(scope="session")
def served_colours(tmp_path_factory) -> Path:
    """A folder with one version of a toy model that tells pictures apart, for servers. Not to be changed: copy it."""
    keras.utils.set_random_seed(0)
    part = toy_backbone()
    noise = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3))
    make_lively(part.network, part, noise)
    model = kt.build_model(part, 3, image_size=32)
    head = [layer for layer in model.layers if layer.weights][-1]  # a new one is zero: all classes alike
    head.set_weights([np.random.default_rng(1).normal(size=weight.shape) for weight in head.weights])
    folder = tmp_path_factory.mktemp("served") / "colours"
    kt.export(model, folder, class_names=COLOURS, verify=False)
    _share("served_colours", lambda: _files_in(folder))
    return folder


def _beside(variable: str, folder: str) -> Path:
    path = Path(os.environ.get(variable, ROOT.parent / "shared" / folder))
    if not path.is_dir():
        pytest.skip(f"They need real weights and photographs: {path} is not there; set {variable}.")
    return path


@pytest.fixture(scope="session")
def real_weights() -> Path:
    return _beside("KERAS_TRANSFER_WEIGHTS", "weights")


@pytest.fixture(scope="session")
def real_data() -> Path:
    return _beside("KERAS_TRANSFER_DATA", "data")
