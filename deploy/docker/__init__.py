"""The stack in containers: the `docker` SDK for looking, `docker compose` for acting."""
