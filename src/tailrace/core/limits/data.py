"""Of data on its way, at rest and asked for, and of whoever sends it."""

from __future__ import annotations

from tailrace.core.limits.units import GIB, KIB, MIB

# One body is held whole while it is checked, so bodies bound the memory of a connection.
BODY_COMPRESSED_BYTES = 16 * MIB
BODY_BYTES = 32 * MIB
# Bodies held at the same time, over all connections: more wait their turn.
BODIES_IN_FLIGHT_BYTES = 96 * MIB
# Of those, kept for whoever holds none while several tenants send: a slow one may hold the rest for
# as long as a body may take.
BODIES_RESERVED_BYTES = 24 * MIB
# Of one tenant, decoded and kept at the same time while others send too: what comes next waits
# about as long as this takes.
TURN_BYTES = 2 * MIB
# How long a tenant that was here counts as one that may come back any moment.
TENANT_ACTIVE_S = 10.0
# Tenants whose rates and counts are held in memory, and services of each: the ones that were here
# longest ago are forgotten first.
TENANTS_COUNTED = 10_000
SERVICES_COUNTED = 1_000
# Distinct services or label sets that a limit may count to in an hour: 12 bits of memory for each.
DISTINCT_PER_HOUR = 1_000_000
# Fullness of the queue from which overload sheds what may be late, then metrics, then all; and how
# far it must fall below one of them before that ends, so that it does not come and go.
OVERLOAD_BULK = 0.80
OVERLOAD_METRICS = 0.90
OVERLOAD_ALL = 0.98
OVERLOAD_RELIEF = 0.05
# How far a disk must be below a high-water mark before what that holds up comes in again.
SPACE_RELIEF = 0.02
# Services and sampling thresholds of one tenant's hour for which estimates are compared, and
# services that are kept of it: those with most rows.
SAMPLED_CELLS = 10_000
SAMPLED_SERVICES = 1_000
# Files that are counted of one folder, to say what it uses: an archive of a year has thousands.
SPACE_FILES = 200_000
# Connections of the HTTP port, and of one peer, which may be a whole proxy.
CONNECTIONS = 8_192
CONNECTIONS_PER_PEER = 4_096
# A request's line and headers: browsers and proxies send at most 16 KiB.
HEAD_BYTES = 64 * KIB
HEAD_S = 10.0
# A body, from its first byte to its last: 16 MiB need 4.5 Mbit/s.
BODY_S = 30.0
# A connection on which no request ever came, like one that is kept alive between requests.
KEEP_ALIVE_S = 75
# An answer of which its client reads nothing.
UNREAD_S = 60.0
# One message over gRPC, before compression: twice what servers take unless told otherwise.
GRPC_MESSAGE_BYTES = 8 * MIB
# Messages that are being read at the same time, at their largest; others wait unread.
GRPC_READING_BYTES = 64 * MIB
# Calls of one connection at the same time, and the headers of each.
GRPC_STREAMS = 100
GRPC_METADATA_BYTES = 16 * KIB
# A frame is the unit of a retry, of a checksum and of one read by the engine.
FRAME_BYTES = 4 * MIB
FRAME_ROWS = 100_000
HEADER_BYTES = 64 * KIB
# A frame whose values were replaced: what takes their place is up to four times as long.
GUARDED_BYTES = 4 * FRAME_BYTES
FRAMES_PER_BODY = 256
# A line longer than this is cut and flagged: nobody reads more, and the page must show it.
LINE_BYTES = 256 * KIB
# A record has as many attributes as a person can name; more is a key made from data.
ATTRIBUTES_PER_RECORD = 512
# A nested value becomes attributes down to here, as deep as Elasticsearch goes: every level repeats
# the names above it, so without a bound a few bytes of braces become megabytes.
NESTED_DEPTH = 20
RESOURCE_ATTRIBUTES = 64
# Sets of keys of foreign records that are known again, and the characters of one.
RECORD_SHAPES = 1_024
RECORD_SHAPE_CHARS = 8 * KIB
LABEL_VALUE_BYTES = 4 * KIB
# Labels of one series of a metric; more is data in labels.
LABELS_PER_SERIES = 64
# Largest compression ratio believed of honest logs; a body beyond it is a bomb.
EXPANSION_RATIO = 1_000
# A body may be several gzip members or zstd frames joined; each costs a new decompressor.
MEMBERS_PER_BODY = 4_096
# Decoded Loki and OTLP rows repeat their labels; a few bytes in must not become gigabytes.
DECODED_BYTES = 64 * MIB
# Messages without content in one body of protobuf, two bytes that become 64: honest batches have
# one empty resource or scope for many records.
EMPTY_MESSAGES_PER_BODY = 100_000
# Actions of one Elasticsearch bulk request: each is answered with an item of its own.
BULK_ACTIONS = 200_000
# A document is held as objects, ten times its size, until it is a record. Ids as in Elasticsearch.
DOCUMENT_BYTES = 4 * MIB
DOCUMENT_ID_CHARS = 512
# Splunk's events are parsed together; each object among them costs its memory.
EVENT_OBJECTS = 500_000
ACKS_PER_REQUEST = 10_000
CHANNEL_CHARS = 256
# A frame's resource is repeated for each of its rows while the engine decodes them.
REPEATED_BYTES = 128 * MIB
# Of a frame of samples or spans it is merged with what each says of itself: three copies.
REPEATED_LABEL_BYTES = 64 * MIB
# Of remote write, the series that a gateway knows again without reading them: some 60,000.
KNOWN_SERIES_BYTES = 64 * MIB
# Parts of one remote write that are refused or passed over one by one while the others are taken:
# each costs microseconds, so beyond it the whole body is refused.
ODD_PARTS_PER_BODY = 20_000
# Different texts of one remote write 2.0: each is an object while the body is read.
SYMBOLS_PER_BODY = 250_000
# Of a sample that a client sends with the traces behind it: a few are asked for, ever.
EXEMPLARS_PER_SAMPLE = 16
# Characters of what an exemplar says beside its trace: OpenMetrics allows 128.
EXEMPLAR_CHARACTERS = 1_024
# Each bucket of a histogram is a series. Exponential ones are made coarser until they fit.
BUCKETS_PER_POINT = 320
# A data point as it was sent: a histogram of that many buckets with all its labels fits.
POINT_BYTES = 512 * KIB
# Events and links of one span; instrumentation stops at 128 of each unless told otherwise.
EVENTS_PER_SPAN = 1_024
LINKS_PER_SPAN = 1_024
# One span as JSON, with its events: what a record may take with its attributes.
SPAN_BYTES = 768 * KIB
# Rows of each table and archive that one audit reads back, and files of the archive it opens: held
# as JSON while they are looked at.
AUDIT_ROWS = 200_000
AUDIT_FILES = 64
# How long `tailrace guard audit` waits for one: parts of many files are read.
AUDIT_S = 300.0
# One source file of a review: its tree takes a hundred times that in memory.
REVIEW_BYTES = 4 * MIB
# A value whose pseudonyms are asked for, and the request around it.
PSEUDONYM_VALUE_CHARS = 4_096
PSEUDONYM_BODY_BYTES = 32 * KIB
# A query's answer is held whole before it is sent.
QUERY_ROWS = 5_000
QUERY_SERIES = 2_000
QUERY_STEPS = 11_000
# Series under one aggregation: each costs the engine a grid, and 30 microseconds to name it.
QUERY_SERIES_SUMMED = 10_000
# Cells of all those grids, nine bytes each and held twice, within the engine's memory.
QUERY_CELLS_SUMMED = 10_000_000
# Cells of one metric query: series times steps that hold rows, all held in memory.
QUERY_CELLS = 400_000
# Single values of a quantile or a deviation, all held in memory: 40 bytes each.
QUERY_VALUES = 5_000_000
# How old the last sample of a series may be, as in Prometheus.
QUERY_LOOKBACK_S = 300
# The step of a subquery that names none, and the most steps of one: two months of minutes.
QUERY_SUBQUERY_STEP_S = 60
QUERY_SUBQUERY_STEPS = 100_000
# How many weeks before a step a weekly function may look at, and those of all such functions in one
# query together: each week is its expression evaluated once more, or up to five times.
QUERY_WEEKS = 8
QUERY_WEEKS_READ = 32
# Matchers, line filters, functions and operators in one query: each is work for every row.
QUERY_TERMS = 64
# Queries that run at the same time; more wait, then get 429. Each has a connection of the
# engine.
QUERIES_IN_FLIGHT = 4
QUERY_WAIT_S = 5.0
# Of one tenant: one place is left for whoever comes next. A page of a dashboard asks for a dozen
# panels at once.
QUERIES_PER_TENANT = 3
QUERIES_WAITING = 32
# What one query may read: what the engine reads in QUERY_SECONDS on a small machine. Bytes as they
# are in memory.
QUERY_READ_ROWS = 1_000_000_000
QUERY_READ_BYTES = 256 * GIB
# Files of the archive that one query may read: one is written a minute, tenant and hour of event
# time, so this is a week. Each takes half a millisecond to open, and 80 bytes of the statement.
ARCHIVE_QUERY_FILES = 10_000
# Their bytes: what the engine reads of Parquet in QUERY_SECONDS on a small machine.
ARCHIVE_QUERY_BYTES = 8 * GIB
# Tenants, services and signals that are kept apart: what each day holds of each pair of them is
# looked at every hour.
KEPT_APART = 100
# Days of the hot store that are written anew in an hour because a part of them goes: each takes its
# size once more meanwhile, and one of the engine's two threads that merge.
DAYS_REWRITTEN = 4
# A statement's text, which names those files, as often as it names the table.
QUERY_SQL_BYTES = 8 * MIB
# Keys of attributes that are kept with their names as labels, and the characters of one.
LABELS_KEPT = 4_096
LABEL_KEPT_CHARS = 255
# Who asks the same as a statement that began this lately waits for its rows: long enough for the
# panels of a page, short enough that nobody sees it.
QUERY_SHARED_S = 0.5
# Finished steps of the queries of dashboards: some hundred panels of ten series.
STEP_CACHE_BYTES = 64 * MIB
# What a query uses that may be older than it is: which labels there are, for 10 s.
STEP_CACHE_LAG_S = 10.0
# Lists of names that are remembered for some seconds, since pages ask whenever they are opened, and
# the names of all of them together: some ten megabytes.
QUERY_LISTS_HELD = 1_000
QUERY_NAMES_HELD = 100_000
# A query that takes longer is logged with its plan, and so many of them are remembered; of each so
# much text, and so much of the plan.
SLOW_SECONDS = 5.0
SLOW_QUERIES = 100
SLOW_TEXT_CHARS = 2_000
SLOW_PLAN_CHARS = 4_000
# Spans of one trace in an answer; the earliest are given, and the answer says that there are more.
TRACE_SPANS = 10_000
# The same as the engine holds them: they take many times that as objects and JSON.
TRACE_BYTES = 16 * MIB
# Traces of one search: a page shows some twenty, Jaeger's own lets its users ask for 1,500.
SEARCH_TRACES = 1_500
# Spans of all of them together; the newest traces are given whole before older ones.
SEARCH_SPANS = 20_000
# Services, and operations of one service, in a list that a person chooses from.
TRACE_NAMES = 5_000
# Spans that dependencies are counted from, 200 bytes each while they are matched: of more, whole
# traces are left out, and those that are read count for them.
DEPENDENCY_SPANS = 500_000
# Pairs of services that call each other, those with most calls: more is no picture.
DEPENDENCY_LINKS = 5_000
# Bytes of a line that its template is made from, and of the template: whoever knows so much of a
# line knows what it says.
PATTERN_READ_BYTES = 4 * KIB
PATTERN_CHARS = 1_000
# Different shapes of lines that templates are made from, those with most lines; 30 microseconds and
# up to a kilobyte each. The rest is counted as other.
PATTERN_SHAPES = 5_000
# Shapes that the engine keeps apart while it counts, up to 5 KiB each; further ones are other.
PATTERN_SHAPES_COUNTED = 20_000
# Rows whose shape is looked for, some 1.5 million a second: of more, one of every so many counts
# for the others.
PATTERN_ROWS = 5_000_000
# Templates in an answer, those with most lines: more is no overview.
PATTERNS = 300
# Steps of time in which the lines of a template are counted: a picture is no wider.
PATTERN_STEPS = 500
# Exemplars are points in a picture: the newest of them are enough.
QUERY_EXEMPLARS = 5_000
# Followers of live tails, and of one tenant: each costs a connection, and a send of every message.
TAIL_FOLLOWERS = 1_000
TAIL_FOLLOWERS_OF_TENANT = 500
# Different queries that are followed: every row goes through each of them.
TAIL_QUERIES = 200
# Bytes of frames that are decoded for followers in a second, before compression, shared by the
# tenants that are followed: a quarter of a core.
TAIL_BYTES_PER_S = 24 * MIB
# Of those, decoded by one statement, and rows that it may give: each costs Python 20 microseconds.
TAIL_BATCH_BYTES = 8 * MIB
TAIL_BATCH_ROWS = 5_000
# Stored payload that waits to be decoded; beyond it the oldest frames are passed over.
TAIL_QUEUED_BYTES = 8 * MIB
# One message: sending it to hundreds is to take the event loop a few milliseconds.
TAIL_ROWS = 1_000
TAIL_MESSAGE_BYTES = 128 * KIB
# What waits for one follower, and for all of them together; beyond it the oldest are dropped.
TAIL_FOLLOWER_ROWS = 10_000
TAIL_FOLLOWER_BYTES = 4 * MIB
TAIL_HELD_BYTES = 64 * MIB
# Streams that a message names of the lines that were dropped before it; all lines are counted.
TAIL_DROPPED_ENTRIES = 100
# Frames that come live while a follower's history is read, by their names; with more it has to
# connect again.
TAIL_HISTORY_FRAMES = 5_000
# Frames that are known again when they are sent twice, since their acknowledgement was lost.
TAIL_FRAMES_SEEN = 20_000
# How long lines may be held back to be put in order, as Loki has it.
TAIL_DELAY_S = 5
# What a client of a live tail may send: it has nothing to say.
TAIL_RECEIVED_BYTES = 64 * KIB
# Lines of a live tail that its client remembers, to know them again after it connected anew.
TAIL_LINES_SEEN = 5_000
# What a client of the query APIs takes of a server, whole: a page of the longest lines, escaped.
CLIENT_ANSWER_BYTES = 512 * MIB
# And one message of a live tail: a server's own bound, and then a row of the longest line.
CLIENT_MESSAGE_BYTES = 64 * MIB
# A statement of SQL: words and nesting that its parser may meet, which is Python and recursive.
SQL_TOKENS = 5_000
SQL_DEPTH = 40
# How far `start` may be before `end`: a month of everything is read in minutes, not seconds.
SQL_RANGE_S = 32 * 86_400
# What one statement may read and give. Results stream, so the last two bound the time of a client
# and of a connection of the engine, not memory.
SQL_READ_ROWS = 2_000_000_000
SQL_READ_BYTES = 64 * GIB
SQL_RESULT_ROWS = 10_000_000
SQL_RESULT_BYTES = 512 * MIB
# What a GROUP BY, a sort or a join may hold in the engine's memory.
SQL_MEMORY_BYTES = 256 * MIB
# Answers at the same time: each holds a connection of the engine while its client reads it, and the
# other queries need some.
SQL_ANSWERS = 2
# The text of a query, in any language: a person writes no more, and it is held with its plan.
QUERY_TEXT_BYTES = 64 * KIB
# Fields of a form, and matchers that it names: each of them is a query of its own.
QUERY_FORM_FIELDS = 64
# A person waits no longer, and dashboards ask again.
QUERY_SECONDS = 30
# Stages over rows keep verdicts on values and names of keys that repeat: some megabytes at most.
PIPELINE_CACHED_VALUES = 10_000
PIPELINE_NAMES = 10_000
# Objects in objects that `| json` follows: beyond it are no fields that somebody named.
PIPELINE_JSON_DEPTH = 64
# What a template makes of one row, as long as the longest line.
TEMPLATE_CHARS = MIB
# What its functions read and write for one row: a tenth of a second, and only for the hostile.
TEMPLATE_WORK_CHARS = 16 * MIB
# Rounds of all its loops for one row.
TEMPLATE_ROUNDS = 10_000
# Actions, blocks and parentheses within one another.
TEMPLATE_DEPTH = 32
# The engine's own bound; the process adds Python, bodies and the allocator's slack to it.
ENGINE_MEMORY_BYTES = 500 * MIB
# Of that, the grams of lines as they are asked for, unpacked: 45 MB for 10 million rows. Unpacking
# them again for each needle was 55 of the 80 ms of CPU that one took.
INDEX_CACHE_BYTES = 62 * MIB
# And what one statement may use: the inserts and a second statement need the rest.
QUERY_MEMORY_BYTES = 320 * MIB
# A result in a format that the engine makes in one piece, as it is before it is packed.
QUERY_RESULT_BYTES = 64 * MIB
# The agent keeps at most this on disk while the gateway is away.
SPOOL_BYTES = 4 * GIB
# Losses that the server has not confirmed: each is a whole stretch of rows. More are joined.
LOSS_RECORDS = 1_000
# An answer of a gateway: more says nothing that a sender needs.
GATEWAY_ANSWER_BYTES = 64 * KIB
# Rows of one listener or scrape that wait in memory for the spool; then senders wait.
INTAKE_BYTES = 4 * MIB
# One scrape is held whole until it is known to be good: expanded, and as samples.
SCRAPE_BYTES = 16 * MIB
SCRAPE_SAMPLES = 100_000
# Addresses that one input asks, each a thread's work in every interval: more are another agent's.
SCRAPE_TARGETS = 100
# Processes of a host that are named one by one, those that use most: each is some series.
HOST_PROCESSES = 100
# An answer of JSON takes ten times its size as objects.
ANSWER_BYTES = 4 * MIB
ANSWER_ITEMS = 20_000
# Of a server's slow log, which keeps 128 entries unless told otherwise, with 32 words of 128 bytes.
SLOW_LOG_ENTRIES = 128
SLOW_LOG_BYTES = 4 * MIB
# Parts of one list in its answer: each becomes an object before the whole is known to be one.
SLOW_LOG_WORDS = 4_096
# Attributes of one entry of a database's own log, and the name of one.
SLOW_ATTRIBUTES = 100
SLOW_NAME_CHARS = 100
# Of a statement of SQL that is looked for: a longer one differs in its data, hardly in its text.
STATEMENT_CHARS = 64 * KIB
# An OTLP request that an agent relays, before compression: held whole while it is cut, by an agent
# that has 40 MB in all. JSON takes many times its size while it is read.
RELAY_BODY_BYTES = 6 * MIB
RELAY_JSON_BYTES = MIB
# Its line and headers, a line between its chunks, and the time from one answer to the next.
RELAY_HEAD_BYTES = 16 * KIB
RELAY_CHUNK_LINE_BYTES = 256
RELAY_REQUEST_S = 90.0
# What is read of a body that was refused, or its sender would see a broken connection.
RELAY_REST_BYTES = 64 * MIB
RELAY_REST_S = 2.0
# Connections of one listener; each may hold a line.
LISTENER_CONNECTIONS = 64
# Of one listener of the gateway, which has memory for more; each may hold an unfinished message.
SOCKET_CONNECTIONS = 1_000
# A handshake of TLS or of Fluent Forward: some round trips and a signature.
HANDSHAKE_S = 10.0
# How long a sender of syslog or Fluent Forward may be quiet: it loses a message when it is closed.
LISTENER_IDLE_S = 3600.0
# One that was quiet for this long makes room for another when all places are taken.
LISTENER_SPARE_S = 60.0
# How long a sender that waits for an acknowledgement is kept while the sink is busy.
FORWARD_PATIENCE_S = 60.0
# Unfinished messages of all connections of one listener; beyond it the longest is ended.
UNFINISHED_BYTES = 32 * MIB
# Messages of senders that nobody answers, held for the sink; then nothing more is read.
MESSAGES_WAITING_BYTES = 32 * MIB
# Large messages of Fluent Forward that are being read, over all connections: more wait their turn.
FORWARD_HELD_BYTES = 64 * MIB
# Datagrams that wait in the kernel meanwhile: at 100,000 a second a third of a second.
DATAGRAMS_WAITING_BYTES = 32 * MIB
# Descriptors the agent holds open; more files than that are read in turns.
TAIL_FILES = 1_000
# Folders whose changes wake the agent; what happens in others is seen a moment later.
WATCHED_FOLDERS = 1_000
# Memory that a compressed file may ask for while it is read: zstd's own limit without --long.
PACKED_WINDOW_BYTES = 8 * MIB
# Marks of files that were read whole and are gone: they may come again, compressed.
FINISHED_FILES = 2_000
# Marks of files that are not found when the agent starts: each may be looked for in all others.
LOST_FILES = 1_000
# Logs of which a rotated file may have been missed: the names in their folders are compared.
MISSED_LOGS = 2_000
# One entry of the journal as JSON, where a byte that is no text takes four: a longer one is left
# out and counted.
JOURNAL_ENTRY_BYTES = 2 * MIB
# What an agent says of its machine is in the header of every frame, beside what its inputs say.
MACHINE_ATTRIBUTES = 40
# An announcement is held whole, for every agent, in the control file and in an answer.
ANNOUNCEMENT_BYTES = 64 * KIB
# Read at the same time, apart from the bodies of logs, so that neither waits for the other.
ANNOUNCEMENTS_BYTES = 64 * ANNOUNCEMENT_BYTES
ANNOUNCED_INPUTS = 64
ANNOUNCED_LOSSES = 64
# An agent numbers frames in one way, and in another after damage, which is rare.
ANNOUNCED_NUMBERINGS = 4
ANNOUNCE_LARGEST_S = 3600.0
# Agents that are remembered of one tenant, and for how long after they were last heard of.
AGENTS_PER_TENANT = 10_000
AGENT_MEMORY_S = 30 * 86_400.0
# Ranges of frames that agents lost, of one tenant: neighbours are one range, so this is years.
LOSSES_PER_TENANT = 100_000
# Tokens that are remembered, all held in memory: one for each team and service, not each sender.
TOKENS = 10_000
# How long one that has ended is still listed.
TOKEN_MEMORY_S = 365 * 86_400.0
# How long the known ones stand while the control store cannot be read: long enough for a person to
# come, short enough that a revoked token does not live on unnoticed.
TOKENS_KEPT_S = 900.0
# A master key as text, with what stands around it, and how long a command may take to print it.
MASTER_KEY_BYTES = 1_024
MASTER_COMMAND_S = 30.0
# What is read of a secret whose quote is behind more backslashes than JSON writes, and of one
# without quotes or that does not close: of a longer one all goes, up to the end of its text.
GUARDED_VALUE_BYTES = 64 * KIB
GUARDED_PLAIN_BYTES = 4 * KIB
# Places where the guard found something, of one tenant: somebody has to read them all. What is
# beyond is counted by service and detector, for so many services, and beyond them by detector.
FINDING_PLACES = 10_000
FINDING_SERVICES = 1_000
# Those that wait in memory to be written, of all tenants: a kilobyte or two each.
FINDING_PLACES_HELD = 5_000
# Spans of five minutes in which the hits of one are counted apart while it waits: two hours.
FINDING_SPANS_HELD = 24
# Written in one transaction: others who use the control store wait for some 50 ms.
FINDING_PLACES_WRITTEN = 500
# What a place says of itself. The guard makes names and patterns shorter than this.
FINDING_NAME_CHARS = 200
FINDING_CODE_CHARS = 300
FINDING_FIELD_CHARS = 500
# How long its hits are remembered by hour, which batches of a writer were written, and a place
# after its last hit where a tenant has too many; where it has not, as long as somebody may ask.
FINDING_HOURS_S = 32 * 86_400.0
FINDING_MEMORY_S = 365 * 86_400.0
# Old rows deleted at a time, so that nobody waits long for the control store.
FINDING_ROWS_DELETED = 10_000
# An answer is held whole before it is sent.
FINDING_ANSWER_BYTES = 16 * MIB
# A list of agents is held whole before it is sent.
FLEET_ANSWER_BYTES = 16 * MIB
# Patterns, severities and trace ids are looked for in so much of a line: a stack fits, and no line
# is worth more.
PATTERN_BYTES = 16 * KIB
# One sampled row stands for at most this many: beyond it a sample says nothing.
SAMPLE_WEIGHT = 1_000_000
# Frames that a gateway refused, kept for a person to look at; the oldest go first.
REJECTED_BYTES = 64 * MIB
# Own logs: of one message this many in a window, the rest as a count. Own logs may be tailed, so
# this bounds a line that is caused by shipping a line: about one every three seconds.
LOG_REPEATS = 20
LOG_WINDOW_S = 60.0
# Message templates are constants of the code, some hundred; more are made from data.
LOG_TEMPLATES = 1_000
# Longest message or value of an own log line; a traceback is a few thousand.
LOG_TEXT_CHARS = 16_000
# The own log file and its last generation together: days of a healthy server.
LOG_FILE_BYTES = 8 * MIB
# What an application holds while the gateway is away is the application's memory: this much is
# seconds at full speed and hours of an ordinary service. Small records cost their objects too.
APP_QUEUE_BYTES = 16 * MIB
APP_QUEUE_RECORDS = 50_000
# One request of an application: below the megabyte that proxies let through by default.
APP_BATCH_BYTES = 512 * KIB
# Longest body and attribute of an application's record, as characters; a traceback is a few
# thousand. What is cut is marked.
APP_BODY_CHARS = 64_000
APP_VALUE_CHARS = 16_000
APP_NAME_CHARS = 256
# Attributes of one record, and the parts of one nested value: more is data in keys, or a cycle.
APP_ATTRIBUTES = 128
APP_PARTS = 256
APP_DEPTH = 8
# The resource is repeated in every record.
APP_RESOURCE_BYTES = 16 * KIB
