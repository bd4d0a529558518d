"""Lip-sync with tiny weights, by the worker's own function and through the whole worker, measured by PyAV."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file

from benchmarks import drawn
from gpu_worker.context import JobContext, Produced
from gpu_worker.engines.lipsync import painter
from gpu_worker.engines.lipsync.footage import ahead, open_footage
from gpu_worker.engines.lipsync.s3fd import S3fd
from gpu_worker.engines.lipsync.wav2lip import Wav2Lip
from gpu_worker.engines.pool import EnginePool, MemoryExhausted, pool_of
from gpu_worker.job_types import run_job
from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.models.convert import convert
from gpu_worker.models.fetch import fetch
from gpu_worker.models.files import BadWeights
from gpu_worker.models.store import ModelStore, Weights
from shared.catalog import catalog
from shared.errors import EngineUnavailable, JobCanceled, MediaRefused
from shared.job_types import JobType, parse_params
from tests.acceptance.real_plane import RealPlane, all_gone, real_plane
from tests.engines.hub import COMMIT, running

ROOT = Path(__file__).parents[2]
VIDEO, SOUND = "storage://uploads/person.mp4", "storage://uploads/speech.wav"
SIZE = (256, 192)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with a narrow Wav2Lip and a narrow S3FD."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("lipsync")
    drawn.write_weights(folder / "wav2lip", lips_base=2, detector_base=4)
    return folder


def record(path: Path, seconds: float) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((drawn.speech(seconds) * 32000).astype("<i2").tobytes())
    return path


class Studio:
    """One film and one recording, a workdir, and what the job said on the way."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder, self.models = folder, models
        self.workdir = folder / "work"
        self.workdir.mkdir()
        self.video, self.sound = folder / "person.mp4", folder / "speech.wav"
        self.reports: list[tuple[str, int, str]] = []
        self.stop_at = ""
        drawn.write_film(self.video, drawn.swaying(SIZE, 12), 24)
        record(self.sound, 0.5)

    def run(self, **params: Any) -> Produced:
        inputs = {VIDEO: self.video, SOUND: self.sound}
        context = JobContext(self.workdir, inputs, self._report, self.models)
        asked = {"video_url": VIDEO, "audio_url": SOUND} | params
        return run_job(JobType.LIPSYNC, parse_params(JobType.LIPSYNC, asked), context)

    def _report(self, stage: str, progress: int, message: str = "") -> None:
        self.reports.append((stage, progress, message))
        if stage == self.stop_at:
            raise JobCanceled


