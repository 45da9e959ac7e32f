from tests.bridge.estate import estate

__all__ = ["estate"]
