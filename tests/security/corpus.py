"""Files that nobody well-meaning sends. `trap` is an address that must never be asked, `canary` a file never read."""

from __future__ import annotations

import io
import random
import struct
import wave
import zlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from gpu_worker.media.ffmpeg import run_ffmpeg

CANARY = b"canary-5f1d"


@dataclass(frozen=True)
class Good:
    """Whole files, which the hostile ones are cut and bent from."""

    mp4: bytes
    webm: bytes
    wav: bytes
    mp3: bytes
    png: bytes
    jpeg: bytes
    gif: bytes


def make_good(folder: Path) -> Good:
    """A second of moving colours with a tone, in each container."""
    source = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10:duration=1"]
    source += ["-f", "lavfi", "-i", "sine=440:duration=1"]
    made = {
        "a.mp4": [*source, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart"],
        "a.webm": [*source, "-c:v", "libvpx", "-c:a", "libopus"],
        "a.wav": [*source[4:]],
        "a.mp3": [*source[4:], "-c:a", "libmp3lame"],
        "a.gif": [*source[:4]],
    }
    for name, arguments in made.items():
        run_ffmpeg([*arguments, str(folder / name)], duration=1)
    picture = Image.effect_mandelbrot((160, 90), (-2, -1, 1, 1), 50).convert("RGB")
    return Good(*((folder / name).read_bytes() for name in list(made)[:4]), _saved(picture, "PNG"),
                _saved(picture, "JPEG"), (folder / "a.gif").read_bytes())  # fmt: skip


def _saved(picture: Image.Image, form: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, form)
    return file.getvalue()


def png(width: int, height: int, *extra: bytes, colour: int = 2) -> bytes:
    """A PNG of these dimensions, all zeros, with further chunks; rows are packed a million to one."""
    rows = zlib.compressobj(9)
    line = bytes(1 + width * (3 if colour == 2 else 1))
    data = b"".join(rows.compress(line) for _ in range(min(height, 200_000_000 // len(line)))) + rows.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = [_chunk(b"IHDR", head), *extra, _chunk(b"IDAT", data), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def playlists(trap: str, canary: Path) -> dict[str, bytes]:
    """Texts that make careless openers read local files or ask other machines."""
    file = canary.as_uri()
    return {
        "hls file": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{file}\n#EXT-X-ENDLIST\n".encode(),
        "hls network": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{trap}/a.ts\n#EXT-X-ENDLIST\n".encode(),
        "hls map": f'#EXTM3U\n#EXT-X-MAP:URI="{trap}/init.mp4"\n#EXTINF:1,\nconcat:{file}|{trap}\n'.encode(),
        "hls key": f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{trap}/key"\n#EXTINF:1,\n{trap}/a.ts\n'.encode(),
        "hls subfile": f"#EXTM3U\n#EXTINF:1,\nsubfile,,start,0,end,99,,:{canary}\n".encode(),
        "ffconcat": f"ffconcat version 1.0\nfile '{canary}'\nfile '{trap}/a.mp4'\n".encode(),
        "ffconcat relative": b"ffconcat version 1.0\nfile input-0\n",
        "dash": f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet><Representation>'
        f"<BaseURL>{trap}/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>".encode(),
        "sdp": b"v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><image href="{trap}/a.png"/>'
        f'<image href="{file}"/><script>fetch("{trap}")</script></svg>'.encode(),
        "svg xxe": f'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY e SYSTEM "{file}"><!ENTITY n SYSTEM "{trap}">]>'
        f'<svg xmlns="http://www.w3.org/2000/svg"><text>&e;&n;</text></svg>'.encode(),
        "html": f'<html><img src="{trap}/a.png"><script src="{trap}/a.js"></script>'.encode(),
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n(" + bytes(canary) + b") (r) file run\n",
        "mvg": f"push graphic-context\nviewbox 0 0 64 64\nfill 'url({trap}/a.png)'\n".encode(),
        "m3u": f"{file}\n{trap}/a.mp3\n".encode(),
        "quicktime text": f'<?xml version="1.0"?><?quicktime type="application/x-quicktime-media-link"?>'
        f'<embed src="{trap}/a.mov"/>'.encode(),
    }  # fmt: skip


def nothing(good: Good) -> dict[str, bytes]:
    """Empty, cut short, or something else altogether."""
    return {
        "zero bytes": b"",
        "one byte": b"\0",
        "half an mp4": good.mp4[: len(good.mp4) // 2],
        "the head of an mp4": good.mp4[:48],
        "half a webm": good.webm[: len(good.webm) // 20],
        "half a png": good.png[: len(good.png) // 2],
        "half a jpeg": good.jpeg[: len(good.jpeg) // 3],
        "zeros": bytes(100_000),
        "noise": random.Random(7).randbytes(100_000),
        "mp4 brand and noise": good.mp4[:32] + random.Random(8).randbytes(50_000),
        "zip": b"PK\x03\x04" + bytes(60),
        "elf": b"\x7fELF" + bytes(60),
        "pdf": b"%PDF-1.7\n1 0 obj <</URI (file:///etc/passwd)>>",
        "shell": b"#!/bin/sh\nid\n",
    }


def bombs() -> dict[str, bytes]:
    """Small files that would become large ones."""
    text = zlib.compress(bytes(200_000_000), 9)
    return {
        "png of 100,000 x 1": png(100_000, 1),
        "png of 1 x 100,000": png(1, 100_000),
        "png of 30,000 x 30,000": png(30_000, 30_000, colour=0),
        "png of 2^31 x 2^31": png(2**31 - 1, 1, colour=0)[:16] + struct.pack(">II", 2**31 - 1, 2**31 - 1) + bytes(40),
        "png of 0 x 0": png(0, 0),
        "png with 200 MB of text": png(64, 64, _chunk(b"zTXt", b"a\0\0" + text)),
        "png with 200 MB of profile": png(64, 64, _chunk(b"iCCP", b"a\0\0" + text)),
        "gif of 65535 x 65535": b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\0;",
        "bmp of 2^30 x 2^30": b"BM" + struct.pack("<IHHIIiiHH", 54, 0, 0, 54, 40, 2**30, 2**30, 1, 24) + bytes(24),
        "tiff of 2^32 x 2^32": b"II*\0"
        + struct.pack("<IHHHIIHHIII", 8, 2, 256, 4, 1, 2**32 - 1, 257, 4, 1, 2**32 - 1, 0),
        "tiff in a circle": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    }  # fmt: skip


def odd_times(good: Good) -> dict[str, bytes]:
    """Lengths and rates that are none."""
    movie, track = good.mp4.find(b"mvhd") + 4, good.mp4.find(b"mdhd") + 4
    duration = good.webm.find(b"\x44\x89\x88")
    made = {
        "mp4 of no time scale": _with(good.mp4, track + 12, bytes(4)),
        "mp4 of 2^32 ticks": _with(_with(good.mp4, track + 16, b"\xff" * 4), movie + 16, b"\xff" * 4),
        "mp4 of no ticks": _with(_with(good.mp4, track + 16, bytes(4)), movie + 16, bytes(4)),
        "mp4 of 100,000 x 1": _resized(good.mp4, 1000 * 65, 1),
        "mp4 with a foreign data reference": good.mp4.replace(b"url \0\0\0\1", b"alis\0\0\0\0"),
        "mp4 of boxes without end": good.mp4[:32] + struct.pack(">I4s", 8, b"moov") * 20_000,
        "wav of 2^32 bytes": _with(_with(good.wav, 4, b"\xff" * 4), good.wav.find(b"data") + 4, b"\xff" * 4),
        "wav of no rate": _with(good.wav, 24, bytes(4)),
        "wav of 65,535 channels": _with(good.wav, 22, b"\xff\xff"),
        "gif of one picture for ever": good.gif.replace(b"\x21\xf9\x04", b"\x21\xf9\x04", 1),
        "wav of nothing": _silence(0),
        "mp3 of one frame": good.mp3[:500],
    }
    if duration > 0:
        for name, value in (("NaN", float("nan")), ("infinite", float("inf")), ("negative", -1e18)):
            made[f"webm of {name} length"] = _with(good.webm, duration + 3, struct.pack(">d", value))
    return made


def _with(whole: bytes, at: int, part: bytes) -> bytes:
    return whole[:at] + part + whole[at + len(part) :]


def _resized(whole: bytes, width: int, height: int) -> bytes:
    return _with(whole, whole.find(b"avc1") + 28, struct.pack(">HH", width & 0xFFFF, height))


def _silence(frames: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, frames, "NONE", ""))
        sound.writeframes(bytes(2 * frames))
    return file.getvalue()


def bent(good: Good, count: int, seed: int) -> dict[str, bytes]:
    """Whole files with a few bytes changed, `count` of each kind."""
    chance, made = random.Random(seed), dict[str, bytes]()
    for kind in ("mp4", "webm", "gif", "png", "jpeg", "wav", "mp3"):
        whole: bytes = getattr(good, kind)
        for number in range(count):
            changed = bytearray(whole)
            for _ in range(chance.randint(1, 30)):
                changed[chance.randrange(len(changed) if number % 2 else min(len(changed), 800))] = chance.randrange(
                    256
                )
            made[f"bent {kind} {seed}.{number}"] = bytes(changed)
    return made


SUBTITLES: dict[str, bytes] = {
    "srt with times that are none": b"1\n99:99:99,999 --> -1:00:00,000\nhere\n\n2\n00:00:00,000 --> 00:00:00,000\n\n",
    "srt of one hundred thousand lines": b"".join(
        b"%d\n00:00:00,%03d --> 00:00:01,000\nx\n\n" % (n, n % 1000) for n in range(100_000)
    ),
    "srt of markup": rb"""1
00:00:00,000 --> 00:00:01,000
{\pos(0,0)}{\p1}m 0 0 l 9999999 0{\p0}{\fnhttp://x}{\t(0,1,\fscx99999999)}\N\h
""",
    "ass with drawings, fonts and styles": b"""[Script Info]
PlayResX: 999999999
ScriptType: v4.00+
[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,../../../../etc/passwd,1e30
[Fonts]
fontname: ../../x.ttf
M#Q#$
[Events]
Format: Layer, Start, End, Style, Text
Dialogue: 0,0:00:00.00,0:00:01.00,Default,{\\p4}m 0 0 l 99999999 99999999{\\blur99999}x
Dialogue: 99999999999,9:99:99.99,-1,Nobody,{\\fs1e9}
""",
    "vtt of scripts": b"WEBVTT\n\nSTYLE\n::cue{background:url(http://127.0.0.1/)}\n\n"
    b'00:00.000 --> 00:01.000\n<script>alert(1)</script><v "><img src=x>&#0;&#x110000;&lt;\n',
    "utf-16 cut in a letter": "1\n00:00:00,000 --> 00:00:01,000\n😀".encode("utf-16")[:-1],
    "zeros": bytes(10_000),
    "nothing": b"",
    "one long line": b"1\n00:00:00,000 --> 00:00:01,000\n" + b"W" * 1_000_000 + b"\n",
    "billion laughs": b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><tt>&b;</tt>',
}

LUTS: dict[str, bytes] = {
    "size without end": b"LUT_3D_SIZE 999999999999\n",
    "no numbers": b"LUT_3D_SIZE 2\n" + b"nan inf -inf\n" * 8,
    "zeros": bytes(1000),
    "a filter": b"LUT_3D_SIZE 2\n0 0 0,movie=/etc/passwd\n" + b"0 0 0\n" * 7,
}

WORDS = [
    r"':,;[]=%\{}()<>|&$#@!~`^*+?/\"",
    "[0:v]movie=/etc/passwd[a];[a]null,drawtext=textfile=/etc/passwd:expansion=none",
    r"{\pos(0,0)\fs400\p1}m 0 0 l 999 0 999 999{\p0}\N\h\n{\an7}",
    "%{pts}%{localtime}%{eif:1:d}%{metadata:x}%%%s%n%d",
    "'; rm -rf / #$(id)`id`${IFS}&&||",
    "שלום עולם \u202eكتب عربية\u202c 123 \u2067abc\u2069",
    "😀👨‍👩‍👧‍👦🏳️‍🌈🇺🇦 ✊🏿 e\u0301\u0327\u0489" + "\u0300" * 200,
    "中文字幕 日本語テロップ 한국어 ไทย हिन्दी ქართული",
    "\u200b\u2060\ufeff\u00ad\u2028\u2029\u0085x",
    "a" * 490,
    "\U0010ffff\ufffe\ue000\U000e0001x",
    "<b>x</b>&lt;script&gt;alert(1)&#0;",
]

NAMES = [
    "it's.mp4", 'quo"te.mp4', "col:on.mp4", "back\\slash.mp4", "per%cent%d%05d.mp4", "bra[0:v]cket.mp4",
    "com,ma;semi.mp4",
    "new\nline.mp4", "tab\there.mp4", " lead and trail .mp4", "-i.mp4", "--.mp4", "#hash?query=1.mp4", "$(id)`id`.mp4",
    "שלום.mp4", "😀🎬.mp4", "a|b&c<d>e*.mp4", "{braces}.mp4", "file:x.mp4", "http:x.mp4", "concat:a.mp4", "...mp4",
]  # fmt: skip
