"""Kokoro with random weights, and spaCy's English tagger with random ones, made with the real libraries.

`python tiny_kokoro.py <folder>`, in the environment of Kokoro: `<folder>/kokoro` is what the store would have,
`<folder>/packages` has an `en_core_web_sm` that knows nothing but where words end.
"""

import io
import json
import sys
from pathlib import Path

import spacy
import torch
from kokoro import KModel
from safetensors.torch import save_file
from spacy.language import Language

SIGNS = (
    ';:,.!?—…"()“” ̃ʣʥʦʨᵝꭧAIOQSTWYᵊabcdefhijklmnopqrstuvwxyzɑɐɒæβɔɕçɖðʤəɚɛɜɟɡɥɨɪʝɯɰŋɳɲɴøɸθœɹɾɻʁɽʂʃʈʧʊʋʌɣɤχʎʒʔˈˌːʰʲ↓→↗↘ᵻ'
)
# Widths that the package has written into its code stay as published: 512 and the style's 128.
CONFIG = {
    "vocab": {sign: number for number, sign in enumerate(SIGNS, 1)},
    "n_token": 178, "hidden_dim": 512, "style_dim": 128, "n_layer": 1, "max_dur": 8, "dropout": 0.0, "n_mels": 80,
    "text_encoder_kernel_size": 5,
    "plbert": {
        "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 512,
        "num_hidden_layers": 1,
    },
    "istftnet": {
        "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 3, 5]], "upsample_rates": [10, 6],
        "upsample_kernel_sizes": [20, 12], "upsample_initial_channel": 512, "gen_istft_n_fft": 20,
        "gen_istft_hop_size": 5,
    },
}  # fmt: skip


def weights(folder: Path) -> None:
    """`config.json`, the model under the names that conversion gives it, and one voice."""
    (folder / "voices").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    torch.manual_seed(0)
    model = KModel(repo_id="hexgrad/Kokoro-82M", config=CONFIG, model=nothing)
    for part in model.parameters():
        # Zeros and ones alone, as norms begin with, would speak in silence.
        torch.nn.init.normal_(part, std=0.05) if part.ndim < 2 else None
    named = {name.replace(".", ".module.", 1): part.contiguous() for name, part in model.state_dict().items()}
    save_file(named, folder / "kokoro-v1_0.safetensors")
    save_file({"tensor": torch.randn(510, 1, 256)}, folder / "voices" / "af_heart.safetensors")


def tagger(folder: Path) -> None:
    """A package as pip leaves it."""
    pipeline: Language = spacy.blank("en")
    pipeline.add_pipe("tok2vec")
    pipeline.add_pipe("tagger").add_label("NN")
    pipeline.initialize()
    package, about = folder / "en_core_web_sm", folder / "en_core_web_sm-3.8.0.dist-info"
    about.mkdir(parents=True)
    pipeline.to_disk(package)
    (package / "__init__.py").write_text(
        "from spacy.util import load_model_from_path\n"
        "from pathlib import Path\n"
        "def load(**options):\n"
        "    return load_model_from_path(Path(__file__).parent, **options)\n"
    )
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: en_core_web_sm\nVersion: 3.8.0\n")


if __name__ == "__main__":
    weights(Path(sys.argv[1]) / "kokoro")
    tagger(Path(sys.argv[1]) / "packages")
