"""What can be wrong with a submission. A fault names a place and a rule; it never carries the value that was sent."""

from __future__ import annotations

from dataclasses import dataclass

FAULTS_MAX = 100

#: Code -> what a partner reads. The lists of the gate's tests and of the partner guide are this mapping.
MESSAGES = {
    "unreadable": "The message cannot be read",
    "not_an_object": "An object is needed here",
    "missing": "A required value is missing",
    "unknown_attribute": "CloudEvents attributes are lower-case letters and digits with simple values",
    "specversion": "This version of CloudEvents is not supported",
    "id_form": "A message id is 1 to 128 letters, digits and . _ : / @ = + ~ # ( ) - and begins with no sign",
    "id_identifies": "A message id must not hold an identifier of the person",
    "time_form": "A moment needs a date, a time and an offset",
    "sequence_form": "A sequence is a whole number",
    "unknown_type": "This event type is not in the catalogue",
    "wrong_principal": "The source is not the party that this key or topic speaks for",
    "publisher_kind": "A party of this kind does not publish this event type",
    "no_agreement": "No agreement in force covers this party and event type",
    "agreement_suspended": "The agreement is suspended",
    "party_suspended": "Sharing with this party is suspended",
    "subject_choice": "The person has instructed that this is not shared",
    "policy_missing": "The hub has no sharing policy in force; try again later",
    "unknown_field": "This field is not in the event type's schema",
    "field_not_in_agreement": "The agreement does not allow this field",
    "age_outside_agreement": "The agreement does not cover a person of this age",
    "wrong_type": "A value of another type is needed",
    "not_in_list": "The value is not in the closed list",
    "too_long": "The value is too long",
    "too_many": "There are too many entries",
    "control_character": "The null character is not allowed",
    "date_form": "A date is written YYYY-MM-DD",
    "date_range": "The date is outside the accepted range",
    "number_range": "The number is outside the accepted range",
    "check_digit": "The identifier is not valid",
    "who": "The subject needs a source_ref or a family_name",
    "withheld_name": "A withheld entry names a field of this event type",
    "id_reused": "This message id was used before with other content",
    "too_many_faults": "There are more faults than are listed",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: JSON pointer into the message, code, text for a person, what would be right."""

    pointer: str
    code: str
    message: str
    expected: str = ""


def fault(pointer: str, code: str, expected: str = "") -> Fault:
    """A fault with the code's own message."""
    return Fault(pointer, code, MESSAGES[code], expected)
