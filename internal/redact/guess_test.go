package redact_test

import (
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/redact"
)

func TestGuess(t *testing.T) {
	const hidden = "hunter2-Zk93&x"
	for text, want := range map[string]string{
		`{"password": "hunter2-Zk93&x", "user":"ann"}`:                `{"password": [redacted], "user":"ann"}`,
		`{"api_key":"a\"hunter2-Zk93&x"}`:                             `{"api_key":[redacted]}`,
		`{"nested":"{\"clientSecret\":\"hunter2-Zk93&x\",\"n\":1}"}`:  `{"nested":"{\"clientSecret\":[redacted],\"n\":1}"}`,
		"token=hunter2-Zk93 version=2":                                "token=[redacted] version=2",
		"Authorization: Bearer hunter2-Zk93 and more":                 "Authorization: [redacted] and more",
		"sent with bearer hunter2-Zk93":                               "sent with bearer [redacted]",
		"https://ann:hunter2-Zk93@host.test/x":                        "https://ann:[redacted]@host.test/x",
		`{"access_token":"hunter2-Zk93`:                               `{"access_token":[redacted]`,
		"nothing to hide: 2026.11.3 on green, https://host.test:80/x": "nothing to hide: 2026.11.3 on green, https://host.test:80/x",
	} {
		if got := redact.Guess(text); got != want || strings.Contains(got, hidden[:7]) {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
	for name, want := range map[string]bool{"Authorization": true, "X-Api-Key": true, "Set-Cookie": true, "X-Amz-Security-Token": true, "Ce-Id": false, "Content-Type": false} {
		if redact.IsDelicate(name) != want {
			t.Errorf("%s: %t, want %t", name, !want, want)
		}
	}
}
