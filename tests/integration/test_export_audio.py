"""The sound of films as ffmpeg really makes it, measured: when things sound, how loud, at what pitch."""

from __future__ import annotations

import re
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.media.ffmpeg import ffmpeg_path, run_ffmpeg
from gpu_worker.media.loudness import RATE
from gpu_worker.media.probe import probe
from gpu_worker.timeline.audio import Master, render_sound
from gpu_worker.timeline.film import Film, Shot, Sound, Source
from shared.timeline import SoundMix

Samples = NDArray[np.float64]
# A click every half second, and a burst every 0.7 s.
CLICKS = "aevalsrc='if(lt(mod(t,0.5),0.004),0.8*sin(2*PI*2000*t),0)':d=14:s=48000,aformat=cl=stereo"
BURSTS = "aevalsrc='if(lt(mod(t,0.7),0.15),0.5*sin(2*PI*180*t)+0.3*sin(2*PI*700*t),0)':d=12:s=48000"
PICTURE = ["-f", "lavfi", "-i", "color=gray:size=32x32:rate=25:d=14"]
X264 = ["-c:v", "libx264", "-preset", "ultrafast"]


def tone(hertz: int, seconds: float = 4, level: float = 0.25) -> list[str]:
    return ["-f", "lavfi", "-i", f"aevalsrc={level}*sin(2*PI*{hertz}*t):d={seconds}:s=48000"]


