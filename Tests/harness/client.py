"""A device: REST as the contract has it."""

from __future__ import annotations

import base64
import itertools
import secrets
import ssl
import uuid
from typing import Any

import httpx

from .realtime import Realtime
from .replica import Replica

# Without certificates, for addresses that have none: to read those of the machine costs 20 ms each time.
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

_numbers = itertools.count(1)
PASSWORD = "correct horse battery"


def token_of(user: uuid.UUID, secret: bytes) -> str:
    """A token as the server makes them: the user's bucket, then their id and 32 bytes in base64url."""
    return user.hex[13:16] + base64.urlsafe_b64encode(user.bytes + secret).decode()


def nobodys_token() -> str:
    """What looks like a token and is nobody's."""
    return token_of(uuid.uuid4(), secrets.token_bytes(32))


class Refused(AssertionError):
    """An answer that was not the expected one; `.response` is it, `.problem` its body when it was a problem."""

    def __init__(self, response: httpx.Response) -> None:
        request = response.request
        super().__init__(f"{request.method} {request.url.path} answered {response.status_code}: {response.text[:2000]}")
        self.response = response
        kind = response.headers.get("content-type", "")
        self.problem: dict[str, Any] = response.json() if kind.startswith("application/problem+json") else {}


def mutation(
    name: str, args: dict[str, Any], id: str | None = None, base_version: int | None = None, age_ms: int | None = None,
    seq: int | None = None,
) -> dict[str, Any]:
    """One mutation as a push carries it, with an id of its own unless one is given."""
    optional = {"base_version": base_version, "age_ms": age_ms, "seq": seq}
    return {"id": id or str(uuid.uuid4()), "name": name, "args": args,
            **{member: value for member, value in optional.items() if value is not None}}


def documents(answer: dict[str, Any], collection: str = "settings") -> list[dict[str, Any]]:
    """The documents of one collection in an answer or a frame, in their order."""
    return [document for document in answer["documents"] if document["collection"] == collection]


