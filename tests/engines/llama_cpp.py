"""llama.cpp's `llama-server` and `llama-quantize`, from the source that the llama-cpp-python sdist carries."""

import shutil
from pathlib import Path

from embedstack.host import processes
from tests.engines.recipe import Recipe, Workshop
from tests.engines.tools import TOOLS, Tools

VERSION = "0.3.36"
SDIST = f"llama_cpp_python-{VERSION}"
TARGETS = ("llama-server", "llama-quantize")
# No -march=native: a cache that moves between machines must not end in an illegal instruction. AVX2 and its company are
# what the wheel of the embedded engine is built with too, so that the two are compared like with like.
OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DGGML_NATIVE=OFF",
    "-DGGML_AVX2=ON",
    "-DGGML_FMA=ON",
    "-DGGML_F16C=ON",
    "-DGGML_BMI2=ON",
)


def build(workshop: Workshop) -> None:
    """Download, unpack, compile, copy. What was compiled before an interruption is not compiled again."""
    tools = Tools(workshop.needs[TOOLS.name])
    source = _source(workshop, tools)
    cmake = workshop.scratch / "cmake"
    ninja = f"-DCMAKE_MAKE_PROGRAM={tools.ninja}"
    workshop.log.run(tools.cmake, "-G", "Ninja", "-S", source, "-B", cmake, ninja, *OPTIONS)
    workshop.log.run(tools.cmake, "--build", cmake, "--target", *TARGETS)
    (workshop.prefix / "bin").mkdir(parents=True)
    for target in TARGETS:
        shutil.copy2(cmake / "bin" / target, workshop.prefix / "bin" / target)


def _source(workshop: Workshop, tools: Tools) -> Path:
    source = workshop.scratch / "llama.cpp"
    if source.is_dir():
        return source
    wanted = ("--no-deps", "--no-binary", "llama-cpp-python", f"llama-cpp-python=={VERSION}")
    to = ("--dest", str(workshop.scratch))
    workshop.log.run(*processes.command("-m", "pip", "download", *wanted, *to, program=tools.python))
    unpacked = workshop.scratch / "llama.cpp.partial"
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir()
    inner = f"{SDIST}/vendor/llama.cpp"
    archive = workshop.scratch / f"{SDIST}.tar.gz"
    workshop.log.run("tar", "-xzf", archive, "-C", unpacked, "--strip-components=3", inner)
    return unpacked.rename(source)


LLAMA_CPP = Recipe(
    name="llama.cpp",
    version=VERSION,
    programs=tuple(f"bin/{target}" for target in TARGETS),
    ingredients=OPTIONS,
    build=build,
    tools=(TOOLS,),
    commands=("cc", "c++", "tar"),
)
