package checks_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
)

// signed is what a vendor sends, by its documentation.
func signed(kind, body string, at time.Time) http.Header {
	h, stamp := http.Header{}, fmt.Sprint(at.Unix())
	sum := func(parts ...string) []byte {
		mac := hmac.New(sha256.New, []byte("it is a secret"))
		for _, p := range parts {
			mac.Write([]byte(p))
		}
		return mac.Sum(nil)
	}
	switch kind {
	case "slack":
		h.Set("X-Slack-Request-Timestamp", stamp)
		h.Set("X-Slack-Signature", "v0="+hex.EncodeToString(sum("v0:"+stamp+":"+body)))
	case "standard-webhooks":
		h.Set("webhook-id", "msg_1")
		h.Set("webhook-timestamp", stamp)
		h.Set("webhook-signature", "v1a,other v1,"+base64.StdEncoding.EncodeToString(sum("msg_1."+stamp+"."+body)))
	case "hex":
		h.Set("X-Sig", "sha256="+strings.ToUpper(hex.EncodeToString(sum(body))))
	case "base64":
		h.Set("X-Sig", base64.StdEncoding.EncodeToString(sum(body)))
	}
	return h
}

func TestSignatures(t *testing.T) {
	kinds := map[string]string{
		"slack":             "{kind: slack, secret: key}",
		"standard-webhooks": "{kind: standard-webhooks, secret: key}",
		"hex":               "{kind: hmac, secret: key, header: X-Sig, prefix: sha256=}",
		"base64":            "{kind: hmac, secret: key, header: X-Sig, encoding: base64}",
	}
	for kind, signature := range kinds {
		for name, test := range map[string]struct {
			body  string
			at    time.Duration
			spoil func(http.Header)
			want  string // of kinds with a time alone where it begins with @
		}{
			"right":          {body: "{}"},
			"late":           {body: "{}", at: -5 * time.Minute},
			"too late":       {body: "{}", at: -5*time.Minute - time.Second, want: "@is 5m1s away from when it arrived, want at most 5m0s"},
			"too early":      {body: "{}", at: 6 * time.Minute, want: "@is 6m0s away"},
			"another body":   {body: "{ }", want: "was not made with the secret, or not of this body"},
			"nothing at all": {body: "{}", spoil: func(h http.Header) { clear(h) }, want: "is missing"},
			"no time":        {body: "{}", spoil: func(h http.Header) { h.Del("X-Slack-Request-Timestamp"); h.Del("webhook-timestamp") }, want: "@is missing"},
			"no number":      {body: "{}", spoil: func(h http.Header) { h.Set("X-Slack-Request-Timestamp", "noon"); h.Set("webhook-timestamp", "noon") }, want: "@is no time in seconds"},
			"a shorter one": {body: "{}", spoil: func(h http.Header) {
				for name := range h {
					if v := h.Get(name); strings.HasSuffix(name, "Signature") || name == "X-Sig" {
						h.Set(name, v[:len(v)-1])
					}
				}
			}, want: "was not made with the secret"},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				clients, m := waiting(t)
				header := signed(kind, "{}", noon.Add(test.at))
				if test.spoil != nil {
					test.spoil(header)
				}
				m.arrived <- checks.Received{At: noon, Header: header, Body: []byte(test.body)}
				check := "callback: {send: {post: /test, body: $(callback.url)}, signature: " + signature + "}"
				_, err := probe(t, compileWith(t, clients, check, checks.Names{Secrets: []string{"key"}}), askOf(serve(t, answering(200, "", "{}"))))
				want, timed := strings.CutPrefix(test.want, "@")
				if timed && (kind == "hex" || kind == "base64") {
					want = ""
				}
				switch {
				case want == "" && err != nil:
					t.Error(err)
				case want != "" && (!errors.Is(err, plumbline.ErrFailed) || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "the callback: signature: ")):
					t.Errorf("got %v, want %s", err, want)
				}
			})
		}
	}
}

// The example of the documents of Standard Webhooks, and Slack's own.
func TestSignaturesOfTheDocuments(t *testing.T) {
	for name, test := range map[string]struct {
		secret, body, signature string
		at                      int64
		header                  http.Header
	}{
		"standard webhooks": {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", `{"test": 2432232314}`, "{kind: standard-webhooks, secret: key}", 1614265330,
			http.Header{"Webhook-Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, "Webhook-Timestamp": {"1614265330"}, "Webhook-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}}},
		"slack": {"8f742231b10e8888abcd99yyyzzz85a5",
			"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
			"{kind: slack, secret: key}", 1531420618,
			http.Header{"X-Slack-Request-Timestamp": {"1531420618"}, "X-Slack-Signature": {"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"}}},
	} {
		t.Run(name, func(t *testing.T) {
			clients, m := waiting(t)
			clients.Secret = func(string) (checks.Secret, bool) { return checks.Secret{Value: test.secret}, true }
			m.arrived <- checks.Received{At: time.Unix(test.at, 0), Header: test.header, Body: []byte(test.body)}
			check := "callback: {send: {post: /test, body: $(callback.url)}, signature: " + test.signature + "}"
			if _, err := probe(t, compileWith(t, clients, check, checks.Names{Secrets: []string{"key"}}), askOf(serve(t, answering(200, "", "{}")))); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSignaturesAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"{kind: slak, secret: key}":                              `unknown kind of signature "slak" (did you mean "slack"?)`,
		"{secret: key}":                                          `unknown kind of signature ""`,
		"{kind: slack}":                                          "a signature without a secret",
		"{kind: slack, secret: kee}":                             `unknown secret "kee" (did you mean "key"?)`,
		"{kind: slack, secret: key, header: X}":                  "are of kind hmac alone",
		"{kind: hmac, secret: key}":                              "needs the header that it stands in",
		"{kind: hmac, secret: key, header: X, encoding: base32}": `unknown encoding "base32"`,
		"{kind: hmac, secret: key, header: X, hash: md5}":        `unknown hash "md5"`,
		"{kind: hmac, secret: key, header: X, hasch: sha1}":      `unknown key "hasch" (did you mean "hash"?)`,
		"slack": "want a map",
	} {
		_, problems := tryCompileWith(t, clientsOf(t), "callback: {send: {post: /test, body: $(callback.url)}, signature: "+text+"}", checks.Names{Secrets: []string{"key"}})
		if len(problems) == 0 || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, problems, want)
		}
	}
}
