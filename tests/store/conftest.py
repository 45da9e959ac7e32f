from tests.store.support import empty_file, store, store_url

__all__ = ["empty_file", "store", "store_url"]
