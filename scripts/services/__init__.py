"""The servers that tests run against: found on this machine, or started and stopped again."""

from scripts.services.base import Service, Unavailable

__all__ = ["Service", "Unavailable"]
