"""Whether Open WebUI ever tells the bridge which texts are questions. Pure."""

from collections.abc import Iterator, Mapping

from embedstack.deploy.doctor.finding import Finding

# Texts without a role after which it is no accident; the bridge's own log line waits for as many.
ENOUGH = 50


def check(texts: Mapping[str, int]) -> Iterator[Finding]:
    """`texts` of Open WebUI since the bridge's start, by what said their role: field, header, alias or default."""
    without = texts.get("default", 0)
    if without >= ENOUGH and sum(texts.values()) == without:
        yield Finding(
            "ROLE-NEVER-SENT",
            "warning",
            "Open WebUI never says which texts are questions",
            f"{without} texts have come from it, and none with a role.",
            "A question is embedded as if it were a document, without its instruction, and finds less.",
            "`embedstack webui apply`; an Open WebUI of your own wants RAG_EMBEDDING_PREFIX_FIELD_NAME=input_type, "
            "RAG_EMBEDDING_QUERY_PREFIX=query and RAG_EMBEDDING_CONTENT_PREFIX=document in its environment.",
        )
