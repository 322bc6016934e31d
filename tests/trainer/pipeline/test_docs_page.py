import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[3] / "docs" / "pipeline.md"


def test_the_code_on_the_page_runs_from_top_to_bottom() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.M | re.S)
    assert len(blocks) >= 8
    scope: dict[str, Any] = {"__name__": "pipeline_page"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
