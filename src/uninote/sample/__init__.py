"""Built-in sample: illustrated posts in English and Chinese, drawn by code."""

from uninote.extras import require

require("sample")
