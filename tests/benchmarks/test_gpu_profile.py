"""Classes of real kernel names, and times of traces small enough to work out by hand."""

from __future__ import annotations

import pytest

COPIES, ELEMENTWISE = "copies and transfers", "norms and element-wise"
CONVOLUTION = "convolution"
NAMES = {
    "void flash_fwd_kernel<Flash_fwd_kernel_traits<128, 128, 64, 4, cutlass::bfloat16_t>>": "attention",
    "void pytorch_flash::flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel<…>": "attention",
    "void cutlass::device_kernel<flash::enable_sm90_or_later<flash::FlashAttnFwdSm90<…>>>": "attention",
    "fmha_cutlassF_bf16_aligned_64x64_rf_sm80(PyTorchMemEffAttention::AttentionKernel<…>)": "attention",
    "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_7_64x128x128_4x1x1": "attention",
    "triton_tem_fused_flex_attention_0": "attention",
    "aten::_scaled_dot_product_flash_attention_for_cpu_backward": "attention",
    "ampere_bf16_s16816gemm_bf16_128x256_ldg8_f2f_stages_64x3_tn": "matrix products",
    "nvjet_tst_192x192_64x4_2x1_v_bz_coopB_TNT": "matrix products",
    "sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize128x128x64_warpgroupsize1x1x1": "matrix products",
    "void cutlass::Kernel2<cutlass_80_wmma_tensorop_bf16_s161616gemm_bf16_16x16_128x2>": "matrix products",
    "void gemv2T_kernel_val<int, int, __nv_bfloat16, float, 128>": "matrix products",
    "void cublasLt::splitKreduce_kernel<32, 16, int, float, __nv_bfloat16>": "matrix products",
    "aten::mm": "matrix products",
    "aten::addmm": "matrix products",
    "sm80_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize128x128x32": CONVOLUTION,
    "void cudnn::ops::nchwToNhwcKernel<__nv_bfloat16, __nv_bfloat16, float, false, true>": CONVOLUTION,
    "void at::native::vol2col_kernel<c10::BFloat16>": CONVOLUTION,
    "aten::mkldnn_convolution": CONVOLUTION,
    "void at::native::vectorized_elementwise_kernel<4, at::native::silu_kernel>": ELEMENTWISE,
    "void at::native::elementwise_kernel<128, 4, at::native::gpu_kernel_impl<MulFunctor>>": ELEMENTWISE,
    "void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<c10::BFloat16, float>": ELEMENTWISE,
    "void at::native::(anonymous namespace)::layer_norm_grad_input_kernel<c10::BFloat16>": ELEMENTWISE,
    "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, MeanOps<float>>>": ELEMENTWISE,
    "void (anonymous namespace)::softmax_warp_forward<float, float, float, 7, false, false>": ELEMENTWISE,
    "void at::native::(anonymous namespace)::multi_tensor_apply_kernel<FusedAdamMathFunctor>": ELEMENTWISE,
    "triton_poi_fused_mul_silu_0": ELEMENTWISE,
    "aten::add_": ELEMENTWISE,
    "Memcpy HtoD (Pinned -> Device)": COPIES,
    "Memset (Device)": COPIES,
    "void at::native::elementwise_kernel<128, 4, at::native::direct_copy_kernel_cuda(…)>": COPIES,
    "void at::native::(anonymous namespace)::CatArrayBatchedCopy<c10::BFloat16, 2>": COPIES,
    "void at::native::(anonymous namespace)::indexSelectLargeIndex<c10::BFloat16, long>": COPIES,
    "void at::native::unrolled_elementwise_kernel<at::native::bfloat16_copy_kernel_cuda(…)>": COPIES,
    "aten::_to_copy": COPIES,
    "ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096ul>)": "collectives",
    "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)": "collectives",
    "void at_cuda_detail::cub::DeviceRadixSortOnesweepKernel<…>": "other",
    "aten::nonzero": "other",
}


@pytest.fixture
def profile(script):
    return script("gpu_profile")


@pytest.mark.parametrize(("name", "kind"), NAMES.items())
def test_a_kernel_belongs_to_its_class(profile, name, kind):
    assert profile.kernel_class(name) == kind


