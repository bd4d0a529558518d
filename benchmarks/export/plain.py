"""The same film by ffmpeg alone: the limit (nothing but encoding), and the best form known, as plain arguments.

That form is two processes side by side, one for the picture and one for the sound, and a copy of both into one file.
Sharing the inputs in one process would queue gigabytes of raw frames.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.export.films import CAPTIONS, CROSSFADE, CUT_AT, FPS, LOUDNESS, captions, mixed_seconds, mixed_size
from benchmarks.export.measure import Command
from benchmarks.export.sources import MIXED, Scale
from gpu_worker.media.ffmpeg import ffmpeg_path
from shared.fonts import FONT_DIR

X264 = [
    "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-profile:v", "high", "-pix_fmt", "yuv420p",
    "-g", str(2 * FPS),
]  # fmt: skip
AAC = ["-c:a", "aac", "-b:a", "192k", "-ar", "48000", "-ac", "2"]
SILENT = "vfr.mp4"
# What our `warm` does, near enough in cost: gains and offsets of the three planes by table.
WARM = (
    "lutyuv=y=clip(val*1.02\\,16\\,235):u=clip(128+(val-128)*1.05-9\\,16\\,240):v=clip(128+(val-128)*1.08+6\\,16\\,240)"
)
ASS_HEAD = """[Script Info]
ScriptType: v4.00+
PlayResX: {width}
PlayResY: {height}

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, BorderStyle, Outline, Alignment, MarginV
Style: plain,Noto Sans,{size},&H00FFFFFF,&H00000000,1,3,2,80

[Events]
Format: Start, End, Style, Text
"""


def lossless(source: Path, target: Path) -> Command:
    """A master of a film that costs next to nothing to decode."""
    lossless = ["-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-an"]
    return [*_ffmpeg(), "-i", source, *lossless, target]


def limit(master: Path, target: str) -> list[list[Command]]:
    """Decode the master, encode it; nothing else."""
    return [[[*_ffmpeg(), "-i", master, *X264, "-an", target]]]


def two_processes(scale: Scale, sources: Path, folder: Path, target: str) -> list[list[Command]]:
    """T1: picture beside sound, then the copy."""
    (folder / "plain.ass").write_text(_ass(scale))
    if not (folder / "fonts").exists():
        (folder / "fonts").symlink_to(FONT_DIR)
    copy: Command = [*_ffmpeg(), "-i", "picture.mp4", "-i", "sound.m4a", "-c", "copy", target]
    return [[_picture(scale, sources), _sound(scale, sources)], [copy]]


def whole(scale: Scale, sources: Path, target: str) -> list[list[Command]]:
    """T2 encoded anew, picture and sound in one process (its clips are alike, so nothing queues)."""
    inputs: list[str | Path] = []
    for n in range(scale.copied_clips):
        inputs += ["-ss", f"{CUT_AT}", "-t", f"{scale.copied_seconds}", "-i", sources / f"alike{n}.mp4"]
    frames = round(scale.copied_seconds * FPS)
    parts = [
        f"[{n}:v]fps={FPS},tpad=stop=2:stop_mode=clone,trim=end_frame={frames},setpts=PTS-STARTPTS[v{n}];"
        f"[{n}:a]aresample=48000,apad,atrim=end_sample={round(scale.copied_seconds * 48000)},asetpts=N/SR/TB[a{n}]"
        for n in range(scale.copied_clips)
    ]
    row = "".join(f"[v{n}][a{n}]" for n in range(scale.copied_clips))
    graph = ";".join([*parts, f"{row}concat=n={scale.copied_clips}:v=1:a=1[v][a]"])
    return [[[*_ffmpeg(), *inputs, "-filter_complex", graph, "-map", "[v]", "-map", "[a]", *X264, *AAC, target]]]


def _ffmpeg() -> list[str | Path]:
    return [ffmpeg_path(), "-hide_banner", "-v", "error", "-nostdin", "-y"]


def _cut(scale: Scale) -> list[str]:
    return ["-ss", f"{round(scale.clip_seconds / 8, 3)}", "-t", f"{scale.clip_seconds}"]


def _picture(scale: Scale, sources: Path) -> Command:
    width, height = mixed_size(scale).values()
    frames = round(scale.clip_seconds * FPS)
    shape = f"scale={width}:{height}:force_original_aspect_ratio=decrease:force_divisible_by=2"
    shape += f",pad={width}:{height}:-1:-1,setsar=1,format=yuv420p"
    inputs = [word for name in MIXED for word in ("-an", *_cut(scale), "-i", sources / name)]
    chains = [
        f"[{n}:v]fps={FPS},{shape},settb=1/{FPS},tpad=stop=3:stop_mode=clone,trim=end_frame={frames},"
        f"setpts=PTS-STARTPTS[c{n}]"
        for n in range(len(MIXED))
    ]
    before = "c0"
    for n in range(1, len(MIXED)):
        offset = n * (scale.clip_seconds - CROSSFADE)
        chains.append(f"[{before}][c{n}]xfade=duration={CROSSFADE}:offset={offset:.3f}[x{n}]")
        before = f"x{n}"
    chains.append(f"[{before}]{WARM},ass=plain.ass:fontsdir=fonts[v]")
    return [*_ffmpeg(), *inputs, "-filter_complex", ";".join(chains), "-map", "[v]", *X264, "picture.mp4"]


def _sound(scale: Scale, sources: Path) -> Command:
    inputs: list[str | Path] = []
    chains = []
    for n, name in enumerate(MIXED):
        inputs += ["-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo"] if name == SILENT else [
            "-vn", *_cut(scale), "-i", sources / name,
        ]  # fmt: skip
        long = round(scale.clip_seconds * 48_000)
        chains.append(f"[{n}:a]aresample=48000,aformat=channel_layouts=stereo,apad,atrim=end_sample={long}[c{n}]")
    before = "c0"
    for n in range(1, len(MIXED)):
        chains.append(f"[{before}][c{n}]acrossfade=d={CROSSFADE}[x{n}]")
        before = f"x{n}"
    seconds, music, voice = mixed_seconds(scale), len(MIXED), len(MIXED) + 1
    inputs += ["-stream_loop", "-1", "-i", sources / "music.mp3", "-i", sources / "voice.wav"]
    stereo = "aresample=48000,aformat=channel_layouts=stereo"
    chains += [
        f"[{voice}:a]{stereo},adelay=1000:all=1,apad,atrim=end={seconds},asplit[voice][key]",
        f"[{music}:a]{stereo},volume=0.3,atrim=end={seconds},afade=d=0.5,afade=t=out:st={seconds - 1.5}:d=1.5[bed]",
        "[bed][key]sidechaincompress=threshold=0.02:ratio=8:attack=60:release=450[low]",
        f"[{before}][low][voice]amix=inputs=3:normalize=0,alimiter=level=0,loudnorm=I={LOUDNESS}:TP=-1:LRA=11,"
        f"aresample=48000,atrim=end={seconds}[a]",
    ]
    return [*_ffmpeg(), *inputs, "-filter_complex", ";".join(chains), "-map", "[a]", *AAC, "sound.m4a"]


def _ass(scale: Scale) -> str:
    size = mixed_size(scale)
    head = ASS_HEAD.format(**size, size=size["width"] // 16)
    lines = [
        f"Dialogue: {_clock(one['start'])},{_clock(one['end'])},plain,{one['text']}\n"
        for one in captions(CAPTIONS, mixed_seconds(scale))
    ]
    return head + "".join(lines)


def _clock(seconds: float) -> str:
    return f"0:{int(seconds) // 60:02}:{seconds % 60:05.2f}"
