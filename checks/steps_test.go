package checks_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline"
)

const scenario = `
name: login and order
steps:
  - name: login
    post: /login
    capture: {id: $.id}
  - get: /orders/$(captures.id)
    expect: {$.user: ann}
    capture: {order: $.order}
  - name: bye
    delete: /orders/$(captures.order)
`

func shopWithLogin(broken string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch cookie, err := r.Cookie("session"); {
		case r.URL.Path == broken:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/login" && err == nil:
			w.WriteHeader(http.StatusConflict) // a cookie of another scenario
		case r.URL.Path == "/login":
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "ann", Path: "/"})
			_, _ = fmt.Fprint(w, `{"id":7}`)
		case err != nil:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			_, _ = fmt.Fprintf(w, `{"user":"%s","order":"%s"}`, cookie.Value, strings.TrimPrefix(r.URL.Path, "/orders/"))
		}
	}
}

func TestSteps(t *testing.T) {
	url := serve(t, shopWithLogin(""))
	check := compile(t, clientsOf(t), scenario)
	if check.Effect != plumbline.EffectLasting || len(check.Captures) != 2 || len(check.Uses) != 0 {
		t.Errorf("effect %s, captures %v, uses %v", check.Effect, check.Captures, check.Uses)
	}
	for range 2 { // cookies begin anew
		answer, err := probe(t, check, askOf(url))
		if err != nil || answer.Captures["id"] != jsonNumber("7") || answer.Captures["order"] != "7" || answer.Status != 200 {
			t.Fatalf("got %+v, %v", answer, err)
		}
		if got := outcomes(answer); got != "login passed, GET /orders/$(captures.id) passed, bye passed" {
			t.Errorf("steps: %s", got)
		}
	}
}

func TestStepsStopAtTheFirstThatIsWrong(t *testing.T) {
	url := serve(t, shopWithLogin("/orders/7"))
	answer, err := probe(t, compile(t, clientsOf(t), scenario), askOf(url))
	want := "step 2, GET /orders/$(captures.id), line 7: status: got 503, want 2xx; body: nothing is there, want JSON"
	if !errors.Is(err, plumbline.ErrFailed) || err.Error() != want || answer.Status != 503 || answer.Captures != nil {
		t.Errorf("got %v, status %d, captures %v, want %s", err, answer.Status, answer.Captures, want)
	}
	if got := outcomes(answer); got != "login passed, GET /orders/$(captures.id) failed, bye skipped" {
		t.Errorf("steps: %s", got)
	}
	if step := answer.Steps[1]; step.Place != "check:7" || step.Seconds <= 0 || !strings.HasPrefix(step.Reason, "status: got 503") {
		t.Errorf("got %+v", step)
	}
	_, err = probe(t, compile(t, clientsOf(t), scenario), askOf("http://127.0.0.1:1"))
	if err == nil || errors.Is(err, plumbline.ErrFailed) || !strings.HasPrefix(err.Error(), "step 1, login, line 4: POST http://127.0.0.1:1/login: connection refused") {
		t.Errorf("got %v, want it errored", err)
	}
}

func TestEffects(t *testing.T) {
	for check, want := range map[string]plumbline.Effect{
		"{get: /}": plumbline.EffectNone, "{head: /}": plumbline.EffectNone, "{options: /}": plumbline.EffectNone,
		"{post: /}": plumbline.EffectLasting, "{delete: /}": plumbline.EffectLasting, "{http: {method: patch, url: /}}": plumbline.EffectLasting,
		"{steps: [{get: /}]}": plumbline.EffectNone, "{steps: [{get: /}, {post: /}, {get: /a}]}": plumbline.EffectLasting,
		"{steps: [{post: /, effect: none}]}": plumbline.EffectNone,
	} {
		if got := compile(t, clientsOf(t), check).Effect; got != want {
			t.Errorf("%s: got %s, want %s", check, got, want)
		}
	}
}

func outcomes(a plumbline.Answer) string {
	var all []string
	for _, s := range a.Steps {
		all = append(all, s.Name+" "+string(s.Outcome))
	}
	return strings.Join(all, ", ")
}
