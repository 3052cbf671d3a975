package checks_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/coder/websocket"
	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/runner"
)

// obeyed clears a screen, sets a title and a clipboard, rings, breaks lines, and turns the direction of what follows.
const obeyed = "\x1b[2J\x1b]0;owned\x07\r\n\u009b2J\u2028\u202e\u2066\u200e \x1b]52;c;b3duZWQ=\x07 end"

// Whatever an environment writes into its answers, a terminal shows it and obeys none of it.
func TestAnswersAreShownAndNotObeyed(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/socket" {
			if c, err := websocket.Accept(w, r, nil); err == nil {
				_ = c.Close(4001, obeyed)
			}
			return
		}
		w.Header().Set("X-Node", "\u009b2J\u202e end")
		_, _ = w.Write([]byte(obeyed))
	})
	for name, check := range map[string]string{
		"close reason": `{websocket: /socket, expect: {body: x}}`,
		"body":         `{get: /, expect: {body: fine}}`,
		"header":       `{get: /, expect: {headers.X-Node: n1}}`,
		"in a step":    `{steps: [{get: /, expect: {body: fine}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			compiled := compile(t, clientsOf(t), check)
			plan := plumbline.Plan{Run: "run1", Site: plumbline.Site{URL: url}, Checks: []plumbline.Check{
				{Name: name, Suite: "s", Severity: plumbline.Critical, Prober: compiled.Prober}}}
			r := runner.New(runner.Options{}).Run(t.Context(), plan, runner.Watcher{})[0]
			if r.Outcome != plumbline.Failed || !strings.Contains(r.Reason, `\u009b2J`) || !strings.Contains(r.Reason, "end") {
				t.Errorf("%s %q, want failed and the answer in visible words", r.Outcome, r.Reason)
			}
			said := append([]string{r.Reason, strings.ReplaceAll(r.Detail, "\n", ""), r.Attempts[0].Reason,
				plumbline.Judge(plan, []plumbline.Result{r}, time.Now()).Reason}, r.Warnings...)
			for _, step := range r.Steps {
				said = append(said, step.Reason)
			}
			for _, text := range said {
				if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("a terminal obeys some of %q", text)
				}
			}
			if isHTTP := !strings.Contains(check, "websocket"); isHTTP && !strings.Contains(r.Detail, `\u001b[2J\u001b]0;owned\u0007`+"\n") {
				t.Errorf("the answer is %q", r.Detail)
			}
		})
	}
}
