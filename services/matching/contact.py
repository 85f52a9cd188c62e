"""Where somebody lives and is reached, brought to one form.

What many share (an office, a hostel, a helpline, a worker's telephone) says nothing about who somebody is: it counts as
missing, so that it neither supports a link nor contradicts one.
"""

from __future__ import annotations

import re
from functools import lru_cache

from services.matching.normalise import fold

_POSTCODE = re.compile(r"[A-Z]{1,2}\d[A-Z\d]?\d[A-Z]{2}\Z")
_POSTCODE_WITHIN = re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b")
#: ZZ99 is "no fixed abode" and its kin in the health service's codes; the others get past a form.
_NO_POSTCODE = re.compile(r"ZZ|XX|AA|A11AA")
_AS_DIGITS = str.maketrans("OIL", "011")
_AS_LETTERS = str.maketrans("01", "OI")

_NO_ADDRESS = re.compile(
    r"\b(n/?f?/?a|no fixed|no (known|current) (abode|address)|no address|(address )?(not known|unknown)|none|tbc"
    r"|homeless|rough sleep\w*|sofa ?surf\w*|withheld|confidential)\b"
)
_SHARED_ADDRESS = re.compile(
    r"\b(c/o|co(?= civic| council)|care of|civic (centre|offices?)|(town|county|city|shire) hall"
    r"|council (offices?|house|buildings?)|hostel|foyer|night ?shelter|shelter|refuge|ymca|ywca|salvation army|b b"
    r"|bed and breakfast|travelodge|premier inn|hotel|guest ?house|childrens (home|services)|residential home"
    r"|semi independent|supported (housing|lodgings|living)|p ?o box|job ?cent(re|er)( plus)?|social services"
    r"|leaving care|youth (offending|justice)|solicitors?|(key|social) ?worker|hospital|barracks|prison|hmp|yoi)\b"
    # Not where a street only bears the word: Hospital Lane.
    r"(?! (road|street|lane|avenue|close|drive|way|walk|hill|court|crescent|gardens|grove|place|rd|st|ln|ave|cl|dr)\b)"
)
_ADDRESS_PARTS = re.compile(r"[,;\n]")
_NOT_IN_ADDRESS = re.compile(r"[^a-z0-9/]+")
_STREETS = {"rd": "road", "ave": "avenue", "av": "avenue", "ln": "lane", "cl": "close", "ct": "court", "st": "street"}
_STREETS |= {"dr": "drive", "pl": "place", "gdns": "gardens", "sq": "square", "ter": "terrace", "terr": "terrace"}
_STREETS |= {"cres": "crescent", "gr": "grove", "hse": "house"}
_FLATS = {"apt": "flat", "apartment": "flat"}

#: A telephone with such a word beside it is somebody else's.
_NOT_OWN = re.compile(
    r"\b((key|social|support|care|youth|case) ?worker|worker|s/?w|yot|office|reception|duty|advis[eo]r|teacher|hostel"
    r"|solicitor|staff)\b"
)
#: Shared-cost, free, corporate and premium numbers: an organisation's.
_ORGANISATIONS = ("03", "05", "08", "09")
_NO_PHONE = frozenset({"01234567890", "0123456789", "07123456789", "07987654321", "01234123456", "07123123123"})
_EXTENSION = re.compile(r"\b(ext|extension|extn|x)\.? ?\d.*", re.IGNORECASE)
_PHONES_BETWEEN = re.compile(r"[/;,|&\n]|\bor\b")

_MAILS_BETWEEN = re.compile(r"[;,|]")
_NO_MAIL = frozenset(
    {"none", "noemail", "no", "na", "n/a", "test", "unknown", "noreply", "email", "nomail", "no-reply", "nil", "null"}
    | {"tbc", "donotreply", "notprovided", "notknown", "refused", "declined", "xx", "xxx", "abc", "asdf"}
)
_MAIL_OF_MANY = frozenset(
    {"info", "admin", "office", "enquiries", "enquiry", "reception", "contact", "duty", "team", "keyworker", "hostel"}
    | {"manager", "staff", "referrals", "safeguarding", "leavingcare", "support", "housing", "send"}
)
_HOSTS_OF_WORKERS = re.compile(r"(?:.*\.)?(?:gov\.uk|nhs\.uk|nhs\.net|police\.uk|cjsm\.net)\Z")
_GOOGLE = ("gmail.com", "googlemail.com")


