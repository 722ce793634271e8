"""YAML files of settings and experiments: reading, with errors that say where and what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from uninote.errors import ConfigError
from uninote.problems import yaml_problem


def read_yaml(file: Path) -> dict[str, Any]:
    """Return the content of a file whose top level is a mapping. Raises ConfigError that names the file."""
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not readable: save it as text in UTF-8") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not valid YAML: {yaml_problem(error)}") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise ConfigError(f"{file} must be a mapping of names to values, such as `seed: 1`")
    return content
