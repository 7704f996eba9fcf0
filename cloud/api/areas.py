"""Which part of the product a path belongs to: its tag in the document, and the area of the scopes that open it."""

from collections.abc import Mapping
from typing import Final

from cloud.accounts.access import Area

_AREAS: Final[Mapping[str, Area]] = {
    "printers": "printers",
    "printer-models": "printers",
    "print-jobs": "jobs",
    "files": "files",
    "products": "catalog",
    "product-skus": "catalog",
    "color-presets": "catalog",
    "build-plate-types": "catalog",
    "finished-goods": "production",
    "assembly-tasks": "production",
    "worklist": "production",
    "orders": "production",
    "stock-movements": "production",
    "hubs": "hubs",
    "hub-releases": "hubs",
    "hub-rollout": "hubs",
    "pairings": "hubs",
    "analytics": "reports",
    "audit-log": "reports",
    "sync-logs": "reports",
    "settings": "settings",
    # As clients of the old system call them.
    "v1": "printers",
    "printers-sync": "printers",
    "print-jobs-sync": "jobs",
    "enhanced-print-jobs": "jobs",
    "print-files-sync": "files",
    "file-operations": "files",
    "products-sync": "catalog",
    "product-skus-sync": "catalog",
    "finished-goods-sync": "production",
}
_PERSONAL: Final = frozenset({"auth", "users", "invitations", "sessions", "api-keys", "two-factor"})
"""What concerns who may come in: no API key opens it."""


def tag_of(path: str) -> str:
    """`/api/printers/{id}` -> `printers`."""
    parts = [part for part in path.split("/") if part]
    if parts[0] == "hub":
        return "hubs"
    return parts[1] if parts[0] == "api" else "health"


def area_of(tag: str, *, public: bool) -> Area | None:
    """None = it takes a person. Raises KeyError for a tag nobody has thought about."""
    if public or tag in _PERSONAL:
        return None
    return _AREAS[tag]
