package gate_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/gate"
)

func TestAnswerNATS(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		gate plumbline.GateState
		err  error
		text string
	}{
		"nothing":                    {"", "open", nil, "passed"},
		"an empty object":            {" {} ", "open", nil, "passed"},
		"its version":                {`{"version":"v2"}`, "open", nil, "passed"},
		"its release":                {`{"release":"v2"}`, "open", nil, "passed"},
		"all of it":                  {`{"version":"v2","digest":"sha256:2","purpose":"promote","event":"rel-2"}`, "open", nil, "passed"},
		"as a struct writes it":      {`{"version":"v2","digest":"","purpose":"","event":""}`, "open", nil, "passed"},
		"another version":            {`{"version":"v3"}`, "waiting", nil, "never released"},
		"another digest":             {`{"version":"v2","digest":"sha256:3"}`, "closed", nil, "runs digest"},
		"for a rollback":             {`{"purpose":"rollback"}`, "closed", nil, "no standby"},
		"a typo":                     {`{"verison":"v2"}`, "", gate.ErrQuestion, `did you mean "version"?`},
		"in capitals":                {`{"Version":"v3"}`, "", gate.ErrQuestion, `did you mean "version"?`},
		"twice":                      {`{"version":"v3","version":"v2"}`, "", gate.ErrQuestion, "named twice"},
		"twice, with an escape":      {`{"version":"v3","versio\u006e":"v2"}`, "", gate.ErrQuestion, "named twice"},
		"an unknown purpose":         {`{"purpose":"canary"}`, "", gate.ErrQuestion, "unknown purpose"},
		"a number":                   {`{"version":2}`, "", gate.ErrQuestion, "version is no string"},
		"null":                       {`{"version":null}`, "", gate.ErrQuestion, "version is no string"},
		"an object in it":            {`{"version":{"v":"v2"}}`, "", gate.ErrQuestion, "version is no string"},
		"a list":                     {`[]`, "", gate.ErrQuestion, "want a JSON object"},
		"only null":                  {`null`, "", gate.ErrQuestion, "want a JSON object"},
		"more behind it":             {`{"version":"v2"}{"version":"v3"}`, "", gate.ErrQuestion, "no JSON"},
		"half an object":             {`{"version":"v2"`, "", gate.ErrQuestion, "no JSON"},
		"no JSON":                    {`version=v2`, "", gate.ErrQuestion, "no JSON"},
		"an empty version":           {`{"version":""}`, "", gate.ErrQuestion, "version is empty"},
		"version and release differ": {`{"version":"v2","release":"v3"}`, "", gate.ErrQuestion, "they mean the same"},
		"too large":                  {`{"version":"` + strings.Repeat("v", gate.MaxBody) + `"}`, "", gate.ErrQuestion, "want at most 65536"},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := build(t).gate.AnswerNATS(t.Context(), "plum", "green", []byte(c.body))
			if !errors.Is(err, c.err) || (err != nil) != (c.err != nil) {
				t.Fatalf("answered %q, %v, want %v", answer, err, c.err)
			}
			if err != nil {
				if answer != nil || !strings.Contains(err.Error(), c.text) {
					t.Errorf("answered %q, %v, want %q", answer, err, c.text)
				}
				return
			}
			var doc plumbline.Gate
			if err := json.Unmarshal(answer, &doc); err != nil || doc.Gate != c.gate || !strings.Contains(doc.Reason, c.text) {
				t.Errorf("answered %s (%v), want %s, %q", answer, err, c.gate, c.text)
			}
		})
	}
}

func TestAnswerNATSKnowsItsServices(t *testing.T) {
	h := build(t)
	for _, c := range [][2]string{{"pear", "green"}, {"plum", "purple"}, {"plum", ""}, {"", "green"}} {
		if answer, err := h.gate.AnswerNATS(t.Context(), c[0], c[1], nil); !errors.Is(err, gate.ErrUnknown) || answer != nil {
			t.Errorf("%q is answered %q, %v, want ErrUnknown", c, answer, err)
		}
	}
}

func TestAnswerNATSIsSilentWhenItEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if answer, err := build(t).gate.AnswerNATS(ctx, "plum", "green", nil); !errors.Is(err, gate.ErrCutOff) || answer != nil {
		t.Errorf("answered %q, %v, want ErrCutOff", answer, err)
	}
}

// Whatever is sent, a gate isn't open unless the document that a plain decoder reads names what runs there, or nothing.
func FuzzAnswerNATS(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{"version":"v2"}`, `{"version":"v3","version":"v2"}`, `{"Version":"v3"}`, `{"digest":"sha256:3"}`, `[{}]`, `{"purpose":"rollback"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		answer, err := build(t).gate.AnswerNATS(t.Context(), "plum", "green", body)
		if err != nil {
			return
		}
		var doc plumbline.Gate
		if err := json.Unmarshal(answer, &doc); err != nil {
			t.Fatal(err)
		}
		var named struct{ Version, Release, Digest, Event, Purpose string }
		_ = json.Unmarshal(body, &named)
		if doc.Gate == plumbline.GateOpen && (named.Version+named.Release != "" && named.Version != "v2" && named.Release != "v2" ||
			named.Digest != "" && named.Digest != "sha256:2" || named.Event != "" && named.Event != "rel-2" || named.Purpose == "rollback") {
			t.Errorf("%q opened the gate: %s", body, answer)
		}
	})
}
