from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gpu_worker.timeline.__main__ import main
from gpu_worker.timeline.film import Film
from gpu_worker.timeline.planner import plan
from shared.errors import InvalidParams, MediaRefused
from shared.timeline import Clip, Timeline
from tests.unit.planned import MEDIA, SOURCES, at, track, url

otio = pytest.importorskip("opentimelineio")
interchange = pytest.importorskip("gpu_worker.timeline.interchange")
terms = pytest.importorskip("gpu_worker.timeline.interchange.terms")

LENGTHS = {url(name): media.duration for name, media in MEDIA.items() if media.duration}
RATE = 24


def there_and_back(timeline: Timeline, path: Path) -> Any:
    interchange.to_otio(timeline, path, LENGTHS)
    return interchange.from_otio(path)


def laid(film: Film) -> list[tuple[float, int, int, str]]:
    return [(round(shot.start, 6), shot.frames, shot.overlap, shot.transition) for shot in film.shots]


RICH: dict[str, Any] = {
    "clips": [
        at("video", start=1, end=4, transition={"duration": 1}, volume=0.5, effects=["sepia"]),
        at("video", start=2, end=8, speed=2, transition={"type": "wipe_left", "duration": 0.5}),
        at("video", start=0.5, end=4.5, speed=0.5, reverse=True, fit="blur"),
        at("still", duration=2, motion="zoom_in"),
        at("silent"),
    ],
    "captions": [{"text": "Hello {you}", "start": 1, "end": 2, "style": "bold"}],
    "titles": [{"text": "The end", "start": 9, "end": 11}],
    "overlays": [at("still", start=1, end=3, opacity=0.5), at("video", start=2, source_start=1)],
    "music": at("song", volume=0.2),
    "voiceover": [at("song", start=1, source_start=3, source_end=4.5), at("song", start=2, source_end=1)],
    "style": "warm",
    "output": {"resolution": "480p", "fps": 25},
    "metadata": {"title": "A film"},
}


def test_our_own_film_comes_back_the_same(tmp_path: Path) -> None:
    timeline = Timeline.model_validate(RICH)
    imported = there_and_back(timeline, tmp_path / "film.otio")
    assert imported.notes == ()
    before, after = plan(timeline, SOURCES), plan(imported.timeline, SOURCES)
    assert laid(after) == laid(before)
    assert [shot.clip.effects for shot in after.shots if shot.clip] == [c.effects for c in timeline.clips]
    assert (after.captions, after.titles, after.look) == (before.captions, before.titles, before.look)
    assert (after.output, after.metadata, after.mix) == (before.output, before.metadata, before.mix)
    assert [(layer.at, layer.frames, layer.picture) for layer in after.layers] == [
        (layer.at, layer.frames, layer.picture) for layer in before.layers
    ]

    def heard(film: Film) -> list[tuple[str, int, int, float]]:
        return sorted((s.role, s.at, s.samples, round(s.start, 6)) for s in film.sounds)

    assert heard(after) == heard(before)


def test_tracks_with_gaps_come_back_the_same(tmp_path: Path) -> None:
    upper = track(at("silent", at=2, end=1, transition={"duration": 0.4}), at("video", at=2.6, end=2))
    timeline = Timeline.model_validate({"tracks": [track(at("video", at=1, end=2), at("video", at=4, end=1)), upper]})
    before = plan(timeline, SOURCES)
    after = plan(there_and_back(timeline, tmp_path / "film.otio").timeline, SOURCES)
    assert laid(after) == laid(before)
    assert [(layer.at, layer.frames) for layer in after.layers] == [(layer.at, layer.frames) for layer in before.layers]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("moment", [None, 2.5, 1.1, 2.9])
def test_a_freeze_comes_back(tmp_path: Path, reverse: bool, moment: float | None) -> None:
    freeze = {"duration": 1.0, "at": moment}
    clip = at("video", start=1, end=3, reverse=reverse, freeze=freeze, transition={"duration": 0.5})
    timeline = Timeline.model_validate({"clips": [at("silent", transition={"duration": 0.7}), clip, at("silent")]})
    before = plan(timeline, SOURCES)
    after = plan(there_and_back(timeline, tmp_path / "film.otio").timeline, SOURCES)
    assert laid(after) == laid(before)
    assert (after.shots[1].hold_at, after.shots[1].held) == (before.shots[1].hold_at, before.shots[1].held)


