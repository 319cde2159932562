"""Every operator that MongoDB documents, up to 8.x and Atlas: who may use it, and how what stands in it is read.

What is not here is refused to everybody, so that an operator that MongoDB gains is closed until somebody has read what
it does.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple


class Standing(IntEnum):
    """How far rules bind a caller; what is open to one of them is open to those that follow, too."""

    RULED = 0
    """Rules may hide something of the collection."""
    WHOLE = 1
    """One role shows and allows everything in the collection."""
    SYSTEM = 2
    """No rule applies."""
    NAMED = 3
    """No rule applies, and GUARD_ALLOWED_STAGES names the stage."""
    NOBODY = 4


class Place(IntEnum):
    """How a value is read: which operators may stand in it, and what their operands are."""

    PIPELINE = 0
    QUERY = 1
    PROJECTION = 2
    SORT = 3
    UPDATE = 4
    EXPRESSION = 5
    DATA = 6
    """What is compared with; a name that begins with `$` is only a name."""
    STORED = 7
    """What is stored as it is, and nobody's to look at."""
    FIELD = 8
    """What a query asks of a field: operators if the first name is one, else data."""
    EACH_FIELD = 9
    PULLED = 10
    """What `$pull` asks of elements: a query if it is a document, else data."""
    PUSHED = 11
    """What is pushed: modifiers if `$each` is among them, else data."""
    MODIFIERS = 12
    PULLS = 13
    PUSHES = 14
    METADATA = 15
    TEXT = 16
    GEOMETRY = 17
    PIPELINES = 18
    FUSED = 19
    FUSION = 20
    LOOKUP = 21
    GRAPH_LOOKUP = 22
    GEO_NEAR = 23
    VECTOR_SEARCH = 24
    MERGE = 25


class Identity(IntEnum):
    """What becomes in a stage of the `_id` that tells documents apart."""

    UNKNOWN = 0
    KEPT = 1
    """It stays."""
    NAMED = 2
    """It stays, unless the stage names it."""
    NEW = 3
    """Each document that the stage makes has one of its own."""
    SHARED = 4
    """Several documents may have the same one, or none has one."""
    CHOSEN = 5
    """Some documents go, which are others each time that some were written."""


type Placed = tuple[Place, Any]
"""A value that MongoDB interprets, and how it reads it."""


class Operator(NamedTuple):
    """An operator, a stage or a system variable."""

    open_to: Standing
    operand: Place = Place.EXPRESSION
    other: str = ""
    """The member of a stage that names another collection."""
    varies: bool = False
    """Whether it gives something else each time."""
    reveals: bool = False
    """Whether it shows something of the server, beside the documents."""
    writes: bool = False
    """Whether it is a stage that writes to the collection that it names."""
    compares: bool = False
    """Whether it is an update that compares texts."""
    identity: Identity = Identity.UNKNOWN


class Grammar(NamedTuple):
    """What may stand in the documents of a place: operators, and members whose names are none."""

    operators: Mapping[str, Operator]
    others: Place = Place.EXPRESSION
    members: Mapping[str, Place] = {}


def _all(names: str | Iterable[str], operator: Operator) -> dict[str, Operator]:
    return dict.fromkeys(names.split() if isinstance(names, str) else names, operator)


_RULED, _WHOLE, _SYSTEM, _NAMED, _NOBODY = Standing

REFERENCE = frozenset({"$ref", "$id", "$db"})
"""The members of a DBRef, which is a value although their names look like operators."""

LOGICAL = frozenset({"$and", "$nor", "$or"})
JAVASCRIPT = frozenset({"$accumulator", "$function", "$where"})

