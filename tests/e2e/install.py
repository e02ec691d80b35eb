"""`python -m tests.e2e.install`: Open WebUI in the environment that `embedstack up` makes for it, with what each of its
vector stores needs: no package changes under one that runs.
"""

from deploy.console import Report
from deploy.native import webui_environment
from deploy.settings import WebuiSettings
from deploy.webui import stores

if __name__ == "__main__":
    for store in stores.PACKAGES:
        webui_environment.ensure(WebuiSettings(vector_store=store), Report("install", as_json=False))
