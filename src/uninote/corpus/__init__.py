"""Notes in and out: readers, safe decoding, quality, balance, splits and the built-in sample."""
