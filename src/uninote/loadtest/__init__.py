"""Load generator: open loop, so that a slow answer never delays the next request."""

from uninote.extras import require

require("service")
