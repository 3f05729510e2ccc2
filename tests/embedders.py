"""A tiny embedding model with random weights, as sentence-transformers keeps one in a folder."""

import json
from pathlib import Path

from rag_study.common import files


def make(folder: Path, letters: str, *, positions: int = 128, prompts: dict | None = None) -> Path:
    """Write a BERT of one layer that knows these letters; returns the folder."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True)
    known = sorted({letter for letter in letters.lower() if not letter.isspace()})
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *known, *(f"##{k}" for k in known)]
    files.write_text(folder / "vocab.txt", "\n".join(tokens) + "\n")
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=positions)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=positions,
    )
    BertModel(config).save_pretrained(folder)
    parts = {"Transformer": "", "Pooling": "1_Pooling"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(parts.items())
    ]
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 16, "pooling_mode_cls_token": True}
    for name, content in (
        ("modules.json", modules),
        ("1_Pooling/config.json", pooling | {"pooling_mode_mean_tokens": False}),
        ("config_sentence_transformers.json", {"prompts": prompts or {}}),
    ):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder
