"""Who may do what: tenants, people, their logins, and how a request proves whose it is."""

from cloud.accounts.principal import Principal, Role, allows
from cloud.accounts.service import Accounts

__all__ = ["Accounts", "Principal", "Role", "allows"]
