"""Whether traces are wanted, and how they travel: by the variables that OpenTelemetry has for every program.

Here only the two questions are decided that we have to know before its SDK is loaded. All other OTEL_* variables
(endpoint, headers, certificates, sampler, sizes of queues, attributes of the resource) the SDK reads itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Protocol = Literal["http/protobuf", "grpc"]

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """`names_service` says that the environment has a name for this service already."""

    protocol: Protocol
    names_service: bool


def tracing_settings(environ: Mapping[str, str]) -> TracingSettings | None:
    """None where nobody asked for traces: that takes an endpoint, or `otlp` as the exporter.

    Raises ValueError for an exporter or a protocol that there is none of here; its text names the variable.
    """
    given = {name: value.strip() for name, value in environ.items() if name.startswith("OTEL_") and value.strip()}
    exporter = given.get("OTEL_TRACES_EXPORTER", "otlp" if any(name in given for name in _ENDPOINTS) else "none")
    if given.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none":
        return None
    if exporter != "otlp":
        raise ValueError("OTEL_TRACES_EXPORTER: expected otlp or none")
    variable = next((name for name in _PROTOCOLS if name in given), _PROTOCOLS[0])
    names_service = "OTEL_SERVICE_NAME" in given or "service.name=" in given.get("OTEL_RESOURCE_ATTRIBUTES", "")
    match given.get(variable, "http/protobuf"):
        case "http/protobuf":
            return TracingSettings("http/protobuf", names_service)
        case "grpc":
            return TracingSettings("grpc", names_service)
        case _:
            raise ValueError(f"{variable}: expected http/protobuf or grpc")
