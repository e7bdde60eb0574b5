"""Weights of upscalers by the names of their releases, written independently of the conversion."""

import torch
from torch import Tensor, nn


def shaken(network: nn.Module) -> dict[str, Tensor]:
    """A state dict of a network in which nothing is 0 or 1, biases and norms included."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return {name: value.clone() for name, value in network.state_dict().items()}


def dual_published(state: dict[str, Tensor], pairs: int) -> dict[str, Tensor]:
    """Our names of a transformer's tensors -> theirs, written independently of the conversion."""
    found = {}
    words = {"query": "project_q", "key": "project_k", "value": "project_v", "out": "project_out"}
    for name, value in state.items():
        top, _, rest = name.partition(".")
        if top != "body":
            found[f"layers.{0 if top == 'first' else pairs + 1}.{rest}"] = value
            continue
        number, *parts = rest.split(".")
        if parts[0] == "attention":
            parts = ["window_attention", words[parts[2]], parts[3]]
        found[f"layers.{1 + int(number) // 2}.{int(number) % 2}.{'.'.join(parts)}"] = value
    return found


def unet_published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names of the discriminator's tensors -> theirs, those of torch's old spectral norm."""
    words = {
        "parametrizations.weight.original": "weight_orig",
        "parametrizations.weight.0._u": "weight_u",
        "parametrizations.weight.0._v": "weight_v",
    }
    theirs = {}
    for name, value in state.items():
        module, _, what = name.partition(".")
        theirs[f"{module}.{words.get(what, what)}"] = value
    return theirs


def esrgan_published(state: dict[str, Tensor], blocks: int, *, second: bool) -> dict[str, Tensor]:
    """Our names of an RRDBNet's tensors -> the first or the second ones of ESRGAN."""
    words = {
        "conv_first": ("model.0", "conv_first"),
        "conv_body": (f"model.1.sub.{blocks}", "trunk_conv"),
        "conv_up1": ("model.3", "upconv1"),
        "conv_up2": ("model.6", "upconv2"),
        "conv_hr": ("model.8", "HRconv"),
        "conv_last": ("model.10", "conv_last"),
    }
    theirs = {}
    for name, value in state.items():
        module, _, what = name.rpartition(".")
        if module in words:
            theirs[f"{words[module][second]}.{what}"] = value
            continue
        _, block, dense, layer = module.split(".")
        where = f"{block}.{dense.upper()}.{layer}"
        theirs[f"RRDB_trunk.{where}.{what}" if second else f"model.1.sub.{where}.0.{what}"] = value
    return theirs
