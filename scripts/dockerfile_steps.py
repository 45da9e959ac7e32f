"""Runs the steps of the Dockerfile without Docker, in a scratch folder, and starts what it made.

Understands what this project's Dockerfile uses: ARG and ENV, WORKDIR, COPY from the context and
RUN as a shell line. An ARG that is an absolute path is moved into the scratch folder; COPY --from
needs nothing, because both stages share the folder. What .dockerignore keeps from the builder
cannot be copied. What only a container can do (FROM, USER,
EXPOSE, HEALTHCHECK) is left out. Anything else is an error, so that no step goes unrun unnoticed.

Needs what the Dockerfile needs: root (for `install -o`), Python 3.11 and the package index.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ONLY_IN_A_CONTAINER = {"FROM", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


def instructions(text: str) -> list[tuple[str, str]]:
    """`[("RUN", "python3 -m venv …"), …]`, comments dropped and continued lines joined."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    pairs = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(word.upper(), rest.strip()) for word, _, rest in pairs]


def fill(text: str, variables: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda found: variables[found[1]], text)


def follow(steps: list[tuple[str, str]], scratch: Path) -> dict[str, str]:
    """Carries the steps out below `scratch`; returns the environment at the end."""
    variables = {**os.environ, "PIP_QUIET": "1"}
    place = scratch
    for word, rest in steps:
        if word == "ARG":
            name, _, value = rest.partition("=")
            is_path = value.startswith("/")
            variables[name] = str(scratch / value.lstrip("/")) if is_path else value
        elif word == "ENV":
            for name, _, value in (pair.partition("=") for pair in rest.split()):
                variables[name] = fill(value, variables)
        elif word == "WORKDIR":
            place = Path(fill(rest, variables))
            place.mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            copy(rest, place)
        elif word == "RUN":
            print(f"--- RUN {rest}", flush=True)
            subprocess.run(["/bin/sh", "-euc", rest], cwd=place, env=variables, check=True)
        elif word not in ONLY_IN_A_CONTAINER:
            raise SystemExit(f"dockerfile_steps: cannot do {word} {rest}")
    return variables


def copy(arguments: str, place: Path) -> None:
    if arguments.startswith("--from="):
        return
    *sources, target = arguments.split()
    sent = sent_to_the_builder((ROOT / ".dockerignore").read_text())
    for name in sources:
        if not any(Path(name).is_relative_to(each) for each in sent):
            raise SystemExit(f"dockerfile_steps: .dockerignore keeps {name} from being copied")
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, place / target, ignore=ignore)
        else:
            (place / target).mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place / target)


def sent_to_the_builder(ignored: str) -> list[str]:
    """What a .dockerignore that begins with `*` lets through, by its lines `!name`."""
    lines = [line for line in ignored.splitlines() if line and not line.startswith("#")]
    if lines[:1] != ["*"]:
        raise SystemExit("dockerfile_steps: .dockerignore is expected to begin with *")
    return [line[1:] for line in lines if line.startswith("!")]


def main() -> None:
    steps = instructions((ROOT / "Dockerfile").read_text())
    scratch = Path(tempfile.mkdtemp(prefix="fhirbridge-image-"))
    try:
        variables = follow(steps, scratch)
        # What the image starts must start: the entry point, from the folder that is its volume.
        app = Path(variables["APP"]) / "bin" / "fhirbridge"
        subprocess.run([app, "--help"], cwd=variables["DATA"], env=variables, check=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"dockerfile_steps: failed with {error.returncode}: {error.cmd}")
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
