"""Towers: frozen pretrained encoders of texts and of pictures."""

from uninote.encoder.towers.factory import text_tower, vision_tower
from uninote.encoder.towers.protocol import TextTower, VisionTower

__all__ = ["TextTower", "VisionTower", "text_tower", "vision_tower"]