def test_what_other_programs_will_not_find_is_said(tmp_path: Path) -> None:
    notes = interchange.to_otio(Timeline.model_validate(RICH), tmp_path / "film.otio", LENGTHS)
    assert notes == (
        "Of the clips, other programs will not see: effects, fit, motion, volume.",
        "Captions and titles are markers.",
    )


def test_a_frozen_clip_of_another_program(tmp_path: Path) -> None:
    still = foreign_clip("a.mov", 2, 3)
    still.effects.append(otio.schema.FreezeFrame())
    film = plan(interchange.from_otio(foreign(tmp_path, a_track(still)), FILES).timeline, SOURCES)
    [shot] = film.shots
    assert (shot.start, shot.frames, shot.held) == (2, 3 * RATE, 3 * RATE - 1)


def test_an_end_that_only_the_file_knows_must_be_given(tmp_path: Path) -> None:
    timeline = Timeline.model_validate({"clips": [at("video"), at("a", end=2)]})
    with pytest.raises(InvalidParams, match=r"^clips\[0\] has no end; say how long its file is.$"):
        interchange.to_otio(timeline, tmp_path / "film.otio")
    assert not list(tmp_path.iterdir())


def time(seconds: float) -> Any:
    return otio.opentime.RationalTime(seconds * RATE, RATE)


def span(start: float, long: float) -> Any:
    return otio.opentime.TimeRange(time(start), time(long))


def foreign_clip(name: str, start: float, long: float, whole: Any = None) -> Any:
    reference = otio.schema.ExternalReference(target_url=f"file:///media/{name}", available_range=whole)
    return otio.schema.Clip(name=name, media_reference=reference, source_range=span(start, long))


def foreign(tmp_path: Path, *tracks: Any) -> Path:
    film = otio.schema.Timeline(name="Cut 3")
    film.tracks.extend(tracks)
    otio.adapters.write_to_file(film, str(tmp_path / "cut.otio"))
    return tmp_path / "cut.otio"


def a_track(*items: Any, name: str = "V1", kind: str = "Video") -> Any:
    made = otio.schema.Track(name=name, kind=kind)
    made.extend(items)
    return made


FILES = {"a.mov": url("video"), "b.mov": url("silent"), "m.wav": url("song")}


def test_a_film_of_another_program(tmp_path: Path) -> None:
    timecode = span(3600, 10)
    dissolve = otio.schema.Transition("Dissolve", "SMPTE_Dissolve", time(0.5), time(0.25))
    fast = foreign_clip("a.mov", 3604, 1, timecode)
    fast.effects.append(otio.schema.LinearTimeWarp(time_scalar=2.0))
    path = foreign(
        tmp_path,
        a_track(otio.schema.Gap(duration=time(1)), foreign_clip("a.mov", 3601, 2, timecode), dissolve, fast),
        a_track(foreign_clip("m.wav", 0, 3), name="A1", kind="Audio"),
        a_track(foreign_clip("m.wav", 5, 2), name="Music", kind="Audio"),
    )
    imported = interchange.from_otio(path, FILES)
    assert imported.notes == ()
    video, effects, music = imported.timeline.tracks
    left, right = video.items
    assert isinstance(left, Clip)
    assert (left.at, left.start, left.end, left.mute) == pytest.approx((1, 1, 3.25, True))
    assert left.transition.duration == pytest.approx(0.75)
    assert (right.at, right.start, right.end, right.speed) == pytest.approx((2.5, 3, 6, 2))
    assert (effects.type, music.type) == ("sfx", "music")
    assert (music.items[0].source_start, music.items[0].source_end, music.items[0].loop) == (5, 7, False)
    assert (imported.timeline.output.fps, imported.timeline.metadata.title) == (RATE, "Cut 3")
    assert plan(imported.timeline, SOURCES).duration == 4


def test_a_transition_takes_only_what_the_files_have(tmp_path: Path) -> None:
    dissolve = otio.schema.Transition("Dissolve", "SMPTE_Dissolve", time(0.5), time(0.5))
    path = foreign(
        tmp_path, a_track(foreign_clip("b.mov", 0, 1.75, span(0, 2)), dissolve, foreign_clip("a.mov", 0.25, 3))
    )
    [video] = interchange.from_otio(path, FILES).timeline.tracks
    assert (video.items[0].end, video.items[1].start, video.items[1].at) == (2, 0, 1.5)
    assert video.items[0].transition.duration == 0.5


