"""Qwen-VL backbone: a pretrained vision-language model with LoRA adapters, read at its last token."""