@pytest.fixture
def studio(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    monkeypatch.setenv("MODEL_DIR", str(weights))
    monkeypatch.setenv("MODEL_DEVICE", "cpu")
    yield Studio(tmp_path, weights)
    pool_of("cpu").evict_idle()


def pictures(path: Path) -> list[NDArray[np.int16]]:
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24").astype(np.int16) for frame in file.decode(video=0)]


def changed(before: NDArray[np.int16], after: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Where a frame is not as it was, but for what the encoder does."""
    return np.asarray(np.abs(after - before).max(axis=2) > 40)


def test_the_mouth_is_painted_and_nothing_else(studio: Studio) -> None:
    produced = studio.run()
    [film] = produced.files
    assert (film.kind, film.width, film.height, film.fps) == ("video", *SIZE, 24)
    assert film.duration_seconds == pytest.approx(0.5)
    before, after = pictures(studio.video), pictures(film.path)
    assert len(after) == 12
    for old, new in zip(before, after, strict=True):
        rows, columns = np.nonzero(changed(old, new))
        middle = SIZE[1] / 2
        assert len(rows) > 200
        # All but a few pixels along the edges of what is drawn, which another encoding moves.
        top, bottom = np.percentile(rows, (2, 98))
        assert middle - 20 < top < bottom < middle + 50, "the lower part of a face of 64 pixels"
        assert np.ptp(np.percentile(columns, (2, 98))) < 70
    assert sorted(path.name for path in studio.workdir.iterdir()) == ["video.mp4"]


def test_the_result_says_how_it_was_made_and_what_it_may_be_used_for(studio: Studio) -> None:
    engine = studio.run().engine
    assert (engine["name"], engine["device"], engine["revision"]) == ("wav2lip", "cpu", None)
    assert engine["licence"]["commercial"] == "no"
    assert "research" in engine["licence"]["says"]
    assert (engine["frames"], engine["frames_painted"]) == (12, 12)
    assert {"load", "find", "paint", "encode"} <= engine["timings"].keys()
    assert any("96x96" in sentence for sentence in engine["made"])
    json.dumps(engine)
    progress = [value for _, value, _ in studio.reports]
    assert progress == sorted(progress)
    assert progress[-1] <= 99
    assert ("speaking", 93, "frame 12/12") in studio.reports


def test_the_recording_replaces_the_films_sound(studio: Studio) -> None:
    record(studio.sound, 1.0)
    film = studio.run().files[0]
    with av.open(str(film.path)) as file:
        [stream] = file.streams.audio
        heard = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(stream)])
        rate = stream.rate
    assert len(heard) / rate == pytest.approx(1.0, abs=0.05)
    loud = np.abs(np.fft.rfft(heard[: rate // 2]))
    assert np.argmax(loud) * 2 == pytest.approx(140, abs=6), "the hum of the recording"


@pytest.mark.parametrize(
    ("mode", "seconds", "frames", "painted", "says"),
    [
        ("loop", 1.25, 30, 30, "the film runs 3 times"),
        ("freeze", 0.75, 18, 18, "last frame stays"),
        ("cut_off", 1.0, 12, 12, "the end of the sound is cut off"),
        ("silence", 0.25, 12, 6, "the sound ended before the film"),
        ("loop", 0.25, 6, 6, "the end of the film is cut off"),
    ],
)
def test_sound_and_film_of_two_lengths(
    studio: Studio, mode: str, seconds: float, frames: int, painted: int, says: str
) -> None:
    record(studio.sound, seconds)
    produced = studio.run(sync_mode=mode)
    assert len(pictures(produced.files[0].path)) == frames
    assert produced.files[0].duration_seconds == pytest.approx(frames / 24)
    assert (produced.engine["frames"], produced.engine["frames_painted"]) == (frames, painted)
    assert any(says in sentence for sentence in produced.engine["made"])


def test_frames_without_a_face_pass_as_they_are(studio: Studio) -> None:
    drawn.write_film(studio.video, drawn.swaying(SIZE, 24, without=range(8, 20)), 24)
    record(studio.sound, 1.0)
    produced = studio.run()
    pairs = zip(pictures(studio.video), pictures(produced.files[0].path), strict=True)
    differ = [changed(before, after).sum() > 100 for before, after in pairs]
    assert differ == [not 8 <= n < 20 for n in range(24)]
    assert produced.engine["frames_painted"] == 12
    assert any("12 of 24 frames are as they were" in sentence for sentence in produced.engine["made"])


def test_of_two_faces_the_chosen_one_speaks(studio: Studio) -> None:
    picture = drawn.person((384, 192), (100, 96))
    picture[:, 192:] = drawn.person((192, 192), (96, 96))
    drawn.write_film(studio.video, iter([picture] * 6), 24)
    record(studio.sound, 0.25)
    for point, left in (((0.25, 0.5), True), ((0.8, 0.4), False)):
        produced = studio.run(face=point)
        where = changed(pictures(studio.video)[3], pictures(produced.files[0].path)[3])
        assert (where[:, :192].any(), where[:, 192:].any()) == (left, not left)
        assert "of up to 2 faces in a frame the one nearest to the point speaks" in produced.engine["made"]


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60)])
def test_any_rate(studio: Studio, fps: Fraction) -> None:
    drawn.write_film(studio.video, drawn.swaying(SIZE, 10), fps)
    record(studio.sound, float(10 / fps))
    film = studio.run().files[0]
    with av.open(str(film.path)) as file:
        assert file.streams.video[0].average_rate == fps
        assert sum(1 for _ in file.decode(video=0)) == 10


def test_an_odd_size_and_a_turned_phone(studio: Studio) -> None:
    with av.open(str(studio.video)) as file:
        original = [frame.to_image() for frame in file.decode(video=0)]
    turned = studio.folder / "turned.mp4"
    with av.open(str(studio.video)) as source, av.open(str(turned), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    # The display matrix of a quarter turn, in the track header (ISO 14496-12).
    data = bytearray(turned.read_bytes())
    at = data.index(struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000), data.index(b"tkhd"))
    data[at : at + 36] = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    turned.write_bytes(data)
    footage = open_footage(turned)
    assert (footage.width, footage.height) == (SIZE[1], SIZE[0])
    assert next(footage.frames()).shape == (SIZE[0], SIZE[1], 3)
    Image.fromarray(np.asarray(original[0])).crop((0, 0, 255, 191)).save(studio.folder / "odd.png")
    assert next(open_footage(studio.folder / "odd.png").frames()).shape == (190, 256, 3)


def test_a_picture_speaks(studio: Studio) -> None:
    studio.video = studio.folder / "person.png"
    Image.fromarray(drawn.person(SIZE, (128, 96))).save(studio.video)
    produced = studio.run(sync_mode="cut_off")
    assert len(pictures(produced.files[0].path)) == 12, "as long as the sound, at 25 frames a second"
    assert produced.engine["frames_painted"] == 12


def test_a_film_without_a_face_is_refused_and_says_so(studio: Studio) -> None:
    drawn.write_film(studio.video, drawn.swaying(SIZE, 5, seen=0), 24)
    with pytest.raises(MediaRefused, match=r"^video_url: no face was found in any frame of it\.$"):
        studio.run()
    assert list(studio.workdir.iterdir()) == []


def test_what_has_no_sound_or_no_picture_is_refused(studio: Studio) -> None:
    studio.sound, recording = studio.video, studio.sound
    with pytest.raises(MediaRefused, match="audio_url: there is no sound"):
        studio.run()
    studio.video, studio.sound = recording, recording
    with pytest.raises(MediaRefused, match="video_url: there is no picture"):
        studio.run()


def test_hdr_of_a_phone_comes_in_ordinary_colours(studio: Studio) -> None:
    """A phone's HLG, made of the ordinary film: what comes out looks like that again."""
    hdr, plain = studio.folder / "hdr.mp4", next(open_footage(studio.video).frames())
    graph = (
        "scale=in_color_matrix=bt709,format=gbrpf32le,zscale=tin=bt709:pin=bt709:min=gbr:t=linear:npl=203,"
        "zscale=t=arib-std-b67:p=bt2020:m=2020_ncl:r=tv,format=yuv420p10le"
    )
    run_ffmpeg(["-i", str(studio.video), "-vf", graph, "-c:v", "libx264", str(hdr)], duration=1)
    footage = open_footage(hdr)
    assert footage.media.is_hdr
    shown = next(footage.frames())
    assert np.abs(shown.astype(int) - plain).mean() < 30
    assert shown[96, 128].tolist() == pytest.approx(plain[96, 128].tolist(), abs=70), "darker where it is bright"


@pytest.mark.parametrize("stage", ["finding faces", "speaking"])
def test_a_cancel_between_two_batches_leaves_nothing(studio: Studio, stage: str) -> None:
    studio.stop_at = stage
    with pytest.raises(JobCanceled):
        studio.run()
    assert list(studio.workdir.iterdir()) == []
    studio.stop_at = ""
    assert studio.run().engine["frames"] == 12, "the engine is as good as new"


def test_out_of_memory_goes_on_in_small_batches_and_then_gives_up(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak = painter.Wav2LipLips.speak

    def short(self: painter.Wav2LipLips, faces: Any, heard: Any) -> Any:
        if len(faces) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return speak(self, faces, heard)

    monkeypatch.setattr(painter.Wav2LipLips, "speak", short)
    most = 4
    assert studio.run().engine["memory"] == "small batches"
    most = 0
    with pytest.raises(MemoryExhausted):
        studio.run()


def test_another_model_takes_its_place_behind_the_same_film(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another size, told something else of the sound: how loud it is, not a spectrogram."""

    class Blush:
        side = 32

        def __init__(self, _model: Any, _device: str) -> None: ...

        def listen(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.abs(samples)

        def hear(self, sound: NDArray[np.float32], fps: float, frames: range) -> NDArray[np.float32]:
            return np.array([[sound[round(n * 16_000 / fps) :][:640].max()] for n in frames], np.float32)

        def speak(self, faces: Any, heard: NDArray[np.float32]) -> Any:
            assert faces.shape[1:] == (3, self.side, self.side)
            assert len(heard) == len(faces)
            red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None]
            return red.expand_as(faces) * torch.from_numpy(heard > 0.01)[:, :, None, None]

    monkeypatch.setattr(painter, "Wav2LipLips", Blush)
    produced = studio.run()
    assert produced.engine["frames_painted"] == 12
    face = pictures(produced.files[0].path)[6][96 : 96 + 20, 118:138]
    assert face[:, :, 0].mean() > 150
    assert face[:, :, 1:].mean() < 60


def test_a_face_that_is_painted_as_it_was_stays_where_it_was(
    studio: Studio, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Colours in their order, nothing moved: with lips that repeat what they see, only sharpness may change."""
    monkeypatch.setattr(painter.Wav2LipLips, "speak", lambda self, faces, heard: faces)
    here = painter.recipe(catalog()["wav2lip"], Weights(weights / "wav2lip", None, "folder"), "cpu").load(False)
    frame = drawn.person((640, 480), (300, 200), 240)
    painted = frame.copy()
    here.paint([painted], [(180, 60, 421, 345)], np.zeros((1, 80, 16), np.float32))
    error = np.abs(painted.astype(int) - frame)[60:345, 180:421].mean()
    assert 0 < error < 2
    painted[60:345, 180:421] = frame[60:345, 180:421]
    assert (painted == frame).all()


def test_batches_fit_into_what_is_free() -> None:
    class Card:
        def total(self) -> int:
            return 3 * 10**9

        def used(self) -> int:
            return 10**9

        peak = used

        def restart(self) -> None: ...
        def release(self) -> None: ...

    here = painter.Painter(painter.Wav2LipLips(None, "cuda"), None, "cuda", cheap=False)
    assert here.faces_at_once(Card()) == 25
    assert here.pictures_at_once(Card(), (640, 360)) == 4
    assert EnginePool(Card()).memory.total() > 0


def test_names_and_shapes_are_those_of_the_public_checkpoints() -> None:
    with torch.device("meta"):
        lips, detector = Wav2Lip().state_dict(), S3fd().state_dict()
    assert len(lips) == 352
    parts = {part: sum(name.startswith(part) for name in lips) for part in
             ("face_encoder_blocks", "audio_encoder", "face_decoder_blocks", "output_block")}  # fmt: skip
    assert list(parts.values()) == [126, 91, 126, 9]
    assert sum(p.numel() for n, p in lips.items() if "running" not in n and "tracked" not in n) == 36_298_035
    shapes = {name: tuple(entry.shape) for name, entry in (lips | detector).items()}
    expected = {
        "face_encoder_blocks.0.0.conv_block.0.weight": (16, 6, 7, 7),
        "face_encoder_blocks.2.3.conv_block.1.running_var": (64,),
        "face_encoder_blocks.6.1.conv_block.0.weight": (512, 512, 1, 1),
        "audio_encoder.9.conv_block.0.weight": (256, 128, 3, 3),
        "audio_encoder.12.conv_block.1.num_batches_tracked": (),
        "face_decoder_blocks.1.0.conv_block.0.weight": (1024, 512, 3, 3),
        "face_decoder_blocks.3.2.conv_block.0.bias": (384,),
        "face_decoder_blocks.6.0.conv_block.0.weight": (160, 64, 3, 3),
        "output_block.0.conv_block.0.weight": (32, 80, 3, 3),
        "output_block.1.weight": (3, 32, 1, 1),
        "conv1_1.weight": (64, 3, 3, 3),
        "conv3_3_norm.weight": (256,),
        "conv3_3_norm_mbox_conf.weight": (4, 256, 3, 3),
        "fc6.weight": (1024, 512, 3, 3),
        "conv7_2_mbox_loc.bias": (4,),
    }
    assert {name: shapes[name] for name in expected} == expected


def broken_copy(weights: Path, folder: Path) -> Path:
    shutil.copytree(weights / "wav2lip", folder / "wav2lip")
    return folder / "wav2lip"


def test_weights_that_do_not_fit_are_refused_in_words(
    studio: Studio, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.models = tmp_path / "models"
    folder = broken_copy(weights, studio.models)
    lips = folder / "wav2lip_gan.safetensors"
    whole = lips.read_bytes()
    lips.write_bytes(whole[:-40])
    with pytest.raises(BadWeights, match="not a whole safetensors file"):
        studio.run()
    entries = load_file(weights / "wav2lip" / lips.name)
    entries.pop("output_block.1.bias")
    save_file(entries, lips)
    with pytest.raises(BadWeights, match="do not fit the model"):
        studio.run()
    lips.rename(lips.with_suffix(".pth"))
    with pytest.raises(BadWeights, match="There is no checkpoint of Wav2Lip"):
        studio.run()
    (folder / "s3fd.safetensors").unlink()
    with pytest.raises(BadWeights, match="only safetensors are used here"):
        studio.run()
    lips.write_bytes(whole)
    with pytest.raises(BadWeights, match="no face detector"):
        studio.run()
    shutil.rmtree(folder)
    monkeypatch.setenv("MODEL_DIR", str(studio.models))
    with pytest.raises(EngineUnavailable, match="models fetch wav2lip"):
        studio.run()


class Evil:
    def __reduce__(self) -> Any:
        return (os.system, ("touch pwned",))


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_public_checkpoint_becomes_safetensors(tmp_path: Path, as_zip: bool) -> None:
    entries = drawn.random_lips(2)
    saved = {"state_dict": {f"module.{name}": entry for name, entry in entries.items()}, "optimizer": None,
             "global_step": 251000, "global_epoch": 2}  # fmt: skip
    torch.save(saved, tmp_path / "in.pth", _use_new_zipfile_serialization=as_zip)
    convert(tmp_path / "in.pth", tmp_path / "out.safetensors", "wav2lip")
    made = load_file(tmp_path / "out.safetensors")
    assert made.keys() == entries.keys()
    assert all(torch.equal(made[name], entries[name]) for name in entries)


def test_a_pickle_that_holds_more_than_weights_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"a": torch.zeros(2)}, "x": Evil()}, "evil.pth")
    with pytest.raises(BadWeights, match="holds more than weights"):
        convert(Path("evil.pth"), Path("out.safetensors"), "wav2lip")
    Path("noise.pth").write_bytes(os.urandom(500))
    with pytest.raises(BadWeights, match="damaged"):
        convert(Path("noise.pth"), Path("out.safetensors"), "wav2lip")
    torch.save([1, 2], "list.pth")
    with pytest.raises(BadWeights, match="holds no weights"):
        convert(Path("list.pth"), Path("out.safetensors"), "wav2lip")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.pth", "list.pth", "noise.pth"]


def test_fetching_makes_safetensors_of_the_public_pickles(tmp_path: Path) -> None:
    model = catalog()["wav2lip"]
    assert model.source is not None
    for file, entries in zip(model.source.files, (drawn.random_lips(2), drawn.seeing_detector(4)), strict=True):
        path = tmp_path / "hub" / model.source.repo / file
        path.parent.mkdir(parents=True)
        torch.save(entries, path)
    nowhere = tmp_path / "nowhere"
    store = ModelStore(tmp_path / "models", image=nowhere, cache=nowhere, volume=nowhere / "models")
    with running(tmp_path / "hub") as hub:
        found = fetch(model, store, lambda *_: None, endpoint=hub.url)
    assert found.revision == COMMIT
    assert store.get(model) == found
    kept = sorted(path.name for path in found.folder.rglob("*.*"))
    assert kept == ["rushes-model.json", "s3fd.safetensors", "wav2lip_gan.safetensors"]
    painter.load(model.id, found.folder, "cpu")


def test_checkpoints_at_hand_are_converted_on_the_command_line(tmp_path: Path) -> None:
    torch.save({"state_dict": drawn.random_lips(2)}, tmp_path / "wav2lip_gan.pth")
    torch.save(drawn.seeing_detector(4), tmp_path / "s3fd.pth")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "MODEL_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "gpu_worker", "models", "convert", "wav2lip", "wav2lip_gan.pth", "s3fd.pth"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    painter.load("wav2lip", tmp_path / "wav2lip", "cpu")
    Path(tmp_path / "s3fd.pth").write_bytes(b"no pickle")
    refused = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert refused.returncode == 1
    assert "s3fd.pth of wav2lip is damaged" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_items_made_ahead_come_in_order_and_their_maker_ends_with_the_reader() -> None:
    ended: list[bool] = []
    made = 0

    def items() -> Any:
        nonlocal made
        try:
            for made in range(1000):  # noqa: UP028 - the last one is looked at
                yield made
        finally:
            ended.append(True)

    assert list(ahead(items(), 3)) == list(range(1000))
    some = ahead(items(), 3)
    assert [next(some), next(some)] == [0, 1]
    some.close()
    assert made <= 6, "never more than a few are held"
    assert ended == [True, True]

    def failing() -> Any:
        yield 1
        raise MediaRefused("broken")

    with pytest.raises(MediaRefused, match="broken"):
        list(ahead(failing(), 3))


@pytest.fixture
def plane(tmp_path: Path, weights: Path) -> Iterator[RealPlane]:
    uploads = tmp_path / "data" / "objects" / "uploads"
    uploads.mkdir(parents=True)
    drawn.write_film(uploads / "person.mp4", drawn.swaying(SIZE, 12), 24)
    drawn.write_film(uploads / "long.mp4", drawn.swaying((640, 360), 600), 24)
    record(uploads / "speech.wav", 1.0)
    record(uploads / "long.wav", 60.0)
    settings = {"MODEL_DIR": str(weights), "MODEL_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
    with real_plane(tmp_path / "data", **settings) as plane:
        yield plane


def test_through_the_whole_worker(plane: RealPlane) -> None:
    job = plane.until(plane.submit("LIPSYNC", video_url=VIDEO, audio_url=SOUND), "SUCCEEDED", "FAILED")
    assert job["status"] == "SUCCEEDED", job
    assert (job["engine"]["name"], job["engine"]["frames_painted"]) == ("wav2lip", 24)
    assert job["engine"]["licence"]["commercial"] == "no"
    [output] = job["outputs"]
    assert (output["kind"], output["width"], output["height"], output["duration_seconds"]) == ("video", *SIZE, 1.0)
    film = plane.client.get(job["output_urls"][0])
    assert (film.status_code, len(film.content), film.content[4:8]) == (200, output["bytes"], b"ftyp")
    [listed] = [model for model in plane.client.get("/models").json() if model["id"] == "wav2lip"]
    assert listed["licence"]["commercial"] == "no"
    long = plane.submit("LIPSYNC", video_url="storage://uploads/long.mp4", audio_url="storage://uploads/long.wav")
    plane.until_busy(long, progress=6)
    working = plane.job_processes()
    plane.client.post(f"/jobs/{long}/cancel")
    plane.until(long, "CANCELED")
    assert all_gone(working)
    faceless = plane.submit("LIPSYNC", video_url=VIDEO, audio_url=VIDEO)
    refused = plane.until(faceless, "SUCCEEDED", "FAILED")
    assert (refused["error_code"], refused["attempts"]) == ("MEDIA_REFUSED", 1)
    assert "no sound" in refused["error"]