def test_what_does_not_map_is_said(tmp_path: Path) -> None:
    odd = foreign_clip("a.mov", 0, 2)
    odd.effects.append(otio.schema.Effect(name="Lens flare"))
    off = foreign_clip("a.mov", 0, 1)
    off.enabled = False
    nested = otio.schema.Stack(name="Titles", source_range=span(0, 1))
    wipe = otio.schema.Transition("Star wipe", "Custom_Transition", time(0.25), time(0.25))
    to_black = otio.schema.Transition("Out", "SMPTE_Dissolve", time(0.25), time(0))
    film = otio.schema.Timeline(name="x")
    film.tracks.append(
        a_track(odd, wipe, foreign_clip("a.mov", 3, 2), to_black, otio.schema.Gap(duration=time(1)), off, nested,
                otio.schema.Clip(name="Bars", source_range=span(0, 1)))
    )  # fmt: skip
    film.tracks.markers.append(otio.schema.Marker(name="Check the sky", marked_range=span(0, 1)))
    otio.adapters.write_to_file(film, str(tmp_path / "x.otio"))
    imported = interchange.from_otio(tmp_path / "x.otio", FILES)
    assert imported.notes == (
        "The effect “Lens flare” of “a.mov” is left out.",
        "The transition “Star wipe” became a crossfade.",
        "The transition “Out” has a clip on one side only and is left out.",
        "The clip “a.mov” is switched off and is left out; its place is empty.",
        "“Titles” holds other clips and is left out; its place is empty.",
        "The clip “Bars” names no file and is left out; its place is empty.",
        "The marker “Check the sky” is left out.",
    )
    assert plan(imported.timeline, SOURCES).frames == 4 * RATE


def test_a_file_without_an_address_is_named(tmp_path: Path) -> None:
    path = foreign(tmp_path, a_track(foreign_clip("c.mov", 0, 1)))
    with pytest.raises(InvalidParams, match=r"^The clip “c.mov” names a file that has no address yet"):
        interchange.from_otio(path, FILES)


@pytest.mark.parametrize(
    "content", ["{nope", '{"OTIO_SCHEMA":"Foo.1"}', '{"OTIO_SCHEMA":"Track.1","children":[]}', "", "[" * 100_000, "\0"]
)
def test_what_is_no_timeline_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.otio").write_text(content)
    with pytest.raises(MediaRefused):
        interchange.from_otio(tmp_path / "bad.otio")


def test_a_clip_without_a_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParams, match="which part of its file"):
        interchange.from_otio(foreign(tmp_path, a_track(otio.schema.Clip(name="a"))))


def test_a_timeline_without_clips_makes_no_film(tmp_path: Path) -> None:
    with pytest.raises(InvalidParams, match="at least one clip"):
        interchange.from_otio(foreign(tmp_path, a_track()))


def test_the_same_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written, cut, again = tmp_path / "film.json", tmp_path / "film.otio", tmp_path / "again.json"
    written.write_text(json.dumps({"clips": [at("a", end=2, fit="blur"), at("b")]}))
    assert main(["otio-export", str(written), str(cut)]) == 1
    assert capsys.readouterr().err == "clips[1] has no end; say how long its file is.\n"
    assert main(["otio-export", str(written), str(cut), "--length", f"{url('b')}=3.5"]) == 0
    assert capsys.readouterr().err == "Of the clips, other programs will not see: fit.\n"
    assert main(["otio-import", str(cut), str(again), "--file", "a=https://a.example/?x=1"]) == 0
    assert [item["end"] for item in json.loads(again.read_text())["tracks"][0]["items"]] == [2, 3.5]
    assert main(["otio-import", str(written), str(again)]) == 1
    assert capsys.readouterr().err == "This OpenTimelineIO file holds no timeline.\n"


def test_every_part_of_a_timeline_has_its_place() -> None:
    assert set(Timeline.model_fields) >= terms.PARTS
    assert set(Clip.model_fields) | {"at"} >= terms.TIMING
