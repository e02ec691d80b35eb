"""The images of a stack, made on this machine: Ollama's as the official one is to its users, and a base with Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from embedstack.deploy.console import Report
from embedstack.deploy.settings import WebuiSettings
from embedstack.deploy.webui import install
from tests.engines.locate import locate
from tests.engines.rootfs import TARBALL
from tests.paths import ROOT

BASE, PYTHON, OLLAMA = "embedstack-test/base:12", "embedstack-test/python:3.11", "embedstack-test/ollama:0.34.4"
BRIDGE, WEBUI = "embedstack-test/bridge:1", "embedstack-test/open-webui:0.12.4"
# The official image's contract: entrypoint and command, port, address, data below /root/.ollama, and no curl.
OLLAMA_FILE = f"""\
FROM {BASE}
COPY bin/ollama /usr/bin/ollama
COPY lib/ollama /usr/lib/ollama
ENV OLLAMA_HOST=0.0.0.0:11434
EXPOSE 11434
ENTRYPOINT ["/bin/ollama"]
CMD ["serve"]
"""
# The official image's contract: port, data folder, root. The packages are those of the native mode.
WEBUI_FILE = f"""\
FROM {BASE}
COPY site-packages /app/site-packages
# redis asks for this package below Python 3.11.3 alone; Debian 12 has 3.11.2.
RUN echo 'from asyncio import timeout' > /app/site-packages/async_timeout.py
ENV PYTHONPATH=/app/site-packages PYTHONUNBUFFERED=1
WORKDIR /app/backend
RUN mkdir -p data
EXPOSE 8080
CMD ["python3", "-c", "from open_webui import app; app()", "serve", "--host", "0.0.0.0", "--port", "8080"]
"""
# 5 of 7 GB, and nothing imports them until something is computed in Open WebUI itself.
WEBUI_WITHOUT = ("nvidia", "torch", "triton")
# Wheels instead of a network: what pip installs while the bridge's image is built lies in its base.
PYTHON_FILE = f"""\
FROM {BASE}
COPY wheels /wheels
RUN printf '[global]\\nno-index = true\\nfind-links = /wheels\\n' > /etc/pip.conf
"""


def docker(*arguments: str, cwd: Path | None = None) -> str:
    """What `docker` prints. CalledProcessError."""
    done = subprocess.run(["/usr/bin/env", "docker", *arguments], capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout.strip()


class Images:
    """Made at first use, kept for the session."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: set[str] = set()

    def ollama(self) -> str:
        """The real Ollama and llama-server."""
        engine = locate("ollama")
        assert engine is not None, "run `make engines`"
        if OLLAMA not in self._made:
            self.base()
            self._build(OLLAMA, OLLAMA_FILE, {"bin": engine.folder / "bin", "lib": engine.folder / "lib"})
        return OLLAMA

    def python(self) -> str:
        """What the bridge's image is built on."""
        if PYTHON not in self._made:
            self.base()
            wheels = self._folder / "wheels"
            _pip("download", "--quiet", "--dest", wheels, "--constraint", ROOT / "constraints.txt", f"{ROOT}[embedded]")
            _pip("download", "--quiet", "--dest", wheels, *_build_requirements())
            for own in wheels.glob("embedstack-*"):
                own.unlink()
            self._build(PYTHON, PYTHON_FILE, {"wheels": wheels})
        return PYTHON

    def bridge(self) -> str:
        """The name under which the stack itself builds the bridge's image, from the Dockerfile of the project."""
        self._made.add(BRIDGE)
        return BRIDGE

    def webui(self) -> str:
        """The real Open WebUI, of the same Python as the base."""
        if WEBUI not in self._made:
            self.base()
            made = install.ensure(WebuiSettings(), Report("test", as_json=True))
            library = made.folder / "lib" / "python3.11"
            assert library.is_dir(), f"{made.folder} is not of Python 3.11, which the base has"
            (self._folder / "Dockerfile").write_text(WEBUI_FILE)
            left_out = [f"--exclude=site-packages/{name}" for name in WEBUI_WITHOUT]
            _build_from(WEBUI, *left_out, "-C", str(self._folder), "Dockerfile", "-C", str(library), "site-packages")
            self._made.add(WEBUI)
        return WEBUI

    def remove(self) -> None:
        """Take away what was made here, where it was made: the daemon may be somebody's own."""
        for name in docker("images", "--format", "{{.Repository}}:{{.Tag}}").split():
            if name in self._made:
                docker("rmi", "--force", name)

    def base(self) -> str:
        """A Debian with Python, and pip as it comes."""
        if BASE not in self._made:
            rootfs = locate("rootfs")
            assert rootfs is not None, "run `make engines`"
            docker("import", str(rootfs.folder / TARBALL), BASE)
            self._made.add(BASE)
        return BASE

    def _build(self, name: str, dockerfile: str, folders: dict[str, Path]) -> None:
        context = self._folder / name.partition("/")[2].replace(":", "-")
        context.mkdir()
        for inside, folder in folders.items():
            shutil.copytree(folder, context / inside)
        (context / "Dockerfile").write_text(dockerfile)
        docker("build", "--quiet", "--tag", name, str(context))
        shutil.rmtree(context)
        self._made.add(name)


def _build_from(name: str, *archived: str) -> None:
    """Build from what tar archives, with no copy of it on this side."""
    with subprocess.Popen(["/usr/bin/env", "tar", "--create", *archived], stdout=subprocess.PIPE) as tar:
        argv = ["/usr/bin/env", "docker", "build", "--quiet", "--tag", name, "-"]
        done = subprocess.run(argv, stdin=tar.stdout, capture_output=True, text=True, check=False)
    assert (tar.returncode, done.returncode) == (0, 0), done.stdout[-3000:] + done.stderr[-3000:]


def _build_requirements() -> Sequence[str]:
    required: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    return required


def _pip(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", *(str(argument) for argument in arguments)], check=True)
