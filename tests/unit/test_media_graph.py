from __future__ import annotations

from pathlib import Path

import pytest

from gpu_worker.media.graph import apply, arguments, join, open_source, open_virtual, output, split
from gpu_worker.media.probe import MediaInfo

FILM = MediaInfo("video", "mov", 8.0, 320, 180, video_stream=1, video_codec="h264", audio_stream=0, audio_codec="aac")


def test_a_file_opened_twice_with_the_same_options_is_two_inputs() -> None:
    one, two = (open_source(Path("/in/a.mp4"), FILM, "video") for _ in range(2))
    made = arguments(output([join((one, two), "concat", n=2)], "o.mp4"))
    assert made.count("file:/in/a.mp4") == 2
    assert "[0:1][1:1]concat=n=2[s0]" in made


def test_values_are_escaped_and_flags_are_bare() -> None:
    stream = open_source(Path("/in/a.mp4"), FILM, "audio", copyts=None, ss=1.5)
    made = arguments(output([apply(stream, "volume", volume="if(gte(t,1),2,3)")], "o.wav", f="wav"))
    assert made[made.index("-copyts") + 1] == "-f"
    assert made[made.index("-ss") + 1] == "1.5"
    assert made[made.index("-filter_complex") + 1] == r"[0:0]volume=volume=if(gte(t\,1)\,2\,3)[s0]"


def test_two_outputs_of_one_stream() -> None:
    first, second = split(open_virtual("color", c="red", s="2x2"))
    made = arguments(output([first], "a.mp4", **{"c:v": "libx264"}), output([second], "b.mp4"))
    assert made[:4] == ["-f", "lavfi", "-i", "color=c=red:s=2x2"]
    assert {"a.mp4", "b.mp4", "[s0]", "[s1]"} <= set(made)
    assert made[made.index("a.mp4") - 2 : made.index("a.mp4")] == ["-c:v", "libx264"]


def test_a_stream_that_the_file_lacks() -> None:
    with pytest.raises(ValueError, match="no audio"):
        open_source(Path("/in/a.png"), MediaInfo("image", "png_pipe", video_stream=0), "audio")
