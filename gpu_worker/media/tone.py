"""HDR brought to what every screen shows."""

from __future__ import annotations

from gpu_worker.media.probe import MediaInfo

# Of ITU-R BT.2408: what a white sheet has in HDR, and what most of it is graded for; darker than the knee is left.
WHITE_NITS, PEAK_NITS, KNEE = 203, 1000, 0.5
_MATRICES = {"bt2020": "2020_ncl", "bt601": "170m", "smpte240m": "240m"}


def to_sdr(media: MediaInfo) -> list[str]:
    """ffmpeg's filters that make BT.709 of a film in PQ or HLG, as EXPORT does."""
    matrix = _MATRICES.get(media.matrix, media.matrix)
    return [
        "format=yuv420p10le",
        f"zscale=tin={media.transfer}:pin={media.primaries}:min={matrix}:rin=tv:t=linear:npl={WHITE_NITS}",
        "format=gbrpf32le",
        "zscale=p=bt709",
        f"tonemap=tonemap=mobius:param={KNEE}:peak={PEAK_NITS / WHITE_NITS:.4f}:desat=0",
        "zscale=t=bt709:m=bt709:r=tv",
        "format=yuv420p",
    ]