QUERIES = (
    _all(LOGICAL, Operator(_RULED, Place.QUERY))
    | _all("$elemMatch $not", Operator(_RULED, Place.QUERY))
    | _all("$all", Operator(_RULED, Place.EACH_FIELD))
    | _all("$eq $exists $gt $gte $in $lt $lte $mod $ne $nin $size $type", Operator(_RULED, Place.DATA))
    | _all("$bitsAllClear $bitsAllSet $bitsAnyClear $bitsAnySet $options $regex", Operator(_RULED, Place.DATA))
    | _all("$maxDistance $minDistance", Operator(_RULED, Place.DATA))
    | _all("$geoIntersects $geoWithin $near $nearSphere", Operator(_RULED, Place.GEOMETRY))
    | _all("$jsonSchema", Operator(_RULED, Place.DATA))
    | _all("$expr", Operator(_RULED))
    | _all("$comment", Operator(_RULED, Place.DATA))
    | _all(REFERENCE, Operator(_RULED, Place.DATA))
    | _all("$alwaysFalse $alwaysTrue $uniqueDocs", Operator(_WHOLE, Place.DATA))
    | _all("$within", Operator(_WHOLE, Place.GEOMETRY))
    | _all("$text", Operator(_WHOLE, Place.TEXT))
    | _all("$sampleRate", Operator(_WHOLE, Place.DATA, varies=True))
    | _all(JAVASCRIPT | {"$query"}, Operator(_NOBODY))  # PyMongo takes $query for a find command, of any collection
)

COMPUTED = frozenset({"$expr", "$jsonSchema"})
"""What a query asks of whole documents."""

CONDITIONS = (
    frozenset(name for name, each in QUERIES.items() if each.open_to == _RULED)
    - LOGICAL
    - COMPUTED
    - REFERENCE
    - {"$comment"}
)
"""What callers from whom rules may hide something may ask of a field."""

EQUALITIES = frozenset({"$all", "$eq", "$in"})
RANGES = frozenset({"$gt", "$gte", "$lt", "$lte"}) | {"$regex"}
"""What an index finds at single places of its order, and from one place to another."""

NEEDING_VALUES = CONDITIONS - {"$exists", "$ne", "$nin", "$not"}
"""What holds only for a value that is there, unless it is compared with null or with one of the outermost keys."""

_TEXT = _all("$caseSensitive $diacriticSensitive $language $search", Operator(_WHOLE, Place.DATA))
_GEOMETRY = _all(
    "$box $center $centerSphere $geometry $maxDistance $minDistance $polygon $uniqueDocs", Operator(_RULED, Place.DATA)
)

EXPRESSIONS = (
    _all(
        """
        $abs $add $ceil $divide $exp $floor $ln $log $log10 $mod $multiply $pow $round $sigmoid $sqrt $subtract $trunc
        $acos $acosh $asin $asinh $atan $atan2 $atanh $cos $cosh $degreesToRadians $radiansToDegrees $sin $sinh $tan
        $tanh $bitAnd $bitNot $bitOr $bitXor $and $not $or $cmp $eq $gt $gte $lt $lte $ne $cond $ifNull $switch $let
        $arrayElemAt $arrayToObject $concatArrays $filter $firstN $in $indexOfArray $isArray $lastN $map $maxN $minN
        $objectToArray $range $reduce $reverseArray $size $slice $sortArray $zip $allElementsTrue $anyElementTrue
        $setDifference $setEquals $setIntersection $setIsSubset $setUnion $getField $mergeObjects $setField $unsetField
        $dateAdd $dateDiff $dateFromParts $dateFromString $dateSubtract $dateToParts $dateToString $dateTrunc
        $dayOfMonth $dayOfWeek $dayOfYear $hour $isoDayOfWeek $isoWeek $isoWeekYear $millisecond $minute $month $second
        $week $year $tsIncrement $tsSecond $concat $indexOfBytes $indexOfCP $ltrim $regexFind $regexFindAll $regexMatch
        $replaceAll $replaceOne $rtrim $split $strLenBytes $strLenCP $strcasecmp $substr $substrBytes $substrCP $toLower
        $toUpper $trim $binarySize $bsonSize $convert $deserializeEJSON $hash $hexHash $isNumber $serializeEJSON
        $subtype $toArray $toBool $toDate $toDecimal $toDouble $toHashedIndexKey $toInt $toLong $toObject $toObjectId
        $toString $toUUID $type $similarityCosine $similarityDotProduct $similarityEuclidean
        $addToSet $avg $bottom $bottomN $count $first $last $max $median $min $percentile $push $stdDevPop $stdDevSamp
        $sum $top $topN $covariancePop $covarianceSamp $denseRank $derivative $documentNumber $expMovingAvg $integral
        $linearFill $locf $minMaxScaler $rank $shift
        """,
        Operator(_RULED),
    )
    | _all("$literal", Operator(_RULED, Place.DATA))
    | _all(REFERENCE, Operator(_RULED))  # the projection of a DBRef's members
    | _all("$createObjectId $rand", Operator(_RULED, varies=True))
    | _all("$encStrContains $encStrEndsWith $encStrNormalizedEq $encStrStartsWith", Operator(_WHOLE))
    | _all("$meta", Operator(_WHOLE, Place.METADATA))
    | _all(JAVASCRIPT, Operator(_NOBODY))
)
"""Expressions, accumulators and window operators."""

