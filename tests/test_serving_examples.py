"""The configuration in docs/serving: TF Serving's messages parse it, and its names, ports and paths fit together."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml
from conftest import ROOT
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from keras_transfer.server import Server

FOLDER = ROOT / "docs" / "serving"
# of tensorflow_serving/model_servers/main.cc
FLAGS = {
    "model_config_file",
    "model_config_file_poll_wait_seconds",
    "enable_batching",
    "batching_parameters_file",
    "monitoring_config_file",
}


def read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def message(name: str, **fields: str):
    """Makes a message type that no Python package has. A field's type is TYPE_... or a message's full name."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package="examples", syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    made = file.message_type.add(name=name)
    for number, (field, kind) in enumerate(fields.items(), start=1):
        made.field.add(
            name=field, number=number, label="LABEL_OPTIONAL", **{"type_name" if "." in kind else "type": kind}
        )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"examples.{name}"))


@pytest.fixture(scope="module")
def model():
    (config,) = text_format.Parse(read("models.config"), ModelServerConfig()).model_config_list.config
    return config


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(read("compose.yaml"))["services"]["serving"]


@pytest.fixture(scope="module")
def deployment():
    return next(part for part in yaml.safe_load_all(read("kubernetes.yaml")) if part["kind"] == "Deployment")


@pytest.fixture(scope="module")
def container(deployment):
    (only,) = deployment["spec"]["template"]["spec"]["containers"]
    return only


def test_models_are_named_as_the_clients_name_them(model):
    clients = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    assert f"/v1/models/{model.name}" in clients and f'= "{model.name}", signature' in clients
    assert model.model_platform == "tensorflow"
    assert model.model_version_policy.WhichOneof("policy_choice") == "latest"


def test_batching_and_monitoring_are_what_tensorflow_serving_reads():
    number = ".google.protobuf.Int64Value"
    names = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")
    batching = text_format.Parse(read("batching.config"), message("Batching", **dict.fromkeys(names, number))())
    assert all(batching.HasField(name) and getattr(batching, name).value > 0 for name in names)
    message("Prometheus", enable="TYPE_BOOL", path="TYPE_STRING")
    monitoring = message("Monitoring", prometheus_config=".examples.Prometheus")
    prometheus = text_format.Parse(read("monitoring.config"), monitoring()).prometheus_config
    assert prometheus.enable and prometheus.path == "/monitoring/prometheus/metrics"


def test_servers_are_started_with_flags_and_files_that_there_are(compose, container):
    for arguments in (compose["command"], container["args"]):
        flags = dict(argument.removeprefix("--").partition("=")[::2] for argument in arguments)
        assert flags.keys() <= FLAGS
        files = [value for value in flags.values() if value.startswith("/")]
        assert len(files) == 3 and all((FOLDER / file.removeprefix("/config/")).is_file() for file in files)


def test_models_are_where_the_servers_look(model, compose):
    models, config = (volume.rsplit(":", 2) for volume in compose["volumes"])
    default = re.fullmatch(r"\$\{SAVED_MODELS:-(.+)\}", models[0])[1]
    assert (FOLDER / default).resolve() == ROOT / "saved_models"
    assert model.base_path == f"{models[1]}/{model.name}" and config == [".", "/config", "ro"]
    assert f"COPY {model.name}/${{VERSION}} {model.base_path}/${{VERSION}}\n" in read("Dockerfile")


def test_pods_are_found_and_asked_by_names_that_there_are(model, deployment, container):
    service = next(part for part in yaml.safe_load_all(read("kubernetes.yaml")) if part["kind"] == "Service")
    pod = deployment["spec"]["template"]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == ports
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": f"/v1/models/{model.name}", "port": "rest"}
    assert container["livenessProbe"]["tcpSocket"]["port"] in ports
    (mounted,) = container["volumeMounts"]
    (volume,) = pod["spec"]["volumes"]
    kustomization = yaml.safe_load(read("kustomization.yaml"))
    (generated,) = kustomization["configMapGenerator"]
    assert mounted["name"] == volume["name"] and volume["configMap"]["name"] == generated["name"]
    assert all((FOLDER / file).is_file() for file in generated["files"] + kustomization["resources"])
    assert kustomization["images"][0]["name"] == container["image"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on the PATH")
def test_kustomize_puts_the_manifest_together():
    done = subprocess.run(["kubectl", "kustomize", FOLDER], check=True, capture_output=True, text=True)
    parts = {part["kind"]: part for part in yaml.safe_load_all(done.stdout)}
    assert parts.keys() == {"ConfigMap", "Deployment", "Service"}
    pod = parts["Deployment"]["spec"]["template"]["spec"]
    assert pod["volumes"][0]["configMap"]["name"] == parts["ConfigMap"]["metadata"]["name"]
    assert pod["containers"][0]["image"] == "registry.example.com/photos:1"


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not on the PATH")
def test_the_health_check_tells_a_served_model_from_a_missing_one(model, compose, served_colours):
    kind, *command, script = compose["healthcheck"]["test"]
    assert kind == "CMD"
    with Server(served_colours, port=0, grpc_port=0) as server:
        script = script.replace("8501", str(server.port))
        served = script.replace(model.name, "colours")
        assert subprocess.run([*command, served], timeout=30, check=False).returncode == 0
        assert subprocess.run([*command, script], timeout=30, check=False).returncode == 1
