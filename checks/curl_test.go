package checks_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/suites"
)

// curler is what the command needs of a prober.
type curler interface {
	Curl(plumbline.Ask, plumbline.Result) string
}

// curlOf is the command of the last check of a suite.
func curlOf(t *testing.T, url, text string, r plumbline.Result) string {
	t.Helper()
	const secret = "hunter2 is the secret"
	list := []checks.Connection{
		{Name: "plum-api", Kind: checks.OAuth2, TokenURL: "/token", ClientID: "plum", Secret: func() string { return secret }},
		{Name: "desk", Kind: checks.Basic, Username: "ada", Secret: func() string { return secret }},
		{Name: "keyed", Kind: checks.Header, Header: "X-Api-Key", Secret: func() string { return secret }},
		{Name: "aws", Kind: checks.SigV4, Secret: func() string { return secret }, AWS: &checks.AWS{Region: "eu-central-1", Service: "execute-api"}},
	}
	connections := checks.NewConnections(list, nil, nil)
	suite, err := suites.Parse("s.yaml", []byte("suite: s\nchecks:\n"+text), suites.Options{
		Kinds: checks.Kinds(checks.Clients{Connections: connections, Secret: func(string) (checks.Secret, bool) {
			return checks.Secret{Value: secret, Hosts: []string{"elsewhere"}}, true
		}}),
		Connections: connections.Names(), Secrets: []string{"key"},
	})
	if err != nil {
		t.Fatal(err)
	}
	ask := plumbline.Ask{Site: plumbline.Site{URL: url}, Run: "run-1", Captures: map[string]any{"id": "captured secret"}}
	command := suite.Checks[len(suite.Checks)-1].Prober.(curler).Curl(ask, r)
	if strings.Contains(command, "hunter2") || strings.Contains(command, "captured") {
		t.Errorf("the command has a secret: %s", command)
	}
	return command
}

func TestCurl(t *testing.T) {
	for name, c := range map[string]struct{ check, want string }{
		"get":            {"- get: /healthz", "curl -sS -i http://plum/healthz"},
		"head":           {"- head: /healthz", "curl -sS --head http://plum/healthz"},
		"query":          {`- {get: /a, query: {q: "it's & $HOME"}}`, "curl -sS -i 'http://plum/a?q=it%27s+%26+%24HOME'"},
		"bearer":         {"- {get: /a, auth: plum-api}", `curl -sS -i -H "Authorization: Bearer $PLUM_API_TOKEN" http://plum/a`},
		"basic":          {"- {get: /a, auth: desk}", `curl -sS -i -u "ada:$DESK_PASSWORD" http://plum/a`},
		"header":         {"- {get: /a, auth: keyed}", `curl -sS -i -H "X-Api-Key: $KEYED_VALUE" http://plum/a`},
		"aws":            {"- {get: /a, auth: aws}", `curl -sS -i --aws-sigv4 aws:amz:eu-central-1:execute-api -u "$AWS_ACCESS_KEY:$AWS_SECRET_KEY" http://plum/a`},
		"secret":         {"- {get: /a, headers: {X-Key: v1$(secrets.key)}}", `curl -sS -i -H "X-Key: v1$SECRETS_KEY" http://plum/a`},
		"run":            {"- {get: /a/$(run.id)}", "curl -sS -i http://plum/a/run-1"},
		"follow":         {"- {get: /a, follow: true}", "curl -sS -i --location http://plum/a"},
		"release":        {"- {get: /a/$(release.version)}", ""}, // not known, so nothing can be sent
		"form":           {"- {post: /a, form: {k: $(secrets.key)}}", `curl -sS -i -X POST -H 'Content-Type: application/x-www-form-urlencoded' --data-raw "k=$SECRETS_KEY" http://plum/a`},
		"body":           {`- {post: /a, body: "it's ` + "`$HOME`" + ` $(secrets.key)!"}`, `curl -sS -i -X POST -H 'Content-Type: text/plain; charset=utf-8' --data-raw 'it'\''s ` + "`$HOME`" + ` '"$SECRETS_KEY"'!' http://plum/a`},
		"variable glued": {"- {get: /a, headers: {X-Key: $(secrets.key)_b}}", `curl -sS -i -H "X-Key: ${SECRETS_KEY}_b" http://plum/a`},
		"capture": {"- {get: /a, name: a, capture: {id: $.id}}\n- {post: /b/$(captures.id), json: {id: $(captures.id)}}",
			`curl -sS -i -X POST -H 'Content-Type: application/json' --data-raw '{"id":"'"$CAPTURES_ID"'"}' "http://plum/b/$CAPTURES_ID"`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := curlOf(t, "http://plum", c.check, plumbline.Result{}); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestCurlOfTheStepThatWentWrong(t *testing.T) {
	steps := "- effect: none\n  name: s\n  steps:\n    - get: /one\n    - get: /two\n    - get: /three"
	r := plumbline.Result{Steps: []plumbline.StepResult{{Outcome: plumbline.Passed}, {Outcome: plumbline.Failed}, {Outcome: plumbline.Skipped}}}
	if got := curlOf(t, "http://plum", steps, r); got != "curl -sS -i http://plum/two" {
		t.Errorf("got %s", got)
	}
	if got := curlOf(t, "http://plum", steps, plumbline.Result{}); got != "" {
		t.Errorf("nothing went wrong, got %s", got)
	}
}

// TestCurlSendsTheSame lets a real shell and curl send what a check sends.
func TestCurlSendsTheSame(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl here")
	}
	var body map[string]string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		body["key"], body["query"] = r.Header.Get("X-Key"), r.URL.Query().Get("q")
	}))
	defer server.Close()
	const nasty = "a \"b\" 'c' `d` $HOME \\ ! é"
	quoted, err := json.Marshal(nasty)
	if err != nil {
		t.Fatal(err)
	}
	command := curlOf(t, server.URL, `- {post: /a, query: {q: `+string(quoted)+`}, headers: {X-Key: $(secrets.key)}, json: {t: `+string(quoted)+`}}`, plumbline.Result{})
	shell := exec.Command("sh", "-c", command)
	shell.Env = []string{"SECRETS_KEY=from the shell", "PATH=/usr/bin:/bin"}
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%s\n%s", command, out)
	}
	if body["t"] != nasty || body["query"] != nasty || body["key"] != "from the shell" {
		t.Errorf("%s\nsent %v", command, body)
	}
}