METADATA = _all(
    "geoNearDistance geoNearPoint indexKey score scoreDetails searchHighlights searchRootDocumentId searchScore"
    " searchScoreDetails searchSequenceToken sortKey textScore vectorSearchScore",
    Operator(_WHOLE),
) | _all("recordId", Operator(_SYSTEM, reveals=True))
"""What `$meta` gives: sort and index keys hold values of hidden fields."""

VARIABLES = (
    _all("$$CURRENT $$DESCEND $$KEEP $$PRUNE $$REMOVE $$ROOT", Operator(_RULED))
    | _all("$$CLUSTER_TIME $$NOW", Operator(_RULED, varies=True))
    | _all("$$SEARCH_META", Operator(_WHOLE))
    | _all("$$USER_ROLES", Operator(_SYSTEM, varies=True, reveals=True))  # of this deployment's own user in MongoDB
)

STAGES = (
    _all("$count $densify $fill", Operator(_RULED))
    | _all("$redact $setWindowFields $sort", Operator(_RULED, identity=Identity.KEPT))
    | _all("$addFields $project $set $unset", Operator(_RULED, identity=Identity.NAMED))
    | _all("$bucket $bucketAuto $group $sortByCount", Operator(_RULED, identity=Identity.NEW))
    | _all("$replaceRoot $replaceWith $unwind", Operator(_RULED, identity=Identity.SHARED))
    | _all("$limit $skip", Operator(_RULED, identity=Identity.CHOSEN))
    | _all("$match", Operator(_RULED, Place.QUERY, identity=Identity.KEPT))
    | _all("$sample", Operator(_RULED, varies=True, identity=Identity.CHOSEN))
    | _all("$documents", Operator(_WHOLE))
    | _all("$facet", Operator(_RULED, Place.PIPELINES))
    | _all("$geoNear", Operator(_WHOLE, Place.GEO_NEAR, identity=Identity.KEPT))
    | _all("$graphLookup", Operator(_RULED, Place.GRAPH_LOOKUP, other="from", identity=Identity.KEPT))
    | _all("$lookup", Operator(_RULED, Place.LOOKUP, other="from", identity=Identity.KEPT))
    | _all("$unionWith", Operator(_RULED, Place.LOOKUP, other="coll", identity=Identity.SHARED))
    # search indexes lag behind the documents
    | _all("$search $searchMeta", Operator(_WHOLE, Place.DATA, varies=True))
    | _all("$vectorSearch", Operator(_WHOLE, Place.VECTOR_SEARCH, varies=True))
    | _all("$rankFusion $scoreFusion", Operator(_WHOLE, Place.FUSION, varies=True))
    | _all("$score", Operator(_WHOLE, varies=True))
    # they tell of one collection, which the caller may read; $rerank sends its documents to a model of Atlas's
    | _all("$collStats $indexStats $listSearchIndexes $planCacheStats", Operator(_NAMED, Place.DATA, reveals=True))
    | _all("$rerank", Operator(_NAMED, Place.DATA, varies=True))
    # they tell of the whole server or cluster, or hold a cursor open
    | _all(
        """
        $backupCursor $backupCursorExtend $changeStream $changeStreamSplitLargeEvent $currentOp
        $listCachedAndActiveUsers $listCatalog $listClusterCatalog $listLocalSessions $listMqlEntities
        $listSampledQueries $listSessions $mergeCursors $operationMetrics $querySettings $queryStats
        $shardedDataDistribution
        """,
        Operator(_NOBODY, reveals=True),
    )
    | _all("$merge", Operator(_NAMED, Place.MERGE, other="into", varies=True, writes=True))
    | _all("$out", Operator(_NAMED, Place.DATA, other="coll", varies=True, writes=True))
    # they reach outside the database: those of Atlas's streams and its SQL
    | _all(
        """
        $cachedLookup $emit $externalFunction $hoppingWindow $https $sessionWindow $setStreamMeta $source $sql
        $tumblingWindow $validate
        """,
        Operator(_NOBODY),
    )
)