class Client:
    """One device of one user. `request` gives any answer back; the named verbs raise Refused unless it was good."""

    def __init__(self, url: str, timeout: float = 30, name: str = "Test device", kind: str = "desktop") -> None:
        self.url = url.rstrip("/")
        self.name, self.kind = name, kind
        self.email = f"user{next(_numbers)}-{uuid.uuid4().hex[:10]}@example.org"
        self.password = PASSWORD
        self.token: str | None = None
        self.user: dict[str, Any] = {}
        self.device: dict[str, Any] = {}
        # The cookie jar stays empty unless a test wants it: what is tested here is the bearer.
        self.http = httpx.Client(base_url=self.url, timeout=timeout, trust_env=False, verify=PLAIN)
        self._sockets: list[Realtime] = []

    # Any request

    def request(self, method: str, path: str, body: Any = ..., **options: Any) -> httpx.Response:
        """Any request as this device. `body` is sent as JSON; `content=`, `headers=`, `params=` go to httpx.

        Pass `headers={"Authorization": ""}` to go without the token.
        """
        headers = httpx.Headers(options.pop("headers", None))
        if "Authorization" in headers and not headers["Authorization"]:
            del headers["Authorization"]
        elif self.token is not None and "Authorization" not in headers:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not ...:
            options["json"] = body
        self.http.cookies.clear()
        return self.http.request(method, path, headers=headers, **options)

    def expect(self, status: int, method: str, path: str, body: Any = ..., **options: Any) -> Any:
        """The decoded body of an answer that must have `status`; None where there is none."""
        response = self.request(method, path, body, **options)
        if response.status_code != status:
            raise Refused(response)
        return response.json() if response.content else None

    # Accounts

    def register(self, email: str | None = None, password: str = PASSWORD) -> Client:
        self.email, self.password = email or self.email, password
        return self._signed_in(self.expect(201, "POST", "/api/auth/register", self._credentials()))

    def login(self, email: str | None = None, password: str | None = None, device_id: str | None = None) -> Client:
        """Signs in; `device_id` asks for an earlier sign-in's device."""
        self.email, self.password = email or self.email, password or self.password
        return self._signed_in(self.expect(200, "POST", "/api/auth/login", self._credentials(device_id)))

    def other_device(self, name: str = "Phone", kind: str = "mobile", url: str | None = None) -> Client:
        """Another device of the same user, signed in here or at another server's `url`."""
        return Client(url or self.url, name=name, kind=kind).login(self.email, self.password)

    def logout(self) -> None:
        self.expect(204, "POST", "/api/auth/logout")

    def me(self) -> dict[str, Any]:
        return self.expect(200, "GET", "/api/auth/me")

    # Settings

    def settings(self) -> dict[str, Any]:
        """The settings by key."""
        answer = self.expect(200, "GET", "/api/settings")
        return {setting["key"]: setting["value"] for setting in answer["settings"]}

    def setting(self, key: str) -> dict[str, Any]:
        return self.expect(200, "GET", f"/api/settings/{key}")

    def set(self, key: str, value: Any, **options: Any) -> dict[str, Any]:
        """POST /api/settings; the setting."""
        return self.expect(200, "POST", "/api/settings", {"key": key, "value": value}, **options)

    def patch(self, values: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        return self.expect(200, "PATCH", "/api/settings", values, **options)["settings"]

    def delete(self, key: str, **options: Any) -> None:
        self.expect(204, "DELETE", f"/api/settings/{key}", **options)

    def history(self, key: str) -> list[dict[str, Any]]:
        return self.expect(200, "GET", f"/api/settings/{key}/history")["history"]

    # Sync

    def pull(self, cursor: str | None = None, wait: int | None = None) -> dict[str, Any]:
        """GET /api/sync: everything, or what changed since `cursor`, held for up to `wait` seconds."""
        given = {"cursor": cursor, "wait": wait}
        params = {name: value for name, value in given.items() if value is not None}
        return self.expect(200, "GET", "/api/sync", params=params, timeout=(wait or 0) + 30)

    def poll(self, cursor: str, wait: int | None = None) -> httpx.Response:
        """The same with If-None-Match, as a polling client asks: 200 or 304."""
        params = {"cursor": cursor, **({"wait": wait} if wait is not None else {})}
        return self.request(
            "GET", "/api/sync", params=params, headers={"If-None-Match": f'"{cursor}"'}, timeout=(wait or 0) + 30)

    def push(self, *mutations: dict[str, Any], cursor: str | None = None) -> dict[str, Any]:
        """POST /api/sync: the results and what a pull from `cursor` gives."""
        body = {"mutations": list(mutations), **({"cursor": cursor} if cursor is not None else {})}
        return self.expect(200, "POST", "/api/sync", body)

    def digest(self) -> dict[str, Any]:
        return self.expect(200, "GET", "/api/sync/digest")

    def conflicts(self) -> list[dict[str, Any]]:
        return self.expect(200, "GET", "/api/sync/conflicts")["conflicts"]

    def replica(self) -> Replica:
        """A replica of everything as it is now."""
        replica = Replica()
        assert replica.apply(self.pull())
        return replica

    # Realtime

    def socket(self, cursor: str | None = None, url: str | None = None, **options: Any) -> Realtime:
        """A socket by bearer header, welcomed. `url`: another server's, or a proxy's. Closed by `close`."""
        socket = Realtime(url or self.url, token=self.token, cursor=cursor, **options)
        self._sockets.append(socket)
        return socket

    def close(self) -> None:
        for socket in self._sockets:
            socket.close()
        self.http.close()

    # Pieces

    def _credentials(self, device_id: str | None = None) -> dict[str, Any]:
        device = {"name": self.name, "kind": self.kind, **({"id": device_id} if device_id else {})}
        return {"email": self.email, "password": self.password, "device": device}

    def _signed_in(self, answer: dict[str, Any]) -> Client:
        self.token, self.user, self.device = answer["token"], answer["user"], answer["device"]
        return self
