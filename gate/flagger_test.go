package gate_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/gate"
)

// about is the body that Flagger sends, as it marshals it.
func about(metadata string) string {
	return `{"name":"plum","namespace":"shop","phase":"WaitingPromotion","checksum":"85d557f47b","buildId":"","type":"confirm-promotion",` +
		`"failedChecks":0,"canaryWeight":0,"iterations":0,"remainingTime":0,"metadata":` + metadata + `}`
}

func TestFlaggerConfirm(t *testing.T) {
	v2 := about(`{"version":"v2"}`)
	observe := func(h *house) { failing(h); h.policy.ObserveUntil = noon.Add(time.Hour) }
	for name, c := range map[string]struct {
		happens func(*house)
		path    string
		body    string
		status  int
		text    string
	}{
		"passed":                       {nil, "green", v2, 200, "open: v2"},
		"the release":                  {nil, "green", about(`{"release":"v2"}`), 200, "open"},
		"digest and event":             {nil, "green", about(`{"version":"v2","digest":"sha256:2","event":"rel-2"}`), 200, "open"},
		"metadata of an event hook":    {nil, "green", about(`{"version":"v2","eventMessage":"m","eventType":"Normal","timestamp":"1"}`), 200, "open"},
		"only the metadata":            {nil, "green", `{"metadata":{"version":"v2"}}`, 200, "open"},
		"failed":                       {failing, "green", v2, 403, "closed: login answered 503, want 200"},
		"undecided":                    {undecided, "green", v2, 403, "waiting: v2"},
		"observing":                    {observe, "green", v2, 200, "OBSERVING"},
		"another version":              {nil, "green", about(`{"version":"v3"}`), 403, "waiting: v3 was never released"},
		"an older version":             {nil, "green", about(`{"version":"v0"}`), 403, "closed"},
		"another digest":               {nil, "green", about(`{"version":"v2","digest":"sha256:3"}`), 403, "closed"},
		"for a rollback":               {nil, "green", about(`{"version":"v2","purpose":"rollback"}`), 403, "closed"},
		"no version":                   {nil, "green", about(`{"digest":"sha256:2"}`), 403, "metadata.version is missing"},
		"an empty version":             {nil, "green", about(`{"version":""}`), 403, "version is empty"},
		"no metadata":                  {nil, "green", `{"name":"plum"}`, 403, "metadata.version is missing"},
		"null metadata":                {nil, "green", about("null"), 403, "metadata.version is missing"},
		"version and release differ":   {nil, "green", about(`{"version":"v2","release":"v3"}`), 403, "they mean the same"},
		"a typo":                       {nil, "green", about(`{"version":"v2","digset":"sha256:3"}`), 403, `did you mean "digest"?`},
		"in capitals":                  {nil, "green", about(`{"version":"v2","Digest":"sha256:3"}`), 403, `did you mean "digest"?`},
		"twice":                        {nil, "green", about(`{"version":"v2","version":"v2"}`), 403, "named twice"},
		"a number":                     {nil, "green", about(`{"version":2}`), 400, "version is no string"},
		"a list":                       {nil, "green", about(`["v2"]`), 400, "want a JSON object"},
		"no JSON":                      {nil, "green", `version=v2`, 400, "no JSON object"},
		"nothing":                      {nil, "green", ``, 400, "no JSON object"},
		"a query":                      {nil, "green/confirm?version=v2", v2, 400, "put parameters into metadata"},
		"too large":                    {nil, "green", about(`{"version":"v2","x":"` + strings.Repeat("x", gate.MaxBody) + `"}`), 413, "more than 65536 bytes"},
		"another color":                {nil, "purple", v2, 404, "not configured"},
		"cut off":                      {cutOff, "green", v2, 403, "cut off from the bus"},
		"the live color with its own":  {nil, "blue", about(`{"version":"v1"}`), 200, "open: blue is live"},
		"the live color with green's":  {nil, "blue", v2, 403, "waiting"},
		"a service nobody vouched for": {func(h *house) { h.record.Adopted = false }, "green", v2, 403, "closed"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.happens == nil {
				c.happens = func(*house) {}
			}
			path := "/v1/gates/plum/" + c.path
			if !strings.Contains(path, "confirm") {
				path += "/confirm"
			}
			status, body := build(t, c.happens).ask(http.MethodPost, path, c.body, "Content-Type", "application/json")
			if status != c.status || !strings.Contains(body, c.text) {
				t.Errorf("answered %d %q, want %d %q", status, body, c.status, c.text)
			}
			if strings.HasPrefix(body, "{") || strings.Count(body, "\n") != 1 {
				t.Errorf("Flagger shows %q, want a line of text", body)
			}
		})
	}
}

