package reporters_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/reporters"
)

// every is a verdict with a check of every end, and texts that formats must escape.
func every() plumbline.Verdict {
	v := failing()
	v.Checks = append(v.Checks,
		plumbline.Result{Name: "a <b> & \"c\" #1 \\ ::error::x%0A,:", Suite: "sm,oke", Place: "dir/smoke.yaml:40", Outcome: plumbline.Failed, Severity: plumbline.Critical,
			Reason: "got \"\x00\x1b[31m]]>\", want\n: é", Detail: "secret body", Owner: "me"},
		plumbline.Result{Name: "down", Suite: "sm,oke", Place: "smoke.yaml:50", Outcome: plumbline.Errored, Severity: plumbline.Critical, Reason: "refused"},
		plumbline.Result{Name: "shaky", Suite: "sm,oke", Outcome: plumbline.Passed, Severity: plumbline.Critical, Flaky: true, Seconds: plumbline.Seconds(2500 * time.Millisecond),
			Attempts: []plumbline.Attempt{{Outcome: plumbline.Errored, Reason: "reset"}, {Outcome: plumbline.Failed, Reason: "got 1"}, {Outcome: plumbline.Passed}}},
		plumbline.Result{Name: "strange", Suite: "sm,oke", Outcome: "", Severity: plumbline.Critical, Reason: "no outcome"})
	return v
}

// allRight is a fail that no check explains.
func allRight() plumbline.Verdict {
	v := failing()
	v.Cause, v.Reason = plumbline.CauseDeadline, "took longer than 30m"
	v.Checks = []plumbline.Result{{Name: "fine", Suite: "s", Severity: plumbline.Critical, Outcome: plumbline.Passed},
		{Name: "only told", Suite: "s", Severity: plumbline.Advisory, Outcome: plumbline.Failed, Reason: "slow"}}
	return v
}

func written(t *testing.T, format func(io.Writer, plumbline.Verdict) error, v plumbline.Verdict) string {
	t.Helper()
	var out bytes.Buffer
	if err := format(&out, v); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "secret body") {
		t.Error("a piece of an answer left the terminal")
	}
	if err := format(broken{}, v); !errors.Is(err, errBroken) {
		t.Errorf("a writer that breaks gave %v", err)
	}
	return out.String()
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

// junitRules are the elements and attributes of the schema that Jenkins reads JUnit with (junit-10.xsd): what may be in
// what, and which attributes must be there.
var junitRules = map[string]struct {
	children, attributes, required []string
	text                           bool
}{
	"testsuites": {children: []string{"testsuite"}, attributes: []string{"name", "time", "tests", "failures", "errors"}},
	"testsuite": {children: []string{"testsuite", "properties", "testcase", "system-out", "system-err"}, required: []string{"name", "tests", "failures", "errors"},
		attributes: []string{"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"}},
	"properties": {children: []string{"property"}},
	"property":   {required: []string{"name", "value"}},
	"testcase": {children: []string{"skipped", "error", "failure", "rerunFailure", "rerunError", "flakyFailure", "flakyError", "system-out", "system-err"},
		required: []string{"name"}, attributes: []string{"time", "classname", "group"}},
	"skipped":      {attributes: []string{"type", "message"}, text: true},
	"error":        {attributes: []string{"type", "message"}, text: true},
	"failure":      {attributes: []string{"type", "message"}, text: true},
	"flakyFailure": {required: []string{"type"}, attributes: []string{"message"}, text: true},
	"flakyError":   {required: []string{"type"}, attributes: []string{"message"}, text: true},
	"system-out":   {text: true},
}

var junitTime = regexp.MustCompile(`^(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?$`)

// checkJUnit walks a document with the rules, and counts what each suite says of itself.
func checkJUnit(t *testing.T, text string) (counts map[string]int) {
	t.Helper()
	counts = map[string]int{}
	var way []string
	decoder := xml.NewDecoder(strings.NewReader(text))
	decoder.Strict = true
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return counts
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		switch token := token.(type) {
		case xml.StartElement:
			name := token.Name.Local
			rule, known := junitRules[name]
			if !known || len(way) > 0 && !slices.Contains(junitRules[way[len(way)-1]].children, name) || len(way) == 0 && name != "testsuites" {
				t.Errorf("%s in %v", name, way)
			}
			for _, a := range token.Attr {
				if !slices.Contains(rule.attributes, a.Name.Local) && !slices.Contains(rule.required, a.Name.Local) {
					t.Errorf("%s has the attribute %s", name, a.Name.Local)
				}
				if a.Name.Local == "time" && !junitTime.MatchString(a.Value) {
					t.Errorf("time %q", a.Value)
				}
				if name == "testsuites" {
					counts["said "+a.Name.Local], _ = strconv.Atoi(a.Value)
				}
			}
			for _, must := range rule.required {
				if !slices.ContainsFunc(token.Attr, func(a xml.Attr) bool { return a.Name.Local == must }) {
					t.Errorf("%s lacks %s", name, must)
				}
			}
			counts[name]++
			way = append(way, name)
		case xml.EndElement:
			way = way[:len(way)-1]
		case xml.CharData:
			if len(way) > 0 && strings.TrimSpace(string(token)) != "" && !junitRules[way[len(way)-1]].text {
				t.Errorf("text in %v: %s", way, token)
			}
		}
	}
}

