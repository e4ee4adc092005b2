"""Transformer parts that several stages share, of operators every engine has.

Leading axes are free. Training gives a batch; an exported frame gives none, because on a CPU
the reshapes around each matrix product of a batched graph cost more than the products.
"""

import torch
from torch import Tensor, nn


def module_dtype(module: nn.Module) -> torch.dtype:
    """The precision that ``module`` computes in: that of its parameters."""
    return next(module.parameters()).dtype


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(..., tokens, heads w) -> (..., heads, tokens, w)."""
    return x.unflatten(-1, (heads, x.shape[-1] // heads)).transpose(-3, -2)


def attend(query: Tensor, key: Tensor, value: Tensor, key_bias: Tensor | None = None) -> Tensor:
    """Multi-head scaled dot-product attention: softmax(Q K^T / sqrt(w) + key_bias) V.

    ``query`` (..., heads, Q, w), ``key`` and ``value`` (..., heads, K, w), ``key_bias``
    broadcast over the scores (..., heads, Q, K). Returns (..., Q, heads w).
    """
    # Spelled out: the fused call takes other paths in training, evaluation and export.
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if key_bias is not None:
        scores = scores + key_bias
    attended = torch.softmax(scores, dim=-1) @ value
    return attended.transpose(-3, -2).flatten(-2)


class SelfAttention(nn.Module):
    """Multi-head self-attention over (..., tokens, dim)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.output = nn.Linear(dim, dim)

    def forward(
        self, x: Tensor, key_bias: Tensor | None = None, newest: int | None = None
    ) -> Tensor:
        """``x`` (..., tokens, dim), ``key_bias`` (..., 1, 1, tokens) or None -> as ``x``, or its
        last ``newest`` tokens only."""
        packed = split_heads(self.query_key_value(x), 3 * self.heads)
        query, key, value = packed.chunk(3, dim=-3)
        if newest is not None:
            query = query[..., -newest:, :]
        return self.output(attend(query, key, value, key_bias))


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
    """Transformer encoder layer over (..., tokens, dim), normalised before each sub-layer."""

    # Pre-norm: the paper's learning rate of 1e-3 needs no warm-up with it.
    def __init__(self, dim: int, heads: int, ffn_dim: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads)
        self.ffn_norm = nn.LayerNorm(dim)
        self.ffn = feed_forward(dim, ffn_dim)

    def forward(
        self, x: Tensor, key_bias: Tensor | None = None, newest: int | None = None
    ) -> Tensor:
        """``x`` (..., tokens, dim), ``key_bias`` (..., 1, 1, tokens) or None -> as ``x``, or its
        last ``newest`` tokens only."""
        attended = self.attention(self.attention_norm(x), key_bias, newest)
        if newest is not None:
            x = x[..., -newest:, :]
        x = x + attended
        return x + self.ffn(self.ffn_norm(x))
