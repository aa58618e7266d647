"""Fewer kernels for a layer: what decides the speed of a small model on CUDA.

There the host hands each operation to the driver, which takes some 10 us, while a 135M model's
weights are read in 100: so products of one input become one product, and what attention does
for a step of all sessions one kernel.

Not here: what is done otherwise on the CPU (device_math.py).
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.activations import swiglu
from mlx_lm.models.base import scaled_dot_product_attention

from dobby_pipeline.inference.kv_cache import StepCache

CHUNK = 128
"""Tokens whose scores a block computes at once, one each thread."""

_ATTEND = """
    // One block for each session and KV head; softmax chunk by chunk (Milakov, Gimelshein 2018).
    constexpr int PARTS = CHUNK / D < 1 ? 1 : CHUNK / D;
    constexpr int PACK = 16 / sizeof(T);
    struct alignas(16) Packed { T x[PACK]; };
    __shared__ float asked[G * D];
    __shared__ float weight[G * CHUNK];
    __shared__ float most[G], total[G], fading[G];
    __shared__ float sums[PARTS * G * D];

    const int row = blockIdx.y, head = blockIdx.x, heads = k_shape[1], capacity = k_shape[2];
    const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
    const long long first = (static_cast<long long>(row) * heads + head) * capacity * D;
    const int length = min(offset[row] + 1, capacity);
    for (int i = thread; i < G * D; i += CHUNK) {
        asked[i] = static_cast<float>(q[(row * heads + head) * G * D + i]) * rsqrtf(float(D));
    }
    if (thread < G) {
        most[thread] = -INFINITY;
        total[thread] = 0;
    }
    const int column = thread % D, part = thread / D;
    float sum[G] = {};
    __syncthreads();
    for (int start = 0; start < length; start += CHUNK) {
        const int count = min(CHUNK, length - start);
        if (thread < count) {
            float score[G] = {};
            const T* key = k + first + static_cast<long long>(start + thread) * D;
            for (int i = 0; i < D; i += PACK) {
                const Packed packed = *reinterpret_cast<const Packed*>(key + i);
                for (int j = 0; j < PACK; ++j) {
                    const float number = static_cast<float>(packed.x[j]);
                    for (int g = 0; g < G; ++g) score[g] += number * asked[g * D + i + j];
                }
            }
            for (int g = 0; g < G; ++g) weight[g * CHUNK + thread] = score[g];
        }
        __syncthreads();
        for (int g = warp; g < G; g += CHUNK / 32) {
            float high = most[g];
            for (int t = lane; t < count; t += 32) high = fmaxf(high, weight[g * CHUNK + t]);
            for (int i = 16; i; i /= 2) high = fmaxf(high, __shfl_xor_sync(~0u, high, i));
            float added = 0;
            for (int t = lane; t < count; t += 32) {
                const float e = __expf(weight[g * CHUNK + t] - high);
                weight[g * CHUNK + t] = e;
                added += e;
            }
            for (int i = 16; i; i /= 2) added += __shfl_xor_sync(~0u, added, i);
            if (lane == 0) {
                fading[g] = __expf(most[g] - high);
                total[g] = total[g] * fading[g] + added;
                most[g] = high;
            }
        }
        __syncthreads();
        if (part < PARTS) {
            for (int g = 0; g < G; ++g) sum[g] *= fading[g];
            const T* value = v + first + static_cast<long long>(start) * D + column;
            for (int t = part; t < count; t += PARTS) {
                const float number = static_cast<float>(value[static_cast<long long>(t) * D]);
                for (int g = 0; g < G; ++g) sum[g] += weight[g * CHUNK + t] * number;
            }
        }
        __syncthreads();
    }
    if (part < PARTS) {
        for (int g = 0; g < G; ++g) sums[(part * G + g) * D + column] = sum[g];
    }
    __syncthreads();
    for (int i = thread; i < G * D; i += CHUNK) {
        float found = 0;
        for (int p = 0; p < PARTS; ++p) found += sums[p * G * D + i];
        out[(row * heads + head) * G * D + i] = static_cast<T>(found / total[i / D]);
    }
