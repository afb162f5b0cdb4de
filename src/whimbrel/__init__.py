"""Whimbrel: a self-hosted gateway for business messages on WhatsApp."""

__version__ = "0.1.0"
