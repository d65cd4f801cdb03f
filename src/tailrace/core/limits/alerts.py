"""Of rules, alerts and notices."""

from __future__ import annotations

from tailrace.core.limits.units import KIB, MIB

# Rules that were not in time are evaluated at the slots of so long ago, and at no more of them.
RULE_CATCH_UP_S = 3_600
RULE_CATCH_UP_SLOTS = 720
# Where all of them in one question take longer than an interval it is half as many, the oldest
# first; with fewer than so many the present would hardly be reached, and the others are missed.
RULE_CATCH_UP_LEAST = 4
# Slots of groups begin so far apart: those that begin together share what they read.
RULE_PHASE_S = 3.0
# How long after its time a slot is due: what came in before it is durable by then.
RULE_DELAY_S = 0.2
# Then it is evaluated as soon as the store has that, and without it after so long: a store that is
# behind delays rules, and does not stop them.
RULE_SETTLE_S = 5.0
# Groups of rules that are evaluated at the same time; the others' turns come after them.
RULE_GROUPS_AT_ONCE = 2
# A file of unit tests of rules: samples of all its series, entries of each of its lists, and
# evaluations of one test, a month of minutes.
RULE_TEST_SAMPLES = 500_000
RULE_TEST_CASES = 1_000
RULE_TEST_STEPS = 50_000
# Series that one rule may give: each of them is an alert that somebody is told of.
RULE_SERIES = 10_000
# Alerts of a rule that are series of ALERTS: a sample of two series each at every evaluation.
ALERT_SERIES = 1_000
# Samples of these series that wait for room, of all tenants: some 20 MB. The next evaluation says
# the same again.
ALERT_SAMPLES_WAITING = 50_000
# Alerts that are kept of one tenant: all are held in memory, mostly a kilobyte each.
ALERTS_PER_TENANT = 50_000
# What an alert's labels say in all, and its annotations: more is no message to a person.
ALERT_LABELS_CHARS = 8 * KIB
ALERT_ANNOTATIONS_CHARS = 16 * KIB
# Names of receivers, of groups of rules and of their folders: three are one key of the control
# store, which holds some 2,700 bytes.
ALERT_NAME_CHARS = 200
# Words of an evaluation or an attempt that failed; what follows them is cut.
ALERT_ERROR_CHARS = 1_000
# Longest time for which a process may lead the evaluation of alerts without saying so again: one
# that died with a wrong clock keeps the others out for no longer.
ALERT_LEASE_S = 300.0
# One notice is held whole while it is sent; receivers take a megabyte or less.
ALERT_NOTICE_BYTES = 4 * MIB
# Notices that wait for one receiver of a tenant, and for one group of alerts: a day of one that
# comes and goes. Beyond it alerts wait to be told until some have left.
ALERT_NOTICES_PER_RECEIVER = 10_000
ALERT_NOTICES_PER_GROUP = 300
ALERT_NOTICES_BYTES = 64 * MIB
# Groups of a tenant of which is known what they were told: a few hundred bytes each, in memory.
ALERT_GROUPS_PER_TENANT = 100_000
# Silences of a tenant, with those that ended lately: every alert is matched against them.
SILENCES_PER_TENANT = 10_000
SILENCE_MATCHERS = 64
SILENCE_CHARS = 8 * KIB
# Groups of rules that came by the API, and the text of one: a large one is some 20 kilobytes.
RULE_TEXTS_PER_TENANT = 1_000
RULE_TEXT_CHARS = 128 * KIB
# A file of rules: all that the Kubernetes monitoring mixins have is a third of it.
RULE_FILE_BYTES = MIB
# Its parts, those that aliases repeat counted each time: a few anchors could make billions. Rules
# of a megabyte have a quarter of this; each costs a few hundred bytes while it is read.
RULE_FILE_NODES = 200_000
# Parts within one another; the format itself needs nine.
RULE_FILE_DEPTH = 24
# Errors of one file that are told: a person mends no more at once.
RULE_PROBLEMS = 100
# Groups of one file, rules of one group, and rules of one file: evaluated one after the other, and
# each is a query every few seconds.
RULE_GROUPS = 500
RULES_PER_GROUP = 1_000
RULES_PER_FILE = 5_000
# Files of one tenant, and rules in all of them: at 10 ms each more than a core for a minute.
RULE_FILES = 1_000
RULES_PER_TENANT = 10_000
# Names of groups, rules, labels and annotations.
RULE_NAME_CHARS = 500
# Labels of one rule, and annotations: they are of every alert that it makes. LABELS_PER_SERIES
# bounds what the query gives.
RULE_LABELS = 64
# A template of an annotation, which may be a runbook's first page; those of labels are shorter.
RULE_TEMPLATE_CHARS = 16 * KIB
# A group's interval: below it an evaluation takes longer than its slot.
RULE_INTERVAL_LEAST_S = 1.0
# Templates of an alert that call one another: each may nest as deep, all within Python's stack.
TEMPLATE_CALLS = 8
# What becomes of it. Receivers cut at some thousand characters, and a group holds hundreds.
ALERT_TEXT_CHARS = 16 * KIB
# Filling in one text, and all of one evaluation of a rule: 40 microseconds each are ordinary, and
# RULE_SERIES alerts with three of them 1.4 s. The event loop waits for one, not for all.
ALERT_TEMPLATE_S = 0.1
ALERT_TEMPLATES_S = 5.0
# Queries in templates of one evaluation, different ones: one for each alert of a large rule.
ALERT_TEMPLATE_QUERIES = 200
# All of them, within the 15 seconds to the next evaluation.
ALERT_TEMPLATE_QUERY_S = 5.0
# What one of them finds; a text shows some.
ALERT_TEMPLATE_SAMPLES = 1_000
# A notice for people: its title as long as a subject is read, its body as Slack takes it whole, and
# one value in it.
NOTICE_TITLE_CHARS = 200
NOTICE_CHARS = 8_000
NOTICE_VALUE_CHARS = 1_000
# Who is told of alerts: each has a few connections or processes of its own.
ALERT_RECEIVERS = 100
# Routes within one another: an organisation has fewer levels.
ALERT_ROUTE_DEPTH = 16
# Longest of the times of a group: whoever is told less often than that is not told.
ALERT_INTERVAL_S = 7 * 86_400.0
# Alerts of one notice: a receiver takes as much at once, and a group with more is told in several.
ALERTS_PER_NOTICE = 1_000
# Groups that are told in one transaction: others who use the control store wait for it.
ALERT_GROUPS_TOLD = 200
# Of an answer of a receiver: its headers, and as much again of what follows them.
ALERT_ANSWER_BYTES = 64 * KIB
# Notices that are sent to one receiver at once: each is a connection, a thread or a process.
ALERT_SENDS_PER_RECEIVER = 2
# Notices for one receiver of a tenant that are held in memory, and read at once.
ALERT_NOTICES_READ = 50
# How long a notice is tried: somebody comes within a day.
ALERT_NOTICE_KEPT_S = 86_400.0
# Rules of one shape at the same slots that are asked together: two are as cheap apart.
SCAN_RULES = 3
# Values, such as services, that are asked for together: a statement of some ten kilobytes.
SCAN_VALUES = 500
# How long what was read together is kept, for rules of the same slots whose turn comes later, and
# how much of it: a bucket of a thousand rules reads a megabyte. One question may find a quarter.
SCAN_KEPT_S = 15.0
SCANS_KEPT_BYTES = 64 * MIB
# The part of an interval that one question for many rules may take, and how long one that failed is
# asked in smaller parts.
SCAN_SHARE = 0.3
SCAN_APART_S = 600.0
# Lines of the canary that are followed at once: those of a quarter of an hour, one a second.
CANARY_BEATS = 1_000
# The rule over the canary is evaluated at least so often: it says what the server can do.
CANARY_INTERVAL_S = 15.0
# Alerts are to be sent within a minute of the event. When 99 of 100 lines of the last quarter of an
# hour needed longer than this to be evaluated, or none has come through for a minute, that is said.
ALERTS_LATE_S = 45.0
ALERTS_LATE_WINDOW_S = 900.0
ALERTS_SILENT_S = 60.0
# Rules of one tenant that watch lines as they come: the engine looks for all of them in each batch
# of rows. Of all tenants together there are as many as TAIL_QUERIES.
STREAM_RULES_PER_TENANT = 100
# Alerts of one such rule that fire at the same time.
STREAM_LABEL_SETS = 1_000
# Lines that are read from the store for what a rule did not see as it came; the newest ones.
STREAM_MISSED_LINES = 1_000
# How far back that goes: what was missed while the server was stopped for longer is old.
STREAM_MISSED_S = 3_600
# Of the line that made an alert fire, for its annotations.
STREAM_LINE_CHARS = 1_000
# After how long without a line an alert may be resolved: one that comes and goes tells nobody more.
STREAM_QUIET_LEAST_S = 10.0
# Statements of errors, and services, that are remembered of a tenant: 250 of each of 200 services.
# A row of the control store has some 150 bytes; those seen longest ago go.
ERROR_PATTERNS = 50_000
# When one was seen last is written again after so long: one that comes all the time costs a row an
# hour, not one a minute.
ERROR_PATTERN_AGAIN_S = 3_600.0
# Statements that one look at the errors of a tenant gives, and of one service: those with most
# lines. A service that has so many new ones is told of once.
ERROR_PATTERNS_SEEN = 10_000
ERROR_PATTERNS_OF_SERVICE = 1_000
# Services that one look gives.
ERROR_SERVICES_SEEN = 5_000
# Alerts for one new statement each that fire at once, of a service; what is beyond is one alert of
# the service. Of all alerts of a tenant so many fire; what is beyond is one alert of the tenant.
NEW_PATTERNS_OF_SERVICE = 5
NEW_PATTERN_ALERTS = 100
# Of a statement in a label: it is on one line of a screen or two, and of a notice.
NEW_PATTERN_CHARS = 300
# How far back the next look goes after looks that failed, or a stop; and lines found in a look are
# of so long before they came, at most.
NEW_PATTERN_CATCH_UP_S = 3_600
NEW_PATTERN_LATE_S = 86_400
# Longest time for which a service that is new is not told of: a longer one is better turned off.
LEARNING_LONGEST_S = 30 * 86_400.0
# How long an evaluation waits for the store to have what was acknowledged before it.
NEW_PATTERN_STORED_S = 10.0
# How long rules wait at a start for the store to have what was taken in before: what is evaluated
# without it would miss what happened just before a crash. A longer backlog is not waited for.
RULE_BACKLOG_S = 30.0
# How long silences that ended are kept, and what groups were told of which nothing fires:
# Alertmanager's 120 hours.
ALERTS_KEPT_S = 5 * 86_400.0
# How many intervals of its group a rule in SQL may look back: each row is read as often, by a
# statement of which nothing is kept for the next slot. An hour every 15 seconds is a sixth of it.
RULE_SQL_INTERVALS = 1_500
# The part of an interval in which a rule in SQL is asked for slots it missed, after the first one:
# each is a statement of its own, and the other rules of the group wait.
RULE_SQL_SHARE = 0.5
# What such a statement may give: RULE_SERIES rows with 1.6 KB of labels.
RULE_SQL_BYTES = 16 * MIB
# Rows that come so long after their time are late: agents and shippers send every second or two.
RULE_LATE_S = 5.0
# How long late rows are gathered before it is asked what they are.
RULE_LATE_LOOK_S = 5.0
# Services and times of which is told that rows came late; beyond that all that the tenant's rules
# read since then is looked at.
RULE_LATE_ROWS = 10_000
# Slots are evaluated again so long after the last late row of theirs, and at most so long after the
# first one: each of them once.
RULE_LATE_QUIET_S = 15.0
RULE_LATE_LONGEST_S = 600.0
# Ranges of slots of a rule that wait for that; more are one.
RULE_LATE_SPANS = 20
# The share of a core that it may take: it is not urgent.
RULE_LATE_SHARE = 0.2
# How far back it is known what rules gave, as far as missed slots are evaluated, and its size: a
# rule that gives nothing takes 250 bytes, one that records ten series every 15 seconds 80 KB.
RULE_SAID_S = 3_600
RULE_SAID_BYTES = 32 * MIB
