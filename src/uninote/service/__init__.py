"""The deployed service: HTTP API and console over one database."""

from uninote.extras import require

require("service")
