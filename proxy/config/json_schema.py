"""The JSON Schema (draft 2020-12) of a configuration, for editors that complete and check while one types.

It follows from the same types that validate, from the registry of schemes, and from the presets' files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from proxy.config.key_sentences import dataclasses_in, sentence
from proxy.config.models import ProviderKeys, RouteSettings, ServerSettings, TokenStoreSettings
from proxy.config.presets import KINDS, Parameter, Preset, preset_names, presets
from proxy.config.wording import known_keys
from proxy.schemes.registry import SCHEMES

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> Schema:
    """The schema as plain data, ready for `json.dumps`."""
    definitions = {f"scheme.{name}": _scheme(name, kind) for name, kind in SCHEMES.items()}
    definitions |= {f"override.{name}": _without_required(_scheme(name, kind)) for name, kind in SCHEMES.items()}
    definitions |= {f"preset.{name}": _preset_provider(preset) for name, preset in presets().items()}
    definitions["provider"] = _full_provider()
    route = _schema_of(RouteSettings)
    del route["properties"]["prefix"]
    route["required"].remove("prefix")
    return {
        "$schema": _DIALECT,
        "title": "authproxy configuration",
        **_object(
            {
                "server": _schema_of(ServerSettings),
                "tokens": _schema_of(TokenStoreSettings),
                "providers": _mapping(
                    {
                        "if": {"required": ["preset"]},
                        "then": _by_preset(preset_names()),
                        "else": {"$ref": "#/$defs/provider"},
                    }
                ),
                "routes": _mapping({"anyOf": [{"type": "string"}, route]}) | {"propertyNames": {"pattern": "^/"}},
            },
            required=["providers", "routes"],
        ),
        "$defs": definitions,
    }


def _by_preset(names: Sequence[str]) -> Schema:
    """One of the presets; said so that an editor speaks of the preset that is named, and not of all."""
    each = [
        {"if": {"properties": {"preset": {"const": name}}}, "then": {"$ref": f"#/$defs/preset.{name}"}}
        for name in names
    ]
    return {"properties": {"preset": {"enum": list(names)}}, "allOf": each}


def _preset_provider(preset: Preset) -> Schema:
    keys = {name: {"$ref": f"#/$defs/provider/properties/{name}"} for name in known_keys(ProviderKeys)}
    given = preset.provider.keys()
    parameters = {name: _parameter(parameter) for name, parameter in preset.parameters.items()}
    required = [name for name, parameter in preset.parameters.items() if parameter.required]
    overrides = [{"$ref": f"#/$defs/override.{name}"} for name in SCHEMES]
    properties = {"preset": {"const": preset.name}, **parameters, **keys, "auth": {"anyOf": overrides}}
    base_url = [] if "base_url" in given else ["base_url"]
    schema = _object(properties, required=["preset", *required, *base_url])
    schema |= {"title": preset.title, "description": preset.about}
    if preset.require_one_of:
        schema["anyOf"] = [{"required": [name]} for name in preset.require_one_of]
    return schema


def _full_provider() -> Schema:
    keys = _schema_of(ProviderKeys)["properties"]
    schemes = {"oneOf": [{"$ref": f"#/$defs/scheme.{name}"} for name in SCHEMES]}
    return _object({**keys, "auth": schemes}, required=["base_url", "auth"])


def _parameter(parameter: Parameter) -> Schema:
    schema = _schema_of(KINDS[parameter.kind])
    if parameter.about:
        schema["description"] = parameter.about
    if parameter.default is not None:
        schema["default"] = parameter.default
    return schema


def _scheme(name: str, kind: type[Any]) -> Schema:
    schema = _schema_of(kind)
    schema["properties"] = {"scheme": {"const": name}, **schema["properties"]}
    schema["required"] = ["scheme", *schema.get("required", ())]
    return schema


def _schema_of(kind: Any) -> Schema:
    """What pydantic says of the type, its references put in, and no key allowed that it does not name."""
    schema = TypeAdapter(kind).json_schema()
    definitions = schema.pop("$defs", {})
    classes = {found.__name__: found for found in dataclasses_in(kind)}
    for part in (schema, *definitions.values()):
        if part.get("title") in classes:
            _describe(part["properties"], classes[part["title"]])
    resolved: Schema = _closed(schema, definitions)
    return resolved


def _describe(properties: Schema, kind: type[Any]) -> None:
    """Put to each property what its key does, which says more than what its type does."""
    for key, schema in properties.items():
        told = sentence(kind, key)
        if told is not None:
            schema["description"] = told


def _closed(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_closed(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        beside = {key: part for key, part in schema.items() if key != "$ref"}
        return _closed(definitions[schema["$ref"].rpartition("/")[2]] | beside, definitions)
    closed = {key: _closed(part, definitions) for key, part in schema.items() if not _is_generated_title(key, part)}
    if "properties" in closed and closed.get("type") == "object":
        closed["additionalProperties"] = False
    return closed


def _is_generated_title(key: str, part: Any) -> bool:
    # Pydantic makes a title of each field's name, which says nothing that the name does not.
    return key == "title" and isinstance(part, str)


def _without_required(schema: Any) -> Any:
    """The schema of a part that is laid over a preset's: everything may be left out."""
    if isinstance(schema, list):
        return [_without_required(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    is_object = schema.get("type") == "object" and "properties" in schema
    return {key: _without_required(part) for key, part in schema.items() if not (is_object and key == "required")}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _mapping(values: Schema) -> Schema:
    return {"type": "object", "minProperties": 1, "additionalProperties": values}
