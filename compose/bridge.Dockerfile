# The bridge alone, without root: docker build --file compose/bridge.Dockerfile --tag embedstack/bridge:0.1.0 .
# BASE is any image with Python 3.11 or newer, with venv and pip. Nothing here needs BuildKit.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS builder
WORKDIR /build
RUN python3 -m venv /opt/embedstack
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY compose ./compose
COPY embedstack ./embedstack
COPY bridge ./bridge
COPY deploy ./deploy
COPY modelfiles ./modelfiles
# A mirror of PyPI: --build-arg PIP_INDEX_URL=https://…; pip reads it from its environment.
ARG PIP_INDEX_URL
# The engine inside the bridge too: `up --mode docker --engine embedded` runs this image. Of the toolkit nothing.
RUN /opt/embedstack/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt '.[embedded]' \
 && /opt/embedstack/bin/pip uninstall --yes --quiet pip

FROM ${BASE}
# 10001: no user of the host has this number, as a rule. A new volume takes the owner of the folder it is laid over.
RUN mkdir -p /var/cache/embed-bridge && chown 10001:10001 /var/cache/embed-bridge && chmod 700 /var/cache/embed-bridge
COPY --from=builder /opt/embedstack /opt/embedstack
ENV PATH=/opt/embedstack/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    EMBED_BRIDGE_LISTEN_HOST=0.0.0.0 \
    EMBED_BRIDGE_LISTEN_PORT=11435 \
    EMBED_BRIDGE_CACHE_FOLDER=/var/cache/embed-bridge
USER 10001:10001
EXPOSE 11435
VOLUME /var/cache/embed-bridge
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=10s --retries=6 --start-period=180s \
  CMD ["python", "-P", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['EMBED_BRIDGE_LISTEN_PORT'] + '/readyz', timeout=5)"]
LABEL org.opencontainers.image.title="embed-bridge" org.opencontainers.image.licenses="Apache-2.0"
ENTRYPOINT ["embed-bridge"]
