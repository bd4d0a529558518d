"""Tiny models with random weights, saved as the real ones are, and catalog files that describe them.

They go through the same `from_pretrained`, the same call and the same rules as the real ones, on a CPU, in a second.
The shapes are those under which the architectures still work; see each helper.
"""

from __future__ import annotations

import json
import math
import shutil
import string
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLCogVideoX,
    AutoencoderKLTemporalDecoder,
    AutoencoderKLWan,
    CogVideoXDPMScheduler,
    CogVideoXImageToVideoPipeline,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    DDIMScheduler,
    EulerDiscreteScheduler,
    MotionAdapter,
    StableDiffusionPipeline,
    StableVideoDiffusionPipeline,
    UNet2DConditionModel,
    UNetSpatioTemporalConditionModel,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

SIDE = 32
_CATALOG = """
id = "{id}"
title = "Tiny {id}"
job_types = {job_types}
engine = "diffusers"
licence = {{ id = "none", commercial = "yes", url = "https://example.org" }}
source = {{ repo = "tiny/{id}", disk_gb = 0.001 }}
[video]
pipeline = "{pipeline}"
dtype = "float32"
fps = {fps}
output = "pil"
steps = 3
{video}
[video.frames]
every = {frames[0]}
plus = {frames[1]}
least = {frames[2]}
most = {frames[3]}
[video.size]
multiple = 8
buckets = {buckets}
{tables}
[video.profiles.exact]
changes = "nothing"
[video.profiles.draft]
weights = "int8"
steps = 2
changes = "a lot"
"""
_COG = 'guidance = 6.0\nlora = true\ncaches_prompt = true\nblocks = ["CogVideoXBlock"]\ncontinued_by = "tiny-i2v"'
_COG_TABLES = (
    "[video.constants]\nmax_sequence_length = 16\n"
    "[video.share]\ngroup = 'tiny'\nparts = ['tokenizer', 'text_encoder', 'vae']"
)


def make_all(models: Path, entries: Path) -> None:
    """The weights of every tiny model below `models`, and their catalog files in `entries`."""
    torch.manual_seed(0)
    text = t5()
    vae = cog_vae()
    cog(CogVideoXPipeline, text, vae, channels=4).save_pretrained(models / "tiny-t2v")
    cog(CogVideoXImageToVideoPipeline, text, vae, channels=8).save_pretrained(models / "tiny-i2v")
    svd().save_pretrained(models / "tiny-svd")
    animatediff(models / "tiny-animatediff")
    shutil.copytree(models / "tiny-animatediff", models / "tiny-painter")
    square = f"[[{SIDE}, {SIDE}], [48, {SIDE}]]"
    cog_rules: dict[str, Any] = {"fps": 8, "frames": (8, 1, 9, 17), "buckets": square, "video": _COG}
    entry(entries, "tiny-t2v", "RENDER TRAIN_TWIN", "CogVideoXPipeline", tables=_COG_TABLES, **cog_rules)
    image = f"[video.arguments]\nimage = 'image'\n{_COG_TABLES}"
    entry(entries, "tiny-i2v", "IMG2VID", "CogVideoXImageToVideoPipeline", tables=image, **cog_rules)
    mute = "prompt = ''\nnegative = ''\nguidance = ''\nimage = 'image'\nfps = 'fps'\nstrength = 'motion_bucket_id'"
    entry(
        entries, "tiny-painter", "", "StableDiffusionPipeline", fps=1, frames=(1, 0, 1, 1), buckets=square,
        video='denoisers = ["unet"]\nguidance = 7.5', tables="[video.arguments]\nframes = ''",
    )  # fmt: skip
    hooked = _COG + '\nprogress = "scheduler"'
    wan().save_pretrained(models / "tiny-wan")
    entry(
        entries, "tiny-wan", "RENDER TRAIN_TWIN", "WanPipeline", fps=16, frames=(4, 1, 5, 17), buckets="[[32, 32]]",
        video="guidance = 5.0\nlora = true\ncaches_prompt = true",
        tables="[video.constants]\nmax_sequence_length = 512",
    )  # fmt: skip
    entry(entries, "tiny-silent", "RENDER", "CogVideoXPipeline", tables=_COG_TABLES, **(cog_rules | {"video": hooked}))
    shutil.copytree(models / "tiny-t2v", models / "tiny-silent")
    entry(
        entries, "tiny-svd", "IMG2VID RENDER", "StableVideoDiffusionPipeline", fps=7, frames=(1, 0, 2, 4),
        buckets=square, video='denoisers = ["unet"]\ntiling = "never"\nfirst_picture = "tiny-painter"',
        tables=f"[video.arguments]\n{mute}",
    )  # fmt: skip
    adapter = (
        "[video.parts.motion_adapter]\ncomponent_class = 'MotionAdapter'\n"
        "source = { repo = 'tiny/adapter', disk_gb = 0.001 }"
    )
    entry(
        entries, "tiny-animatediff", "RENDER", "AnimateDiffPipeline", fps=8, frames=(1, 0, 2, 8),
        buckets=square, tables=adapter,
        video='denoisers = ["unet"]\nguidance = 7.5\nalso_pipelines = ["StableDiffusionPipeline"]',
    )  # fmt: skip


def entry(folder: Path, id: str, job_types: str, pipeline: str, **rules: Any) -> None:
    text = _CATALOG.format(id=id, job_types=json.dumps(job_types.split()), pipeline=pipeline, **rules)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{id}.toml").write_text(text, encoding="utf-8")


