"""The declaration kit: kinds of values, records of fields, messages.

Every kind has `check(value, path)`, which raises ProtocolError and returns nothing. Unknown fields are tolerated
everywhere, so that a newer peer may say more within one version.
"""

from collections import namedtuple

HUB = "hub"
CLOUD = "cloud"

# The largest whole number both sides carry without loss: the chip's JSON reads big integers, its floats have 32 bits.
MAX_INT = 2**53 - 1


class ProtocolError(ValueError):
    """What arrived breaks the protocol. `code` is one word for programs, `path` says where, `sentence` says what."""

    def __init__(self, code, path, sentence):
        super().__init__(code, path, sentence)
        self.code = code
        self.path = path
        self.sentence = sentence

    def __str__(self):
        return "%s at %s: %s" % (self.code, self.path or "message", self.sentence)


def _wrong(path, sentence):
    return ProtocolError("invalid", path, sentence)


class Flag:
    """A JSON boolean."""

    def check(self, value, path):
        if value is not True and value is not False:
            raise _wrong(path, "must be true or false")


class Int:
    """A whole number between `low` and `high`."""

    def __init__(self, low=0, high=MAX_INT):
        self.low = low
        self.high = high

    def check(self, value, path):
        if value is True or value is False or not isinstance(value, int):
            raise _wrong(path, "must be a whole number")
        if not self.low <= value <= self.high:
            raise _wrong(path, "must be between %d and %d" % (self.low, self.high))


class Number:
    """Any finite number between `low` and `high`."""

    def __init__(self, low=-1e6, high=1e6):
        self.low = low
        self.high = high

    def check(self, value, path):
        if value is True or value is False or not isinstance(value, (int, float)):
            raise _wrong(path, "must be a number")
        # A comparison with NaN is always false, so NaN and the infinities end here too.
        if not self.low <= value <= self.high:
            raise _wrong(path, "must be a number between %s and %s" % (self.low, self.high))


class Text:
    """A string of at most `most` characters."""

    def __init__(self, most, least=0):
        self.most = most
        self.least = least

    def check(self, value, path):
        if not isinstance(value, str):
            raise _wrong(path, "must be a string")
        if not self.least <= len(value) <= self.most:
            raise _wrong(path, "must have %d to %d characters" % (self.least, self.most))


class Choice:
    """One of a few words."""

    def __init__(self, words):
        self.words = tuple(words)

    def check(self, value, path):
        if not isinstance(value, str) or value not in self.words:
            raise _wrong(path, "must be one of " + ", ".join(self.words))


class ListOf:
    """A list of at most `most` values of one kind."""

    def __init__(self, kind, most):
        self.kind = kind
        self.most = most

    def check(self, value, path):
        if not isinstance(value, list):
            raise _wrong(path, "must be a list")
        if len(value) > self.most:
            raise _wrong(path, "must have at most %d entries" % self.most)
        for index, entry in enumerate(value):
            self.kind.check(entry, "%s[%d]" % (path, index))


class Nullable:
    """A value of a kind, or null."""

    def __init__(self, kind):
        self.kind = kind

    def check(self, value, path):
        if value is not None:
            self.kind.check(value, path)


class Anything:
    """Any JSON object: its inside is checked elsewhere, by name. Only its place is fixed here."""

    def check(self, value, path):
        if not isinstance(value, dict):
            raise _wrong(path, "must be an object")


_Field = namedtuple("Field", ("name", "kind", "optional"))


def Field(name, kind, optional=False):  # noqa: N802 - reads as a declaration
    """A named value of a record. An optional field may be absent, never null unless its kind is Nullable.

    A tuple and not an instance: there are hundreds, and on the chip each instance costs half as much again.
    """
    return _Field(name, kind, optional)


class Record:
    """An object with known fields; fields it does not know are ignored."""

    def __init__(self, *fields):
        self.fields = fields

    def check(self, value, path):
        if not isinstance(value, dict):
            raise _wrong(path, "must be an object")
        for field in self.fields:
            where = path + "." + field.name if path else field.name
            if field.name in value:
                field.kind.check(value[field.name], where)
            elif not field.optional:
                raise _wrong(where, "is missing")


class Message:
    """One kind of message: who sends it and what it holds.

    `refine(message)` checks what the fields alone cannot say.
    """

    def __init__(self, kind, senders, *fields, refine=None):
        self.kind = kind
        self.senders = senders
        self.record = Record(*fields)
        self.refine = refine

    def check(self, value):
        self.record.check(value, "")
        if self.refine:
            self.refine(value)
