"""The event with a time limit: set in time, too late, and given up while it waits."""

from __future__ import annotations

from tests.firmware.micropython import run_code

HEAD = """
import asyncio, random, time
from lib.bell import Bell
"""


async def test_it_wakes_who_waits_and_says_whether_it_rang() -> None:
    done = await run_code(
        HEAD
        + """
async def main():
    bell = Bell()
    print(await bell.wait_ms(1), bell.is_set())
    bell.set()
    print(await bell.wait_ms(60_000), bell.is_set())
    bell.clear()
    waiter = asyncio.create_task(bell.wait_ms(60_000))
    await asyncio.sleep_ms(5)
    bell.set()
    bell.set()
    print(await waiter)
    bell.clear()
    waiter = asyncio.create_task(bell.wait())
    await asyncio.sleep_ms(5)
    print(waiter.done())
    bell.set()
    print(await waiter)
asyncio.run(main())
"""
    )
    assert done.out.split("\n") == ["False False", "True True", "True", "False", "None", ""]


async def test_a_task_that_waits_is_cancelled_at_whatever_moment() -> None:
    """`asyncio.wait_for` forgets a cancellation that comes in the moment in which its time is over: a task of a
    connection that was over then lived on, with all it held."""
    done = await run_code(
        HEAD
        + """
LIMIT = 3

async def wait(bell, limit, seen):
    try:
        await bell.wait_ms(limit)
        seen.append("waited")
        bell.clear()
        await bell.wait_ms(60_000)
        seen.append("lost")
    except asyncio.CancelledError:
        seen.append("cancelled")
        raise

async def ring_and_cancel(bell, task, ring, steps):
    await asyncio.sleep_ms(LIMIT)
    if ring:
        bell.set()
    for _ in range(steps):
        await asyncio.sleep_ms(0)
    task.cancel()
    if ring:
        bell.set()

async def main():
    random.seed(1)
    outcomes = {}
    for number in range(800):
        bell, seen = Bell(), []
        ring = number % 2
        task = asyncio.create_task(wait(bell, 60_000 if ring else LIMIT, seen))
        asyncio.create_task(ring_and_cancel(bell, task, ring, number // 2 % 4))
        time.sleep_us(random.randrange(1000))
        for _ in range(500):
            await asyncio.sleep_ms(1)
            if task.done():
                break
        outcome = (seen[-1], task.done())
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    print(outcomes)
asyncio.run(main())
"""
    )
    assert done.out.strip() == "{('cancelled', True): 800}"