def traced(name, cat, ts, dur, tid=7):
    return {"ph": "X", "cat": cat, "name": name, "ts": ts, "dur": dur, "pid": 0, "tid": tid}


def test_only_work_of_the_device_is_read_from_a_trace(profile):
    trace = {
        "traceEvents": [
            {"ph": "M", "name": "process_name", "pid": 0},
            traced("nvjet_tst", "kernel", 0, 4),
            traced("Memcpy HtoD", "gpu_memcpy", 5, 1),
            traced("Optimizer.step", "gpu_user_annotation", 0, 9),
            traced("cudaLaunchKernel", "cuda_runtime", 0, 1),
            traced("aten::mm", "cpu_op", 0, 2),
        ]
    }
    assert [name for name, *_ in profile.device_events(trace, "cuda")] == ["nvjet_tst", "Memcpy HtoD"]
    assert [name for name, *_ in profile.device_events(trace, "cpu")] == ["aten::mm"]


def test_an_operator_has_the_time_without_those_inside_it(profile):
    events = [
        ("aten::linear", 1, 0.0, 10.0),
        ("aten::addmm", 1, 2.0, 6.0),
        ("aten::copy_", 1, 3.0, 1.0),
        ("aten::mul", 1, 10.0, 2.0),  # begins where the first ends
        ("aten::mul", 2, 4.0, 3.0),  # another thread
    ]
    own = profile.own_times(events)
    assert own == {"aten::linear": 4.0, "aten::addmm": 5.0, "aten::copy_": 1.0, "aten::mul": 5.0}


def test_overlapping_events_keep_the_device_busy_once(profile):
    events = [("a", 1, 0.0, 4.0), ("b", 2, 2.0, 4.0), ("c", 1, 3.0, 1.0), ("d", 1, 8.0, 1.0)]
    assert profile.busy_time(events) == 7.0  # 0 to 6, and 8 to 9
    assert profile.busy_time([]) == 0.0


def test_a_summary_has_shares_by_class_and_the_idle_share_of_the_wall_time(profile):
    events = [("nvjet_tst", 1, 0.0, 6e5), ("flash_fwd_kernel", 1, 6e5, 2e5), ("nvjet_tst", 1, 9e5, 2e5)]
    found = profile.summary(events, wall_s=2.0, top=1)
    assert found["device_idle"] == 0.5
    assert found["classes"]["matrix products"] == 0.8
    assert found["classes"]["attention"] == 0.2
    assert sum(found["classes"].values()) == 1.0
    assert found["longest"] == [{"kernel": "nvjet_tst", "class": "matrix products", "share": 0.8}]


def test_a_window_without_work_is_idle(profile):
    found = profile.summary([], wall_s=1.0)
    assert found["device_idle"] == 1.0
    assert set(found["classes"].values()) == {0}


@pytest.mark.parametrize(
    ("stack", "waits"),
    [
        ([("/lib/python3/threading.py", "wait"), ("/site/uninote/encoder/encoder.py", "encode")], True),
        ([("/lib/python3/multiprocessing/connection.py", "wait"), ("/x.py", "main")], True),
        ([("/PIL/Image.py", "resize"), ("/src/uninote/encoder/qwen/backbone.py", "prepare_step")], True),
        ([("/torch/nn/modules/linear.py", "forward"), ("/src/uninote/encoder/encoder.py", "_run")], False),
        ([("/elsewhere/model.py", "prepare")], False),
        ([], False),
    ],
)
def test_the_main_thread_waits_for_input_where_it_prepares_or_waits(profile, stack, waits):
    assert profile.in_input(stack) is waits


def test_a_profile_of_real_operators_finds_their_classes(profile):
    import torch

    left = torch.randn(64, 64)
    with profile.Profiler("cpu") as profiler:
        for _ in range(20):
            left = torch.tanh(left @ left)
    found = profiler.found
    assert found["classes"]["matrix products"] > 0
    assert found["classes"]["norms and element-wise"] > 0
    assert sum(found["classes"].values()) == pytest.approx(1, abs=0.001)
    assert 0 <= found["device_idle"] < 1
