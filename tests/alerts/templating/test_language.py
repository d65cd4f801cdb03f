"""What templates of alerts understand beside what LogQL's do, which tests/query/pipeline tests."""

from __future__ import annotations

import pytest
from tests.alerts.templating.cases import expand

from tailrace.alerts.templating.template import check

CASES = [
    ("plain } text {", "plain } text {"),
    ("{{ $labels.instance }} of {{ .Labels.job }}", "web-1:9090 of api"),
    ("<{{ $labels.missing }}>", "<>"),
    ("<{{ .Labels.empty }}>", "<>"),
    ("{{ $value }} {{ .Value }}", "5 5"),
    ("{{ $externalLabels.region }} {{ .ExternalLabels.region }}", "eu eu"),
    ("{{ $externalURL }} {{ .ExternalURL }}", "https://logs.example.org/tail " * 2),
    ('{{ index $labels "host.name" }}', "web-1"),
    ('<{{ index $labels "no-such" }}>', "<>"),
    ("{{ $x := $labels.job }}{{ $x }}{{ $x = $value }}{{ $x }}", "api5"),
    ("{{ if $labels.missing }}yes{{ else if eq $labels.job `api` }}api{{ end }}", "api"),
    ("{{ with $labels.job }}{{ . }}{{ end }}", "api"),
    ("{{ with $labels.missing }}{{ . }}{{ else }}none{{ end }}", "none"),
    ("{{ range $name, $text := $externalLabels }}{{ $name }}={{ $text }}{{ end }}", "region=eu"),
    ("{{ $externalLabels }}", "map[region:eu]"),
    ("{{ if gt $value 4.0 }}high{{ end }}", "high"),
    ('{{ printf "%.2f of %s" $value $labels.job }}', "5.00 of api"),
    ("{{ $value | humanize | printf `%s!` }}", "5!"),
    ("{{ len $labels.job }} {{ len $externalLabels }}", "3 1"),
    ("{{- /* a remark */ -}} x {{- ` y` }}", "x y"),
    ('{{ define "x" }}{{ .arg0 }} {{ .arg1 }}{{ end }}{{ template "x" (args 1 "2") }}', "1 2"),
    ('{{ define "x" }}<{{ . }}>{{ end }}{{ template "x" .Labels.job }}{{ .Value }}', "<api>5"),
    ('{{ define "x" }}<{{ . }}>{{ end }}{{ template "x" }}', "<<no value>>"),
    ('{{ define "x" }}{{ $ }}{{ end }}{{ template "x" 7 }}{{ $.Value }}', "75"),
    ('{{ template "late" 1 }}{{ define "late" }}late{{ . }}{{ end }}', "late1"),
    ('{{ block "x" $labels.job }}<{{ . }}>{{ end }}', "<api>"),
    ('{{ define "n" }}{{ $v := . }}{{ if $v }}{{ template "n" (slice $v 1) }}{{ end }}{{ len $v }}'
     '{{ end }}{{ template "n" "ab" }}', "012"),
    ('{{ define "x" }}a{{ end }}{{ range query "up" }}{{ template "x" }}{{ end }}', "aa"),
    ('{{ (toTime 1435065584.128).Format "2006-01-02" }}', "2015-06-23"),
    ('{{ $t := 0 | toTime }}{{ $t.Format "15:04" }} {{ $t.UTC.Unix }}', "00:00 0"),
    ("{{ (toTime 5).Year }} {{ (toTime 5).UnixMilli }}", "1970 5000"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "becomes"), CASES)
def test_a_template_is_filled_in(text: str, becomes: str) -> None:
    assert expand(text).strip() == becomes.strip()


WRONG_AT_ONCE = [
    ("{{", "{{ without }} (character 1"),
    ("{{ $label.instance }}", "undefined variable $label (character 4"),
    ("ab {{ nosuch 1 }}", "function 'nosuch' is not defined (character 7"),
    ("{{ if true }}", "if without {{end}} (character 1"),
    ("{{ end }}", "unexpected {{end}}"),
    ("{{ humanize }}", "humanize takes 1 arguments, not 0"),
    ("{{ query }}", "query takes 1 arguments, not 0"),
    ("{{ now 1 }}", "now takes no arguments"),
    ("{{ define }}x{{ end }}", "define needs a name in quotes"),
    ('{{ define "x" }}x', "define without {{end}}"),
    ('{{ define "x" }}x{{ else }}y{{ end }}', "expected {{end}}"),
    ('{{ define "x" }}1{{ end }}{{ define "x" }}2{{ end }}', "'x' is defined twice"),
    ('{{ if true }}{{ define "x" }}1{{ end }}{{ end }}', "unexpected {{define}}"),
    ('{{ define "x" }}{{ $labels.job }}{{ end }}', "undefined variable $labels"),
    ('{{ range query "up" }}{{ block "x" . }}{{ break }}{{ end }}{{ end }}', "unexpected break"),
    ('{{ template "x" $y := 1 }}', "a variable cannot be set in template"),
    ("{{ template x }}", "template needs a name in quotes"),
    ("{{ $labels 1 }}", "only a function takes arguments"),
    ("{{ \u00a0 }}", "unexpected '\\xa0'"),
    ("{{ fromJson `1` }}", "function 'fromJson' is not defined"),
    ("x" * 20_000 + "{{ 1 }}", "a template of more than 16384 characters"),
]


@pytest.mark.parametrize(("text", "says"), WRONG_AT_ONCE)
def test_a_wrong_template_is_told_with_its_place(text: str, says: str) -> None:
    assert says in (check(text) or "")
    assert expand(text).startswith("<error expanding template: ")


def test_nothing_is_wrong_with_a_right_template() -> None:
    assert check("{{ $labels.instance }} is down") is None


WRONG_LATER = [
    ("{{ .group }}", "struct has no field group"),
    ("{{ $labels.job.x }}", "string has no field x"),
    ('{{ template "nosuch" }}', "the template 'nosuch' is not defined"),
    ('{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}', "more than 8 deep"),
    ('{{ query "up" | first | label "job" | first }}', "first: expected samples, found string"),
    ('{{ (query "up").banana }}', "[]interface {} has no field banana"),
    ("{{ if gt $value 4 }}high{{ end }}", "incompatible types for comparison"),
    ('{{ (toTime 5).Nosuch "x" }}', "time.Time has no method Nosuch"),
    ('{{ $labels.Format "x" }}', "map[string]string has no method Format"),
    ("{{ (toTime 5).Format }}", "Format takes 1 arguments, not 0"),
    ("{{ (toTime 5).Format 5 }}", "Format: expected string, found int"),
]


@pytest.mark.parametrize(("text", "says"), WRONG_LATER)
def test_a_template_that_fails_says_why_in_its_place(text: str, says: str) -> None:
    assert check(text) is None
    found = expand(text)
    assert found.startswith("<error expanding template: ") and says in found
