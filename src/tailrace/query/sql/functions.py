"""The functions that a statement may call: those that only compute with their arguments.

What reads files, settings, the network, the server, other tables or dictionaries, what sleeps or
calls functions by a name in a string, is not here, and neither is what the engine gains later.
"""

from __future__ import annotations

_NUMBERS = """
abs acos acosh asin asinh atan atan2 atanh avg2 bitAnd bitCount bitHammingDistance bitNot bitOr
bitRotateLeft bitRotateRight bitShiftLeft bitShiftRight bitSlice bitTest bitTestAll bitTestAny
bitXor cbrt ceil ceiling clamp cos cosh degrees divide divideOrNull e erf erfc exp exp10 exp2
factorial floor gcd greatest hypot ifNotFinite intDiv intDivOrNull intDivOrZero isFinite isInfinite
isNaN lcm least lgamma ln log log10 log1p log2 max2 min2 minus mod modulo moduloOrNull moduloOrZero
multiply negate pi plus positiveModulo pow power radians round roundBankers roundDown roundToExp2
sigmoid sign sin sinh sqrt tan tanh tgamma trunc truncate width_bucket widthBucket rand rand32
rand64 randCanonical randUniform
"""
_LOGIC = """
and assumeNotNull coalesce empty equals firstNonDefault greater greaterOrEquals if ifNull
isDistinctFrom isNotDistinctFrom isNotNull isNull isNullable isZeroOrNull less lessOrEquals like
ilike multiIf not notEmpty notEquals notILike notLike nullIf or toNullable transform xor identity
ignore materialize toTypeName bar runningDifference rowNumberInAllBlocks
"""
_TIMES = """
UTCTimestamp addDate addDays addHours addInterval addMicroseconds addMilliseconds addMinutes
addMonths addNanoseconds addQuarters addSeconds addWeeks addYears age date_bin date_diff date_trunc
dateDiff dateName dateTrunc day dayofmonth dayofweek dayofyear formatDateTime
formatDateTimeInJodaSyntax fromUnixTimestamp fromUnixTimestamp64Micro fromUnixTimestamp64Milli
fromUnixTimestamp64Nano fromUnixTimestamp64Second hour last_day makeDate makeDate32 makeDateTime
makeDateTime64 minute month monthName now now64 quarter second subDate subtractDays subtractHours
subtractInterval subtractMicroseconds subtractMilliseconds subtractMinutes subtractMonths
subtractNanoseconds subtractQuarters subtractSeconds subtractWeeks subtractYears timeDiff timeSlot
time_bucket timestamp timestamp_diff timestampDiff timezoneOf timezoneOffset toDayOfMonth
toDayOfWeek toDayOfYear toDaysInMonth toHour toISOWeek toISOYear toLastDayOfMonth toLastDayOfWeek
toMicrosecond toMillisecond toMinute toMonday toMonth toNanosecond toQuarter toRelativeDayNum
toRelativeHourNum toRelativeMinuteNum toRelativeMonthNum toRelativeQuarterNum toRelativeSecondNum
toRelativeWeekNum toRelativeYearNum toSecond toStartOfDay toStartOfFifteenMinutes
toStartOfFiveMinute toStartOfFiveMinutes toStartOfHour toStartOfISOYear toStartOfInterval
toStartOfMicrosecond toStartOfMillisecond toStartOfMinute toStartOfMonth toStartOfNanosecond
toStartOfQuarter toStartOfSecond toStartOfTenMinutes toStartOfWeek toStartOfYear toTimeZone
toTimezone toUnixTimestamp toUnixTimestamp64Micro toUnixTimestamp64Milli toUnixTimestamp64Nano
toUnixTimestamp64Second toWeek toYYYYMM toYYYYMMDD toYYYYMMDDhhmmss toYear toYearWeek today tumble
tumbleEnd tumbleStart hop hopEnd hopStart week year yesterday toIntervalDay toIntervalHour
toIntervalMicrosecond toIntervalMillisecond toIntervalMinute toIntervalMonth toIntervalNanosecond
toIntervalQuarter toIntervalSecond toIntervalWeek toIntervalYear
"""
_TEXTS = """
alphaTokens appendTrailingCharIfAbsent ascii base32Decode base32Encode base58Decode base58Encode
base64Decode base64Encode base64URLDecode base64URLEncode basename bin char char_length
character_length compareSubstrings concat concat_ws concatWithSeparator conv countMatches
countMatchesCaseInsensitive countSubstrings countSubstringsCaseInsensitive
countSubstringsCaseInsensitiveUTF8 cutFragment cutQueryString cutQueryStringAndFragment
cutToFirstSignificantSubdomain cutURLParameter cutWWW damerauLevenshteinDistance
decodeHTMLComponent decodeURLComponent decodeURLFormComponent decodeXMLComponent domain domainRFC
domainWithoutWWW editDistance editDistanceUTF8 encodeURLComponent encodeURLFormComponent
encodeXMLComponent endsWith endsWithUTF8 extract extractAll extractAllGroups
extractAllGroupsHorizontal extractAllGroupsVertical extractGroups extractKeyValuePairs
extractKeyValuePairsWithEscaping extractTextFromHTML extractURLParameter extractURLParameterNames
extractURLParameters firstLine firstSignificantSubdomain format formatReadableDecimalSize
formatReadableQuantity formatReadableSize formatReadableTimeDelta fragment hasAllTokens
hasAnyTokens hasSubsequence hasSubsequenceCaseInsensitive hasSubsequenceUTF8 hasToken
hasTokenCaseInsensitive hasTokenCaseInsensitiveOrNull hasTokenOrNull hex initcap initcapUTF8 instr
isIPAddressInRange isIPv4String isIPv6String isValidASCII isValidUTF8 jaroSimilarity
jaroWinklerSimilarity lcase left leftPad leftPadUTF8 leftUTF8 length lengthUTF8 levenshteinDistance
locate lower lowerUTF8 lpad ltrim match mid multiFuzzyMatchAny multiMatchAllIndices multiMatchAny
multiMatchAnyIndex multiSearchAllPositions multiSearchAllPositionsCaseInsensitive multiSearchAny
multiSearchAnyCaseInsensitive multiSearchFirstIndex multiSearchFirstIndexCaseInsensitive
multiSearchFirstPosition multiSearchFirstPositionCaseInsensitive ngramDistance
ngramDistanceCaseInsensitive ngramSearch ngramSearchCaseInsensitive ngrams normalizeUTF8NFC
normalizeUTF8NFKC notMatch octet_length overlay overlayUTF8 parseReadableSize
parseReadableSizeOrNull parseReadableSizeOrZero parseTimeDelta path pathFull port position
positionCaseInsensitive positionCaseInsensitiveUTF8 positionUTF8 printf protocol queryString
regexp_extract regexpExtract regexpQuoteMeta repeat replace replaceAll replaceOne replaceRegexpAll
replaceRegexpOne reverse reverseUTF8 right rightPad rightPadUTF8 rightUTF8 rpad rtrim soundex space
splitByChar splitByNonAlpha splitByRegexp splitByString splitByWhitespace startsWith
startsWithUTF8 stringBytesEntropy stringBytesUniq stringJaccardIndex substr substring
substring_index substringIndex substringUTF8 toValidUTF8 tokens topLevelDomain translate
translateUTF8 trim trimBoth trimLeft trimRight tryBase58Decode tryBase64Decode ucase unhex upper
upperUTF8 URLHierarchy URLPathHierarchy
"""
_SHAPES = """
array arrayAll arrayAvg arrayCompact arrayConcat arrayCount arrayCumSum arrayCumSumNonNegative
arrayDifference arrayDistinct arrayDotProduct arrayElement arrayElementOrNull arrayEnumerate
arrayEnumerateDense arrayEnumerateUniq arrayExcept arrayExists arrayFill arrayFilter arrayFirst
arrayFirstIndex arrayFirstOrNull arrayFlatten arrayFold arrayIntersect arrayJaccardIndex arrayJoin
arrayLast arrayLastIndex arrayLastOrNull arrayMap arrayMax arrayMin arrayPartialSort arrayPopBack
arrayPopFront arrayProduct arrayPushBack arrayPushFront arrayResize arrayReverse arrayReverseFill
arrayReverseSort arrayReverseSplit arrayRotateLeft arrayRotateRight arrayShiftLeft arrayShiftRight
arrayShingles arraySlice arraySort arraySplit arrayStringConcat arraySum arraySymmetricDifference
arrayUnion arrayUniq arrayWithConstant arrayZip arrayZipUnaligned countEqual emptyArrayString
emptyArrayToSingle emptyArrayUInt64 flatten has hasAll hasAny hasSubstr indexOf map mapAdd mapAll
mapApply mapConcat mapContains mapContainsKey mapContainsKeyLike mapContainsValue
mapContainsValueLike mapExists mapExtractKeyLike mapExtractValueLike mapFilter mapFromArrays
mapKeys mapPopulateSeries mapReverseSort mapSort mapSubtract mapUpdate mapValues range replicate
tuple tupleConcat tupleElement tuplePlus tupleMinus tupleNames untuple dotProduct L1Distance
L2Distance L1Norm L2Norm cosineDistance
"""
_TYPES = """
accurateCast accurateCastOrDefault accurateCastOrNull parseDateTime parseDateTime32BestEffort
parseDateTime32BestEffortOrNull parseDateTime32BestEffortOrZero parseDateTime64
parseDateTime64BestEffort parseDateTime64BestEffortOrNull parseDateTime64BestEffortOrZero
parseDateTime64OrNull parseDateTimeBestEffort parseDateTimeBestEffortOrNull
parseDateTimeBestEffortOrZero parseDateTimeBestEffortUS parseDateTimeBestEffortUSOrNull
parseDateTimeOrNull parseDateTimeOrZero reinterpretAsFloat64 reinterpretAsInt64
reinterpretAsString reinterpretAsUInt64 toBool toDecimalString toFixedString toLowCardinality
toString toStringCutToZero toUUID toUUIDOrDefault toUUIDOrNull toUUIDOrZero IPv4CIDRToRange
IPv4NumToString IPv4NumToStringClassC IPv4StringToNum IPv4StringToNumOrDefault
IPv4StringToNumOrNull IPv4ToIPv6 IPv6CIDRToRange IPv6NumToString IPv6StringToNum
IPv6StringToNumOrNull UUIDNumToString UUIDStringToNum cutIPv6 toIPv4 toIPv4OrDefault toIPv4OrNull
toIPv4OrZero toIPv6 toIPv6OrDefault toIPv6OrNull toIPv6OrZero
"""
_CASTS = (
    *(f"to{kind}{bits}" for kind in ("Int", "UInt") for bits in (8, 16, 32, 64, 128, 256)),
    *("toFloat32", "toFloat64", "toDate", "toDate32", "toDateTime", "toDateTime32"),
    *("toDateTime64", "toDecimal32", "toDecimal64", "toDecimal128", "toDecimal256"),
)
_JSON = """
JSONArrayLength JSONExtract JSONExtractArrayRaw JSONExtractBool JSONExtractFloat JSONExtractInt
JSONExtractKeys JSONExtractKeysAndValues JSONExtractKeysAndValuesRaw JSONExtractRaw
JSONExtractString JSONExtractUInt JSONHas JSONKey JSONLength JSONType JSON_EXISTS JSON_QUERY
JSON_VALUE isValidJSON prettyPrintJSON simpleJSONExtractBool simpleJSONExtractFloat
simpleJSONExtractInt simpleJSONExtractRaw simpleJSONExtractString simpleJSONExtractUInt
simpleJSONHas toJSONString visitParamExtractBool visitParamExtractFloat visitParamExtractInt
visitParamExtractRaw visitParamExtractString visitParamExtractUInt visitParamHas
"""
_HASHES = "cityHash64 sipHash64 xxHash32 xxHash64 xxh3 MD5 SHA1 SHA256 CRC32 halfMD5"
_AGGREGATES = """
any any_value anyHeavy anyLast approx_top_k approx_top_count approx_top_sum argAndMax argAndMin
argMax argMin array_agg avg avgWeighted boundingRatio corr corrStable count covarPop covarSamp
deltaSum deltaSumTimestamp entropy exponentialMovingAverage exponentialTimeDecayedAvg
exponentialTimeDecayedCount exponentialTimeDecayedMax exponentialTimeDecayedSum first_value
groupArray groupArrayInsertAt groupArrayLast groupArrayMovingAvg groupArrayMovingSum
groupArraySample groupArraySorted groupBitAnd groupBitOr groupBitXor groupConcat group_concat
groupUniqArray histogram intervalLengthSum kurtPop kurtSamp last_value lttb
largestTriangleThreeBuckets max max_by maxIntersections maxIntersectionsPosition maxMap median
medianExact medianTDigest min min_by minMap quantile quantileDD quantileDeterministic
quantileExact quantileExactExclusive quantileExactHigh quantileExactInclusive quantileExactLow
quantileExactWeighted quantileGK quantileInterpolatedWeighted quantileTDigest
quantileTDigestWeighted quantileTiming quantileTimingWeighted quantiles quantilesDD quantilesExact
quantilesExactExclusive quantilesExactHigh quantilesExactInclusive quantilesExactLow
quantilesExactWeighted quantilesGK quantilesInterpolatedWeighted quantilesTDigest
quantilesTDigestWeighted quantilesTiming quantilesTimingWeighted rankCorr retention sequenceCount
sequenceMatch simpleLinearRegression singleValueOrNull skewPop skewSamp sparkbar stddev_pop
stddev_samp stddevPop stddevPopStable stddevSamp stddevSampStable string_agg sum sumCount sumKahan
sumMap sumMapFiltered sumWithOverflow topK topKWeighted uniq uniqCombined uniqCombined64 uniqExact
uniqHLL12 uniqUpTo var_pop var_samp varPop varPopStable varSamp varSampStable windowFunnel
countDistinct mannWhitneyUTest studentTTest welchTTest kolmogorovSmirnovTest
"""
_WINDOWS = """
cume_dist dense_rank denseRank lag lagInFrame lead leadInFrame nth_value ntile percent_rank
percentRank rank row_number nonNegativeDerivative
"""
_COMBINATORS = ("if", "array", "map", "distinct", "ordefault", "ornull", "foreach")


def _lower(*texts: str) -> frozenset[str]:
    return frozenset(word.lower() for text in texts for word in text.split())


AGGREGATES = _lower(_AGGREGATES)
SCALARS = _lower(
    *(_NUMBERS, _LOGIC, _TIMES, _TEXTS, _SHAPES, _TYPES, _JSON, _HASHES),
    *(f"{name}{ending}" for name in _CASTS for ending in ("", "OrNull", "OrZero", "OrDefault")),
)
WINDOWS = _lower(_WINDOWS)


def allowed(name: str) -> bool:
    """Whether a statement may call `name`, in any case of letters.

    An aggregate may carry the engine's suffixes: `countIf`, `sumMapIf`, `avgOrNull`.
    """
    word = name.lower()
    return word in SCALARS or word in WINDOWS or _aggregate(word)


def _aggregate(word: str) -> bool:
    if word in AGGREGATES:
        return True
    return any(
        _aggregate(word.removesuffix(ending))
        for ending in _COMBINATORS
        if word.endswith(ending) and len(word) > len(ending)
    )
