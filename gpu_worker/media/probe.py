"""What a file really is, told from its bytes: a name or a content type is never believed.

The demuxer is forced from a list, so that a playlist cannot pass as a video and make ffmpeg open other files or
addresses; `input_arguments` forces the same one on every ffmpeg that reads the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from gpu_worker.media.pictures import picture_size
from shared.errors import MediaRefused

# The largest frame that H.264 allows (level 6.2); still pictures have a limit of their own.
_MAX_FRAME_PIXELS = 8192 * 4320
_PROTOCOLS = "file,pipe"
_REFUSAL = "This is not a video, sound or picture we can open."
_PICTURES = ("png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe", "avif")
_STILL_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"crx ")
_MAGIC = {
    b"\x1aE\xdf\xa3": "matroska",
    b"\x89PNG\r\n\x1a\n": "png_pipe",
    b"\xff\xd8\xff": "jpeg_pipe",
    b"GIF8": "gif",
    b"BM": "bmp_pipe",
    b"II*\0": "tiff_pipe",
    b"MM\0*": "tiff_pipe",
    b"OggS": "ogg",
    b"fLaC": "flac",
    b"ID3": "mp3",
}
# What the headers of these say of their length is an estimate, or nothing at all.
_LENGTH_BY_PACKETS = ("mp3", "aac", "gif")
# Every decoder that may open what `probe` found; ffmpeg is kept from all others, whatever else the file holds.
_DECODERS = {"av1": "libdav1d,av1", "vp8": "vp8,libvpx", "vp9": "vp9,libvpx-vp9", "mp3": "mp3float,mp3",
             "mp2": "mp2float,mp2"}  # fmt: skip
_STILL_DECODERS = {"png_pipe": "png", "jpeg_pipe": "mjpeg", "webp_pipe": "webp", "bmp_pipe": "bmp", "tiff_pipe": "tiff"}
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
# What players take for BT.709 when the file does not say: from 720 lines up it is HD.
_HD_LINES = 720
# By their numbers in ITU-T H.273; what is not here is near enough to the usual.
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
_PRIMARIES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020", 11: "smpte431", 12: "smpte432"}
_TRANSFERS = {1: "bt709", 16: "smpte2084", 18: "arib-std-b67"}
_CODECS = re.compile(
    r"h264|hevc|av1|vp8|vp9|mpeg1video|mpeg2video|mpeg4|mjpeg|prores|dnxhd|theora|ffv1|gif|png"
    r"|aac|mp3|mp2|opus|vorbis|flac|alac|ac3|eac3|pcm_\w+"
)


@dataclass(frozen=True)
class MediaInfo:
    """One file. `width` and `height` in pixels as shown, after `rotation` (degrees); `duration` in seconds, 0 for a
    picture; `container` is the demuxer to force (`avif`, which has none, is for `open_picture` alone); the stream
    numbers are those of the file.

    `pixel_aspect` is the width of a shown pixel over its height. `matrix` (`rgb` where there is
    none), `primaries` and `transfer` are ffmpeg's names for the picture's colours, guessed as players do where the
    file is silent.
    """

    kind: Literal["video", "audio", "image"]
    container: str
    duration: float = 0.0
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    rotation: int = 0
    video_stream: int | None = None
    video_codec: str | None = None
    audio_stream: int | None = None
    audio_codec: str | None = None
    channels: int | None = None
    pixel_aspect: float = 1.0
    matrix: str = "bt709"
    primaries: str = "bt709"
    transfer: str = "bt709"
    interlaced: bool = False
    alpha: bool = False

    @property
    def is_hdr(self) -> bool:
        """True for PQ (SMPTE ST 2084) and HLG (ARIB STD-B67), which an SDR film has to tone-map."""
        return self.transfer in ("smpte2084", "arib-std-b67")

    @property
    def has_video(self) -> bool:
        """True when there is a moving or a still picture."""
        return self.video_stream is not None

    @property
    def has_audio(self) -> bool:
        """True when there is a sound track."""
        return self.audio_stream is not None


def probe(path: Path) -> MediaInfo:
    """Open the file, decode its first frame and say what it is; MediaRefused when it is nothing we open."""
    with path.open("rb") as file:
        container = sniff(file.read(64))
    if container is None:
        raise MediaRefused(_REFUSAL)
    if container in _PICTURES:
        return _picture(path, container)
    try:
        return _measured(path, container)
    except (av.error.FFmpegError, ValueError, OverflowError) as problem:
        raise MediaRefused("This file is damaged, or not what its first bytes say; it cannot be opened.") from problem


def input_arguments(path: Path, media: MediaInfo) -> list[str]:
    """ffmpeg's arguments that open the file as what `probe` found and let it reach for nothing else."""
    options = [word for name, value in input_options(media).items() for word in (f"-{name}", value)]
    return [*options, "-i", f"file:{path}"]


def input_options(media: MediaInfo) -> dict[str, str]:
    """The options of `input_arguments`, by name: demuxer, protocols and decoders, and what to decode alpha with."""
    if media.kind == "image":
        decoders = _STILL_DECODERS.get(media.container, media.video_codec or "")
    else:
        found = (codec for codec in (media.video_codec, media.audio_codec) if codec)
        decoders = ",".join(_DECODERS.get(codec, codec) for codec in found)
    options = {"f": media.container, "protocol_whitelist": _PROTOCOLS, "codec_whitelist": decoders}
    if media.alpha and media.video_codec in _ALPHA_DECODERS:
        # ffmpeg's own decoders of these leave the second picture, which holds the alpha, alone.
        options["c:v"] = _ALPHA_DECODERS[media.video_codec]
    return options


