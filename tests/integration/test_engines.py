"""Every job type of the worker, run for real on this machine and measured by an independent reader (PyAV)."""

from __future__ import annotations

import hashlib
import json
import os
import wave
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gpu_worker.context import JobContext, Produced
from gpu_worker.engines.speech.sidecars.espeak import MANNERS
from gpu_worker.job_types import run_job
from gpu_worker.media.frames import FrameEncoder
from shared.errors import EngineFailed, EngineUnavailable, InvalidParams, MediaRefused
from shared.job_types import JobType, VoicePreset, parse_params
from shared.timeline import frame_size

PICTURE = "storage://uploads/picture.jpg"
TEXT = "The quick brown fox jumps over the lazy dog."


class Studio:
    """A workdir, and what the job said on the way."""

    def __init__(self, folder: Path) -> None:
        self.workdir = folder / "work"
        self.workdir.mkdir()
        self.inputs: dict[str, Path] = {}
        self.reports: list[tuple[str, int, str]] = []

    def run(self, job_type: str, **params: Any) -> Produced:
        context = JobContext(self.workdir, self.inputs, self._report)
        return run_job(JobType(job_type), parse_params(JobType(job_type), params), context)

    def _report(self, stage: str, progress: int, message: str = "") -> None:
        self.reports.append((stage, progress, message))


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


