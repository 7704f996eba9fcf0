"""Who may do what: tenants, people, their logins, and how a request proves whose it is."""

from cloud.accounts.access import allows
from cloud.accounts.principal import Principal, Role
from cloud.accounts.service import Accounts

__all__ = ["Accounts", "Principal", "Role", "allows"]