func TestFlaggerRollback(t *testing.T) {
	verdict := func(outcome string, cause plumbline.Cause, attribution plumbline.Attribution) func(*house) {
		return func(h *house) { h.says(green, outcome, cause, attribution) }
	}
	live := func(outcome string, cause plumbline.Cause, attribution plumbline.Attribution) func(*house) {
		return func(h *house) {
			h.record.Live = green
			h.says(green, outcome, cause, attribution)
			h.change(green, func(s *plumbline.ColorState) { s.Last.Trigger = plumbline.TriggerSwitched })
		}
	}
	const fail, checks = plumbline.Fail, plumbline.CauseChecks
	v2 := `{"version":"v2"}`
	for name, c := range map[string]struct {
		happens  func(*house)
		metadata string
		status   int
		text     string
	}{
		"its checks failed":               {verdict(fail, checks, "unknown"), v2, 200, "roll back: login answered 503, want 200"},
		"its own checks failed":           {verdict(fail, checks, "release"), v2, 200, "roll back"},
		"the live color fails as well":    {verdict(fail, checks, "shared"), v2, 403, "the other color fails as well"},
		"passed":                          {verdict(plumbline.Pass, "", ""), v2, 403, "the last verdict is a pass"},
		"superseded":                      {verdict(fail, plumbline.CauseSuperseded, ""), v2, 403, "isn't about its checks"},
		"deadline":                        {verdict(fail, plumbline.CauseDeadline, ""), v2, 403, "isn't about its checks"},
		"unfinished":                      {verdict(fail, plumbline.CauseUnfinished, ""), v2, 403, "isn't about its checks"},
		"refused":                         {verdict(fail, plumbline.CauseRefused, ""), v2, 403, "isn't about its checks"},
		"a strange outcome":               {verdict("", checks, ""), v2, 403, "isn't about its checks"},
		"no verdict":                      {undecided, v2, 403, "no verdict about this deployment"},
		"a verdict about another":         {func(h *house) { failing(h); h.change(green, func(s *plumbline.ColorState) { s.Deployment++ }) }, v2, 403, "no verdict about this deployment"},
		"live, and advised":               {live(fail, checks, "unknown"), v2, 200, "roll back"},
		"live, and the standby fails too": {live(fail, checks, "shared"), v2, 403, "the other color fails as well"},
		"live, and passed":                {live(plumbline.Pass, "", ""), v2, 403, "a pass"},
		"observing, and failed":           {func(h *house) { failing(h); h.policy.ObserveUntil = noon.Add(time.Hour) }, v2, 200, "roll back"},
		"asked about another version":     {failing, `{"version":"v3"}`, 403, "v3 was asked about"},
		"advised, but asked of another":   {live(fail, checks, "unknown"), `{"version":"v1"}`, 403, "v1 was asked about"},
		"live, advised, no version":       {live(fail, checks, "unknown"), `{}`, 200, "roll back"},
		"live, passed, no version":        {live(plumbline.Pass, "", ""), `{}`, 403, "metadata.version is missing"},
		"asked about another digest":      {failing, `{"version":"v2","digest":"sha256:3"}`, 403, "was asked about"},
		"asked about another event":       {failing, `{"version":"v2","event":"rel-0"}`, 403, "was asked about"},
		"no version":                      {failing, `{}`, 403, "metadata.version is missing"},
		"a typo":                          {failing, `{"version":"v2","evnt":"rel-0"}`, 403, `did you mean "event"?`},
		"cut off":                         {func(h *house) { failing(h); cutOff(h) }, v2, 403, "cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := build(t, c.happens).ask(http.MethodPost, "/v1/gates/plum/green/rollback", about(c.metadata))
			if status != c.status || !strings.Contains(body, c.text) {
				t.Errorf("answered %d %q, want %d %q", status, body, c.status, c.text)
			}
		})
	}
	if status, body := build(t, failing).ask(http.MethodPost, "/v1/gates/pear/green/rollback", about(v2)); status != 404 {
		t.Errorf("another service is answered %d %q, want 404", status, body)
	}
}