def sniff(head: bytes) -> str | None:
    """The demuxer for a file that starts with these bytes; None for playlists, SVG and all else we do not open."""
    if head[4:8] == b"ftyp":
        if head[8:12] in _STILL_BRANDS:
            return "avif" if b"avif" in head else None
        return "mov"
    if head[4:8] in (b"moov", b"mdat", b"wide", b"skip", b"free"):
        return "mov"
    if head[:4] in (b"RIFF", b"RF64"):
        return {b"WAVE": "wav", b"AVI ": "avi", b"WEBP": "webp_pipe"}.get(head[8:12])
    for magic, container in _MAGIC.items():
        if head.startswith(magic):
            return container
    return _mpeg_audio(head)


def _mpeg_audio(head: bytes) -> str | None:
    """A frame without a container: its layer bits are 00 in ADTS (ISO 13818-7), not so in MP3 (ISO 11172-3)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0x06:
        return "mp3"
    return "aac" if head[1] & 0xF0 == 0xF0 else None


def _picture(path: Path, container: str) -> MediaInfo:
    width, height = picture_size(path)
    return MediaInfo("image", container, width=width, height=height, video_stream=0)


def _measured(path: Path, container: str) -> MediaInfo:
    with _opened(path, container) as file:
        video = next((s for s in file.streams.video if Disposition.attached_pic not in s.disposition), None)
        audio = next(iter(file.streams.audio), None)
        main = video or audio
        if main is None:
            raise MediaRefused(_REFUSAL)
        sound = MediaInfo(
            "audio",
            container,
            duration=_duration(path, file, container, main),
            audio_stream=None if audio is None else audio.index,
            audio_codec=None if audio is None else _codec(audio),
            channels=None if audio is None else audio.channels,
        )
        if video is not None:
            return _with_video(sound, file, video)
        if next(file.decode(main), None) is None:
            raise MediaRefused(_REFUSAL)
        return sound


def _with_video(sound: MediaInfo, file: InputContainer, video: VideoStream) -> MediaInfo:
    codec = _codec(video)
    if video.width * video.height > _MAX_FRAME_PIXELS:
        raise MediaRefused(f"The picture is {video.width}×{video.height} pixels, which is more than we open.")
    frame = next(file.decode(video), None)
    if frame is None:
        raise MediaRefused(_REFUSAL)
    rate = video.average_rate or video.guessed_rate
    is_still = sound.container == "gif" and video.frames == 1
    sideways = frame.rotation % 180 != 0
    return replace(
        _with_colours(sound, video, frame),
        kind="image" if is_still else "video",
        duration=0.0 if is_still else sound.duration,
        width=frame.height if sideways else frame.width,
        height=frame.width if sideways else frame.height,
        fps=float(rate) if rate else None,
        rotation=frame.rotation,
        video_stream=video.index,
        video_codec=codec,
    )


def _with_colours(media: MediaInfo, video: VideoStream, frame: VideoFrame) -> MediaInfo:
    aspect = float(video.sample_aspect_ratio or 1)
    unsaid = "bt709" if frame.height >= _HD_LINES else "bt601"
    is_rgb = frame.format.is_rgb or frame.format.has_palette
    return replace(
        media,
        pixel_aspect=1 / aspect if frame.rotation % 180 else aspect,
        matrix="rgb" if is_rgb else _MATRICES.get(frame.colorspace, unsaid),
        primaries=_PRIMARIES.get(frame.color_primaries, "bt709"),
        transfer=_TRANSFERS.get(frame.color_trc, "bt709"),
        interlaced=frame.interlaced_frame,
        alpha=any(part.is_alpha for part in frame.format.components) or video.metadata.get("alpha_mode") == "1",
    )


def _duration(path: Path, file: InputContainer, container: str, stream: VideoStream | AudioStream) -> float:
    """Seconds from the file's start to the end of the stream; films from a browser's recorder do not say it."""
    start = (file.start_time or 0) / av.time_base
    tick = float(stream.time_base or 0)
    if container in _LENGTH_BY_PACKETS or (stream.duration is None and file.duration is None):
        return max(0.0, _last_packet_end(path, container, stream.index) * tick - start)
    if stream.duration is not None:
        return ((stream.start_time or 0) + stream.duration) * tick - start
    return (file.duration or 0) / av.time_base


def _last_packet_end(path: Path, container: str, stream: int) -> int:
    with _opened(path, container) as file:
        ends = (p.pts + (p.duration or 0) for p in file.demux(file.streams[stream]) if p.pts is not None)
        return max(ends, default=0)


def _opened(path: Path, container: str) -> InputContainer:
    return av.open(f"file:{path}", format=container, options={"protocol_whitelist": _PROTOCOLS})


def _codec(stream: VideoStream | AudioStream) -> str:
    if stream.codec_context is None:  # PyAV knows no decoder for it, whatever its type says
        raise MediaRefused(_REFUSAL)
    name = stream.codec_context.codec.canonical_name
    if not _CODECS.fullmatch(name):
        raise MediaRefused(f"This file is compressed as {name}, which we do not open; H.264 with AAC always works.")
    return name
