"""Settings on REST (contract, section 3, and the idempotency and versions of section 1)."""

from __future__ import annotations

import json
import uuid

import pytest

from harness import Client, Server, documents


def test_settings_come_sorted_with_the_head_as_etag(user: Client) -> None:
    for key in ["b", "a:1", "B", "a"]:
        user.set(key, key)
    answer = user.request("GET", "/api/settings")
    assert [setting["key"] for setting in answer.json()["settings"]] == ["B", "a", "a:1", "b"]
    assert answer.headers["etag"] == '"4"'
    assert set(answer.json()["settings"][0]) == {"key", "value", "version", "updated_at"}
    assert user.request("GET", "/api/settings", headers={"If-None-Match": '"4"'}).status_code == 304


@pytest.mark.parametrize("value", [
    "", "é\u2028\U0001f600", 0, -1, 1.5, 1e-7, 1e300, 12345678901234567890, 0.1, True, False, [], {}, [None, [1]],
    {"b": 1, "a": {"x": [1, 2, {"y": None}]}}, "'; DROP TABLE users; --", "<script>", "a" * 16_000,
])
def test_any_json_comes_back_value_for_value(user: Client, value: object) -> None:
    user.set("k", value)
    assert user.setting("k")["value"] == value
    assert documents(user.pull())[0]["value"] == value


def test_the_same_value_changes_no_version(user: Client) -> None:
    first = user.set("k", {"a": 1, "b": [1.0, 2]})
    again = user.request("POST", "/api/settings", content='{"value": {"b": [1, 2e0], "a": 1.0}, "key": "k"}')
    assert again.status_code == 200 and again.json() == first
    assert user.request("GET", "/api/settings").headers["etag"] == '"1"'


@pytest.mark.parametrize(("key", "wrong", "right"), [
    ("theme", ["blue", 1, {}, "Dark"], ["light", "dark", "system"]),
    ("accessibility", ["x", {"big": True}, {"large_text": 1}, []], [{}, {"large_text": True, "reduced_motion": False}]),
    ("notifications_enabled", ["yes", 1], [True, False]),
    # Abbreviations and offsets mean something else to whoever reads them, or the opposite.
    ("time_zone", ["Mars/Olympus", "GMT+5", "", 5, "../etc/passwd", "PST", "IST", "UTC-5", "US/Pacific-New", "Factory"],
     ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "US/Pacific", "Asia/Calcutta", "Etc/GMT-14", "EST5EDT"]),
])
def test_typed_keys_are_validated(user: Client, key: str, wrong: list[object], right: list[object]) -> None:
    for value in right:
        user.set(key, value)
    version = user.setting(key)["version"]
    for value in wrong:
        answer = user.request("POST", "/api/settings", {"key": key, "value": value})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_setting"), value
    assert user.setting(key)["version"] == version


