"""`python -m cloud rekey`: seal every secret again under the current key, so that old keys can be thrown away."""

from functools import partial
from typing import Final

from cloud.storage import rekeying
from cloud.storage.secrets import Vault
from cloud.storage.store import Store

COLUMNS: Final = (("printers", "access_code_enc"), ("users", "totp_secret_enc"))
BATCH: Final = 100


async def rekey(store: Store, vault: Vault) -> dict[str, int]:
    """How many were sealed again, by table. May be ended and begun again.

    Raises SecretKeyError on a secret that no key opens.
    """
    done = {}
    for table, column in COLUMNS:
        count = 0
        older = partial(rekeying.older, table=table, column=column, current=vault.current, limit=BATCH)
        while batch := await store.read(older):
            await store.write(partial(rekeying.reseal, table=table, column=column, rows=batch, vault=vault))
            count += len(batch)
        done[table] = count
    return done
