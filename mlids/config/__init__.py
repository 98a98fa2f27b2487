"""The configuration: YAML, strict, with defaults, environment and command line.

`schema` says what can be configured, `tree` reads YAML with line numbers, `check` finds mistakes,
`edit` changes one value in place, `generate` writes `config.yaml`, `manager` puts them together.
"""

from mlids.config.manager import ConfigManager, ConfigValidator, create_default_config

__all__ = ["ConfigManager", "ConfigValidator", "create_default_config"]
