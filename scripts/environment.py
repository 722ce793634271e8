"""Makes the environment in a folder, or brings an existing one up to date. Standard library only.

Usage: python3 scripts/environment.py .venv [GROUP]

With a dependency group of pyproject.toml, adds that group to an existing environment.

Versions come from constraints.txt. A torch that is already installed with CUDA or ROCm is used, not
replaced: it matches the machine's driver, and is gigabytes to fetch again.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file is the one that older interpreters are given
    sys.exit(
        f"UniNote needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}. "
        "Install one, then name it: make PYTHON=python3.11"
    )

import re
import subprocess
import tomllib
import venv
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def accelerated_torch() -> str | None:
    """Return this interpreter's own torch version if it drives a GPU and is recent enough, else None."""
    if sys.prefix != sys.base_prefix:
        return None  # a virtual environment's packages are not visible to another
    try:
        import torch
    except ImportError:
        return None
    release = tuple(int(number) for number in re.findall(r"\d+", torch.__version__)[:2])
    return torch.__version__ if (torch.version.cuda or torch.version.hip) and release >= (2, 6) else None


def project_name(requirement: str) -> str:
    """Return the normalised name: `Typing_Extensions>=4; extra == "x"` -> `typing-extensions`."""
    found = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def constraints(torch_version: str | None) -> str:
    """Return the pins. An installed torch drops those that its own requirements may contradict."""
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if torch_version is None:
        return "\n".join(pins)
    free = {"torch"} | {project_name(requirement) for requirement in metadata.requires("torch") or ()}
    return "\n".join([pin for pin in pins if project_name(pin) not in free] + [f"torch=={torch_version}"])


def has_pip(python: Path) -> bool:
    """Return whether the environment exists and is complete: a killed run leaves one without pip."""
    if not python.exists():
        return False
    check = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False)
    return check.returncode == 0


def main(folder: Path, group: str | None = None) -> None:
    torch_version = accelerated_torch()
    python = folder / "bin" / "python"
    if not has_pip(python):
        print(f"making {folder}" + (f" around the installed torch {torch_version}" if torch_version else ""))
        builder = venv.EnvBuilder(clear=True, with_pip=True, system_site_packages=torch_version is not None)
        builder.create(folder)
    pinned = folder / "constraints.txt"
    pinned.write_text(constraints(torch_version) + "\n", encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--constraint", str(pinned)]
    if group is not None:
        subprocess.run([*install, *project["dependency-groups"][group]], check=True)
        return
    if torch_version is None:
        # Alone and first: should its build not suit the machine, it fails in seconds and by name.
        subprocess.run([*install, "torch"], check=True)
    install += project["dependency-groups"]["dev"]
    subprocess.run([*install, "--editable", f"{ROOT}[all]"], check=True)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), *sys.argv[2:3])
    except subprocess.CalledProcessError as error:
        sys.exit(f"the environment is not complete: pip ended with {error.returncode}; its reason is above")
