"""The helpers of these tests by their plain names, as other folders' tests find them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
