"""A load against a real server on the loopback: what is counted, what is timed, what fails."""

from __future__ import annotations

import msgspec
import pytest
from completion_server import CompletionServer

from grid.backend.endpoint import Endpoint
from grid.cells.load import Lengths, ServerLoad, Slo
from grid.cells.measurement import Measurement
from grid.engine.load.measure import measure_endpoint
from grid.engine.measure.result import WorkloadResult
from grid.errors import EngineError, InputError
from grid.results.derive import metrics_of

SHORT = ServerLoad(
    concurrency=2,
    requests=8,
    prompt=Lengths(16, 16),
    output=Lengths(4, 4),
    timeout_s=5.0,
)


def measure(
    server: CompletionServer, load: ServerLoad = SHORT, key_variable: str = ""
) -> WorkloadResult:
    endpoint = Endpoint(url=server.url, model="m", key_variable=key_variable)
    return measure_endpoint(endpoint, load)


def values(load: ServerLoad, result: WorkloadResult) -> dict[str, float | None]:
    measurement = Measurement(cell_id="", status="ok", scalars=result.scalars, series=result.series)
    return {metric.name: metric.value for metric in metrics_of("load", load, measurement)}


def samples(result: WorkloadResult, name: str) -> tuple[float, ...]:
    return next((series.values for series in result.series if series.name == name), ())


def test_a_closed_load_counts_its_requests_and_tokens() -> None:
    with CompletionServer(ttft_s=0.02, gap_s=0.005) as server:
        result = measure(server)
    figures = values(SHORT, result)
    assert result.scalars["requests"] == 8
    assert samples(result, "output_tokens") == (4.0,) * 8
    assert samples(result, "prompt_tokens") == (16.0,) * 8
    assert min(samples(result, "ttft_s")) >= 0.02
    assert min(samples(result, "e2e_s")) >= 0.035
    assert len(samples(result, "itl_s")) == 8 * 3
    assert figures["error_share"] == 0
    assert figures["output_throughput"] == pytest.approx(32 / result.scalars["window_s"])
    assert result.environment["tokens_counted_by"] == "usage"


def test_an_open_load_sends_when_requests_are_due_however_slow_answers_are() -> None:
    load = ServerLoad(
        arrivals="constant", rate=50.0, requests=20, output=Lengths(1, 1), prompt=Lengths(8, 8)
    )
    with CompletionServer(ttft_s=0.3) as server:
        result = measure(server, load)
    sent = samples(result, "sent_s")
    assert sent[-1] - sent[0] == pytest.approx(19 / 50, abs=0.15)  # not 20 answers of 0.3 s
    assert result.scalars["concurrency_mean"] > 4


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429", "HTTP 429: later"),
        ("500", "HTTP 500: later"),
        ("drop", "the server closed the connection mid-answer"),
        ("garbage", "an answer that is no stream of JSON"),
        ("error-event", "the server broke off with an error of its own"),
        ("silent", "an answer without text"),
    ],
)
def test_a_failed_request_is_counted_and_is_in_no_latency(fault: str, error: str) -> None:
    probes = 4
    with CompletionServer() as server:
        server.faults = [""] * (probes + SHORT.concurrency) + [fault]
        result = measure(server)
    assert len(samples(result, "failed_s")) == 1
    assert len(samples(result, "ttft_s")) == 7
    assert result.environment["errors"] == f"1 x {error}"
    assert values(SHORT, result)["error_share"] == pytest.approx(1 / 8)


def test_a_request_that_stalls_ends_at_its_limit() -> None:
    load = msgspec.structs.replace(SHORT, timeout_s=0.5)
    with CompletionServer() as server:
        server.faults = [""] * 6 + ["stall"]
        result = measure(server, load)
    assert result.environment["errors"] == "1 x no whole answer in 0.5 s"
    assert samples(result, "failed_s")[0] == pytest.approx(0.5, abs=0.2)


def test_tokens_that_nobody_counts_are_not_guessed() -> None:
    with CompletionServer() as server:
        server.always = "wrong-usage"
        result = measure(server)
    figures = values(SHORT, result)
    assert result.environment["tokens_counted_by"] == "a usage that the stream contradicts"
    assert "output_throughput" not in figures
    assert "tpot_s" not in figures
    assert figures["ttft_s"] is not None


def test_an_answer_that_its_limit_ended_has_as_many_tokens() -> None:
    with CompletionServer() as server:
        server.always = "no-usage"
        result = measure(server)
    assert samples(result, "output_tokens") == (4.0,) * 8
    assert result.environment["tokens_counted_by"] == "the limit that ended it"


def test_a_server_that_refuses_everything_is_an_error_in_one_line() -> None:
    with CompletionServer() as server:
        server.faults = [""] * 4 + ["429"] * 1000
        with pytest.raises(EngineError, match=r"no request was answered: HTTP 429: later$"):
            measure(server, msgspec.structs.replace(SHORT, concurrency=16))


def test_a_server_that_is_down_is_an_error_in_one_line() -> None:
    with CompletionServer() as server:
        url = server.url
    with pytest.raises(EngineError, match="connection refused; is the server running"):
        measure_endpoint(Endpoint(url=url, model="m"), SHORT)


def test_a_key_is_sent_and_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_KEY", "s3cret")
    with CompletionServer() as server:
        server.key = "s3cret"
        result = measure(server, key_variable="LOAD_KEY")
        assert set(server.keys) == {"Bearer s3cret"}
        assert "s3cret" not in msgspec.json.encode(result).decode()
        server.key = "another"
        with pytest.raises(EngineError) as error:
            measure(server, key_variable="LOAD_KEY")
        assert "s3cret" not in str(error.value)
        assert "the key in LOAD_KEY is refused" in str(error.value)
        with pytest.raises(InputError, match="LOAD_KEY_2 holds no key"):
            measure(server, key_variable="LOAD_KEY_2")


def test_what_a_server_refuses_is_left_out() -> None:
    with CompletionServer() as server:
        server.refuses_ignore_eos = True
        result = measure(server)
        assert all("ignore_eos" not in body for body in server.requests[-8:])
    assert result.environment["ignore_eos"] == "refused by the server"


def test_the_same_seed_sends_the_same_prompts() -> None:
    with CompletionServer() as server:
        load = msgspec.structs.replace(SHORT, concurrency=1, shared_prefix=8)
        measure(server, load)
        first = [body["prompt"] for body in server.requests[-8:]]
        measure(server, load)
        assert [body["prompt"] for body in server.requests[-8:]] == first
        prefixes = {" ".join(prompt.split()[:8]) for prompt in first}
    assert len(prefixes) == 1
    assert len(set(first)) == 8


def test_the_largest_rate_lies_within_its_interval() -> None:
    """Two slots of 20 ms each: 100 requests/s in the long run."""
    load = ServerLoad(
        arrivals="poisson",
        search=True,
        rate=80.0,
        duration_s=4.0,
        prompt=Lengths(8, 8),
        output=Lengths(1, 1),
        slo=Slo(ttft_s=0.08),
        timeout_s=10.0,
    )
    with CompletionServer(ttft_s=0.02, slots=2) as server:
        result = measure(server, load)
    measurement = Measurement(cell_id="", status="ok", scalars=result.scalars, series=result.series)
    (rate,) = (m for m in metrics_of("load", load, measurement) if m.name == "slo_request_rate")
    assert rate.low is not None
    assert rate.value is not None
    assert rate.high is not None
    assert rate.low <= rate.value <= rate.high
    assert rate.low >= 5
    assert rate.value < 100