func TestJUnit(t *testing.T) {
	got := checkJUnit(t, written(t, reporters.JUnit, every()))
	for what, want := range map[string]int{"testsuite": 2, "testcase": 8, "failure": 2, "error": 2, "skipped": 2, "flakyFailure": 1, "flakyError": 1,
		"said tests": 8, "said failures": 2, "said errors": 2} {
		if got[what] != want {
			t.Errorf("%d %s, want %d", got[what], what, want)
		}
	}
	if got := checkJUnit(t, written(t, reporters.JUnit, allRight())); got["said errors"] != 1 || got["error"] != 1 {
		t.Errorf("a fail that no check explains is green: %v", got)
	}
	if got := checkJUnit(t, written(t, reporters.JUnit, plumbline.Verdict{})); got["said errors"] != 1 {
		t.Errorf("the zero verdict is green: %v", got)
	}
	passed := verdict(nil)
	if got := checkJUnit(t, written(t, reporters.JUnit, passed)); got["said errors"] != 0 || got["error"] != 0 {
		t.Errorf("a pass is red: %v", got)
	}
}

// tap counts what a reader of TAP makes of a stream.
func tap(t *testing.T, text string) (planned, passed, failed, bailed int) {
	t.Helper()
	line := regexp.MustCompile(`^(not )?ok (\d+) - (.*)$`)
	number, inBlock := 0, false
	for i, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		switch m := line.FindStringSubmatch(l); {
		case i == 0:
			if l != "TAP version 14" {
				t.Errorf("begins with %q", l)
			}
		case i == 1:
			if _, err := fmt.Sscanf(l, "1..%d", &planned); err != nil {
				t.Error(err)
			}
		case l == "  ---", l == "  ...":
			inBlock = l == "  ---"
		case inBlock:
			if !strings.HasPrefix(l, "  ") {
				t.Errorf("%q in a block", l)
			}
		case strings.HasPrefix(l, "Bail out!"):
			bailed++
		case m == nil:
			t.Errorf("what is %q?", l)
		default:
			if number++; m[2] != strconv.Itoa(number) {
				t.Errorf("number %s, want %d", m[2], number)
			}
			directive := regexp.MustCompile(`[^\\]# (TODO|SKIP)`).MatchString(m[3])
			if m[1] == "" || directive {
				passed++
			} else {
				failed++
			}
		}
	}
	return planned, passed, failed, bailed
}

func TestTAP(t *testing.T) {
	if planned, passed, failed, bailed := tap(t, written(t, reporters.TAP, every())); planned != 8 || passed != 4 || failed != 4 || bailed != 0 {
		t.Errorf("planned %d, passed %d, failed %d, bailed %d", planned, passed, failed, bailed)
	}
	if _, _, failed, bailed := tap(t, written(t, reporters.TAP, allRight())); failed != 0 || bailed != 1 {
		t.Errorf("a fail that no check explains: failed %d, bailed %d", failed, bailed)
	}
	if text := written(t, reporters.TAP, every()); !strings.Contains(text, `sm,oke: a <b> & "c" \#1 \\ ::error::x`) {
		t.Errorf("a name that looks like a directive isn't escaped:\n%s", text)
	}
}

func TestGitHub(t *testing.T) {
	text := written(t, reporters.GitHub, every())
	levels := ""
	for line := range strings.Lines(text) {
		if level, rest, is := strings.Cut(strings.TrimPrefix(line, "::"), " "); is && strings.HasPrefix(line, "::") {
			levels += level[:1]
			properties, _, _ := strings.Cut(rest, "::")
			for p := range strings.SplitSeq(properties, ",") {
				if !regexp.MustCompile(`^(file|line|col|title)=[^:,]+$`).MatchString(p) {
					t.Errorf("property %q of %s", p, line)
				}
			}
		}
	}
	if levels != "eeewwwn" {
		t.Errorf("the levels are %s, want errors first", levels)
	}
	if want := "::error file=dir/smoke.yaml,line=40,title=a <b> & \"c\" #1 \\ %3A%3Aerror%3A%3Ax%250A%2C%3A::got "; !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
	if text := written(t, reporters.GitHub, allRight()); !strings.Contains(text, "::error title=plumbline::took longer than 30m\n") {
		t.Errorf("a fail that no check explains:\n%s", text)
	}
}

func TestAnnotationPlaces(t *testing.T) {
	for at, want := range map[string]string{
		"": "::error title=t::x\n", "a.yaml": "::error file=a.yaml,title=t::x\n", "a.yaml:3": "::error file=a.yaml,line=3,title=t::x\n",
		"a.yaml:3:14": "::error file=a.yaml,line=3,col=14,title=t::x\n", "shipped:plum/a.yaml:3": "::error file=shipped%3Aplum/a.yaml,line=3,title=t::x\n",
	} {
		if got := reporters.Annotation("error", at, "t", "x"); got != want {
			t.Errorf("%q: got %q, want %q", at, got, want)
		}
	}
}

func TestNDJSON(t *testing.T) {
	v := every()
	v.Checks = v.Checks[:len(v.Checks)-1]
	var events []string
	scanner := bufio.NewScanner(strings.NewReader(written(t, reporters.NDJSON, v)))
	for scanner.Scan() {
		var line reporters.Line
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		events = append(events, line.Event)
		if set := map[string]bool{"run": line.Run != nil, "check": line.Check != nil, "verdict": line.Verdict != nil}; !set[line.Event] {
			t.Errorf("the line of %s lacks it", line.Event)
		}
	}
	if len(events) != 9 || events[0] != "run" || events[8] != "verdict" {
		t.Errorf("the events are %v", events)
	}
}
