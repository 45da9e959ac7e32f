"""Compiles `fhirbridge.core` with mypyc beside its sources: the same code, about twice as fast.

    python scripts/compile_core.py FOLDER       a folder that holds the package `fhirbridge`

Optional: without it the same modules run as Python. Needs mypy, setuptools and a C compiler where
it runs, and none of them where the result runs. `value` stays Python: it shows the type checker
another class than it makes.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from spell_out import spelled_out

CORE = Path("fhirbridge", "core")
STAYS_PYTHON = {CORE / "__init__.py", CORE / "value.py"}
#: -O2: about two minutes of processor time.
EFFORT = "2"


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or not (folder := Path(arguments[0]).resolve()).joinpath(CORE).is_dir():
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(folder / CORE, Path(scratch, CORE))
        shutil.copy(folder / "fhirbridge" / "__init__.py", Path(scratch, "fhirbridge"))
        os.chdir(scratch)  # mypyc names modules by their path from here
        for module in modules():
            module.write_text(spelled_out(module.read_text("utf-8")), "utf-8")
        compile_here()
        for made in Path().glob("fhirbridge*/**/*.so"):
            shutil.copy(made, folder / made)
        for shared in Path().glob("*.so"):
            shutil.copy(shared, folder)


def modules() -> list[Path]:
    """The modules of the current folder that are compiled."""
    return sorted(set(CORE.rglob("*.py")) - STAYS_PYTHON)


def compile_here() -> None:
    """Extension modules beside the sources, from the package in the current folder."""
    from mypyc.build import mypycify
    from setuptools import setup  # type: ignore[import-untyped]  # it brings none

    options = ["--strict", "--explicit-package-bases", *map(str, modules())]
    extensions = mypycify(options, opt_level=EFFORT, debug_level="0", group_name="fhirbridge_core")
    setup(name="fhirbridge-core", ext_modules=extensions, script_args=["build_ext", "--inplace"])


if __name__ == "__main__":
    main(sys.argv[1:])
