package redact_test

import (
	"testing"

	"github.com/plumbline-dev/plumbline/internal/redact"
)

func TestKeeperForgetsNothing(t *testing.T) {
	k := redact.NewKeeper("first-secret")
	then := k.Redactor()
	k.Learn("second-secret", "first-secret")
	for text, want := range map[string]string{"a first-secret": "a [redacted]", "a second-secret": "a [redacted]", "a third-secret": "a third-secret"} {
		if got := k.String(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	if got := then.String("a second-secret"); got != "a second-secret" {
		t.Errorf("a redactor that was taken before changed: %q", got)
	}
	if got := (*redact.Keeper)(nil).String("x"); got != "x" {
		t.Errorf("nil made %q of x", got)
	}
}
