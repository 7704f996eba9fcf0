"""Subjects that more than one room uses. Ids hold no dots, so none of them can leave its place."""


def live(tenant_id: str) -> str:
    """Changes of a tenant's printers, jobs and hubs: {"printers": {id: changes | null}, "jobs": …, "hubs": …}."""
    return f"live.{tenant_id}"


def hub_config(hub_id: str) -> str:
    """Something about the hub changed: its printers, its key, or whether it exists. The data says nothing."""
    return f"hub.{hub_id}.config"


HUB_NEWS = "hubs.news"
"""A hub came, or told how its update goes: whoever offers releases may look. The data is its id."""


def hub_claim(hub_id: str) -> str:
    """A hub has connected somewhere; the data is the epoch of that connection, decimal."""
    return f"hub.{hub_id}.claim"


def watch(tenant_id: str) -> str:
    """Whether anybody looks at a tenant's printers may have changed, on some node: {"watching": bool}."""
    return f"watch.{tenant_id}"


def watched(tenant_id: str) -> str:
    """Requests: answered by every node where somebody looks at a tenant's printers. Nobody answers = nobody looks."""
    return f"watched.{tenant_id}"
