"""The two fits of every probe, and what they are called."""

from dataclasses import dataclass

PROTOCOL = 2  # goes up when probes are fitted, chosen or scored otherwise: evaluations of two protocols are not compared


@dataclass(frozen=True)
class Fit:
    """One of the two ways to fit and score a probe."""

    name: str  # in files
    label: str  # in a line about it
    subject: str  # in a sentence
    title: str  # of its block of the table
    heading: str  # of its section on the page
    caption: str  # below that


SPLIT = Fit(
    name="split",
    label="split fit",
    subject="the split’s fit",
    title="Probes fitted on the split's training patients",
    heading="Base against tuned",
    caption="Probes fitted on the split’s training patients, scored on its test patients: the headline.",
)
HELD_OUT = Fit(
    name="held_out",
    label="held-out fit",
    subject="the held-out fit",
    title="Held-out fit: probes fitted and scored by cross-validation among test patients alone",
    heading="Base against tuned, held-out fit",
    caption="Probes fitted and scored by cross-validation among the test patients alone; no training patient plays a role.",
)
FITS = {fit.name: fit for fit in (SPLIT, HELD_OUT)}