FILES: dict[str, list[str]] = {
    "clicks.wav": ["-f", "lavfi", "-i", CLICKS],
    "clicks.m4a": ["-i", "clicks.wav", "-c:a", "aac", "-b:a", "192k"],
    "clicks.mp4": [*PICTURE, "-i", "clicks.wav", *X264, "-c:a", "aac", "-b:a", "192k"],
    "clicks.mp3": ["-i", "clicks.wav", "-c:a", "libmp3lame"],
    "clicks44.mp3": ["-i", "clicks.wav", "-ar", "44100", "-c:a", "libmp3lame", "-q:a", "3"],
    "clicks.opus.ogg": ["-i", "clicks.wav", "-c:a", "libopus"],
    "clicks.vorbis.ogg": ["-i", "clicks.wav", "-c:a", "libvorbis"],
    "clicks.flac": ["-i", "clicks.wav", "-c:a", "flac"],
    "clicks8.wav": ["-i", "clicks.wav", "-ar", "8000", "-ac", "1"],
    "clicks192.wav": ["-i", "clicks.wav", "-ar", "192000"],
    "bursts.wav": ["-f", "lavfi", "-i", BURSTS],
    "mono.wav": tone(440),
    "stereo.wav": [*tone(440), "-af", "pan=stereo|c0=c0|c1=c0"],
    "bed.wav": tone(300, 20, 0.1),
    "sweep.m4a": ["-f", "lavfi", "-i", "aevalsrc='0.4*sin(2*PI*(200+40*t)*t)':d=40:s=48000", "-c:a", "aac"],
    "noise.wav": ["-f", "lavfi", "-i", "anoisesrc=d=8:c=pink:a=0.9:seed=3,tremolo=f=0.5:d=0.8"],
    "nothing.wav": ["-f", "lavfi", "-i", "anullsrc=d=2"],
    "late.mp4": [*PICTURE, "-itsoffset", "2.5", *tone(440, 5), *X264, "-c:a", "aac"],
    "gap.mp4": [*PICTURE, *tone(440, 10), "-af", "aselect='not(between(t,3,5))'", *X264, "-c:a", "aac"],
    "two.mp4": [*tone(440), *tone(880), "-map", "0", "-map", "1", "-c:a", "aac"],
    "whole.mp3": [*tone(440, 10), "-c:a", "libmp3lame"],
    "whole.mp4": [*PICTURE, *tone(440, 10), *X264, "-c:a", "aac", "-t", "10", "-movflags", "+faststart"],
    "whole.aac": [*tone(440, 10), "-c:a", "aac"],
}  # fmt: skip
_STEREO = "pan=stereo|c0=c0|c1=c0"
SURROUND = "aevalsrc='{}':c=5.1:d=2:s=44100"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    for name, made in FILES.items():
        run_ffmpeg([*made, name], duration=1, folder=folder)
    for n in range(6):
        only = "|".join("0.25*sin(2*PI*440*t)" if n == k else "0" for k in range(6))
        run_ffmpeg(["-f", "lavfi", "-i", SURROUND.format(only), f"channel{n}.wav"], duration=1, folder=folder)
    loud = "|".join(["0.9*sin(2*PI*440*t)"] * 6)
    run_ffmpeg(["-f", "lavfi", "-i", SURROUND.format(loud), "loud.wav"], duration=1, folder=folder)
    rng = np.random.default_rng(1)
    for kind in ("mp3", "mp4", "aac"):
        data = (folder / f"whole.{kind}").read_bytes()
        (folder / f"cut.{kind}").write_bytes(data[: len(data) * 6 // 10])
        (folder / f"rotten.{kind}").write_bytes(data[: len(data) // 2] + rng.bytes(len(data) // 2))
    return folder


def source(files: Path, name: str) -> Source:
    return Source(files / name, probe(files / name))


def film(seconds: float, *sounds: Sound, fps: int = 50, **mix: float | bool) -> Film:
    shots = (Shot(None, None, 0.0, 0.0, round(seconds * fps)),)
    return Film(160, 90, fps, shots, sounds=sounds, mix=SoundMix.model_validate(mix))


def mastered(made: Film, folder: Path) -> Master:
    seen: list[float] = []
    master = render_sound(made, folder, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert [path.name for path in folder.iterdir()] == [master.path.name]
    return master


def heard(path: Path) -> Samples:
    command = [str(ffmpeg_path()), "-v", "error", "-i", str(path), "-f", "f32le", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.float32).reshape(-1, 2).astype(float)


def sound(made: Film, folder: Path) -> Samples:
    """The whole film's sound; both its ears."""
    samples = heard(mastered(made, folder).path)
    assert len(samples) == made.samples
    return samples


def level(samples: Samples) -> float:
    """In dB of full scale, by power."""
    return float(10 * np.log10(np.mean(samples**2) + 1e-18))


def tone_level(samples: Samples, hertz: int) -> float:
    turning = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / RATE)
    return float(20 * np.log10(2 * abs(np.mean(samples * turning)) + 1e-9))


def pitch(samples: Samples) -> float:
    rising = np.flatnonzero((samples[:-1] < 0) & (samples[1:] >= 0))
    return float((len(rising) - 1) / ((rising[-1] - rising[0]) / RATE))


def onsets(samples: Samples, above: float = 0.25, apart: float = 0.2) -> list[int]:
    """The samples at which something begins to sound."""
    found: list[int] = []
    for n in np.flatnonzero(np.abs(samples) > above):
        if not found or n - found[-1] > apart * RATE:
            found.append(int(n))
    return found


CLICK_FILES = sorted(name for name in FILES if name.startswith("clicks"))


@pytest.mark.parametrize("name", CLICK_FILES)
def test_every_format_sounds_on_time_wherever_it_is_cut(files: Path, tmp_path: Path, name: str) -> None:
    starts = (0.0, 3.3, 9.237)
    found = source(files, name)
    parts = [Sound(found, "clip", 480 + n * 4 * RATE, 3 * RATE, start) for n, start in enumerate(starts)]
    clicks = onsets(sound(film(13, *parts), tmp_path)[:, 0])
    expected = [
        part.at + (at - part.start) * RATE
        for part in parts
        for at in np.arange(0, 14, 0.5)
        if part.start <= at < part.start + 3
    ]
    assert len(clicks) == len(expected)
    assert max(abs(a - b) for a, b in zip(clicks, expected, strict=True)) < 0.005 * RATE


def test_ten_minutes_of_parts_do_not_drift(files: Path, tmp_path: Path) -> None:
    """Many groups, and a film whose frames are no whole number of samples."""
    found = source(files, "clicks.m4a")
    parts = [Sound(found, "clip", n * 20 * RATE + n, RATE, 2.25) for n in range(30)]
    made = film(600.5, *parts, fps=24)
    clicks = onsets(sound(made, tmp_path)[:, 0], apart=0.1)
    expected = [part.at + shift * RATE for part in parts for shift in (0.25, 0.75)]
    assert len(clicks) == len(expected)
    assert max(abs(a - b) for a, b in zip(clicks, expected, strict=True)) < 0.001 * RATE


def test_a_crossfade_is_even_and_a_fade_is_a_straight_line(files: Path, tmp_path: Path) -> None:
    """The same tone on both sides, in phase: at equal gain it stays as loud all the way."""
    found = source(files, "stereo.wav")
    left = Sound(found, "clip", 0, 2 * RATE, 0.0, 2.0, fade_out=RATE // 2)
    right = Sound(found, "clip", 2 * RATE - RATE // 2, 2 * RATE, 1.5, 3.5, fade_in=RATE // 2, fade_out=RATE)
    samples = sound(film(4, left, right), tmp_path)[:, 0]
    levels = [level(samples[at : at + 2400]) for at in range(0, int(2.4 * RATE), 2400)]
    assert max(levels) - min(levels) < 0.05
    middle = int((3.5 - 0.5) * RATE)
    assert level(samples[middle - 240 : middle + 240]) - levels[0] == pytest.approx(-6.0, abs=0.2)
    assert level(samples[int(3.6 * RATE) :]) < -150


def test_a_mono_recording_is_as_loud_in_both_ears(files: Path, tmp_path: Path) -> None:
    samples = sound(film(2, Sound(source(files, "mono.wav"), "clip", 0, 2 * RATE)), tmp_path)
    for ear in (0, 1):
        assert level(samples[:, ear]) == pytest.approx(20 * np.log10(0.25) - 3.01, abs=0.05)


@pytest.mark.parametrize(
    ("channel", "left", "right"),
    [(0, 0.0, None), (1, None, 0.0), (2, -3.0, -3.0), (3, None, None), (4, -3.0, None), (5, None, -3.0)],
)
def test_six_channels_become_two_as_itu_775_says(
    files: Path, tmp_path: Path, channel: int, left: float | None, right: float | None
) -> None:
    """The centre to both at -3 dB, the surrounds to their side at -3 dB, the low-frequency effects nowhere."""
    samples = sound(film(1, Sound(source(files, f"channel{channel}.wav"), "clip", 0, RATE)), tmp_path)[RATE // 4 :]
    for ear, wanted in ((0, left), (1, right)):
        gain = level(samples[:, ear]) - (20 * np.log10(0.25) - 3.01)
        assert gain < -80 if wanted is None else gain == pytest.approx(wanted, abs=0.1)


def test_what_adds_up_above_full_scale_is_not_clipped(files: Path, tmp_path: Path) -> None:
    master = mastered(film(2, Sound(source(files, "loud.wav"), "clip", 0, 2 * RATE, volume=2), peak=-2), tmp_path)
    samples = heard(master.path)[RATE // 2 : -RATE // 4, 0]
    assert np.abs(samples).max() <= 10 ** (-2 / 20)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    at = round(440 * len(samples) / RATE)
    assert 20 * np.log10(spectrum[3 * at - 20 : 3 * at + 20].max() / spectrum[at - 20 : at + 20].max()) < -40
    assert master.peak == pytest.approx(-2, abs=0.3)


@pytest.mark.parametrize("speed", [0.1, 0.5, 0.8, 1.25, 2.0, 10.0])
def test_speed_keeps_pitch_and_places(files: Path, tmp_path: Path, speed: float) -> None:
    seconds = min(3 / speed, 6)
    part = Sound(source(files, "stereo.wav"), "clip", 0, round(seconds * RATE), 0.5, 3.5, speed=speed)
    samples = sound(film(seconds + 0.5, part), tmp_path)
    body = samples[part.samples // 4 : part.samples * 3 // 4, 0]
    assert pitch(body) == pytest.approx(440, abs=1.5)
    assert level(body) == pytest.approx(20 * np.log10(0.25) - 3.01, abs=0.5)
    assert level(samples[part.samples - 480 : part.samples, 0]) > -25
    assert level(samples[part.samples + 480 :, 0]) < -120


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0, 4.0])
def test_sped_up_sound_stays_with_its_picture(files: Path, tmp_path: Path, speed: float) -> None:
    """The middles of the bursts, by energy."""
    part = Sound(source(files, "bursts.wav"), "clip", 0, round(10 / speed * RATE), 0.0, 10.0, speed=speed)
    energy = sound(film(10 / speed, part), tmp_path)[:, 0] ** 2
    every = 0.7 / speed * RATE
    for n in range(1, 13):
        middle = (n * 0.7 + 0.075) / speed * RATE
        around = np.arange(round(middle - 0.45 * every), round(middle + 0.45 * every))
        found = np.average(around, weights=energy[around])
        assert abs(found - middle) < 0.015 * RATE


@pytest.mark.parametrize("speed", [0.4, 1.25, 3.0])
def test_sped_up_sound_fades_as_any_other(files: Path, tmp_path: Path, speed: float) -> None:
    part = Sound(source(files, "stereo.wav"), "clip", 0, RATE, 0.5, 3.5, speed=speed, fade_in=9600, fade_out=9600)
    samples = sound(film(1, part), tmp_path)[:, 0]
    start, before, middle, after, end = (level(samples[at : at + 480]) for at in (0, 4560, 24_000, 42_960, 47_520))
    assert middle == pytest.approx(20 * np.log10(0.25) - 3.01, abs=0.5)
    assert [before, after] == pytest.approx([middle - 6] * 2, abs=1)
    assert max(start, end) < middle - 25


def test_backwards_is_the_same_samples_in_the_other_order(files: Path, tmp_path: Path) -> None:
    """Longer than what is held in memory at once, so it is made of pieces: no seam is heard."""
    forwards = Sound(source(files, "sweep.m4a"), "clip", 0, 34 * RATE, 2.0, 36.0)
    (tmp_path / "there").mkdir()
    (tmp_path / "back").mkdir()
    there = sound(film(34, forwards), tmp_path / "there")
    back = sound(film(34, replace(forwards, reverse=True)), tmp_path / "back")
    assert np.abs(there[::-1] - back).max() < 0.005


def test_a_looped_stretch_keeps_time_and_does_not_click(files: Path, tmp_path: Path) -> None:
    clicks = Sound(source(files, "clicks.mp3"), "music", 4800, 40 * RATE, 0.3, 3.637, loop=True)
    steady = Sound(source(files, "stereo.wav"), "music", 0, 10 * RATE, 0.3, 0.351, loop=True)
    (tmp_path / "clicks").mkdir()
    (tmp_path / "steady").mkdir()
    found = onsets(sound(film(41, clicks), tmp_path / "clicks")[:, 0], apart=0.05)
    beats = [0.2 + 0.5 * n for n in range(7)]
    expected = [4800 + (n * 3.337 + beat) * RATE for n in range(13) for beat in beats if n * 3.337 + beat < 40]
    assert len(found) == len(expected)
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) < 0.001 * RATE
    hum = sound(film(10, steady), tmp_path / "steady")[:, 0]
    assert np.abs(np.diff(hum)).max() < 1.2 * 0.25 * 2 * np.pi * 440 / RATE
    assert level(hum[:RATE]) == pytest.approx(level(hum[-RATE:]), abs=0.1)


@pytest.mark.parametrize(("name", "start", "first", "last"), [("late.mp4", 0.0, 2.5, 7.5), ("late.mp4", 1.0, 1.5, 6.5)])
def test_a_late_start_inside_a_file_is_silence(
    files: Path, tmp_path: Path, name: str, start: float, first: float, last: float
) -> None:
    samples = sound(film(10, Sound(source(files, name), "clip", 0, 10 * RATE, start)), tmp_path)[:, 0]
    found = np.flatnonzero(np.abs(samples) > 0.1)
    assert found[0] / RATE == pytest.approx(first, abs=0.005)
    assert found[-1] / RATE == pytest.approx(last, abs=0.025)


def test_a_gap_inside_a_file_is_silence(files: Path, tmp_path: Path) -> None:
    samples = sound(film(8, Sound(source(files, "gap.mp4"), "clip", 0, 8 * RATE, 1.0)), tmp_path)[:, 0]
    assert level(samples[int(1.5 * RATE) : int(1.9 * RATE)]) > -20
    assert level(samples[int(2.2 * RATE) : int(3.8 * RATE)]) < -60
    assert level(samples[int(4.1 * RATE) : int(5.0 * RATE)]) > -20


def test_the_first_of_several_sound_tracks_is_heard(files: Path, tmp_path: Path) -> None:
    samples = sound(film(2, Sound(source(files, "two.mp4"), "clip", 0, 2 * RATE)), tmp_path)[:, 0]
    assert tone_level(samples[RATE // 4 :], 440) > -15
    assert tone_level(samples[RATE // 4 :], 880) < -60


@pytest.mark.parametrize("kind", ["mp3", "mp4", "aac"])
@pytest.mark.parametrize("damage", ["cut", "rotten"])
def test_a_damaged_end_is_silence_and_no_failure(files: Path, tmp_path: Path, damage: str, kind: str) -> None:
    found = source(files, f"{damage}.{kind}")
    good = Sound(found, "clip", 0, 10 * RATE, 0.0)
    bad = Sound(found, "clip", 10 * RATE, 2 * RATE, 7.0)
    samples = sound(film(12, good, bad), tmp_path)[:, 0]
    assert level(samples[RATE : int(3.5 * RATE)]) == pytest.approx(-15.05, abs=1)
    assert level(samples[int(7.5 * RATE) : int(11.5 * RATE)]) < -80


def test_a_file_that_changes_its_form_on_the_way_upsets_nothing(files: Path, tmp_path: Path) -> None:
    """Two seconds of mono, two of stereo, two of mono; and another part beside it."""
    for n, channels in enumerate("121"):
        run_ffmpeg(
            [*tone(440, 2), "-af", _STEREO if channels == "2" else "anull", "-c:a", "aac", f"form{n}.aac"],
            duration=2,
            folder=files,
        )
    (files / "forms.aac").write_bytes(b"".join((files / f"form{n}.aac").read_bytes() for n in range(3)))
    changing = Sound(source(files, "forms.aac"), "clip", RATE, 5 * RATE, 0.5)
    beside = Sound(source(files, "bed.wav"), "clip", 0, 8 * RATE)
    samples = sound(film(8, changing, beside), tmp_path)[:, 0]
    assert [tone_level(samples[n * RATE : (n + 1) * RATE], 300) for n in range(8)] == pytest.approx([-20] * 8, abs=0.2)
    levels = [tone_level(samples[int(at * RATE) : int((at + 0.2) * RATE)], 440) for at in (1.2, 3.0, 5.5)]
    assert levels == pytest.approx([20 * np.log10(0.25)] * 3, abs=3.1)
    assert max(tone_level(samples[int(at * RATE) : int((at + 0.2) * RATE)], 440) for at in (0.6, 6.3)) < -60


def speech(files: Path, name: str, volume: float) -> Path:
    """Six seconds of noise without what is at the bed's pitch."""
    made = f"anoisesrc=d=6:c=pink:a={volume}:seed=3,highpass=800,tremolo=f=4:d=0.7"
    run_ffmpeg(["-f", "lavfi", "-i", made, name], duration=6, folder=files)
    return files / name


@pytest.mark.parametrize("volume", [0.1, 0.8])
@pytest.mark.parametrize(("duck", "depth"), [(0.3, 2.2), (0.7, 11.8), (1.0, 24.0)])
def test_music_steps_back_by_what_is_asked_however_loud_the_voice(
    files: Path, tmp_path: Path, volume: float, duck: float, depth: float
) -> None:
    voice = speech(files, f"voice{volume}.wav", volume)
    bed = Sound(source(files, "bed.wav"), "music", 0, 16 * RATE, duck=duck)
    spoken = Sound(Source(voice, probe(voice)), "voice", 4 * RATE, 6 * RATE)
    samples = sound(film(16, bed, spoken, peak=0), tmp_path)[:, 0]

    def under(at: float) -> float:
        first = round(at * RATE)
        return tone_level(samples[first : first + RATE // 10], 300) - tone_level(samples[: 2 * RATE], 300)

    assert under(3.7) == pytest.approx(0, abs=0.2)
    assert under(4.0) < -0.7 * depth
    assert np.mean([under(at) for at in np.arange(4.5, 9.8, 0.1)]) == pytest.approx(-depth, abs=1)
    assert -0.95 * depth < under(10.3) < -0.1 * depth
    assert under(11.3) == pytest.approx(0, abs=0.3)


def test_clips_step_back_only_if_asked(files: Path, tmp_path: Path) -> None:
    voice = speech(files, "voice.wav", 0.5)
    clip = Sound(source(files, "bed.wav"), "clip", 0, 8 * RATE)
    spoken = Sound(Source(voice, probe(voice)), "voice", 2 * RATE, 5 * RATE)
    for duck, depth in ((0.0, 0.0), (0.5, -6.0)):
        folder = tmp_path / str(duck)
        folder.mkdir()
        samples = sound(film(8, replace(clip, duck=duck), spoken, peak=0), folder)[:, 0]
        before, during = tone_level(samples[:RATE], 300), tone_level(samples[4 * RATE : 6 * RATE], 300)
        assert during - before == pytest.approx(depth, abs=0.7)


def ebu_meter(path: Path) -> tuple[float, float]:
    """Integrated loudness and true peak as ffmpeg's own meter prints them for people."""
    command = [str(ffmpeg_path()), "-hide_banner", "-i", str(path), "-af", "ebur128=peak=true", "-f", "null", "-"]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr.rpartition("Summary")[2]
    numbers = [re.search(rf"{name}:\s+(\S+)", log) for name in ("I", "Peak")]
    return tuple(float(number[1]) if number else -999.0 for number in numbers)  # type: ignore[return-value] # two of them


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("goal", [-14.0, -23.0])
@pytest.mark.parametrize("volume", [0.1, 4.0])
def test_the_film_is_as_loud_as_asked(files: Path, tmp_path: Path, goal: float, volume: float, exact: bool) -> None:
    part = Sound(source(files, "noise.wav"), "clip", 0, 8 * RATE, volume=volume)
    master = mastered(film(8, part, loudness=goal, exact=exact), tmp_path)
    loudness, peak = ebu_meter(master.path)
    assert loudness == pytest.approx(goal, abs=0.5)
    assert peak <= -0.8
    assert master.loudness == pytest.approx(loudness, abs=0.1)
    assert master.peak == pytest.approx(peak, abs=0.1)
    assert master.notes == ()


def test_what_cannot_be_reached_is_said(files: Path, tmp_path: Path) -> None:
    clicks = Sound(source(files, "clicks.wav"), "clip", 0, 8 * RATE)
    faint = Sound(source(files, "noise.wav"), "clip", 0, 8 * RATE, volume=0.003)
    for name, part, why in (("clicks", clicks, "higher peaks"), ("faint", faint, "too quiet")):
        (tmp_path / name).mkdir()
        master = mastered(film(8, part, loudness=-8, peak=-6), tmp_path / name)
        assert master.loudness is not None
        assert master.loudness < -8.5
        assert why in master.notes[0]
        assert f"{master.loudness:.1f} LUFS instead of -8" in master.notes[0]
        assert ebu_meter(master.path)[1] <= -5.8


def test_what_was_steered_past_its_target_is_said(files: Path, tmp_path: Path) -> None:
    """A loud moment in a quiet film, which one pass cannot know of before it comes."""
    quiet = Sound(source(files, "noise.wav"), "clip", 0, 6 * RATE, volume=0.05)
    loud = Sound(source(files, "noise.wav"), "clip", 2 * RATE, RATE, volume=2.0)
    for exact in (False, True):
        master = mastered(film(6, quiet, loud, loudness=-23, exact=exact), tmp_path)
        assert master.loudness == pytest.approx(ebu_meter(master.path)[0], abs=0.1)
        why = f"The sound came out at {master.loudness:.1f} LUFS instead of -23: it was steered as it ran; "
        assert [note.startswith(why) for note in master.notes] == ([] if exact else [True])


def test_without_a_target_only_the_peaks_are_held(files: Path, tmp_path: Path) -> None:
    quiet = Sound(source(files, "stereo.wav"), "clip", 0, 2 * RATE, volume=0.5)
    assert level(sound(film(2, quiet), tmp_path)[:, 0]) == pytest.approx(20 * np.log10(0.125) - 3.01, abs=0.05)


@pytest.mark.parametrize("mix", [{}, {"loudness": -14}, {"loudness": -14, "exact": False}])
def test_silence_stays_silence(files: Path, tmp_path: Path, mix: dict[str, float]) -> None:
    silent = Sound(source(files, "nothing.wav"), "clip", 0, 2 * RATE)
    for name, seconds, parts in (("none", 2, []), ("short", 2, [silent]), ("long", 5, [silent])):
        (tmp_path / name).mkdir()
        made = film(seconds, *parts, **mix)
        master = mastered(made, tmp_path / name)
        samples = heard(master.path)
        assert np.abs(samples).max() == 0
        assert len(samples) == made.samples
        assert master.loudness is None


@pytest.mark.parametrize("mix", [{}, {"loudness": -14}, {"loudness": -14, "exact": False}])
@pytest.mark.parametrize("seconds", [0.02, 0.2, 0.5, 2.5])
def test_very_short_films(files: Path, tmp_path: Path, seconds: float, mix: dict[str, float]) -> None:
    part = Sound(source(files, "noise.wav"), "clip", 0, round(seconds * RATE), 0.5)
    samples = sound(film(seconds, part, **mix), tmp_path)
    assert -40 < level(samples) < -5


def test_five_hundred_parts_take_little_memory(files: Path, tmp_path: Path) -> None:
    """By the kernel's own high-water mark of every ffmpeg, read when it reports."""
    found = source(files, "clicks.m4a")
    step = RATE // 4
    parts = [Sound(found, "clip", n * step, RATE // 2, (n % 20) / 2 + 0.25) for n in range(500)]
    largest = 0

    def look(_: float) -> None:
        nonlocal largest
        children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
        statuses = [Path(f"/proc/{child}/status").read_text() for child in children]
        ffmpegs = [text for text in statuses if "Name:\tffmpeg" in text]
        largest = max([largest, *(int(kb) for text in ffmpegs for kb in re.findall(r"VmHWM:\s+(\d+)", text))])

    master = render_sound(film(126, *parts), tmp_path, look)
    clicks = onsets(heard(master.path)[:, 0], apart=0.1)
    assert len(clicks) == 500
    assert max(abs(at - (n + 1) * step) for n, at in enumerate(clicks)) < 0.001 * RATE
    assert 10_000 < largest < 150_000


def test_a_stop_ends_it_at_once(files: Path, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(_: float) -> None:
        raise Stopped

    parts = [Sound(source(files, "sweep.m4a"), "clip", n * RATE, 30 * RATE) for n in range(20)]
    with pytest.raises(Stopped):
        render_sound(film(60, *parts), tmp_path, stop)
