"""What the API's guide says to paste works when pasted."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from harness import Server

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "api.md"


def test_every_command_of_the_guide_works(shared_server: Server, tmp_path: Path) -> None:
    commands = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert len(commands) >= 7
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", "\n".join(commands)], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "LOCKSTEP": shared_server.url}, timeout=60, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    # Blanks between the members mean nothing.
    assert done.stdout.replace(" ", "").count('"key":"theme","value":"dark","version":2') == 2
