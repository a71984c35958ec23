"""Numbers and words of text files, read by kernels."""

import numpy as np

from engine.kernels import kernel, tight

_MOST_DIGITS = 18  # that fit into 64 bits
_EXACT_POWER = 22
_POWERS = np.array([float(f"1e{k}") for k in range(_EXACT_POWER + 1)])


@tight
def is_space(byte):
    """Whether a byte stands between words of a line."""
    return byte == 32 or byte == 9 or byte == 11 or byte == 12


@tight
def is_end(byte):
    """Whether a byte ends a line."""
    return byte == 10 or byte == 13


@tight
def skip_spaces(text, at, end):
    """The place of the next word on the line, or where the line ends."""
    while at < end and is_space(text[at]):
        at += 1
    return at


@tight
def skip_word(text, at, end):
    """The place behind a word."""
    while at < end and not is_space(text[at]) and not is_end(text[at]):
        at += 1
    return at


@tight
def skip_value(text, at, end):
    """The place behind a word that a comment may follow without a space."""
    while at < end and not is_space(text[at]) and not is_end(text[at]) and text[at] != 35:
        at += 1
    return at


@tight
def line_end(text, at, end):
    """Where the line ends."""
    while at < end and not is_end(text[at]):
        at += 1
    return at


@tight
def read_number(text, at, end):
    """A number that is a whole word: its value, the place behind it, and whether it was one.

    Words for what is not finite, such as ``nan``, ``-inf`` and ``1.#QNAN``, count as NaN.
    """
    start = at
    negative = False
    if at < end and (text[at] == 45 or text[at] == 43):
        negative = text[at] == 45
        at += 1
    mantissa = np.int64(0)
    kept, dropped, behind_point, seen = 0, 0, 0, 0
    point = False
    while at < end:
        byte = text[at]
        if 48 <= byte <= 57:
            seen += 1
            if kept < _MOST_DIGITS:
                mantissa = mantissa * 10 + (byte - 48)
                if mantissa > 0:
                    kept += 1
                if point:
                    behind_point += 1
            elif not point:
                dropped += 1
        elif byte == 46 and not point:
            point = True
        else:
            break
        at += 1
    power = dropped - behind_point
    if seen > 0 and at < end and (text[at] == 101 or text[at] == 69):
        mark = at
        at += 1
        down = False
        if at < end and (text[at] == 45 or text[at] == 43):
            down = text[at] == 45
            at += 1
        digits, exponent = 0, 0
        while at < end and 48 <= text[at] <= 57:
            if exponent < 100000:
                exponent = exponent * 10 + (text[at] - 48)
            digits += 1
            at += 1
        if digits == 0:
            at = mark
        else:
            power += -exponent if down else exponent
    whole = at >= end or is_space(text[at]) or is_end(text[at]) or text[at] == 35
    if seen == 0 or not whole or (at < end and text[at] == 35):
        close = skip_word(text, start, end)
        if seen > 0 and whole and not _is_not_finite(text, start, close):
            value = scaled(np.float64(mantissa), power)  # a comment follows without a space
            return (-value if negative else value), at, True
        return np.nan, close, _is_not_finite(text, start, close)
    value = scaled(np.float64(mantissa), power)
    return (-value if negative else value), at, True


@tight
def scaled(value, power):
    """value * 10^power, correctly rounded where both are small enough to be exact."""
    if value == 0:
        return value
    while power > _EXACT_POWER and value < 1e300:
        value *= 1e22
        power -= _EXACT_POWER
    while power < -_EXACT_POWER and value > 1e-320:
        value /= 1e22
        power += _EXACT_POWER
    if power > _EXACT_POWER:
        return np.inf
    if power < -_EXACT_POWER:
        return 0.0
    return value * _POWERS[power] if power >= 0 else value / _POWERS[-power]


@tight
def _is_not_finite(text, at, end):
    """nan, inf, infinity, 1.#QNAN, -1.#IND and the like, in any case."""
    if at < end and (text[at] == 45 or text[at] == 43):
        at += 1
    if end - at < 3:
        return False
    first, second, third = text[at] | 32, text[at + 1] | 32, text[at + 2] | 32
    if first == 110 and second == 97 and third == 110:
        return True
    if first == 105 and second == 110 and third == 102:
        return True
    return text[at] == 49 and text[at + 1] == 46 and text[at + 2] == 35


@kernel
def count_words(text):
    """How many words there are."""
    count, at, end = 0, 0, len(text)
    while at < end:
        while at < end and (is_space(text[at]) or is_end(text[at])):
            at += 1
        if at < end:
            count += 1
            at = skip_word(text, at, end)
    return count


@kernel
def fill_numbers(text, out):
    """Read all words as numbers; the place of the first that is none, -1 when all are."""
    at, end = 0, len(text)
    for k in range(len(out)):
        while at < end and (is_space(text[at]) or is_end(text[at])):
            at += 1
        value, behind, good = read_number(text, at, end)
        if not good:
            return at
        out[k] = value
        at = behind
    return -1
