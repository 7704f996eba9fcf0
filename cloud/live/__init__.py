"""Browsers: who watches, what they see, and how fast it reaches them."""

from cloud.live.gateway import LiveGateway

__all__ = ["LiveGateway"]
