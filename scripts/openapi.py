"""Write docs/openapi.json: what the service's routes say of themselves. A test compares the two.

python scripts/openapi.py
"""

from __future__ import annotations

import json
from pathlib import Path

from uninote.service.http.app import routes

FILE = Path(__file__).parent.parent / "docs" / "openapi.json"

if __name__ == "__main__":
    FILE.write_text(json.dumps(routes().openapi(), indent=1, sort_keys=True) + "\n", "utf-8")
