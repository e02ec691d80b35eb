"""`python -m tests.e2e.install`: Open WebUI in the environment that `embedstack up` makes for it, with what each of its
vector stores needs: no package changes under one that runs.
"""

from embedstack.deploy.console import Report
from embedstack.deploy.plan import stores
from embedstack.deploy.settings import WebuiSettings
from embedstack.deploy.webui import install

if __name__ == "__main__":
    for store in stores.PACKAGES:
        install.ensure(WebuiSettings(vector_store=store), Report("install", as_json=False))
