"""By what runs are compared unless somebody says otherwise; it compares nothing, and loads with the definitions."""

from typing import Literal

REWARD = "reward"
LEVEL = 0.05
Better = Literal["higher", "lower"]
