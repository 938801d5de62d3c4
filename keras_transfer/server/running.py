"""Server: opens the ports, loads a version, answers requests in threads, and finishes them when it stops."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import ExitStack
from threading import Event, Thread
from types import TracebackType
from urllib.parse import quote

import uvicorn

from keras_transfer._checks import InputError
from keras_transfer.server.batching import Batcher
from keras_transfer.server.grpc_service import grpc_server
from keras_transfer.server.limits import Limits
from keras_transfer.server.metrics import Metrics
from keras_transfer.server.page import add_page
from keras_transfer.server.rest import rest_app
from keras_transfer.server.servables import Servables


class Server:
    """A server for development and tests with the REST and gRPC protocols of TF Serving.

    As a context manager it serves inside the block, in threads of its own. In production, use TF Serving.

    Args:
        path: folder of versions, as `export` writes it and TF Serving reads it.
        name: name of the model in URLs; the name of the folder by default.
        host: address to listen on; by default only this machine can connect.
        port: port for REST; 0 takes a free one.
        grpc_port: port for gRPC; 0 takes a free one.
        page: whether to serve a page at `/` to try the model in a browser.
        limits: bounds of size, time and number.

    Attributes:
        url: URL of the server, such as "http://127.0.0.1:8501".
        model_url: URL of the model. Append ":predict" to ask it.
        grpc_address: address for gRPC, such as "127.0.0.1:8500".
        servables: the versions of the model.

    Example:
        ```python
        with Server("saved_models/photos", port=0, grpc_port=0) as server:
            answer = httpx.post(server.model_url + ":predict", json={"instances": [{"image_bytes": {"b64": encoded}}]})
        ```
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        host: str = "127.0.0.1",
        port: int = 8501,
        grpc_port: int = 8500,
        page: bool = False,
        limits: Limits | None = None,
    ):
        self.servables = Servables(path, name)
        self.host, self.port, self.grpc_port = host, port, grpc_port
        self._page, self._limits = page, limits or Limits()
        self._thread: Thread | None = None

    @property
    def url(self) -> str:
        return f"http://{_bracketed(self.host)}:{self.port}"

    @property
    def model_url(self) -> str:
        return f"{self.url}/v1/models/{quote(self.servables.name, safe='')}"

    @property
    def grpc_address(self) -> str:
        return f"{_bracketed(self.host)}:{self.grpc_port}"

    def start(self) -> None:
        """Opens the ports, loads the highest version and starts to answer requests.

        Raises:
            InputError: if a port is in use, or there is no version that can be loaded.
        """
        if self._thread is not None:
            raise InputError("Expected a server that has not been started. Make another one to serve again.")
        with ExitStack() as undo:  # undoes what was done if the rest fails
            listening = _listen(self.host, self.port)
            undo.callback(listening.close)
            self.port = listening.getsockname()[1]
            metrics = Metrics(self.servables.name)
            self._batcher = Batcher(self._limits, metrics.batch)
            undo.callback(self._batcher.close)
            metrics.watch(self._batcher)
            parts = (self.servables, self._batcher, metrics, self._limits)
            self._grpc = grpc_server(*parts)
            undo.callback(self._grpc.stop, None)
            self.grpc_port = self._take_grpc_port()
            self.servables.start(self._limits.poll)
            app = rest_app(*parts)
            if self._page:
                add_page(app, self.servables)
            undo.pop_all()
        config = uvicorn.Config(
            app,
            log_config=None,  # uvicorn's would close all log handlers of the program, and standard error with them
            log_level="error",
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=max(1, round(self._limits.grace)),
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = Thread(target=self._uvicorn.run, args=([listening],), name="rest", daemon=True)
        self._grpc.start()
        self._thread.start()

    def stop(self) -> None:
        """Refuses new requests, waits up to `limits.grace` seconds for unfinished ones, and ends all threads."""
        if self._thread is None:
            return
        self._uvicorn.should_exit = True
        stopped = self._grpc.stop(self._limits.grace)
        self._thread.join()
        stopped.wait()
        self.servables.stop()
        self._batcher.close()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _take_grpc_port(self) -> int:
        try:
            return self._grpc.add_insecure_port(self.grpc_address)
        except RuntimeError as error:
            raise _taken(self.host, self.grpc_port, "--grpc-port") from error


class StopSignal:
    """Catches Ctrl-C and `kill` from its creation on; the second such signal ends the process at once."""

    def __init__(self) -> None:
        self._told = Event()
        self._name = ""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._tell)

    def wait(self) -> str:
        """Waits until the process is told to stop, and returns the name of the signal."""
        while not self._told.wait(1):  # in steps, so that Python runs the signal handler on every platform
            pass
        return self._name

    def _tell(self, number: int, frame: object) -> None:
        for other in (signal.SIGINT, signal.SIGTERM):
            signal.signal(other, signal.SIG_DFL)
        self._name = signal.Signals(number).name
        self._told.set()


def _listen(host: str, port: int) -> socket.socket:
    # IPPROTO_TCP is named, or asyncio leaves Nagle's algorithm on, and each answer takes 40 ms more
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(512)
    except OSError as error:
        listening.close()
        raise _taken(host, port, "--port") from error
    return listening


def _taken(host: str, port: int, option: str) -> InputError:
    return InputError(
        f"Expected an address to listen on. Received: {host}:{port}, which is in use or does not belong to this "
        f"machine. Stop the program that listens there, or choose another port with {option}."
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
