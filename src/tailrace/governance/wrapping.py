"""A key of pseudonyms as it is stored: encrypted under the master key, for one place alone.

    1 byte     1, the version of this format
    12 bytes   nonce, random for each
    32 bytes   the key, encrypted with AES-256-GCM
    16 bytes   GCM's tag

Authenticated with it, so that no row passes for another's: "tailrace pseudonym key", tenant and
kind in UTF-8, each after its length in 4 bytes, then the epoch in 8 bytes; numbers are big-endian.
Random nonces are good for 2**32 wrappings under one master key (NIST SP 800-38D, 8.3).
"""

from __future__ import annotations

import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tailrace.core.errors import StoreError
from tailrace.core.keys import SECRET_BYTES
from tailrace.governance.masterkey import MasterKey

_VERSION = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16
BYTES = 1 + _NONCE_BYTES + SECRET_BYTES + _TAG_BYTES
_LABEL = b"tailrace pseudonym key"


def wrap(master: MasterKey, tenant: str, kind: str, epoch: int, secret: bytes) -> bytes:
    """`secret` of SECRET_BYTES, for this tenant, kind and epoch."""
    assert len(secret) == SECRET_BYTES
    nonce = os.urandom(_NONCE_BYTES)
    place = _place(tenant, kind, epoch)
    return _VERSION + nonce + AESGCM(master.secret).encrypt(nonce, secret, place)


def unwrap(master: MasterKey, tenant: str, kind: str, epoch: int, wrapped: bytes) -> bytes:
    """The secret. Raises StoreError when it is not what was wrapped with this master key for this
    tenant, kind and epoch."""
    if len(wrapped) == BYTES and wrapped[:1] == _VERSION:
        nonce, sealed = wrapped[1 : 1 + _NONCE_BYTES], wrapped[1 + _NONCE_BYTES :]
        try:
            return AESGCM(master.secret).decrypt(nonce, sealed, _place(tenant, kind, epoch))
        except InvalidTag:
            pass
    raise StoreError(
        f"the {kind} key {epoch} of tenant {tenant} cannot be opened with the master key "
        f"{master.id} of {master.setting}: the row in the control store was changed or damaged"
    )


def _place(tenant: str, kind: str, epoch: int) -> bytes:
    parts = (_LABEL, tenant.encode(), kind.encode())
    return b"".join(struct.pack(">I", len(part)) + part for part in parts) + struct.pack(
        ">Q", epoch
    )
