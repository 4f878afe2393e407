"""What stands in a cell of the table."""

from dataclasses import dataclass
from typing import Literal

from pathfm.report.words import MISSING, few

Way = Literal["", "up", "down"]


@dataclass(frozen=True)
class Cell:
    """A score in %, or a difference in percentage points, with its 95 % interval; without a value, perhaps why."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    few: int | None = None  # units of the rarest class, where they are too few for a score
    band: tuple[float, float] | None = None  # of a difference: the interval that holds together with those of the row's other tasks
    unchanged: bool = False  # a difference of predictions that are all the same
    one_sided: bool = False  # a gain that the other fit does not show, by more than chance
    unconverged: bool = False  # a probe behind it stopped short of its optimum
    unit: str = ""  # what was counted as independent, how many, and how many equal ones they are worth
    at_floor: bool = False  # a base's score that is not shown to lie above its floor

    @property
    def text(self) -> str:
        """What stands where there is no value."""
        return "" if self.value is not None else MISSING if self.few is None else few(self.few)

    @property
    def empty(self) -> bool:
        return self.value is None and self.few is None

    @property
    def arrow(self) -> Way:
        """Where the band lies when it leaves 0 out."""
        return "" if self.band is None else _side(*self.band)

    @property
    def beyond(self) -> Way:
        """Where the interval lies when it leaves 0 out by itself."""
        return "" if self.value is None else _side(self.low, self.high)

    @property
    def point(self) -> bool:
        """Whether the interval has no width, since nothing is there that could vary."""
        return self.value is not None and self.low == self.high


def _side(low: float, high: float) -> Way:
    return "up" if low > 0 else "down" if high < 0 else ""
