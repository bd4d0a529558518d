"""How each format and codec is written: ffmpeg's options as pairs. Pure.

The presets trade time for size the way a creator's cheapest machine needs it; `best` takes as long as it takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.timeline import Encoding
from shared.timeline.output import Format, Quality, VideoCodec

Options = dict[str, str | int]

_COLOURS: Options = {"colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709", "color_range": "tv"}
_X264 = {"draft": ("superfast", 27), "standard": ("veryfast", 20), "high": ("medium", 18), "best": ("slow", 16)}
_X265 = {"draft": ("ultrafast", 30), "standard": ("veryfast", 24), "high": ("medium", 21), "best": ("slow", 18)}
_VP9 = {"draft": (8, 40), "standard": (5, 32), "high": (3, 28), "best": (1, 24)}
_AV1 = {"draft": (12, 42), "standard": (10, 34), "high": (8, 28), "best": (5, 24)}
_PRORES = {"draft": 0, "standard": 2, "high": 3, "best": 3}
_NVENC = {"draft": ("p2", 32), "standard": ("p4", 24), "high": ("p6", 20), "best": ("p7", 18)}
# The quick coder is slower than the thorough one, unless its tools for stereo and noise are off.
_QUICK_AAC: Options = {"aac_coder": "fast", "aac_ms": 0, "aac_is": 0, "aac_pns": 0, "aac_tns": 0}
_AUDIO_KBITS = {"draft": 96, "standard": 192, "high": 256, "best": 320}


@dataclass(frozen=True)
class Container:
    """A file format: its muxer, its name's end, what browsers call it and how sound is coded in it."""

    muxer: str
    suffix: str
    content_type: str
    audio_codec: str
    subtitle_codec: str | None = None


CONTAINERS: dict[Format, Container] = {
    "mp4": Container("mp4", "mp4", "video/mp4", "aac", "mov_text"),
    "mov": Container("mov", "mov", "video/quicktime", "pcm_s16le", "mov_text"),
    "webm": Container("webm", "webm", "video/webm", "libopus", "webvtt"),
    "gif": Container("gif", "gif", "image/gif", ""),
    "mp3": Container("mp3", "mp3", "audio/mpeg", "libmp3lame"),
    "wav": Container("wav", "wav", "audio/wav", "pcm_s16le"),
}
PART_MUXERS: dict[VideoCodec, str] = {"h264": "mp4", "h265": "mp4", "vp9": "webm", "av1": "mp4", "prores": "mov"}
"""What holds the picture of a chunk until the film is put together."""
HARDWARE: dict[VideoCodec, str] = {"h264": "h264_nvenc", "h265": "hevc_nvenc", "av1": "av1_nvenc"}
SOFTWARE: dict[VideoCodec, str] = {
    "h264": "libx264", "h265": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1", "prores": "prores_ks",
}  # fmt: skip


def video_options(encoding: Encoding, encoder: str, *, fps: int, threads: int) -> Options:
    """Options that encode a picture by `encoder`, with a key frame at least every two seconds."""
    settings = _settings(encoder, encoding.quality, threads)
    if encoding.video_bitrate is not None:
        for rate in ("crf", "cq"):
            settings.pop(rate, None)
        kbits = encoding.video_bitrate
        settings |= {"b:v": f"{kbits}k", "maxrate": f"{kbits * 3 // 2}k", "bufsize": f"{kbits * 2}k"}
        if encoder == "libsvtav1":
            settings.pop("maxrate")
    return {"c:v": encoder, **settings, "g": 2 * fps, **_COLOURS}


def audio_options(encoding: Encoding) -> Options:
    """Options that encode the sound; 48 kHz stereo."""
    codec = CONTAINERS[encoding.format].audio_codec
    rate: Options = {}
    if not codec.startswith("pcm"):
        rate = {"b:a": f"{encoding.audio_bitrate or _AUDIO_KBITS[encoding.quality]}k"}
    if codec == "aac" and encoding.quality == "draft":
        rate |= _QUICK_AAC
    return {"c:a": codec, **rate, "ar": 48_000, "ac": 2}


def _settings(encoder: str, quality: Quality, threads: int) -> Options:
    match encoder:
        case "libx264":
            preset, crf = _X264[quality]
            # Two threads share each picture: half a percent larger, while a second picture at once is 40 MB more.
            shared: Options = {"x264-params": "sliced-threads=1"} if threads == 2 else {}
            return {
                "preset": preset, "crf": crf, "profile:v": "high", "pix_fmt": "yuv420p", "threads": threads, **shared,
            }  # fmt: skip
        case "libx265":
            preset, crf = _X265[quality]
            limits = f"log-level=error:pools={threads}:frame-threads=1"
            return {"preset": preset, "crf": crf, "pix_fmt": "yuv420p", "tag:v": "hvc1", "x265-params": limits}
        case "libvpx-vp9":
            speed, crf = _VP9[quality]
            pace: Options = {"deadline": "good", "cpu-used": speed, "row-mt": 1, "threads": threads}
            return {**pace, "crf": crf, "b:v": 0, "pix_fmt": "yuv420p"}
        case "libsvtav1":
            preset_number, crf = _AV1[quality]
            return {"preset": preset_number, "crf": crf, "svtav1-params": f"lp={threads}", "pix_fmt": "yuv420p"}
        case "prores_ks":
            return {"profile:v": _PRORES[quality], "vendor": "apl0", "pix_fmt": "yuv422p10le", "threads": threads}
        case _:
            preset, level = _NVENC[quality]
            tag: Options = {"tag:v": "hvc1"} if encoder == "hevc_nvenc" else {}
            return {"preset": preset, "rc": "vbr", "cq": level, "b:v": 0, "pix_fmt": "yuv420p", **tag}