def t5() -> tuple[T5Tokenizer, T5EncoderModel]:
    pieces: list[tuple[str, float]] = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(letter, -3.0) for letter in string.ascii_lowercase]
    pieces += [(f"<extra_id_{n}>", 0.0) for n in range(10)]
    tokenizer = T5Tokenizer(vocab=pieces, extra_ids=10, model_max_length=16)
    config = T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4,
        relative_attention_num_buckets=8, dropout_rate=0, feed_forward_proj="gated-gelu", is_encoder_decoder=False,
        use_cache=False,
    )  # fmt: skip
    return tokenizer, T5EncoderModel(config).eval()


def cog_vae() -> AutoencoderKLCogVideoX:
    # The sample sizes make its tiles divide exactly.
    return AutoencoderKLCogVideoX(
        in_channels=3, out_channels=3, down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4, block_out_channels=(8, 8, 8, 8), latent_channels=4,
        layers_per_block=1, norm_num_groups=2, temporal_compression_ratio=4, sample_height=96, sample_width=80,
    ).eval()  # fmt: skip


def cog(pipeline: type, text: tuple[T5Tokenizer, T5EncoderModel], vae: AutoencoderKLCogVideoX, channels: int) -> Any:
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2, attention_head_dim=16, in_channels=channels, out_channels=4, time_embed_dim=8,
        text_embed_dim=32, num_layers=2, sample_width=4, sample_height=4, sample_frames=9, patch_size=2,
        temporal_compression_ratio=4, max_text_seq_length=16, use_rotary_positional_embeddings=True,
    ).eval()  # fmt: skip
    scheduler = CogVideoXDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction",
        rescale_betas_zero_snr=True, snr_shift_scale=1.0, timestep_spacing="trailing", clip_sample=False,
        set_alpha_to_one=True,
    )  # fmt: skip
    tokenizer, encoder = text
    return pipeline(tokenizer=tokenizer, text_encoder=encoder, vae=vae, transformer=transformer, scheduler=scheduler)


def wan() -> WanPipeline:
    tokenizer, encoder = t5()
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=4, out_channels=4, text_dim=32,
        freq_dim=32, ffn_dim=32, num_layers=2, cross_attn_norm=True, qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )  # fmt: skip
    vae = AutoencoderKLWan(
        base_dim=4, z_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True],
        latents_mean=[0.1, -0.2, 0.3, 0.0], latents_std=[1.5, 2.0, 1.0, 0.5],
    )  # fmt: skip
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    return WanPipeline(
        tokenizer=tokenizer, text_encoder=encoder, transformer=transformer.eval(), vae=vae.eval(), scheduler=scheduler
    )


def svd() -> StableVideoDiffusionPipeline:
    unet = UNetSpatioTemporalConditionModel(
        block_out_channels=(32, 64), layers_per_block=2, sample_size=32, in_channels=8, out_channels=4,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"), cross_attention_dim=32,
        num_attention_heads=8, projection_class_embeddings_input_dim=96, addition_time_embed_dim=32,
    )  # fmt: skip
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", interpolation_type="linear",
        num_train_timesteps=1000, prediction_type="v_prediction", sigma_max=700.0, sigma_min=0.002,
        steps_offset=1, timestep_spacing="leading", timestep_type="continuous", trained_betas=None,
        use_karras_sigmas=True,
    )  # fmt: skip
    vae = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 64), in_channels=3, out_channels=3, layers_per_block=1, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
    )  # fmt: skip
    # The pipeline brings its picture to 224 pixels, whatever the encoder's own size.
    vision = CLIPVisionConfig(
        hidden_size=32, projection_dim=32, num_hidden_layers=2, num_attention_heads=4, image_size=224,
        intermediate_size=37, patch_size=32,
    )  # fmt: skip
    return StableVideoDiffusionPipeline(
        unet=unet.eval(), scheduler=scheduler, vae=vae.eval(),
        image_encoder=CLIPVisionModelWithProjection(vision).eval(),
        feature_extractor=CLIPImageProcessor(crop_size=32, size=32),
    )  # fmt: skip


def animatediff(folder: Path) -> None:
    """As its users have it: a Stable Diffusion, and a motion adapter that comes from elsewhere."""
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={word: n for n, word in enumerate(words)}, merges=[], model_max_length=77)
    text = CLIPTextConfig(
        bos_token_id=len(words) - 2, eos_token_id=len(words) - 1, pad_token_id=len(words) - 1, vocab_size=len(words),
        hidden_size=8, intermediate_size=16, num_attention_heads=2, num_hidden_layers=1, projection_dim=8,
    )  # fmt: skip
    unet = UNet2DConditionModel(
        block_out_channels=(8, 8), layers_per_block=1, sample_size=8, in_channels=4, out_channels=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=8, norm_num_groups=2,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 8), in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=2,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip
    adapter = MotionAdapter(
        block_out_channels=(8, 8), motion_layers_per_block=1, motion_norm_num_groups=2, motion_num_attention_heads=2,
    )  # fmt: skip
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="linear", clip_sample=False, steps_offset=1
    )
    pipe = StableDiffusionPipeline(
        vae=vae.eval(), text_encoder=CLIPTextModel(text).eval(), tokenizer=tokenizer, unet=unet.eval(),
        scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipe.save_pretrained(folder)
    adapter.save_pretrained(folder / "motion_adapter")


def lora(path: Path, pipe: Any, rank: int = 4) -> None:
    """A LoRA for a tiny CogVideoX that changes a great deal, as a trainer saves it."""
    from peft import LoraConfig, get_peft_model_state_dict

    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=["to_q", "to_k", "to_v", "to_out.0"])
    pipe.transformer.add_adapter(config)
    for name, weight in pipe.transformer.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=1 / math.sqrt(rank))
    layers = get_peft_model_state_dict(pipe.transformer)
    type(pipe).save_lora_weights(path.parent, transformer_lora_layers=layers, weight_name=path.name)
