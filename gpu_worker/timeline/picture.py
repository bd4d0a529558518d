"""The picture of a run of pieces: ffmpeg arguments that make one silent H.264 file. Pure.

Filter strings hold numbers and fixed names alone: no path and no word of a person's ever enters one.
Order and costs: fps first (fewer frames to scale), blurred fill at an eighth of the size (four times cheaper).
"""

from __future__ import annotations

from gpu_worker.media.probe import input_arguments
from gpu_worker.timeline.plan import Film, Piece, length
from gpu_worker.timeline.runs import join

FONT_FOLDER = "fonts"

_BLUR_SIGMA = 6


def picture_arguments(film: Film, pieces: tuple[Piece, ...], captions: str | None, target: str) -> list[str]:
    """Arguments that encode `pieces` into the file `target`, burning in the ASS file `captions`."""
    inputs = [argument for piece in pieces for argument in _input(piece)]
    graph = [_clip(film, piece, n) for n, piece in enumerate(pieces)]
    joints, whole = join(pieces, lambda left: _joint(film, left))
    burn_in = f"ass={captions}:fontsdir={FONT_FOLDER}" if captions else "null"
    graph += [*joints, f"{whole}{burn_in},format=yuv420p[film]"]
    return [
        *inputs,
        *("-filter_complex", ";".join(graph), "-map", "[film]", "-frames:v", str(length(pieces))),
        *("-map_metadata", "-1", "-map_chapters", "-1", "-r", str(film.fps)),
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-profile:v", "high", "-pix_fmt", "yuv420p"),
        *("-g", str(2 * film.fps), "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"),
        *("-color_range", "tv", "-f", "mp4", target),
    ]


def _input(piece: Piece) -> list[str]:
    # Without accurate seek the picture that is on show at `start` stays, even if it came long before (screen
    # recordings): its time is negative then, and `fps` starts the film with it.
    seek = ["-noaccurate_seek", "-ss", f"{piece.start:.6f}"] if piece.start > 0 else []
    return [*seek, *input_arguments(piece.source.path, piece.source.media)]


def _clip(film: Film, piece: Piece, n: int) -> str:
    # The last picture is held as long as need be: a still has only one, and a file may end a little early.
    return (
        f"[{n}:{piece.source.media.video_stream}]fps={film.fps}:start_time=0:eof_action=pass,scale=round(iw*sar):ih"
        f",{_fitted(film, piece, n)},setsar=1,tpad=stop=-1:stop_mode=clone,trim=end_frame={piece.frames}[c{n}]"
    )


def _fitted(film: Film, piece: Piece, n: int) -> str:
    width, height = film.width, film.height
    whole = _scale(width, height, "decrease")
    match piece.fit:
        case "contain":
            return f"{whole},format=yuv420p,pad={width}:{height}:-1:-1"
        case "cover":
            return f"{_filled(width, height)},format=yuv420p"
        case "blur":
            small = _filled(*(2 * max(1, round(side / 16)) for side in (width, height)))
            return (
                f"split[w{n}][b{n}];[b{n}]{small},format=yuv420p,gblur=sigma={_BLUR_SIGMA},scale={width}:{height}[f{n}]"
                f";[w{n}]{whole},format=yuv420p[i{n}];[f{n}][i{n}]overlay=(W-w)/2:(H-h)/2"
            )


def _filled(width: int, height: int) -> str:
    return f"{_scale(width, height, 'increase')},crop={width}:{height}"


def _scale(width: int, height: int, how: str) -> str:
    return (
        f"scale={width}:{height}:force_original_aspect_ratio={how}:force_divisible_by=2"
        ":out_color_matrix=bt709:out_range=tv"
    )


def _joint(film: Film, left: tuple[Piece, ...]) -> str:
    overlap = left[-1].overlap
    if not overlap:
        # concat takes a clip of one frame for one of no length, so its times are counted anew.
        return f"concat,settb=1/{film.fps},setpts=N,fps={film.fps}"
    return f"xfade=duration={overlap / film.fps:.6f}:offset={(length(left) - overlap) / film.fps:.6f}"
