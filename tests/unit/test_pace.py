"""How many requests are in flight, and how many tries again are paid for."""

from __future__ import annotations

import asyncio

from phrasemill.generators.pace import Pace


def test_fewer_are_in_flight_under_overload_and_more_again_after_it() -> None:
    pace = Pace(16, share=0.5)

    async def window(*, overloaded: bool) -> None:
        async with pace.slot() as cuts:
            pass
        pace.heard(overloaded=overloaded, cuts=cuts)

    async def run() -> tuple[int, int, int]:
        for _ in range(200):
            await window(overloaded=True)
        least = int(pace.limit)
        flying = most = 0

        async def hold() -> None:
            nonlocal flying, most
            async with pace.slot():
                flying += 1
                most = max(most, flying)
                await asyncio.sleep(0)
                flying -= 1

        await asyncio.gather(*(hold() for _ in range(20)))
        for _ in range(1000):
            await window(overloaded=False)
        return least, most, int(pace.limit)

    assert asyncio.run(run()) == (1, 1, 16)


def test_chance_faults_leave_the_pace_alone() -> None:
    pace = Pace(16, share=0.5)
    for number in range(1000):
        pace.heard(overloaded=number % 20 == 0, cuts=pace.cuts)
    assert (pace.cuts, pace.limit) == (0, 16.0)


def test_late_news_of_an_overload_that_was_answered_is_not_heard_twice() -> None:
    pace = Pace(16, share=0.5)
    for _ in range(500):
        pace.heard(overloaded=True, cuts=0)
    assert pace.cuts == 1


def test_tries_again_are_a_share_of_the_answers() -> None:
    pace = Pace(1, share=0.5)

    async def again() -> int:
        """How many tries again are paid for without waiting."""
        spent = 0
        while True:
            task = asyncio.ensure_future(pace.spend())
            for _ in range(3):
                await asyncio.sleep(0)
            if not task.done():
                task.cancel()
                return spent
            spent += 1

    async def run() -> tuple[int, int]:
        await again()
        for _ in range(16):
            pace.earn()
        return await again(), 16

    tries, answers = asyncio.run(run())
    # A second or more of a busy machine pays for one by itself.
    assert answers * 0.5 - 1 <= tries <= answers * 0.5 + 2
