"""The films of the sample data: `sample_films`, after the shape of MongoDB's sample_mflix."""

from datetime import UTC, datetime
from typing import Any

from bson import Binary, Decimal128, Int64

from admin.sample.invent import CITIES, Inventor

Document = dict[str, Any]

_SEED = 1895
_FILMS, _COMMENTS, _THEATERS = 120, 200, 36
_GENRES = ("Adventure", "Comedy", "Crime", "Documentary", "Drama", "Fantasy", "Mystery", "Romance", "Western")
_LANGUAGES = ("English", "French", "Georgian", "Japanese", "Polish", "Portuguese", "Spanish", "Twi")
_WHO = ("Lamplighter", "Cartographer", "Ferryman", "Beekeeper", "Violinist", "Night Porter", "Clockmaker", "Widow")
_WHAT = ("Salt Road", "Paper Harbour", "Last Tram", "Quiet Orchard", "Tin Lighthouse", "Borrowed Summer", "Snow Line")
_TURNS = (
    "finds a map that shows tomorrow's streets",
    "must cross the border before the thaw",
    "agrees to one last job and is paid in music",
    "inherits a cinema and the debts that come with it",
    "answers a letter meant for somebody else",
    "keeps a promise that nobody remembers",
)
_OPINIONS = (
    "I left the theatre and walked home the long way.",
    "Twenty minutes too long, and I would not cut one of them.",
    "The train scene alone is worth the ticket.",
    "My grandmother says that the accent is wrong. The rest is right.",
    "Saw it twice. The second time I watched the background.",
    "Not for me, but I understand the tears in row five.",
)
# the film that `make run` asks for
FEATURED = "The Lamplighter of Porto"


def documents() -> dict[str, list[Document]]:
    """Return every collection with its documents."""
    invent = Inventor(_SEED)
    titles = [FEATURED, *sorted(_titles() - {FEATURED})]
    films = [_film(invent, title) for title in (FEATURED, *invent.random.sample(titles[1:], _FILMS - 1))]
    return {
        "films": films,
        "comments": [_comment(invent, invent.pick(films)) for _ in range(_COMMENTS)],
        "theaters": [_theater(invent, number) for number in range(1, _THEATERS + 1)],
    }


def _titles() -> set[str]:
    places = [city for city, *_ in CITIES]
    of_places = {f"The {who} of {place}" for who in _WHO for place in places}
    return of_places | {f"{what}, {place}" for what in _WHAT for place in places}


def _film(invent: Inventor, title: str) -> Document:
    released = invent.moment(1948, 2024)
    hero = next((who for who in _WHO if who in title), None) or invent.pick(_WHO)
    return {
        "_id": invent.object_id(datetime(2024, 11, 5, tzinfo=UTC)),
        "title": title,
        "year": released.year,
        "released": released,
        "runtime": invent.random.randint(71, 188),
        "genres": invent.some(_GENRES, 1, 3),
        "plot": f"A {hero.lower()} {invent.pick(_TURNS)}.",
        "directors": invent.names(1),
        "cast": invent.names(4),
        "countries": [country for city, country, *_ in CITIES if city in title],
        "languages": invent.some(_LANGUAGES, 1, 2),
        "ratings": _ratings(invent),
        "awards": {"wins": invent.random.randint(0, 9), "nominations": invent.random.randint(0, 20)},
        "budget": Decimal128(f"{invent.random.randint(90, 90_000)}000.00"),
        "boxOffice": Int64(invent.random.randint(10_000, 4_000_000_000)) if invent.chance(0.8) else None,
        "poster": {"type": "image/webp", "thumbnail": Binary(b"RIFF" + invent.random.randbytes(24))},
        "catalogueId": invent.uuid(),
        "restored": invent.chance(0.3),
    }


def _ratings(invent: Inventor) -> Document:
    return {
        "critics": {"score": invent.number(2, 9.8, 1), "votes": invent.random.randint(5, 400)},
        "audience": {"score": invent.number(2, 9.8, 1), "votes": invent.random.randint(40, 90_000)},
    }


def _comment(invent: Inventor, film: Document) -> Document:
    said = invent.moment(2015, 2024)
    name = invent.name()
    return {
        "_id": invent.object_id(said),
        "filmId": film["_id"],
        "name": name,
        "email": f"{name.lower().replace(' ', '.')}@example.org",
        "text": invent.pick(_OPINIONS),
        "date": said,
        "stars": invent.random.randint(1, 5) if invent.chance(0.9) else None,
        "likes": invent.random.randint(0, 60),
    }


def _theater(invent: Inventor, number: int) -> Document:
    city, country, longitude, latitude = CITIES[number % len(CITIES)]
    return {
        "_id": invent.object_id(datetime(2024, 11, 5, tzinfo=UTC)),
        "theaterId": 1000 + number,
        "name": f"{invent.pick(('Apollo', 'Lumen', 'Odeon', 'Rialto', 'Splendid'))} {city}",
        "location": {
            "address": {"street": f"{invent.random.randint(1, 180)} Station Road", "city": city, "country": country},
            "geo": invent.point(longitude, latitude),
        },
        "screens": [
            {"screen": screen, "seats": invent.random.randint(40, 420), "surround": invent.chance(0.5)}
            for screen in range(1, invent.random.randint(2, 6))
        ],
        "closed": None,
    }