def test_a_value_is_nested_32_levels_and_no_more(user: Client) -> None:
    def nested(levels: int) -> object:
        value: object = 1
        for _ in range(levels):
            value = [value]
        return value

    user.set("k", nested(31))
    for method, body in [("POST", {"key": "k", "value": nested(33)}), ("PATCH", {"k": nested(33)}), ("POST", nested(100))]:
        answer = user.request(method, "/api/settings", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
    assert user.setting("k")["value"] == nested(31)


@pytest.mark.parametrize("key", ["", "a b", "ä", "a/b", "x" * 256, "a\u0000b", "k'; DROP TABLE users; --", 5, None])
def test_a_key_that_cannot_be_is_refused(user: Client, key: object) -> None:
    answer = user.request("POST", "/api/settings", {"key": key, "value": 1})
    assert answer.status_code == 422 and user.settings() == {}


def test_a_key_in_a_path_may_be_percent_encoded(user: Client) -> None:
    user.patch({"a:b": 1, "a.b": 2})
    assert user.expect(200, "GET", "/api/settings/a%3Ab")["value"] == 1
    assert user.expect(200, "GET", "/api/settings/a%2Eb/history") == {"history": []}
    user.expect(204, "DELETE", "/api/settings/%61%3Ab")
    assert user.settings() == {"a.b": 2}
    for odd in ("a%", "a%zz", "a%00", "a%2Fb", "%C3%A4"):
        assert user.request("GET", f"/api/settings/{odd}").status_code == 404


def test_a_patch_points_at_each_member_that_cannot_be(user: Client) -> None:
    answer = user.request("PATCH", "/api/settings", {"a": 1, "theme": "blue", "notifications_enabled": 3, "x/y~z": 1})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_setting")
    assert [it["pointer"] for it in answer.json()["errors"]] == ["/notifications_enabled", "/theme", "/x~1y~0z"]
    assert user.settings() == {}


def test_null_deletes_in_patch_and_is_refused_elsewhere(user: Client) -> None:
    user.patch({"a": 1, "b": 2})
    assert user.request("POST", "/api/settings", {"key": "a", "value": None}).status_code == 422
    user.patch({"a": None, "c": 3})
    assert user.settings() == {"b": 2, "c": 3}


def test_patch_is_all_or_none_at_one_version(user: Client) -> None:
    written = user.patch({"a": 1, "b": 2, "theme": "dark"})
    assert {setting["version"] for setting in written} == {1}
    assert user.request("PATCH", "/api/settings", {"a": 5, "theme": "pink"}).status_code == 422
    assert user.settings() == {"a": 1, "b": 2, "theme": "dark"}


def test_delete_answers_204_whether_or_not_there_was_one(user: Client) -> None:
    user.set("a", 1)
    for _ in range(2):
        assert user.request("DELETE", "/api/settings/a").status_code == 204
    assert user.request("GET", "/api/settings/a").status_code == 404
    assert user.request("GET", "/api/settings").headers["etag"] == '"2"'


def test_delete_all_leaves_none(user: Client) -> None:
    user.patch({"a": 1, "b": 2})
    assert user.request("DELETE", "/api/settings").status_code == 204
    assert user.settings() == {}


def test_history_keeps_the_last_twenty_values(user: Client) -> None:
    for value in range(25):
        user.set("k", value)
    history = user.history("k")
    assert [entry["value"] for entry in history] == list(range(23, 3, -1))
    assert set(history[0]) == {"value", "version", "device_name", "replaced_at"}
    assert history[0]["version"] == 24 and history[0]["device_name"] == "Test device"
    user.delete("k")
    assert user.history("k")[0]["value"] == 24


def test_a_thousand_settings_and_no_more(user: Client) -> None:
    for start in range(0, 1000, 250):
        user.patch({f"k{n}": n for n in range(start, start + 250)})
    answer = user.request("POST", "/api/settings", {"key": "more", "value": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_settings")
    user.set("k1", "changed")
    user.delete("k2")
    user.set("more", 1)


def test_a_value_of_16_kib_and_one_byte_more(user: Client) -> None:
    user.set("k", "x" * (16_384 - 2))
    assert user.request("POST", "/api/settings", {"key": "k", "value": "x" * (16_384 - 1)}).status_code == 422


def test_if_match_guards_a_write(user: Client) -> None:
    user.set("k", 1)
    user.set("k", 2, headers={"If-Match": '"1"'})
    stale = user.request("POST", "/api/settings", {"key": "k", "value": 3}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")
    assert stale.json()["current"]["value"] == 2 and stale.json()["current"]["version"] == 2
    assert user.request("DELETE", "/api/settings/k", headers={"If-Match": '"1"'}).status_code == 412
    assert user.request("DELETE", "/api/settings/k", headers={"If-Match": '"2"'}).status_code == 204
    assert user.request("POST", "/api/settings", {"key": "k", "value": 3}, headers={"If-Match": "*"}).status_code == 412
    assert user.request("POST", "/api/settings", {"key": "k", "value": 3}, headers={"If-Match": "x"}).status_code == 400


def test_a_setting_answers_304_to_who_has_it(user: Client) -> None:
    user.set("k", 1)
    answer = user.request("GET", "/api/settings/k")
    assert answer.headers["etag"] == '"1"'
    assert user.request("GET", "/api/settings/k", headers={"If-None-Match": '"1"'}).status_code == 304


class TestIdempotency:
    """The same key with the same request gives the first answer again."""

    def test_a_replay_changes_nothing(self, user: Client) -> None:
        key = str(uuid.uuid4())
        first = user.request("POST", "/api/settings", {"key": "k", "value": 1}, headers={"Idempotency-Key": key})
        user.set("k", 2)
        again = user.request("POST", "/api/settings", {"value": 1.0, "key": "k"}, headers={"Idempotency-Key": f'"{key.upper()}"'})
        assert again.status_code == 200 and again.json() == first.json()
        assert again.headers["idempotency-replayed"] == "true" and "idempotency-replayed" not in first.headers
        assert user.setting("k")["value"] == 2

    def test_another_request_under_it_is_refused(self, user: Client) -> None:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        user.request("POST", "/api/settings", {"key": "k", "value": 1}, headers=key)
        for method, path, body in [("POST", "/api/settings", {"key": "k", "value": 2}), ("DELETE", "/api/settings/k", ...)]:
            answer = user.request(method, path, body, headers=key)
            assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        assert user.setting("k")["value"] == 1

    def test_a_malformed_body_leaves_it_as_it_was(self, user: Client) -> None:
        for path, wrong, right in [
            ("/api/settings", {"value": 1}, {"key": "k", "value": 1}), ("/api/focus", {"duration_seconds": 0}, {}),
        ]:
            key = {"Idempotency-Key": str(uuid.uuid4())}
            for _ in range(2):
                refused = user.request("POST", path, wrong, headers=key)
                assert (refused.status_code, refused.json()["code"]) == (422, "invalid_body")
                assert "idempotency-replayed" not in refused.headers
            assert user.request("POST", path, right, headers=key).status_code in (200, 201)

    def test_a_refusal_is_replayed_too(self, user: Client) -> None:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        body = {"key": "theme", "value": "pink"}
        first = user.request("POST", "/api/settings", body, headers=key)
        again = user.request("POST", "/api/settings", body, headers=key)
        assert first.status_code == again.status_code == 422 and again.headers["idempotency-replayed"] == "true"
        assert again.json()["code"] == "invalid_setting"

    def test_deletes_and_patches_replay(self, user: Client) -> None:
        user.patch({"a": 1, "b": 2})
        for method, path, body, status in [
            ("DELETE", "/api/settings/a", ..., 204), ("PATCH", "/api/settings", {"c": 1}, 200), ("DELETE", "/api/settings", ..., 204),
        ]:
            key = {"Idempotency-Key": str(uuid.uuid4())}
            first = user.request(method, path, body, headers=key)
            head = user.pull()["cursor"]
            again = user.request(method, path, body, headers=key)
            assert first.status_code == again.status_code == status and first.content == again.content
            assert again.headers["idempotency-replayed"] == "true" and user.pull()["cursor"] == head

    def test_rest_and_push_share_one_record(self, user: Client) -> None:
        key = str(uuid.uuid4())
        user.request("POST", "/api/settings", {"key": "k", "value": 1}, headers={"Idempotency-Key": key})
        result = user.push({"id": key, "name": "settings.set", "args": {"key": "k", "value": 1}})["results"][0]
        assert result["status"] == "applied" and result["replayed"] is True and result["output"]["value"] == 1

    @pytest.mark.parametrize("key", ["x", "", "123", "c3ae3538-09b8-4cfb-8ee1-98ad5feac2aa0"])
    def test_a_key_that_is_no_uuid_is_refused(self, user: Client, key: str) -> None:
        answer = user.request("POST", "/api/settings", {"key": "k", "value": 1}, headers={"Idempotency-Key": key})
        assert answer.status_code == 400 and user.settings() == {}

    def test_sixteen_at_once_happen_once(self, user: Client) -> None:
        from concurrent.futures import ThreadPoolExecutor

        key = {"Idempotency-Key": str(uuid.uuid4())}
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: user.request("POST", "/api/settings", {"key": "k", "value": 1}, headers=key), range(16)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({json.dumps(answer.json(), sort_keys=True) for answer in answers}) == 1
        assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1


def test_nobody_sees_anothers_settings(user: Client, sign_up, shared_server: Server) -> None:  # type: ignore[no-untyped-def]
    other = sign_up(shared_server)
    user.set("secret", 1)
    assert other.settings() == {} and other.request("GET", "/api/settings/secret").status_code == 404
    other.delete("secret")
    assert user.settings() == {"secret": 1}
