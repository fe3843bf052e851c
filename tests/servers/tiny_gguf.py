"""Write a GGUF file of a Llama with random weights: `python tiny_gguf.py FILE`. It says nothing of sense.

Its vocabulary are the 256 bytes, three marks and the blank, so a plain text has a token a character.
"""

from __future__ import annotations

import sys

import gguf
import numpy as np

LAYERS, WIDTH, HEADS, INNER, WINDOW = 1, 64, 2, 128, 65_536
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: "


def write(path: str) -> None:
    writer, rng = gguf.GGUFWriter(path, "llama"), np.random.default_rng(0)
    marks, kinds = ["<unk>", "<s>", "</s>"], [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * 256 + [gguf.TokenType.NORMAL]
    tokens = [*marks, *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    writer.add_context_length(WINDOW)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    square, wide = (WIDTH, WIDTH), (INNER, WIDTH)
    shapes = {"token_embd": (len(tokens), WIDTH), "output": (len(tokens), WIDTH)}
    for layer in range(LAYERS):
        block = {"attn_q": square, "attn_k": square, "attn_v": square, "attn_output": square, "ffn_gate": wide,
                 "ffn_up": wide, "ffn_down": (WIDTH, INNER)}  # fmt: skip
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in block.items()}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.normal(0, 0.5, shape).astype(np.float32))
    for name in ("output_norm", *(f"blk.{n}.{part}" for n in range(LAYERS) for part in ("attn_norm", "ffn_norm"))):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(sys.argv[1])
