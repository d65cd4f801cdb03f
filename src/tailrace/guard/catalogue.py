"""All detectors that come with tailrace, the more particular before the more general."""

from __future__ import annotations

from tailrace.guard.detectors.bank import BANK
from tailrace.guard.detectors.cards import CARDS
from tailrace.guard.detectors.contact import CONTACT
from tailrace.guard.detectors.detector import Detector
from tailrace.guard.detectors.national import NATIONAL
from tailrace.guard.detectors.secrets import SECRETS

CATALOGUE: tuple[Detector, ...] = (*SECRETS, *CARDS, *BANK, *NATIONAL, *CONTACT)
# Off unless a configuration asks for them: an address is what many logs are read for.
OFF = frozenset({"ip"})
