"""Kokoro as a side-car. Its package: https://github.com/hexgrad/kokoro (0.9.4).

The weights are safetensors made of the published pickles: `kokoro-v1_0.safetensors` with names such as
`bert.embeddings.…`, and one file a voice with the single tensor `tensor`.
"""

from __future__ import annotations

import io
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gpu_worker.engines.speech.sidecars.serving import Engine, Message, Refused, Report, serve, usable, write_wav

_RATE = 24_000
_REPO = "hexgrad/Kokoro-82M"
_ENGLISH = ("a", "b")
_MODEL = "kokoro-v1_0.safetensors"


class Kokoro(Engine):
    """One model, and for each language the pipeline that makes phonemes of its text."""

    name = "kokoro"

    def __init__(self, folder: Path, device: str) -> None:
        import torch

        self.device = usable(device, has_gpu=torch.cuda.is_available())
        self._folder, self._model = folder, _model(folder).to(self.device).eval()
        self._pipelines: dict[str, Any] = {}

    def versions(self) -> dict[str, str]:
        """Of Kokoro, of what makes its phonemes and of torch."""
        return {name: version(name) for name in ("kokoro", "misaki", "torch")}

    def speak(self, request: Message, report: Report) -> Message:
        """One sentence; a long one comes in pieces, whose words are timed one after another."""
        import numpy as np

        pipeline = self._pipeline(request["language"], request["voice"])
        pieces, words, at, timed = [], [], 0.0, True
        for result in pipeline(request["text"], voice=request["voice"], speed=request["speed"], split_pattern=None):
            piece = result.audio.numpy()
            words += _words(result.tokens or [], at)
            timed = timed and result.tokens is not None
            at += len(piece) / _RATE
            pieces.append(piece)
            report(min(0.95, len(pieces) * 0.2))
        write_wav(request["output"], np.concatenate(pieces) if pieces else np.zeros(0), _RATE)
        return {"voice": request["voice"], "words": words if timed and words else None}

    def _pipeline(self, language: str, voice: str) -> Any:  # noqa: ANN401 - the package has no types
        from kokoro import KPipeline
        from safetensors.torch import load_file
        from spacy.util import is_package

        if language in _ENGLISH and not is_package("en_core_web_sm"):
            # Its package would fetch it, in the middle of a job.
            raise Refused(
                "language: the environment of Kokoro on this worker is without spaCy's en_core_web_sm, which English "
                "needs: python -m gpu_worker models env kokoro brings it, or says how."
            )
        if language not in self._pipelines:
            self._pipelines[language] = KPipeline(lang_code=language, repo_id=_REPO, model=self._model)
        pipeline = self._pipelines[language]
        if voice not in pipeline.voices:
            path = self._folder / "voices" / f"{Path(voice).name}.safetensors"
            if not path.is_file():
                raise Refused(f"voice: the weights of {voice} are not on this worker.")
            pipeline.voices[voice] = load_file(path)["tensor"]
        return pipeline


def _model(folder: Path) -> Any:  # noqa: ANN401 - the package has no types
    """The model with its weights from safetensors. Its own loader knows pickles alone, so it is given an empty one."""
    import torch
    from kokoro import KModel
    from safetensors.torch import load_file

    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    model = KModel(repo_id=_REPO, config=config, model=nothing)
    # `module.` is what several GPUs leave in the names of the published parts.
    weights = {name.replace(".module.", "."): tensor for name, tensor in load_file(folder / _MODEL).items()}
    missing = set(dict(model.named_parameters())) - set(weights)
    if missing:
        raise Refused(f"The weights of Kokoro lack {len(missing)} tensors, {min(missing)} for one.")
    model.load_state_dict(weights, strict=False)
    return model


def _words(tokens: list[Any], offset: float) -> list[dict[str, Any]]:
    """A sign that stands at a word is a token without letters: it belongs to the word before."""
    words: list[dict[str, Any]] = []
    joined = False
    for token in tokens:
        if token.start_ts is None or token.end_ts is None:
            continue
        start, end = round(offset + token.start_ts, 3), round(offset + token.end_ts, 3)
        if words and (joined or not any(letter.isalnum() for letter in token.text)):
            words[-1] |= {"text": words[-1]["text"] + token.text, "end": end}
        else:
            words.append({"text": token.text, "start": start, "end": end})
        joined = not token.whitespace
    return words


def main() -> None:
    """Serve it."""
    serve(lambda set_up: Kokoro(Path(set_up["weights"]), set_up["device"]))