"""


class FusedAttention(nn.Module):
    """Attention of the llama and qwen2 families with one product for queries, keys and values."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.heads: int = attention.n_heads
        self.kv_heads: int = attention.n_kv_heads
        self.scale: float = attention.scale
        self.rope = attention.rope
        self.qkv_proj = _joined([attention.q_proj, attention.k_proj, attention.v_proj])
        self.o_proj = attention.o_proj

    def __call__(self, x: Any, mask: Any, cache: Any) -> Any:
        """As the layer that it replaces; [batch, tokens, hidden size] in and out."""
        batch, length, _ = x.shape
        turning = self.heads + self.kv_heads
        joined = self.qkv_proj(x).reshape(batch, length, turning + self.kv_heads, -1)
        joined = joined.transpose(0, 2, 1, 3)
        turned = self.rope(joined[:, :turning], offset=cache.offset)
        queries, keys = turned[:, : self.heads], turned[:, self.heads :]
        keys, values = cache.update_and_fetch(keys, joined[:, turning:])
        out = attention(queries, keys, values, cache, self.scale, mask)
        return self.o_proj(out.transpose(0, 2, 1, 3).reshape(batch, length, -1))


class FusedMlp(nn.Module):
    """The MLP of the llama and qwen2 families with one product for gate and up."""

    def __init__(self, mlp: Any) -> None:
        super().__init__()
        self.gate_up_proj = _joined([mlp.gate_proj, mlp.up_proj])
        self.down_proj = mlp.down_proj

    def __call__(self, x: Any) -> Any:
        """As the layer that it replaces; [batch, tokens, hidden size] in and out."""
        return self.down_proj(swiglu(*mx.split(self.gate_up_proj(x), 2, axis=-1)))


def fuse(network: Any) -> None:
    """Replace the layers of a model of the llama or qwen2 family; leaves packed weights alone."""
    for layer in network.layers:
        attended, mlp = layer.self_attn, layer.mlp
        if _plain(attended.q_proj, attended.k_proj, attended.v_proj):
            layer.self_attn = FusedAttention(attended)
        if _plain(mlp.gate_proj, mlp.up_proj):
            layer.mlp = FusedMlp(mlp)
        mx.eval(layer.parameters())


def attention(queries: Any, keys: Any, values: Any, cache: Any, scale: float, mask: Any) -> Any:
    """Scaled dot-product attention, for a step of all sessions by a kernel of our own.

    With a mask for each session MLX's own multiplies once for every query head, and so reads the
    keys of a group once for each.

    Args:
        queries: [B, heads, L, D].
        keys, values: [B, KV heads, T, D].
        cache: a StepCache for a step.
        scale: of the scores.
        mask: as mlx-lm's; not looked at for a step.
    """
    size = queries.shape[-1]
    if not isinstance(cache, StepCache) or CHUNK % size or abs(scale * size**0.5 - 1) > 1e-6:
        theirs: Callable[..., Any] = scaled_dot_product_attention
        return theirs(queries, keys, values, cache=cache, scale=scale, mask=mask)
    held_keys, held_values = cache.layer
    rows, heads = held_keys.shape[:2]
    groups = queries.shape[1] // heads
    (out,) = _kernel()(
        inputs=[queries, held_keys, held_values, cache.offset],
        template=[("T", queries.dtype), ("G", groups), ("D", size), ("CHUNK", CHUNK)],
        grid=(heads * CHUNK, rows, 1),
        threadgroup=(CHUNK, 1, 1),
        output_shapes=[queries.shape],
        output_dtypes=[queries.dtype],
    )
    return out


@cache
def _kernel() -> Any:
    return mx.fast.cuda_kernel(
        name="dobby_attend",
        input_names=["q", "k", "v", "offset"],
        output_names=["out"],
        source=_ATTEND,
    )


def _plain(*linears: Any) -> bool:
    return all(type(linear) is nn.Linear for linear in linears)


def _joined(linears: Sequence[Any]) -> Any:
    """One that gives what all of them give, side by side."""
    inputs = linears[0].weight.shape[1]
    joined = nn.Linear(inputs, 1, bias="bias" in linears[0])
    joined.weight = mx.concatenate([linear.weight for linear in linears])
    if "bias" in linears[0]:
        joined.bias = mx.concatenate([linear.bias for linear in linears])
    return joined
