"""What pyproject.toml cannot say: the packages below src/, and the code made from the protos."""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
PACKAGE = "market_spine"


def generate(target: Path) -> None:
    """Write the Python modules of all protos to ``target``/v1 (messages, stubs, services)."""
    from grpc_tools import protoc  # noqa: PLC0415  # needed at build time only

    protos = sorted((ROOT / "proto" / PACKAGE / "v1").glob("*.proto"))
    out = target / "v1"
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob("*_pb2*"):
        stale.unlink()
    # The mapping market_spine -> target is expressed by a proto path, so that the generated
    # modules import each other as market_spine.v1.*, which is what they are once installed.
    include = Path(protoc.__file__).parent / "_proto"
    staging = target / "v1" / ".staging"
    staging.mkdir(exist_ok=True)
    arguments = [
        "protoc",
        f"-I{ROOT / 'proto'}",
        f"-I{include}",
        f"--python_out={staging}",
        f"--pyi_out={staging}",
        f"--grpc_python_out={staging}",
        *(str(path) for path in protos),
    ]
    if protos and protoc.main(arguments) != 0:
        raise SystemExit("protoc failed: the message above names file and line")
    for made in (staging / PACKAGE / "v1").glob("*"):
        made.rename(out / made.name)
    for directory in sorted(staging.rglob("*"), reverse=True):
        directory.rmdir()
    staging.rmdir()
    (out / "__init__.py").write_text('"""Generated from proto/market_spine/v1; do not edit."""\n')


class BuildWithProtos(build_py):
    """Generates the API modules before packages are collected; into src for editable installs."""

    def run(self) -> None:
        generate(ROOT / "src")
        super().run()


def main() -> None:
    """Build the package, or with ``generate`` only the API modules, into src or another folder."""
    if sys.argv[1:2] == ["generate"]:
        generate(Path(sys.argv[2]) if sys.argv[2:] else ROOT / "src")
        return
    (ROOT / "src" / "v1").mkdir(exist_ok=True)
    setup(
        packages=[
            PACKAGE,
            *(f"{PACKAGE}.{name}" for name in find_packages("src")),
            *([] if (ROOT / "src/v1/__init__.py").exists() else [f"{PACKAGE}.v1"]),
        ],
        package_data={
            PACKAGE: ["py.typed"],
            f"{PACKAGE}.v1": ["*.pyi"],
            f"{PACKAGE}.adapters.outbound.calendars": ["*.json"],
        },
        cmdclass={"build_py": BuildWithProtos},
    )


if __name__ == "__main__":
    main()
