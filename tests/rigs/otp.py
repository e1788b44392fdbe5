"""One-time codes, as a phone would show them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEH"


def totp(secret: str = SECRET) -> str:
    """Compute the one-time code of this moment (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, (int(time.time()) // 30).to_bytes(8, "big"), hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"
