"""The parts of a running cloud, put together in app.py and handed to whoever needs them."""

from dataclasses import dataclass

from cloud.accounts import Accounts
from cloud.accounts.oidc import Oidc
from cloud.accounts.web import WebGate
from cloud.bus import Bus
from cloud.catalog.keeping import BlobKeeping
from cloud.catalog.reading import ThreeMFReader
from cloud.draining import Draining
from cloud.hubs import Hubs
from cloud.live import LiveGateway
from cloud.printing.engine import Printing
from cloud.printing.fleet import Fleet
from cloud.settings import Settings
from cloud.storage.files_folder import BlobStore
from cloud.storage.secrets import Vault
from cloud.storage.store import Store


@dataclass(frozen=True, kw_only=True)
class Services:
    """Made once a process; nothing here is global."""

    settings: Settings
    store: Store
    bus: Bus
    blobs: BlobStore
    keeping: BlobKeeping
    """Through which rows get and lose bytes in `blobs`."""
    vault: Vault
    accounts: Accounts
    oidc: Oidc | None
    gate: WebGate
    """Reads who a request or a handshake speaks for, and checks its origin."""
    printing: Printing
    fleet: Fleet
    browsers: LiveGateway
    hubs: Hubs
    reader: ThreeMFReader
    """For uploads."""
    pictures: ThreeMFReader
    """For thumbnails: a second one, so that a large upload does not hold up a page."""
    draining: Draining
