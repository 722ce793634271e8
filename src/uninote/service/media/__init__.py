"""Uploads of pictures and videos: decoding, and fetching from an allow-list of hosts."""
