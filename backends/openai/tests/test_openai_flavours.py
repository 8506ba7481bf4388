"""Ollama, TGI and plain servers of OpenAI's API, each spoken to as it is documented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from grid_openai import backend
from grid_openai.description import read_description
from openai_stand_ins import ANSWER, DIGEST, Attach, Request, ollama, openai, serving, tgi

from grid.backend import EndpointSettings, InputError, Inspection, Unsupported


def described(tmp_path: Path, url: str, **settings: Any) -> Inspection:
    path = tmp_path / "served.endpoint"
    path.write_bytes(backend.describe_endpoint(EndpointSettings(url=url, **settings)))
    return backend.inspect(path)


def test_ollama_says_digest_quant_size_and_context(tmp_path: Path) -> None:
    with serving(ollama()) as server:
        model, quant, facts = described(tmp_path, server.url)
    assert (model.name, quant) == ("llama3.2", "Q4_K_M")
    assert (model.parameters, model.context_length) == (3212749888, 131072)
    assert (facts.bytes, model.architecture) == (2019393189, "llama")
    served = read_description(tmp_path / "served.endpoint")
    assert (served.digest, served.version) == (DIGEST, "0.12.6")


def test_the_same_weights_at_another_address_are_the_same(tmp_path: Path) -> None:
    revisions = set()
    for _ in range(2):
        with serving(ollama()) as server:
            revisions.add(described(tmp_path, server.url).model.revision)
    assert len(revisions) == 1


def test_a_written_answer_of_ollama_comes_with_its_own_times(attach: Attach) -> None:
    with serving(ollama()) as server, attach(server) as engine:
        engine.resize(512)
        ids = engine.encode("The capital of France is")
        tokens = [token for _, token in engine.generate([ids], 16, False, 0)]
        assert engine.decode(tokens).decode() == "".join(ANSWER)
        assert len(tokens) == len(ANSWER)
        facts = engine.environment()
        sent = server.last("/api/generate")
    assert (sent["raw"], sent["keep_alive"]) == (True, "10m")
    assert sent["options"]["num_ctx"] == 512
    assert sent["options"]["temperature"] == 0.0
    assert float(facts["server_decode_tps"]) == pytest.approx(len(ANSWER) / 0.5)
    assert float(facts["server_prefill_tps"]) == pytest.approx(26 / 0.325953, rel=1e-5)


@pytest.mark.parametrize("answers", [ollama, tgi, openai])
def test_without_a_tokenizer_no_token_is_timed_or_scored(answers: Any, attach: Attach) -> None:
    with serving(answers()) as server, attach(server) as engine:
        with pytest.raises(Unsupported, match="give the model's tokenizer"):
            list(engine.generate([engine.encode("a")], 4, True, 0))
        with pytest.raises(Unsupported, match=r"log-probabilities|likeliest"):
            list(engine.score([([1], [2])]))
        with pytest.raises(Unsupported, match="memory of a server that runs already"):
            engine.memory_report()


def test_ollama_without_the_model_says_how_to_get_it(tmp_path: Path) -> None:
    with (
        serving(ollama()) as server,
        pytest.raises(InputError, match=r"`ollama pull llama3.1` gets"),
    ):
        described(tmp_path, server.url, model="llama3.1")


def test_tgi_says_its_model_and_never_a_quant(tmp_path: Path, attach: Attach) -> None:
    with serving(tgi()) as server:
        model, quant, _ = described(tmp_path, server.url)
        assert (model.name, quant, model.context_length) == ("bloom-560m", "unknown", 2048)
        with attach(server) as engine:
            ids = engine.encode("The capital of France is")
            tokens = [token for _, token in engine.generate([ids], 4, False, 0)]
            assert engine.decode(tokens).decode() == "".join(ANSWER[:4])
            assert engine.endpoint().flavour == "tgi"
            assert engine.environment()["quant_known"].startswith("no")
        assert server.last("/generate_stream")["inputs"] == "The capital of France is"


def test_a_plain_server_is_what_its_user_says(tmp_path: Path) -> None:
    with serving(openai()) as server:
        model, quant, _ = described(tmp_path, f"{server.url}/v1", quant="Q8_0", context=4096)
    assert (model.name, quant, model.context_length) == ("mine", "Q8_0", 4096)
    assert model.source == server.url


def test_of_several_models_the_user_names_one(tmp_path: Path) -> None:
    def models(request: Request) -> None:
        request.json({"data": [{"id": "small"}, {"id": "large"}]})

    with serving(openai(models=models)) as server:
        with pytest.raises(InputError, match=r"serves 2 models \(small, large\); name one"):
            described(tmp_path, server.url)
        with pytest.raises(InputError, match=r"no model 'larg'. Did you mean 'large'"):
            described(tmp_path, server.url, model="larg")
        assert described(tmp_path, server.url, model="large").model.name == "large"


def test_a_quant_that_contradicts_the_server_is_refused(tmp_path: Path) -> None:
    with serving(ollama()) as server, pytest.raises(InputError, match="the server says 'Q4_K_M'"):
        described(tmp_path, server.url, quant="Q8_0")
