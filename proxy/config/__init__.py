"""YAML to typed settings; every mistake with its place. The only room that reads YAML and the environment.

`load` gives Settings or raises ConfigError with all problems; `find_config` says which file; `json_schema`
describes what is accepted; `presets` are the vendors that are known.
"""

from __future__ import annotations

from proxy.config.find import find_config
from proxy.config.json_schema import json_schema
from proxy.config.load import load
from proxy.config.models import ProviderSettings, RouteSettings, ServerSettings, Settings, TokenStoreSettings
from proxy.config.presets import Parameter, Preset, presets
from proxy.config.problems import ConfigError, Problem

__all__ = [
    "ConfigError",
    "Parameter",
    "Preset",
    "Problem",
    "ProviderSettings",
    "RouteSettings",
    "ServerSettings",
    "Settings",
    "TokenStoreSettings",
    "find_config",
    "json_schema",
    "load",
    "presets",
]
