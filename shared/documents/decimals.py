"""The text of a BSON Decimal128, from its 16 bytes (pure)."""

_BIAS = 6_176
_EXPONENT = 0x3FFF
_COEFFICIENT = 2**113 - 1
_LARGEST = 10**34 - 1
_FEWEST_BEFORE = -5  # digits before the point, as zeros behind it, of a number that is written without an exponent


def text(value: bytes) -> str:
    """Return what `str` gives for a Decimal128, sooner: the driver makes a `Decimal` of it first."""
    bits = int.from_bytes(value, "little")
    sign = "-" if bits >> 127 else ""
    combination = bits >> 122 & 0b11111
    if combination == 0b11111:
        return "NaN"  # quiet or signaling, of either sign
    if combination == 0b11110:
        return f"{sign}Infinity"
    if combination >= 0b11000:  # a coefficient too large to be one, which counts as 0
        return _number(sign, 0, (bits >> 111 & _EXPONENT) - _BIAS)
    coefficient = bits & _COEFFICIENT
    return _number(sign, coefficient if coefficient <= _LARGEST else 0, (bits >> 113 & _EXPONENT) - _BIAS)


def _number(sign: str, coefficient: int, exponent: int) -> str:
    digits = str(coefficient)
    before = len(digits) + exponent
    if exponent > 0 or before < _FEWEST_BEFORE:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}E{before - 1:+d}"
    if exponent == 0:
        return sign + digits
    if before > 0:
        return f"{sign}{digits[:before]}.{digits[before:]}"
    return f"{sign}0.{digits.zfill(-exponent)}"
