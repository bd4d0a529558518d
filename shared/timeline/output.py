"""What comes out: the frame, the files, how good and how marked."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.timeline.parts import AspectRatio, Fit, Resolution, Seconds, TimelinePart, frame_size

Format = Literal["mp4", "webm", "mov", "gif", "mp3", "wav"]
VideoCodec = Literal["h264", "h265", "vp9", "av1", "prores"]
Quality = Literal["draft", "standard", "high", "best"]
CODECS: dict[Format, tuple[VideoCodec, ...]] = {
    "mp4": ("h264", "h265"),
    "webm": ("vp9", "av1"),
    "mov": ("prores", "h264", "h265"),
    "gif": (),
    "mp3": (),
    "wav": (),
}
"""The video codecs a format may carry, its default first."""


class Encoding(TimelinePart):
    """One file. `video_bitrate` and `audio_bitrate` in kbit/s win over `quality`."""

    format: Format = "mp4"
    codec: VideoCodec | None = Field(default=None, description="Left out: H.264 in mp4, VP9 in webm, ProRes in mov.")
    quality: Quality = "standard"
    video_bitrate: Annotated[int, Field(ge=50, le=200_000)] | None = None
    audio_bitrate: Annotated[int, Field(ge=32, le=512)] | None = None

    @model_validator(mode="after")
    def _codec_fits_format(self) -> Self:
        if self.codec is not None and self.codec not in CODECS[self.format]:
            allowed = " or ".join(CODECS[self.format]) or "none"
            msg = f"{self.format} carries {allowed}, not {self.codec}"
            raise ValueError(msg)
        return self

    @property
    def video_codec(self) -> VideoCodec | None:
        """The codec in use; None for gif and for sound alone."""
        return self.codec or next(iter(CODECS[self.format]), None)

    @property
    def file(self) -> tuple[object, ...]:
        """The same for two files that would be the same."""
        return self.format, self.video_codec, self.quality, self.video_bitrate, self.audio_bitrate


class Rendition(Encoding):
    """One more file of the same film, scaled down when `resolution` says so."""

    resolution: Resolution | None = None

    @property
    def file(self) -> tuple[object, ...]:
        """As for every encoding, and its size."""
        return (*super().file, *((self.resolution,) if self.resolution else ()))


class Output(Encoding):
    """The film's frame and main file. `width` and `height` win over `resolution` (short side) and `aspect_ratio`."""

    width: Annotated[int, Field(ge=64, le=4096, multiple_of=2)] | None = None
    height: Annotated[int, Field(ge=64, le=4096, multiple_of=2)] | None = None
    resolution: Resolution = "720p"
    aspect_ratio: AspectRatio = "16:9"
    fps: Annotated[int, Field(ge=1, le=60)] = 30
    fit: Fit = "contain"
    profile: Literal["full", "preview"] = Field(
        default="full",
        description="`preview` is a small, quick look at the same film: 360p at most, 10 frames a second at most.",
    )
    also: Annotated[tuple[Rendition, ...], Field(max_length=5)] = ()
    captions: Literal["burned", "soft", "both", "none"] = Field(
        default="burned", description="Drawn into the picture, as a subtitle track that players can switch, or both."
    )
    subtitles: Annotated[tuple[Literal["srt", "vtt"], ...], Field(max_length=2)] = Field(
        default=(), description="Files beside the film."
    )
    poster: Seconds | None = Field(default=None, description="A JPEG of the frame at this second.")
    thumbnails: Annotated[int, Field(ge=0, le=50)] = Field(default=0, description="So many JPEGs, evenly spread.")
    sprite: bool = Field(
        default=False, description="A sheet of small pictures and the WebVTT file that players preview with."
    )
    smart_cut: Literal["auto", "off"] = Field(
        default="auto", description="Copies what nothing touches instead of encoding it."
    )
    hardware: Literal["auto", "off"] = Field(default="auto", description="NVENC where the worker has it.")

    @model_validator(mode="after")
    def _both_sides(self) -> Self:
        if (self.width is None) != (self.height is None):
            msg = "give width and height together"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _each_file_once(self) -> Self:
        files = [self.file, *(other.file for other in self.also)]
        for n, file in enumerate(files[1:]):
            if file in files[: n + 1]:
                msg = f"also[{n}] is the same file once more"
                raise ValueError(msg)
        return self

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, both even."""
        if self.width is not None and self.height is not None:
            return self.width, self.height
        return frame_size(self.resolution, self.aspect_ratio)


class Metadata(TimelinePart):
    """Written into the files. `ai_generated` marks the film as made with AI, as several laws ask."""

    title: Annotated[str, Field(max_length=200)] | None = None
    author: Annotated[str, Field(max_length=200)] | None = None
    comment: Annotated[str, Field(max_length=1000)] | None = None
    ai_generated: bool = True
