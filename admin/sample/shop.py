"""The shop of the sample data: prices that must stay exact, ids that are UUIDs, ranges without an end."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from bson import Binary, Decimal128, Int64, MaxKey, MinKey, Regex, Timestamp

from admin.sample.invent import CITIES, Inventor

Document = dict[str, Any]

_SEED = 1883
_CUSTOMERS, _ORDERS = 40, 100
_STOCKED = datetime(2024, 2, 1, 8, 0, tzinfo=UTC)
_MAKES = ("Oak", "Linen", "Brass", "Enamel", "Wool", "Cork")
_GOODS = ("Reading Lamp", "Tea Towel", "Coat Hook", "Milk Jug", "Blanket", "Notebook", "Stool", "Serving Tray")
_TAGS = ("gift", "handmade", "kitchen", "new", "outdoor", "recycled")
_STATES = ("placed", "paid", "shipped", "delivered", "returned")


def documents() -> dict[str, list[Document]]:
    """Return every collection with its documents."""
    invent = Inventor(_SEED)
    products = [_product(invent, f"{make} {good}") for make in _MAKES for good in _GOODS]
    customers = [_customer(invent) for _ in range(_CUSTOMERS)]
    return {
        "products": products,
        "customers": customers,
        "orders": [_order(invent, number, invent.pick(customers), products) for number in range(1, _ORDERS + 1)],
        "coupons": _coupons(),
        "shipping": _shipping(),
    }


def _product(invent: Inventor, name: str) -> Document:
    gone = invent.chance(0.1)
    return {
        "_id": invent.object_id(_STOCKED),
        "sku": "".join(word[0] for word in name.split()) + f"-{invent.random.randrange(10**6):06}",
        "name": name,
        "price": {"amount": invent.money(3, 240), "currency": "EUR"},
        "stock": 0 if gone else invent.random.randint(1, 300),
        "weightKg": invent.number(0.05, 9, 3),
        "sizeCm": [invent.number(4, 90, 1) for _ in range(3)],
        "tags": invent.some(_TAGS, 0, 3),
        "barcode": Int64(invent.random.randrange(4 * 10**12, 5 * 10**12)),
        "photo": Binary(b"\xff\xd8\xff" + invent.random.randbytes(13)),
        "discontinued": invent.moment(2024, 2024) if gone else None,
    }


def _customer(invent: Inventor) -> Document:
    name = invent.name()
    city, country, longitude, latitude = invent.pick(CITIES)
    return {
        "_id": invent.uuid(),
        "name": name,
        "email": f"{name.lower().replace(' ', '.')}@example.org",
        "phone": f"+00 555 {invent.random.randrange(10**4):04}" if invent.chance(0.6) else None,
        "address": {"city": city, "country": country, "geo": invent.point(longitude, latitude)},
        "joined": invent.moment(2019, 2023),
        "newsletter": invent.chance(0.4),
        "points": Int64(invent.random.randint(0, 20_000)),
    }


def _order(invent: Inventor, number: int, customer: Document, products: list[Document]) -> Document:
    placed = invent.moment(2024, 2024)
    lines = [_line(invent, product) for product in invent.some(products, 1, 4)]
    state = invent.pick(_STATES)
    return {
        "_id": invent.object_id(placed),
        "number": 20_240_000 + number,
        "customerId": customer["_id"],
        "placed": placed,
        "state": state,
        "lines": lines,
        "total": Decimal128(sum((line["price"].to_decimal() * line["quantity"] for line in lines), Decimal(0))),
        "shipped": None if state in {"placed", "paid"} else placed + timedelta(hours=invent.random.randint(4, 90)),
        "revision": Timestamp(int(placed.timestamp()), 1),
    }


def _line(invent: Inventor, product: Document) -> Document:
    price = product["price"]["amount"]
    return {"productId": product["_id"], "sku": product["sku"], "price": price, "quantity": invent.random.randint(1, 5)}


def _coupons() -> list[Document]:
    until = datetime(2025, 1, 1, tzinfo=UTC)
    return [
        {"_id": "WELCOME", "pattern": Regex("^welcome-[0-9]{4}$", "i"), "discount": 0.1, "until": None},
        {"_id": "WINTER", "pattern": Regex("^winter(24|25)$", "i"), "discount": 0.15, "until": until},
        {"_id": "STAFF", "pattern": Regex(r"^staff\.[a-z]+$"), "discount": 0.3, "until": None},
    ]


def _shipping() -> list[Document]:
    # the first band has no lower end and the last no upper one
    ends = [MinKey(), 0.5, 2.0, 10.0, MaxKey()]
    prices = [Decimal128("3.90"), Decimal128("5.50"), Decimal128("9.80"), Decimal128("24.00")]
    return [
        {"_id": number, "fromKg": low, "belowKg": high, "price": price}
        for number, (low, high), price in zip(range(1, 5), pairwise(ends), prices, strict=True)
    ]
