package reporters

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// JUnit writes the XML that CI servers read (the schema junit-10 of Jenkins): a testsuite for each suite and a testcase
// for each check. What failed is a failure, what could not be asked an error, and a check that passed on a retry has a
// flakyFailure or flakyError for each attempt before. An advisory check that went wrong is skipped, because it doesn't
// decide; a verdict that fails for another reason than its checks has a testcase of its own.
func JUnit(w io.Writer, v plumbline.Verdict) error {
	v = Shown(v)
	doc := junitSuites{Name: flat(strings.Join(strings.Fields(fmt.Sprintf("plumbline %s %s %s", v.Service, v.Color, v.Release.Version)), " ")),
		Time: seconds(v.FinishedAt.Sub(v.StartedAt))}
	names, checks := bySuite(v)
	for _, name := range names {
		doc.add(junitSuiteOf(v, name, checks[name]))
	}
	if unexplained(v) {
		doc.add(junitSuite{Name: "plumbline", Tests: 1, Errors: 1, Timestamp: timestamp(v), Cases: []junitCase{{Name: "verdict", Classname: "plumbline",
			Time: "0", Errors: []junitProblem{{Type: string(v.Cause), Message: v.Reason, Text: v.Reason}}}}})
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Time     string       `xml:"time,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr,omitempty"`
	Timestamp  string          `xml:"timestamp,attr,omitempty"`
	Hostname   string          `xml:"hostname,attr,omitempty"`
	Properties []junitProperty `xml:"properties>property,omitempty"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name          string         `xml:"name,attr"`
	Classname     string         `xml:"classname,attr"`
	Time          string         `xml:"time,attr"`
	Skipped       []junitProblem `xml:"skipped"`
	Errors        []junitProblem `xml:"error"`
	Failures      []junitProblem `xml:"failure"`
	FlakyFailures []junitProblem `xml:"flakyFailure"`
	FlakyErrors   []junitProblem `xml:"flakyError"`
	Out           string         `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Type    string `xml:"type,attr,omitempty"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (d *junitSuites) add(s junitSuite) {
	d.Suites = append(d.Suites, s)
	d.Tests, d.Failures, d.Errors = d.Tests+s.Tests, d.Failures+s.Failures, d.Errors+s.Errors
}

func junitSuiteOf(v plumbline.Verdict, name string, checks []plumbline.Result) junitSuite {
	s := junitSuite{Name: name, Tests: len(checks), Timestamp: timestamp(v), Hostname: v.Worker}
	for _, p := range [][2]string{{"run", v.Run}, {"service", v.Service}, {"color", string(v.Color)}, {"version", v.Release.Version},
		{"trigger", string(v.Trigger)}, {"verdict", v.Outcome}} {
		if p[1] != "" {
			s.Properties = append(s.Properties, junitProperty{p[0], p[1]})
		}
	}
	var took time.Duration
	for _, c := range checks {
		took += time.Duration(c.Seconds)
		junit := junitCaseOf(c)
		s.Failures, s.Errors, s.Skipped = s.Failures+len(junit.Failures), s.Errors+len(junit.Errors), s.Skipped+len(junit.Skipped)
		s.Cases = append(s.Cases, junit)
	}
	s.Time = seconds(took)
	return s
}

func junitCaseOf(c plumbline.Result) junitCase {
	out := junitCase{Name: c.Name, Classname: c.Suite, Time: seconds(time.Duration(c.Seconds))}
	problem := []junitProblem{{Type: string(c.Class), Message: c.Reason, Text: story(c)}}
	if problem[0].Type == "" {
		problem[0].Type = string(c.Outcome)
	}
	switch {
	case c.Outcome == plumbline.Passed:
	case c.Outcome == plumbline.Skipped:
		out.Skipped = []junitProblem{{Message: c.Reason}}
	case c.Severity == plumbline.Advisory:
		out.Skipped = []junitProblem{{Type: "advisory", Message: "advisory: " + c.Reason}}
		out.Out = story(c)
	case c.Outcome == plumbline.Failed:
		out.Failures = problem
	default: // what is no outcome is no pass
		out.Errors = problem
	}
	if !c.Flaky {
		return out
	}
	for _, a := range c.Attempts {
		flaky := junitProblem{Type: string(a.Outcome), Message: a.Reason}
		switch a.Outcome {
		case plumbline.Failed:
			out.FlakyFailures = append(out.FlakyFailures, flaky)
		case plumbline.Errored:
			out.FlakyErrors = append(out.FlakyErrors, flaky)
		}
	}
	return out
}

// seconds are written without the separators of thousands that the schema allows.
func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", max(d, 0).Seconds()) }

func timestamp(v plumbline.Verdict) string {
	if v.StartedAt.IsZero() {
		return ""
	}
	return v.StartedAt.UTC().Format("2006-01-02T15:04:05")
}
