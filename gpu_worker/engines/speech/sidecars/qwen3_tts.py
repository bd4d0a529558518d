"""Qwen3-TTS as a side-car. Its package: https://github.com/QwenLM/Qwen3-TTS (qwen-tts 0.1.1)."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from gpu_worker.engines.speech.sidecars.serving import Engine, Message, Refused, Report, serve, usable, write_wav

# Twelve codes make a second: a sentence that does not end by itself is cut there.
_MOST_CODES = 2048


class Qwen3TTS(Engine):
    """The Base models clone the voice of a recording, the CustomVoice ones have speakers of their own."""

    name = "qwen3-tts"

    def __init__(self, folder: Path, device: str) -> None:
        import torch
        from qwen_tts import Qwen3TTSModel

        self.device = usable(device, has_gpu=torch.cuda.is_available())
        dtype = torch.bfloat16 if self.device == "cuda" else torch.float32
        self._model: Any = Qwen3TTSModel.from_pretrained(str(folder), device_map=self.device, dtype=dtype)
        self._heard: tuple[tuple[str, str | None], Any] | None = None

    def versions(self) -> dict[str, str]:
        """Of Qwen3-TTS and what it runs on."""
        return {name: version(name) for name in ("qwen-tts", "transformers", "torch")}

    def speak(self, request: Message, report: Report) -> Message:
        """One sentence."""
        common = {"text": request["text"], "language": request["language"], "max_new_tokens": _MOST_CODES}
        if request["reference"]:
            prompt = self._prompt(request["reference"], request["reference_text"])
            waves, rate = self._model.generate_voice_clone(**common, voice_clone_prompt=prompt)
        else:
            waves, rate = self._model.generate_custom_voice(**common, speaker=request["voice"])
        report(0.95)
        write_wav(request["output"], waves[0], rate)
        return {"voice": "cloned" if request["reference"] else request["voice"], "words": None}

    def _prompt(self, reference: str, text: str | None) -> Any:  # noqa: ANN401 - the package has no types
        """What the recording sounds like, found once for all sentences. What is said in it makes the copy truer."""
        key = (reference, text)
        if self._heard is None or self._heard[0] != key:
            try:
                found = self._model.create_voice_clone_prompt(
                    ref_audio=reference, ref_text=text, x_vector_only_mode=text is None
                )
            except ValueError as refused:
                raise Refused("reference_audio_url: no voice could be found in it.") from refused
            self._heard = (key, found)
        return self._heard[1]


def main() -> None:
    """Serve it."""
    serve(lambda set_up: Qwen3TTS(Path(set_up["weights"]), set_up["device"]))
