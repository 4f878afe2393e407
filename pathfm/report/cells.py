"""What stands in a cell of the table."""

from dataclasses import dataclass
from typing import Literal

from pathfm.report.words import MISSING, few


@dataclass(frozen=True)
class Cell:
    """A score in %, or a difference in percentage points, with its 95 % interval; without a value, perhaps why."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    few: int | None = None  # units of the rarest class, where they are too few for a score
    arrow: Literal["", "up", "down"] = ""  # a difference that leaves 0 out together with all other tasks of its row
    unchanged: bool = False  # a difference of predictions that are all the same
    one_sided: bool = False  # a gain that the other fit does not show, by more than chance
    unconverged: bool = False  # a probe behind it stopped short of its optimum
    unit: str = ""  # what was counted as independent, how many, and how many equal ones they are worth

    @property
    def text(self) -> str:
        """What stands where there is no value."""
        return "" if self.value is not None else MISSING if self.few is None else few(self.few)

    @property
    def empty(self) -> bool:
        return self.value is None and self.few is None

    @property
    def beyond(self) -> Literal["", "up", "down"]:
        """Where the interval lies that leaves 0 out by itself."""
        if self.value is None:
            return ""
        return "up" if self.low > 0 else "down" if self.high < 0 else ""
