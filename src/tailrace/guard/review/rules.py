"""The rules of the review."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple


class Rule(NamedTuple):
    """`level`: an error is reported and fails a build, a warning is only reported."""

    title: str
    help: str
    level: Literal["error", "warning"] = "error"


RULES: Mapping[str, Rule] = {
    "TR000": Rule(
        "An allowance without a reason",
        "Say why after the brackets: # tailrace: allow[TR003] the number is a test card",
    ),
    "TR001": Rule(
        "A secret is logged",
        "Leave the token or key out, or log a name by which it can be found.",
    ),
    "TR002": Rule(
        "A password is logged",
        "Leave it out; log that it was wrong, not what it was.",
    ),
    "TR003": Rule(
        "Card data is logged",
        "Log the last four digits or the payment's id; security codes and PINs never.",
    ),
    "TR004": Rule(
        "Personal data is logged",
        "Log the id of the person; names of fields that hold such data belong in guard.fields.",
    ),
    "TR005": Rule(
        "A whole object is logged",
        "A request, a user or an environment holds what nobody thinks of: name the fields to log.",
    ),
    "TR006": Rule(
        "A value without a bound is logged",
        "Log its length, or the first characters: body[:200].",
    ),
    "TR007": Rule(
        "A secret or a card number stands in the text",
        "Take it out of the source, and change it: it is in the history.",
    ),
    "TR008": Rule(
        "An allowance that allows nothing",
        "Remove the comment.",
        "warning",
    ),
    "TR009": Rule(
        "A file cannot be read",
        "Mend it, or leave it out with --exclude.",
    ),
}
