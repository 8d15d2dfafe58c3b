"""What Schemathesis cannot know of itself: how the formats look that only our document has, and what a key is.

Loaded by it, in an environment of its own; nothing of the harness is there.
"""

import base64
import uuid
from typing import Any

import schemathesis
from hypothesis import strategies as st

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
item_places = st.builds(lambda id, name: base64.urlsafe_b64encode(f"{id}{name}".encode()).rstrip(b"=").decode(), st.uuids(), names)

schemathesis.openapi.format("entity-tags", st.sampled_from(["*", "*", "*", '"7"', 'W/"7"', '"7", "8"', 'W/"0",W/"1"']))
schemathesis.openapi.format("item-place", item_places)
schemathesis.openapi.format("time-zone", st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Los_Angeles"]))


@schemathesis.hook
def before_call(context: object, case: Any, kwargs: object) -> None:
    """A key names one request for ever: the same one on two requests becomes two, and on the same request twice stays one."""
    try:
        key = uuid.UUID(case.headers["Idempotency-Key"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return
    request = f"{case.method} {case.path} {case.path_parameters} {case.body!r}"
    case.headers["Idempotency-Key"] = str(uuid.uuid5(key, request))