@pytest.fixture
def with_picture(studio: Studio, tmp_path: Path) -> Studio:
    x, y = np.meshgrid(np.arange(800), np.arange(600))
    picture = Image.fromarray(np.stack([x * 255 // 800, y * 255 // 600, (x + y) % 256], axis=2).astype(np.uint8))
    picture.save(tmp_path / "picture.jpg", quality=95)
    studio.inputs[PICTURE] = tmp_path / "picture.jpg"
    return studio


def decoded(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as file:
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in file.decode(video=0)]


def check_film(produced: Produced, size: tuple[int, int], frames: int, fps: int) -> Path:
    film = produced.files[0]
    assert (film.kind, film.content_type) == ("video", "video/mp4")
    assert (film.width, film.height, film.fps) == (*size, fps)
    assert film.duration_seconds == pytest.approx(frames / fps)
    with av.open(str(film.path)) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == size
        assert stream.average_rate == fps
        assert sum(1 for _ in file.decode(video=0)) == frames
    start = film.path.read_bytes()[:100_000]
    assert 0 < start.find(b"moov") < start.find(b"mdat")
    return film.path


def check_reports(studio: Studio, frames: int) -> None:
    progress = [value for _, value, _ in studio.reports]
    assert progress == sorted(progress)
    assert 0 <= progress[0] <= progress[-1] <= 99
    assert studio.reports[-1][2] == f"frame {frames}/{frames}"


def test_render_makes_an_animatic_and_says_so(studio: Studio) -> None:
    produced = studio.run("RENDER", prompt="A lamp is lit. The bay turns gold.", duration=2, resolution="480p", seed=7)
    check_film(produced, frame_size("480p", "16:9"), 48, 24)
    check_reports(studio, 48)
    assert produced.engine["name"] == "animatic"
    assert produced.engine["fallback_for"] == "cogvideox-5b"
    assert "GPU" in produced.engine["reason"]
    assert (produced.engine["seed"], produced.engine["device"]) == (7, "cpu")
    assert "ignored" not in produced.engine


@pytest.mark.parametrize(("aspect", "duration", "frames"), [("9:16", 0.5, 12), ("21:9", 1.3, 31)])
def test_render_takes_any_shape(studio: Studio, aspect: Any, duration: float, frames: int) -> None:
    produced = studio.run("RENDER", prompt="x", duration=duration, resolution="240p", aspect_ratio=aspect)
    check_film(produced, frame_size("240p", aspect), frames, 24)


def test_render_repeats_itself_from_the_seed_it_tells(studio: Studio) -> None:
    def film(seed: int | None) -> tuple[str, int]:
        produced = studio.run("RENDER", prompt="Dunes.", duration=0.5, resolution="240p", seed=seed)
        return hashlib.sha256(produced.files[0].path.read_bytes()).hexdigest(), produced.engine["seed"]

    drawn, seed = film(None)
    assert film(seed) == (drawn, seed)
    assert film((seed + 1) % 2**32)[0] != drawn


def test_render_names_what_it_ignores_and_cannot_draw(studio: Studio) -> None:
    params = {"negative_prompt": "blur", "steps": 20, "guidance": 0.0, "model": "animatic"}
    produced = studio.run("RENDER", prompt="Sun 😀", duration=0.5, resolution="240p", **params)
    assert produced.engine["ignored"] == ["negative_prompt", "steps", "guidance"]
    assert produced.engine["undrawn"] == "😀"
    assert "fallback_for" not in produced.engine


@pytest.mark.parametrize("motion", ["zoom_in", "pan_left", "rotate"])
def test_img2vid_moves_over_the_picture(with_picture: Studio, motion: str) -> None:
    produced = with_picture.run(
        "IMG2VID", image_url=PICTURE, motion=motion, duration=1.5, fps=20, resolution="240p", aspect_ratio="1:1", seed=3
    )
    frames = decoded(check_film(produced, (240, 240), 30, 20))
    check_reports(with_picture, 30)
    assert np.abs(frames[-1].astype(int) - frames[0]).mean() > 3
    assert produced.engine == {"name": "camera_move", "device": "cpu", "motion": motion, "ignored": ["seed"]}


def test_img2vid_keeps_the_colours_of_the_picture(studio: Studio, tmp_path: Path) -> None:
    Image.new("RGB", (400, 300), (200, 60, 30)).save(tmp_path / "red.png")
    studio.inputs[PICTURE] = tmp_path / "red.png"
    produced = studio.run("IMG2VID", image_url=PICTURE, duration=0.5, resolution="240p")
    with av.open(str(produced.files[0].path)) as file:
        assert file.streams.video[0].codec_context.colorspace == 1  # BT.709, so that players convert it back alike
        frame = next(file.decode(video=0))
        shown = frame.to_ndarray(format="rgb24", src_colorspace="ITU709")
    assert shown[120, 200] == pytest.approx((200, 60, 30), abs=4)


def test_img2vid_refuses_what_is_not_a_picture(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello")
    studio.inputs[PICTURE] = tmp_path / "note.txt"
    with pytest.raises(MediaRefused):
        studio.run("IMG2VID", image_url=PICTURE)
    assert list(studio.workdir.iterdir()) == []


def samples(path: Path) -> tuple[NDArray[np.float64], int]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        sound = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return sound / 32768, file.getframerate()


@pytest.mark.parametrize("preset", list(MANNERS))
def test_tts_speaks_in_every_voice(studio: Studio, preset: VoicePreset) -> None:
    produced = studio.run("TTS", text=TEXT, voice_preset=preset)
    speech, words, cues = produced.files
    sound, rate = samples(speech.path)
    assert (speech.path.name, speech.kind, speech.content_type) == ("speech.wav", "audio", "audio/wav")
    assert speech.duration_seconds == pytest.approx(len(sound) / rate)
    assert 2 < len(sound) / rate < 6
    assert produced.engine["loudness_lufs"] == pytest.approx(-16, abs=0.5)
    assert np.abs(sound).max() < 0.9
    assert (cues.kind, cues.content_type) == ("subtitles", "text/vtt")
    assert (words.kind, words.content_type) == ("data", "application/json")
    assert produced.engine["name"] == "espeak"


def test_tts_tells_when_each_word_is_spoken(studio: Studio) -> None:
    speech, file, _ = studio.run("TTS", text=TEXT).files
    words = json.loads(file.path.read_text())["words"]
    assert [word["text"] for word in words] == TEXT.split()
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert times[-1] <= (speech.duration_seconds or 0) + 0.01


def test_tts_voices_differ_in_pitch(studio: Studio) -> None:
    pitch = {
        preset: _pitch(*samples(studio.run("TTS", text=TEXT, voice_preset=preset).files[0].path)) for preset in VOICED
    }
    assert pitch["deep"] < 0.9 * pitch["default"] < pitch["default"] < 0.7 * pitch["bright"]


VOICED: tuple[VoicePreset, ...] = ("deep", "default", "bright")


def _pitch(sound: NDArray[np.float64], rate: int) -> float:
    """The median fundamental in Hz, by the peak of each window's autocorrelation."""
    found = []
    for window in sound[: len(sound) // 2048 * 2048].reshape(-1, 2048):
        alike = np.correlate(window, window, "full")[2047:]
        peak = rate // 400 + int(alike[rate // 400 : rate // 60].argmax())
        if np.sqrt(np.mean(window**2)) > 0.03 and alike[peak] > 0.4 * alike[0]:
            found.append(rate / peak)
    return float(np.median(found))


def test_tts_is_longer_when_slower(studio: Studio) -> None:
    lengths = [studio.run("TTS", text=TEXT, speed=speed).files[0].duration_seconds or 0 for speed in (0.5, 1.0, 2.0)]
    assert lengths[0] > 1.7 * lengths[1]
    assert lengths[1] > 1.7 * lengths[2]


def test_tts_languages(studio: Studio) -> None:
    assert studio.run("TTS", text="Guten Tag", language="de-AT").engine["voice"] == "gmw/de"
    assert studio.run("TTS", text="你好", language="zh").engine["voice"] == "sit/cmn"
    with pytest.raises(InvalidParams, match=r"language.*“zz”"):
        studio.run("TTS", text="hello", language="zz")


def test_tts_refuses_a_text_without_anything_to_say(studio: Studio) -> None:
    for text in ("\x00\x01  \n", "..."):
        with pytest.raises(InvalidParams, match="text"):
            studio.run("TTS", text=text)


@pytest.mark.parametrize(
    "text",
    [
        "--help",
        "-w /tmp/stolen.wav hello",
        "<speak><audio src='file:///etc/passwd'/>hello</speak>",
        "[[h@loU]]",
        "$(reboot); `id` && rm -rf / | cat > x",
        "before\x00after",
        '{"output": "/tmp/x"}',
        "😀 עולם 你好",
    ],
)
def test_tts_only_speaks_hostile_text(studio: Studio, text: str) -> None:
    sound, rate = samples(studio.run("TTS", text=text).files[0].path)
    assert len(sound) / rate > 0.3
    assert sorted(path.name for path in studio.workdir.iterdir()) == ["speech.json", "speech.vtt", "speech.wav"]


@pytest.mark.parametrize("markup", ["<break time='9ms'/>hello", "[[h@loU]]"])
def test_tts_reads_markup_out_instead_of_obeying_it(studio: Studio, markup: str) -> None:
    as_written, plain = (studio.run("TTS", text=text).files[0].duration_seconds or 0 for text in (markup, "hello"))
    assert as_written > 1.4 * plain


def test_tts_speaks_past_a_nul(studio: Studio) -> None:
    words = json.loads(studio.run("TTS", text="before\x00after").files[1].path.read_text())["words"]
    assert [word["text"] for word in words] == ["before", "after"]


@pytest.mark.parametrize(
    ("job_type", "params", "word"),
    [
        ("RENDER", {"prompt": "x", "model": "cogvideox-5b"}, "cogvideox-5b"),
        ("RENDER", {"prompt": "x", "lora": "twins/me"}, "LoRA"),
        ("IMG2VID", {"image_url": PICTURE, "model": "svd"}, "svd"),
        ("TTS", {"text": "x", "model": "xtts"}, "xtts"),
        ("TTS", {"text": "x", "model": "kokoro"}, "models env kokoro"),
        ("LIPSYNC", {"video_url": PICTURE, "audio_url": PICTURE}, "Wav2Lip"),
        ("TRAIN_TWIN", {"images": [PICTURE] * 5, "name": "me"}, "cogvideox-5b"),
    ],
)
def test_what_this_worker_has_no_engine_for(studio: Studio, job_type: str, params: dict[str, Any], word: str) -> None:
    with pytest.raises(EngineUnavailable, match=word):
        studio.run(job_type, **params)
    assert studio.reports == []


def film_of(path: Path, frames: Iterable[NDArray[np.uint8]]) -> None:
    with FrameEncoder(path, 64, 64, 24) as film:
        film.write_all(frames, 1000, lambda *_: None)


@pytest.mark.parametrize("count", [1, 1000])
def test_an_encoder_that_cannot_write_fails_in_one_sentence(tmp_path: Path, count: int) -> None:
    with pytest.raises(EngineFailed, match=r"^The video encoder .*\.$"):
        film_of(tmp_path / "no" / "a.mp4", [np.zeros((64, 64, 3), np.uint8)] * count)


def test_leaving_by_an_error_ends_the_encoder_and_removes_the_file(tmp_path: Path) -> None:
    def frames() -> Iterator[NDArray[np.uint8]]:
        yield from [np.zeros((64, 64, 3), np.uint8)] * 500
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        film_of(tmp_path / "a.mp4", frames())
    assert list(tmp_path.iterdir()) == []
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    assert not [child for child in children if str(tmp_path) in Path(f"/proc/{child}/cmdline").read_text()]


def test_a_frame_of_another_size_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a frame is 64 x 64"):
        film_of(tmp_path / "a.mp4", [np.zeros((32, 64, 3), np.uint8)])
