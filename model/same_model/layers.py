"""Transformer parts that several stages share, of operators every engine has."""

import torch
from torch import Tensor, nn


def module_dtype(module: nn.Module) -> torch.dtype:
    """The precision that ``module`` computes in: that of its parameters."""
    return next(module.parameters()).dtype


def attend(
    query: Tensor, key: Tensor, value: Tensor, heads: int, key_bias: Tensor | None = None
) -> Tensor:
    """Multi-head scaled dot-product attention: softmax(Q K^T / sqrt(d) + key_bias) V.

    ``query`` (B, Q, D), ``key`` and ``value`` (B, K, D), ``key_bias`` (B, 1, 1, K) added to
    the scores. Returns (B, Q, D).
    """
    # Spelled out: the fused call takes other paths in training, evaluation and export.
    batch, queries, dim = query.shape
    width = dim // heads

    def split(x: Tensor) -> Tensor:
        return x.reshape(batch, x.shape[1], heads, width).transpose(1, 2)

    scores = (split(query) * width**-0.5) @ split(key).transpose(2, 3)
    if key_bias is not None:
        scores = scores + key_bias
    attended = torch.softmax(scores, dim=-1) @ split(value)
    return attended.transpose(1, 2).reshape(batch, queries, dim)


class SelfAttention(nn.Module):
    """Multi-head self-attention over (B, tokens, dim)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.output = nn.Linear(dim, dim)

    def forward(self, x: Tensor, key_bias: Tensor | None = None) -> Tensor:
        """``x`` (B, tokens, dim), ``key_bias`` (B, 1, 1, tokens) or None -> (B, tokens, dim)."""
        query, key, value = self.query_key_value(x).chunk(3, dim=-1)
        return self.output(attend(query, key, value, self.heads, key_bias))


def feed_forward(dim: int, hidden: int, out: int | None = None) -> nn.Sequential:
    """Two linear layers with a GELU between: dim -> hidden -> out (dim)."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, out or dim))


def offset_head(dim: int, hidden: int, out: int) -> nn.Sequential:
    """An MLP whose last layer starts at zero, so that a fresh model predicts no offset."""
    last = nn.Linear(hidden, out)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), last)


class EncoderLayer(nn.Module):
    """Transformer encoder layer over (B, tokens, dim), normalised before each sub-layer."""

    # Pre-norm: the paper's learning rate of 1e-3 needs no warm-up with it.
    def __init__(self, dim: int, heads: int, ffn_dim: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads)
        self.ffn_norm = nn.LayerNorm(dim)
        self.ffn = feed_forward(dim, ffn_dim)

    def forward(self, x: Tensor, key_bias: Tensor | None = None) -> Tensor:
        """``x`` (B, tokens, dim), ``key_bias`` (B, 1, 1, tokens) or None -> (B, tokens, dim)."""
        x = x + self.attention(self.attention_norm(x), key_bias)
        return x + self.ffn(self.ffn_norm(x))
