"""The market and focus under many clients and kill -9: the books balance, and every answer stands."""

from __future__ import annotations

from harness import Database, Server
from harness.storm import Storm


def test_the_books_balance_after_fifty_clients_and_two_kills(server: Server, database: Database) -> None:
    """2,000 random operations; `Benchmarks/run storm` is the same with 100,000 and five kills."""
    storm = Storm(server, database, operations=2_000, kills=2)
    seconds = storm.run()
    assert storm.repeats > 0, "no kill hit an operation under way"
    print(f"2,000 operations in {seconds:.1f} s; {storm.audit()}")
    said = storm.reckon()
    for outcome in (
        "market.purchase applied", "market.purchase insufficient_coins", "market.purchase item_unavailable", "market.purchase price_changed",
        "market.refund applied", "market.redeem applied", "market.claim applied", "focus.start applied", "focus.complete applied",
    ):
        assert said[outcome] > 0, said
    storm.close()
