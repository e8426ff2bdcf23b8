"""The examples in the presets' files as configuration: what they give, with keys made for the placeholders."""

from __future__ import annotations

from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy.config.presets import Example, Preset


@cache
def private_key(kind: str) -> Any:
    if kind == "<RSA key>":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert kind == "<P-256 key>"
    return ec.generate_private_key(ec.SECP256R1())


def written(value: Any) -> Any:
    """A given value, or the key that it stands for."""
    if value == "<Ethereum key>":
        return "0x" + "46" * 32
    if isinstance(value, str) and value.startswith("<"):
        return private_key(value).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return value


def variable(preset: Preset, parameter: str) -> str:
    return f"{preset.name}_{parameter}".replace("-", "_").upper()


def secrets(preset: Preset, example: Example) -> dict[str, str]:
    """What comes from the environment: secrets and identifiers."""
    kinds = {name: parameter.kind for name, parameter in preset.parameters.items()}
    return {
        variable(preset, name): written(value)
        for name, value in example.given.items()
        if kinds.get(name) in ("secret", "identifier")
    }


def provider_keys(preset: Preset, example: Example) -> dict[str, Any]:
    """The provider as a user would write it."""
    environ = secrets(preset, example)
    keys: dict[str, Any] = {"preset": preset.name}
    for name, value in example.given.items():
        keys[name] = {"env": variable(preset, name)} if variable(preset, name) in environ else value
    return keys