def home(address_line: str | None, code: str | None) -> tuple[str | None, str | None]:
    """Address and postcode of a home. Where the line names an office or a hostel, its postcode is no home, either."""
    read, shared = _address(address_line)
    return (None, None) if shared else (read, postcode(code))


@lru_cache(maxsize=1 << 16)
def postcode(text: str | None) -> str | None:
    """Upper case without space; None for what is no postcode, for ZZ99 (no fixed abode) and its kin.

    O and 0, I and 1 are read as what can stand in their place. Whether a postcode is still in use is not asked: a
    former one says where somebody lived.
    """
    upper = (text or "").upper()
    value = "".join(c for c in upper if c.isascii() and c.isalnum())
    if len(value) > 7 and (within := _POSTCODE_WITHIN.search(upper)):
        value = within[0].replace(" ", "")
    if not 5 <= len(value) <= 7:
        return None
    value = value[0].translate(_AS_LETTERS) + value[1:-3] + value[-3].translate(_AS_DIGITS) + value[-2:]
    return value if _POSTCODE.match(value) and not _NO_POSTCODE.match(value) else None


def address(text: str | None) -> str | None:
    """Letters and digits of the line, streets in full; None where it names an office or says that there is no home."""
    return _address(text)[0]


@lru_cache(maxsize=1 << 16)
def _address(text: str | None) -> tuple[str | None, bool]:
    """The line as read, and whether it names a place that many share."""
    value = " ".join(filter(None, (_line(part) for part in _ADDRESS_PARTS.split(text)))) if text else ""
    if not value:
        return (None, False)
    shared = _SHARED_ADDRESS.search(value) is not None
    return (None if shared or _NO_ADDRESS.search(value) else value, shared)


def _line(part: str) -> str:
    """One part between commas. Only its last word may be short for a kind of street: St Mary's is no street."""
    words = [_FLATS.get(word, word) for word in _NOT_IN_ADDRESS.sub(" ", fold(part)).split()]
    if len(words) > 1:
        words[-1] = _STREETS.get(words[-1], words[-1])
    return " ".join(words)


@lru_cache(maxsize=1 << 16)
def phone(text: str | None) -> str | None:
    """National digits with a leading 0, or + and digits of another country; of several, the first.

    None for what is no number, for an organisation's, and where a word says that it is a worker's.
    """
    sent = _EXTENSION.sub("", text or "")
    if not sent or _NOT_OWN.search(sent.lower()):
        return None
    return _number(sent) or next((n for part in _PHONES_BETWEEN.split(sent) if (n := _number(part))), None)


def _number(text: str) -> str | None:
    digits = "".join(c for c in text if c in "0123456789")
    rest = digits.lstrip("0")
    if digits.startswith("0044"):
        rest = digits[4:].lstrip("0")
    elif digits.startswith("44") and len(digits) in (12, 13):
        rest = digits[2:].lstrip("0")
    elif text.lstrip(" (").startswith("+") or (digits.startswith("00") and len(rest) > 10):
        return f"+{rest}" if 8 <= len(rest) <= 15 and len(set(rest)) > 2 else None
    national = "0" + rest
    if len(national) not in (10, 11) or len(set(national[2:])) <= 2 or national in _NO_PHONE:
        return None
    return None if national.startswith(_ORGANISATIONS) else national


@lru_cache(maxsize=1 << 16)
def email(text: str | None) -> str | None:
    """Lower case, without what its host ignores; of several, the first.

    None without an @, for a placeholder, and for the mailbox of a team or a public office.
    """
    if not text:
        return None
    first = _MAILS_BETWEEN.split(text.lower().removeprefix("mailto:"), maxsplit=1)[0]
    name, at, host = "".join(first.split()).strip("<>").partition("@")
    name = name.partition("+")[0]
    if host in _GOOGLE:
        name, host = name.replace(".", ""), _GOOGLE[0]
    if not at or not name or "@" in host or "." not in host.strip("."):
        return None
    return None if name in _NO_MAIL or name in _MAIL_OF_MANY or _HOSTS_OF_WORKERS.match(host) else f"{name}@{host}"
