"""Many servers on one log, by the virtual clock of tests/simulation/scaling.py: the same figures at each run."""

from __future__ import annotations

import pytest
from simulation.scaling import LIGHT, LOADED, Load, simulate


@pytest.mark.parametrize("load", [pytest.param(LOADED, marks=pytest.mark.long), LIGHT], ids=lambda load: load.name)
def test_a_hundred_servers_make_few_more_calls_a_request_than_one(load: Load) -> None:
    one, hundred = (load.sqs + simulate(servers, load, 20.0, 40.0).calls_a_request for servers in (1, 100))
    assert hundred <= 1.3 * one


@pytest.mark.parametrize("servers", [2, 4])
@pytest.mark.parametrize("load", [LOADED, LIGHT], ids=lambda load: load.name)
def test_no_server_is_late_every_time(load: Load, servers: int) -> None:
    """One that looks what others wrote needs two calls where they need one."""
    assert simulate(servers, load).wait(0.95) < 3.0


def test_servers_add_up_to_what_the_log_takes() -> None:
    """Up to ten servers nearly ten times the requests of one."""
    one, ten = (simulate(servers, LOADED, 30.0, 30.0).logged for servers in (1, 10))
    assert ten > 9 * one
