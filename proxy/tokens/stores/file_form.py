"""The form of a token store's file: JSON with the key's identifier and sealed entries, under names that say nothing."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping

from proxy.tokens.answer_document import require_shallow

FORM = "authproxy tokens 1"


def written(key_id: str, sealed: Mapping[str, bytes]) -> bytes:
    entries = {name: b64encode(octets).decode() for name, octets in sealed.items()}
    return json.dumps({"form": FORM, "key": key_id, "entries": entries}, indent=0).encode()


def parsed(content: bytes) -> tuple[str, dict[str, bytes]]:
    """The key's identifier and the sealed entries. Raises ValueError for what is not of this form."""
    try:
        text = content.decode()
        require_shallow(text)
        document = json.loads(text)
        if document["form"] != FORM:
            raise ValueError("another form")
        sealed = {name: b64decode(text, validate=True) for name, text in document["entries"].items()}
        return str(document["key"]), sealed
    except (KeyError, TypeError, AttributeError):
        raise ValueError("not of this form") from None
