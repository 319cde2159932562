"""A seeded source of names, ids and moments for the sample data: the same seed gives the same documents."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from bson import Decimal128, ObjectId

# city, country, and where it lies as GeoJSON wants it: longitude first
CITIES = (
    ("Porto", "Portugal", -8.611, 41.150),
    ("Lyon", "France", 4.835, 45.764),
    ("Ghent", "Belgium", 3.717, 51.054),
    ("Kyoto", "Japan", 135.768, 35.012),
    ("Valparaíso", "Chile", -71.613, -33.046),
    ("Halifax", "Canada", -63.575, 44.649),
    ("Kraków", "Poland", 19.945, 50.065),
    ("Accra", "Ghana", -0.187, 5.604),
    ("Hobart", "Australia", 147.327, -42.882),
    ("Tbilisi", "Georgia", 44.827, 41.715),
    ("Savannah", "United States", -81.091, 32.081),
    ("Pune", "India", 73.857, 18.520),
)
_FIRST = (
    "Ada", "Bruno", "Chiara", "Dario", "Efua", "Femi", "Greta", "Hana", "Ines", "Jonas", "Kofi", "Lena", "Mateo",
    "Nadia", "Oskar", "Priya", "Rosa", "Sota", "Tamar", "Vera", "Wanda", "Yusuf", "Zofia", "Émile",
)  # fmt: skip
_LAST = (
    "Abara", "Bielski", "Castellan", "Duarte", "Eklund", "Fontaine", "Gelashvili", "Hartmann", "Ishida", "Joshi",
    "Kowalska", "Lindqvist", "Mensah", "Novak", "Okafor", "Pereira", "Quiroga", "Rossi", "Saito", "Tavares", "Ueda",
    "Vasquez", "Whitlock", "Zeman",
)  # fmt: skip


class Inventor:
    """Makes things up, always the same ones in the same order."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 (nothing here is secret)
        self._made = 0

    def pick[T](self, among: Sequence[T]) -> T:
        return self.random.choice(among)

    def some[T](self, among: Sequence[T], least: int, most: int) -> list[T]:
        return self.random.sample(among, self.random.randint(least, most))

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def object_id(self, made: datetime) -> ObjectId:
        """Build an id as a driver would: seconds, five random bytes, a counter."""
        self._made += 1
        return ObjectId(int(made.timestamp()).to_bytes(4) + self.random.randbytes(5) + self._made.to_bytes(3))

    def uuid(self) -> UUID:
        return UUID(bytes=self.random.randbytes(16), version=4)

    def moment(self, first_year: int, last_year: int) -> datetime:
        start, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year + 1, 1, 1, tzinfo=UTC)
        # whole milliseconds: BSON keeps no more
        return start + timedelta(milliseconds=self.random.randrange((end - start) // timedelta(milliseconds=1)))

    def name(self) -> str:
        return f"{self.pick(_FIRST)} {self.pick(_LAST)}"

    def names(self, count: int) -> list[str]:
        return [self.name() for _ in range(count)]

    def number(self, low: float, high: float, digits: int) -> float:
        return round(self.random.uniform(low, high), digits)

    def money(self, low: float, high: float) -> Decimal128:
        return Decimal128(Decimal(f"{self.random.uniform(low, high):.2f}"))

    def point(self, longitude: float, latitude: float) -> dict[str, object]:
        """Return a GeoJSON point within some kilometres."""
        here = [round(longitude + self.random.gauss(0, 0.02), 5), round(latitude + self.random.gauss(0, 0.02), 5)]
        return {"type": "Point", "coordinates": here}
