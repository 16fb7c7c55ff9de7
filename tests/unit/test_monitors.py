"""When a run stops early, and what it says then."""

from __future__ import annotations

from phrasemill.generators.monitors import Monitor
from phrasemill.schemas.generate import MonitorConfig


def filled(reasons: list[str], **limits: float) -> Monitor:
    monitor = Monitor(MonitorConfig.model_validate({"after": 10, **limits}))
    for reason in reasons:
        monitor.add(reason)
    return monitor


def test_nothing_is_said_before_enough_was_seen() -> None:
    monitor = filled(["repetition"] * 9)
    assert monitor.stop_reason() is None
    monitor.add("repetition")
    assert monitor.stop_reason() == "repetition in 10 of the last 10 items (100%, limit 50%)"


def test_a_share_at_the_limit_is_still_fine() -> None:
    assert filled(["", "refusal"] * 10).stop_reason() is None
    stopped = filled(["", "refusal"] * 9 + ["refusal"] * 2).stop_reason()
    assert stopped is not None
    assert stopped.startswith("refusal in 11 of the last 20 items")


def test_only_the_latest_count() -> None:
    assert filled(["repetition"] * 5 + [""] * 15 + [""] * 20).stop_reason() is None
    late = filled([""] * 400 + ["fake_user_turn"] * 11).stop_reason()
    assert late is not None
    assert late.startswith("fake_user_turn in 11 of the last 20 items")


def test_other_reasons_and_rules_stop_nothing() -> None:
    assert filled(["banned_phrase"] * 40).stop_reason() is None
    assert filled(["dirty:repetition.loop"] * 40).stop_reason() is None


def test_the_detail_of_a_failure_does_not_matter() -> None:
    stopped = filled(["failed:timeout", "failed:too_long"] * 10).stop_reason()
    assert stopped is not None
    assert stopped.startswith("failed in 20 of")


def test_every_kind_has_its_own_limit() -> None:
    assert filled(["off_topic"] * 15 + [""] * 5).stop_reason() is None
    assert filled(["off_topic"] * 17 + [""] * 3).stop_reason() is not None
    assert filled(["off_topic"] * 20, off_topic=1.0).stop_reason() is None
