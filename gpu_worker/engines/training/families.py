"""What architectures differ in when they are trained: how latents are laid out, noised, and what is to be predicted."""

from __future__ import annotations

from typing import Any, Protocol

from shared.errors import EngineUnavailable


class Family(Protocol):
    """One architecture. Tensors have a batch of one; a picture is a clip of one frame."""

    def latents(self, pixels: Any) -> Any:  # noqa: ANN401 - a tensor
        """Latents, as the transformer takes them, of pixels 1 x 3 x height x width from -1 to 1."""
        ...

    def noised(self, clean: Any, noise: Any, level: float) -> tuple[Any, Any, Any]:  # noqa: ANN401 - tensors
        """The latents with noise of a `level` from 0 to 1, the timestep that stands for it, and what is to be
        predicted.
        """
        ...

    def predict(self, noisy: Any, timestep: Any, words: Any) -> Any:  # noqa: ANN401 - tensors
        """What the transformer makes of it."""
        ...


def family_of(pipe: Any) -> Family:  # noqa: ANN401 - diffusers is untyped here
    """The pipeline's own. Raises EngineUnavailable for one that nobody taught us."""
    match type(pipe).__name__:
        case "CogVideoXPipeline":
            return Velocity(pipe)
        case "WanPipeline":
            return Flow(pipe)
        case name:
            raise EngineUnavailable(f"The trainer does not know how {name} is trained.")


class Velocity:
    """CogVideoX: v-prediction (Salimans and Ho, https://arxiv.org/abs/2202.00512), frames before channels."""

    def __init__(self, pipe: Any) -> None:  # noqa: ANN401 - diffusers is untyped here
        self._pipe = pipe

    def latents(self, pixels: Any) -> Any:  # noqa: ANN401 - a tensor
        """Scaled, 1 x 1 x channels x height x width."""
        vae = self._pipe.vae
        encoded = vae.encode(pixels.unsqueeze(2)).latent_dist.mode()
        return (encoded * vae.config.scaling_factor).permute(0, 2, 1, 3, 4)

    def noised(self, clean: Any, noise: Any, level: float) -> tuple[Any, Any, Any]:  # noqa: ANN401 - tensors
        """By the scheduler's own table."""
        import torch

        scheduler = self._pipe.scheduler
        step = int(level * scheduler.config.num_train_timesteps)
        timestep = torch.tensor([step], device=clean.device)
        return scheduler.add_noise(clean, noise, timestep), timestep, scheduler.get_velocity(clean, noise, timestep)

    def predict(self, noisy: Any, timestep: Any, words: Any) -> Any:  # noqa: ANN401 - tensors
        """The velocity."""
        transformer = self._pipe.transformer
        return transformer(
            hidden_states=noisy,
            encoder_hidden_states=words,
            timestep=timestep,
            image_rotary_emb=self._places(noisy) if transformer.config.use_rotary_positional_embeddings else None,
            return_dict=False,
        )[0]

    def _places(self, noisy: Any) -> Any:  # noqa: ANN401 - tensors
        frames, _, height, width = noisy.shape[1:]
        scale = self._pipe.vae_scale_factor_spatial
        # Private, and the only way to the very embeddings that the pipeline uses.
        return self._pipe._prepare_rotary_positional_embeddings(height * scale, width * scale, frames, noisy.device)


class Flow:
    """Wan: rectified flow (Liu et al., https://arxiv.org/abs/2209.03003), channels before frames."""

    def __init__(self, pipe: Any) -> None:  # noqa: ANN401 - diffusers is untyped here
        self._pipe = pipe

    def latents(self, pixels: Any) -> Any:  # noqa: ANN401 - a tensor
        """Normalised by the means and deviations of the autoencoder's channels."""
        import torch

        vae = self._pipe.vae
        encoded = vae.encode(pixels.unsqueeze(2)).latent_dist.mode()
        mean, deviation = (
            torch.tensor(values, device=encoded.device, dtype=encoded.dtype).view(1, -1, 1, 1, 1)
            for values in (vae.config.latents_mean, vae.config.latents_std)
        )
        return (encoded - mean) / deviation

    def noised(self, clean: Any, noise: Any, level: float) -> tuple[Any, Any, Any]:  # noqa: ANN401 - tensors
        """On the straight line between the two; the model's `flow_shift` moves levels towards noise."""
        import torch

        shift = float(self._pipe.scheduler.config.get("flow_shift") or 1.0)
        part = shift * level / (1 + (shift - 1) * level)
        timestep = torch.tensor([part * self._pipe.scheduler.config.num_train_timesteps], device=clean.device)
        return (1 - part) * clean + part * noise, timestep, noise - clean

    def predict(self, noisy: Any, timestep: Any, words: Any) -> Any:  # noqa: ANN401 - tensors
        """The direction from the picture to the noise."""
        return self._pipe.transformer(
            hidden_states=noisy, timestep=timestep, encoder_hidden_states=words, return_dict=False
        )[0]
