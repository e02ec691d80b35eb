"""nginx as a plain reverse proxy, at its best for this: connections kept alive, answers buffered in memory."""

import shutil
import subprocess
from pathlib import Path

from benchmarks.missing import MissingError

_CONFIG = """\
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    upstream engine {{
        server 127.0.0.1:{upstream};
        keepalive 64;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://engine;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffer_size 64k;
            proxy_buffers 16 64k;
            proxy_busy_buffers_size 128k;
        }}
    }}
}}
"""


def find() -> str:
    """The program's path. MissingError with what to install."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise MissingError("nginx is not installed: apt-get install nginx-light")
    return program


def version(program: str) -> str:
    done = subprocess.run([program, "-v"], capture_output=True, text=True, check=True)  # noqa: S603 -- nginx itself
    return done.stderr.strip().rpartition("/")[2]


def command(program: str, home: Path, *, port: int, upstream: int) -> list[str]:
    """An nginx of our own, with nothing of the system's: its files lie in `home`, which is made."""
    home.mkdir()
    config = home / "nginx.conf"
    config.write_text(_CONFIG.format(home=home, port=port, upstream=upstream))
    return [program, "-p", str(home), "-c", str(config), "-e", "stderr"]
