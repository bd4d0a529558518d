"""What holds the runner together: progress of many, parts that are kept, and which encoder is used."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_worker.context import Checkpoints
from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.film import Film, Shot, Source
from gpu_worker.timeline.pictures import chunks
from gpu_worker.timeline.runner import hardware
from gpu_worker.timeline.runner import picture as runner_picture
from gpu_worker.timeline.runner.files import files_of
from gpu_worker.timeline.runner.hardware import decoded_by_card, encoder_for
from gpu_worker.timeline.runner.keep import WORTH_KEEPING_SECONDS, Keeper, Recipe
from gpu_worker.timeline.runner.packets import _entries, _is_fresh_start
from gpu_worker.timeline.runner.picture import chunk_arguments, in_order
from gpu_worker.timeline.runner.progress import Meter, Stopped
from shared.timeline import Clip, Output

UNITS = {"parameters": b"\x67", "recovery": b"\x06", "fresh": b"\x65", "plain": b"\x41"}


def picture(*kinds: str) -> bytes:
    return b"".join((len(UNITS[kind]) + 3).to_bytes(4, "big") + UNITS[kind] + b"abc" for kind in kinds)


def test_progress_is_weighted_and_never_goes_back() -> None:
    said: list[tuple[str, int, str]] = []
    meter = Meter(lambda stage, progress, message="": said.append((stage, progress, message)), {"a": 3.0, "b": 1.0})
    first, second = meter.part("a", "encoding", "at 0 of 4 s"), meter.part("b", "mixing")
    first(1.0)
    second(0.5)
    first(0.2)
    second(1.0)
    assert said == [
        ("encoding", 74, "at 0 of 4 s"),
        ("mixing", 86, ""),
        ("encoding", 86, "at 0 of 4 s"),
        ("mixing", 99, ""),
    ]


def test_after_a_failure_every_other_part_stops_at_its_next_report() -> None:
    meter = Meter(lambda *_: None, {"a": 1.0})
    done = meter.part("a", "encoding")
    done(0.1)
    meter.stop()
    with pytest.raises(Stopped):
        done(0.2)


def test_whoever_interrupts_stops_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter(lambda *_: None, {"a": 1.0})
    done = meter.part("a", "encoding")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner_picture, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        in_order([], meter)
    with pytest.raises(Stopped):
        done(0.1)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_parts_are_kept_once_the_job_has_run_for_a_while(tmp_path: Path) -> None:
    sent: list[tuple[str, str]] = []
    clock = Clock()
    keeper = Keeper(tmp_path, Checkpoints(tmp_path, lambda path, name: sent.append((path.name, name))), clock)
    recipe = Recipe(["-i", "a"], "", [])
    clock.now = WORTH_KEEPING_SECONDS - 1
    keeper.keep(["early.mp4"], recipe)
    clock.now = WORTH_KEEPING_SECONDS
    keeper.keep(["a.mp4", "b.webm"], recipe)
    digest = keeper.digest(recipe)
    assert sent == [("a.mp4", f"{digest}-a.mp4"), ("b.webm", f"{digest}-b.webm")]


def test_parts_are_taken_over_whole_or_not_at_all(tmp_path: Path) -> None:
    store, work = tmp_path / "store", tmp_path / "work"
    store.mkdir()
    work.mkdir()
    keeper = Keeper(work, Checkpoints(store, lambda *_: None), Clock())
    recipe = Recipe(["-i", "a"], "", [])
    (store / f"{keeper.digest(recipe)}-a.mp4").write_bytes(b"a")
    assert not keeper.has(["a.mp4", "b.webm"], recipe), "one of the two is missing"
    assert not keeper.has(["a.mp4"], Recipe(["-i", "b"], "", [])), "what was made otherwise is not the same part"
    assert list(work.iterdir()) == []
    assert keeper.has(["a.mp4"], recipe)
    assert (work / "a.mp4").read_bytes() == b"a"


def test_a_part_is_known_by_all_it_was_made_of_and_not_by_where_that_lay(tmp_path: Path) -> None:
    for name, content in (("one", b"a"), ("two", b"a"), ("three", b"b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "input-0").write_bytes(content)

    def digest(folder: str, captions: str = "") -> str:
        path = tmp_path / folder / "input-0"
        keeper = Keeper(tmp_path, Checkpoints.none(), Clock())
        return keeper.digest(Recipe(["-i", f"file:{path}"], captions, [path]))

    assert digest("one") == digest("two"), "only the folder differs"
    assert digest("one") != digest("three"), "another file has taken its place"
    assert digest("one") != digest("one", "Hello")


@pytest.fixture
def fake_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Works only where the file `card` is, and then encodes anything and decodes H.264 by the card."""
    program = tmp_path / "ffmpeg"
    program.write_text(
        f"#!/bin/sh\ntest -e {tmp_path}/card || exit 1\n"
        'case "$*" in *"-hwaccel cuda"*"-f h264 "*) cat >/dev/null;; *-hwaccel*) exit 1;; *) echo coded;; esac\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(hardware, "ffmpeg_path", lambda: program)
    for tried in (hardware._encodes, hardware._decodes):
        tried.cache_clear()
    yield program
    for tried in (hardware._encodes, hardware._decodes):
        tried.cache_clear()


def test_an_encoder_that_is_listed_and_fails_is_not_used(fake_ffmpeg: Path) -> None:
    assert encoder_for("h264", hardware=True) == "libx264"


def test_the_card_is_used_where_it_works_and_is_wanted(fake_ffmpeg: Path) -> None:
    fake_ffmpeg.with_name("card").touch()
    assert encoder_for("h264", hardware=True) == "h264_nvenc"
    assert encoder_for("h264", hardware=False) == "libx264"
    assert encoder_for("vp9", hardware=True) == "libvpx-vp9", "cards do not write it"


def _of(codec: str, hardware: str) -> Film:
    media = MediaInfo("video", "mov", 1.0, 320, 180, 30.0, video_codec=codec, video_stream=0)
    shot = Shot(Source(Path("a.mp4"), media), Clip(url="storage://uploads/a.mp4"), 0.0, 1.0, 30)
    return Film(320, 180, 30, (shot,), output=Output.model_validate({"hardware": hardware}))


def test_the_card_decodes_what_a_trial_of_it_decoded(fake_ffmpeg: Path) -> None:
    assert decoded_by_card(_of("h264", "auto")) == frozenset()
    hardware._encodes.cache_clear()
    fake_ffmpeg.with_name("card").touch()
    assert decoded_by_card(_of("h264", "auto")) == {"h264"}
    assert decoded_by_card(_of("h264", "off")) == frozenset(), "not wanted"
    assert decoded_by_card(_of("hevc", "auto")) == frozenset(), "its trial fails"
    assert decoded_by_card(_of("mpeg2video", "auto")) == frozenset(), "not tried"


def test_only_what_the_card_decodes_is_given_to_it() -> None:
    film = _of("h264", "auto")
    (chunk,) = chunks(film)
    for card, given in ((frozenset({"h264"}), True), (frozenset({"hevc"}), False)):
        made = chunk_arguments(film, chunk, None, [file.picture for file in files_of(film) if file.picture], 1, card)
        before = made[: made.index("-i")]
        assert (before[before.index("-hwaccel") + 1] == "cuda" if "-hwaccel" in before else False) is given


@pytest.mark.parametrize(
    ("kinds", "fresh"),
    [
        (("fresh",), True),
        (("parameters", "recovery", "fresh"), True),
        (("recovery", "plain"), False),
        (("parameters",), False),
        ((), False),
    ],
)
def test_parameters_may_change_at_idr_pictures_alone(kinds: tuple[str, ...], fresh: bool) -> None:
    assert _is_fresh_start(picture(*kinds)) == fresh
    assert not _is_fresh_start(b"\xff\xff\xff\xff\x06"), "a length past the end is not followed"


def test_pictures_shown_across_a_key_picture_make_it_no_entry() -> None:
    numbers = [0, 2, 1, 3, 6, 4, 5, 7]
    keys = [n in (0, 3, 6) for n in numbers]
    entries = [one.number for one in _entries(numbers, keys) if one.is_entry]
    assert entries == [0, 3], "4 and 5 come after 6 in the file and are shown before it"
