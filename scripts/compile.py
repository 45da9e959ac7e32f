"""Compiles the core and what reads with mypyc beside their sources: the same code, twice as fast.

    python scripts/compile.py FOLDER       a folder that holds the package `fhirbridge`

Optional: without it the same modules run as Python. Needs mypy, setuptools and a C compiler where
it runs, and none of them where the result runs. `value` stays Python: it shows the type checker
another class than it makes. The reader is compiled with the core, whose values it makes.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from spell_out import spelled_out

PACKAGE = Path("fhirbridge")
CORE, READER = PACKAGE / "core", PACKAGE / "fhir" / "read"
STAYS_PYTHON = {CORE / "__init__.py", CORE / "value.py"}
#: What reads our own Tasks back, and what that leans on.
OUR_TASKS = ("doubles", "kinds", "ours", "references", "replies", "said", "told")
#: -O2: about two minutes of processor time.
EFFORT = "2"


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or not (folder := Path(arguments[0]).resolve()).joinpath(CORE).is_dir():
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(folder / PACKAGE, Path(scratch, PACKAGE))
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
    ours = (READER.parent / f"{name}.py" for name in OUR_TASKS)
    return sorted({*CORE.rglob("*.py"), *READER.rglob("*.py"), *ours} - STAYS_PYTHON)


def compile_here() -> None:
    """Extension modules beside the sources, from the package in the current folder."""
    from mypyc.build import mypycify
    from setuptools import setup  # type: ignore[import-untyped]  # it brings none

    options = ["--strict", "--explicit-package-bases", *map(str, modules())]
    # By modules: gcc takes three times as long for one file of them all.
    extensions = mypycify(
        options, opt_level=EFFORT, debug_level="0", group_name="fhirbridge", multi_file=True
    )
    setup(name="fhirbridge", ext_modules=extensions, script_args=["build_ext", "--inplace"])


if __name__ == "__main__":
    main(sys.argv[1:])
