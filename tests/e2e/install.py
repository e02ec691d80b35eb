"""`python -m tests.e2e.install`: Open WebUI in the environment that `embedstack up` makes for it."""

from deploy.console import Report
from deploy.native import webui_environment
from deploy.settings import WebuiSettings

if __name__ == "__main__":
    webui_environment.ensure(WebuiSettings(), Report("install", as_json=False))
