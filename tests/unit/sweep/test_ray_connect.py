"""A Ray that does not start is one line."""

from __future__ import annotations

import pytest

from grid.sweep.executors import ray_connect


@pytest.mark.ray
@pytest.mark.parametrize("raised", [Exception("The node timed out.\nSee logs"), TimeoutError()])
def test_whatever_ray_raises_is_one_line(
    raised: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")

    def init(**_: object) -> None:
        raise raised

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ray_connect.ClusterLost) as caught:
        ray_connect.start_local(1)
    lines = str(caught.value).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Ray does not start: ")
    assert "--executor inline" in lines[0]
