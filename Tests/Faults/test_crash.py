"""kill -9 in the middle of writes: nothing answered is lost, nothing is done twice, whoever asks again."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable

import httpx
import pytest

from harness import Client, Database, Server, eventually, mutation


def wrote(client: Client, key: str, value: object, id: str, within: float = 20) -> httpx.Response:
    """POST with an Idempotency-Key, sent again for as long as nobody answers: what a client has to do."""
    deadline = time.monotonic() + within
    while True:
        try:
            answer = client.request(
                "POST", "/api/settings", {"key": key, "value": value}, headers={"Idempotency-Key": id}, timeout=8)
            if answer.status_code != 503:
                return answer
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, f"nobody answered within {within} s"
        time.sleep(0.02)


def test_writers_that_send_again_lose_nothing_and_double_nothing_across_kill_9(
    server: Server, client: Client, database: Database,
) -> None:
    """Four writers, three kills in the middle: each of their changes happens once, at a version of its own."""
    answers: dict[str, list[httpx.Response]] = {str(number): [] for number in range(4)}
    devices = {name: client.other_device(name) for name in answers}
    over = threading.Event()

    def write(name: str) -> None:
        while not over.is_set() or len(answers[name]) < 10:
            answers[name].append(wrote(devices[name], f"k{name}", len(answers[name]), str(uuid.uuid4())))

    threads = [threading.Thread(target=write, args=(name,)) for name in answers]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = sum(map(len, answers.values()))
        eventually(lambda before=before: sum(map(len, answers.values())) >= before + 20, within=20, what="writes under way")
        server.restart(kill=True)
    over.set()
    for thread in threads:
        thread.join(30)
    everything = [answer for list_ in answers.values() for answer in list_]
    assert {answer.status_code for answer in everything} == {200}
    versions = sorted(answer.json()["version"] for answer in everything)
    # The first was the reward for signing in.
    assert versions == list(range(2, len(versions) + 2))
    assert client.settings() == {f"k{name}": len(list_) - 1 for name, list_ in answers.items()}
    assert database.value("SELECT count(*) FROM mutations") == len(everything)


def test_an_answer_that_was_lost_is_given_again_after_kill_9(
    server: Server, client: Client, proxy_to: Callable[..., object],
) -> None:
    """The change is committed, its answer swallowed, the server killed: the same id gives the first answer."""
    proxy = proxy_to(server)
    phone = client.other_device(url=f"http://127.0.0.1:{proxy.port}")  # type: ignore[attr-defined]
    change = mutation("settings.set", {"key": "theme", "value": "dark"}, seq=1)
    cursor = client.pull()["cursor"]
    proxy.freeze("down")  # type: ignore[attr-defined]
    lost: list[Exception] = []

    def send() -> None:
        try:
            phone.push(change)
        except httpx.TransportError as error:
            lost.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    eventually(lambda: client.settings() == {"theme": "dark"}, what="the change to be committed")
    server.kill()
    proxy.cut()  # type: ignore[attr-defined]
    sender.join(10)
    assert lost, "an answer came through a proxy that lets none through"
    proxy.thaw()  # type: ignore[attr-defined]
    server.start()
    answer = phone.push(change, cursor=cursor)
    (result,) = answer["results"]
    assert (result["status"], result["replayed"], result["document"]["value"]) == ("applied", True, "dark")
    assert [document["id"] for document in answer["documents"]] == ["theme"]
    phone.close()


def test_a_refusal_is_final_after_kill_9_too(server: Server, client: Client) -> None:
    wrong = mutation("settings.set", {"key": "theme", "value": "pink"})
    (first,) = client.push(wrong)["results"]
    server.restart(kill=True)
    (again,) = client.push(wrong)["results"]
    assert first["status"] == again["status"] == "rejected" and again["replayed"] is True
    assert again["problem"]["code"] == first["problem"]["code"] == "invalid_setting"


def test_the_second_process_replays_what_the_first_answered(
    server: Server, client: Client, start_server: Callable[..., Server],
) -> None:
    second = start_server()
    there = client.other_device(url=second.url)
    key = str(uuid.uuid4())
    first = client.request("POST", "/api/settings", {"key": "k", "value": 1}, headers={"Idempotency-Key": key})
    client.set("k", 2)
    again = there.request("POST", "/api/settings", {"key": "k", "value": 1}, headers={"Idempotency-Key": key})
    assert again.json() == first.json() and again.headers["idempotency-replayed"] == "true"
    (pushed,) = there.push(mutation("settings.set", {"key": "k", "value": 1}, id=key))["results"]
    assert pushed["replayed"] is True and pushed["output"] == first.json()
    assert there.setting("k")["value"] == 2
    there.close()


def test_one_id_sent_to_two_processes_at_once_happens_once(
    server: Server, client: Client, start_server: Callable[..., Server],
) -> None:
    there = client.other_device(url=start_server().url)
    for round_ in range(10):
        key = str(uuid.uuid4())
        answers: list[httpx.Response] = []
        gate = threading.Barrier(8)

        def send(device: Client, key: str = key, value: int = round_, gate: threading.Barrier = gate,
                 answers: list[httpx.Response] = answers) -> None:
            gate.wait(10)
            answers.append(device.request(
                "POST", "/api/settings", {"key": "k", "value": value}, headers={"Idempotency-Key": key}))

        threads = [threading.Thread(target=send, args=(device,)) for device in [client, there] * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert [answer.status_code for answer in answers] == [200] * 8
        assert len({answer.text for answer in answers}) == 1
        assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    # And the reward for signing in.
    assert client.setting("k")["version"] == 11
    there.close()


@pytest.mark.timed
def test_sockets_and_polls_are_back_in_step_within_five_seconds_of_kill_9(server: Server, client: Client) -> None:
    client.set("theme", "dark")
    socket = client.socket().caught_up()
    cursor = socket.replica.cursor
    server.kill()
    assert socket.wait_closed() == 1006
    began = time.monotonic()
    server.start()
    client.set("theme", "light")
    back = client.socket(cursor=cursor)
    back.replica.documents, back.replica.cursor = dict(socket.replica.documents), cursor
    first = back.changes()
    assert first["previous"] == cursor and first["reset"] is False
    assert client.poll(cursor).status_code == 200
    assert time.monotonic() - began < 5