UPDATES = (
    _all("$bit $inc $mul $pop $rename $set $setOnInsert $unset", Operator(_RULED, Place.STORED))
    | _all("$max $min $pullAll", Operator(_RULED, Place.STORED, compares=True))
    | _all("$currentDate", Operator(_RULED, Place.STORED, varies=True))
    | _all("$pull", Operator(_RULED, Place.PULLS, compares=True))
    | _all("$addToSet $push", Operator(_RULED, Place.PUSHES, compares=True))
)
_MODIFIERS = _all("$each $position $slice $sort", Operator(_RULED, Place.STORED))

OTHERS = {name: stage.other for name, stage in STAGES.items() if stage.other}
"""The member of each stage that reads or writes another collection, which names it."""

JOINS = frozenset(name for name in OTHERS if not STAGES[name].writes)
"""The stages that read another collection."""

WITH_PIPELINES = frozenset(
    name for name, stage in STAGES.items() if stage.operand in {Place.PIPELINES, Place.LOOKUP, Place.FUSION}
)
"""The stages that hold other stages."""

NAMED_STAGES = frozenset(name for name, stage in STAGES.items() if stage.open_to == _NAMED)
"""The stages that GUARD_ALLOWED_STAGES may open."""

TABLES = (QUERIES, EXPRESSIONS, STAGES, UPDATES, VARIABLES)

IN_DATA = {name: each for table in TABLES for name, each in table.items() if each.open_to >= _NAMED} | {
    name: STAGES[name]._replace(open_to=_RULED, operand=Place.DATA) for name in JOINS
}
"""A second net: what counts in data, too, where it is only a name."""

_PROJECTED = EXPRESSIONS | {"$elemMatch": QUERIES["$elemMatch"]}

GRAMMAR: Mapping[Place, Grammar] = {
    Place.PIPELINE: Grammar(STAGES),
    Place.QUERY: Grammar(QUERIES, Place.FIELD),
    Place.PROJECTION: Grammar(_PROJECTED, Place.PROJECTION),
    Place.SORT: Grammar(_all("$natural", Operator(_RULED, Place.DATA))),
    Place.UPDATE: Grammar(UPDATES),
    Place.EXPRESSION: Grammar(EXPRESSIONS),
    Place.DATA: Grammar(IN_DATA, Place.DATA),
    Place.MODIFIERS: Grammar(_MODIFIERS),
    Place.PULLS: Grammar({}, Place.PULLED),
    Place.PUSHES: Grammar({}, Place.PUSHED),
    Place.METADATA: Grammar({}),
    Place.TEXT: Grammar(_TEXT),
    Place.GEOMETRY: Grammar(_GEOMETRY, Place.DATA),
    Place.PIPELINES: Grammar({}, Place.PIPELINE),
    Place.FUSED: Grammar(EXPRESSIONS, members={"pipelines": Place.PIPELINES}),
    Place.FUSION: Grammar(EXPRESSIONS, members={"input": Place.FUSED}),
    Place.LOOKUP: Grammar(EXPRESSIONS, members={"pipeline": Place.PIPELINE}),
    Place.GRAPH_LOOKUP: Grammar(EXPRESSIONS, members={"restrictSearchWithMatch": Place.QUERY}),
    Place.MERGE: Grammar(EXPRESSIONS, members={"whenMatched": Place.PIPELINE}),
    Place.GEO_NEAR: Grammar(EXPRESSIONS, members={"query": Place.QUERY}),
    Place.VECTOR_SEARCH: Grammar(IN_DATA, Place.DATA, members={"filter": Place.QUERY}),
}
