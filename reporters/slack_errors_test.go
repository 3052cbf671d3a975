package reporters_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline/internal/redact"
	"github.com/plumbline-dev/plumbline/reporters"
)

func TestSlackWebhookErrors(t *testing.T) {
	answer := func(status int, body string, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i+1 < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			fmt.Fprint(w, strings.ReplaceAll(body, "URL", r.URL.String()))
		}
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		text   string
		retry  bool
		after  time.Duration
	}{
		{"removed", answer(404, "no_service"), "slack answered 404 no_service, want 200 (the webhook was removed: make a new one)", false, 0},
		{"bad payload", answer(400, "invalid_payload"), "slack answered 400 invalid_payload, want 200", false, 0},
		{"too many", answer(429, "", "Retry-After", "7"), "slack answered 429, want 200", true, 7 * time.Second},
		{"too many, until a date", answer(429, "", "Retry-After", noon.Add(time.Minute).Format(http.TimeFormat)), "slack answered 429, want 200", true, time.Minute},
		{"too many, who knows", answer(429, "", "Retry-After", "soon"), "slack answered 429, want 200", true, 0},
		{"down", answer(503, "<html>"), "slack answered 503, want 200", true, 0},
		{"echoes the URL", answer(500, "cannot serve URL"), "slack answered 500, want 200", true, 0},
		{"redirect", answer(302, "", "Location", "/elsewhere"), "slack answered 302, want 200", false, 0},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "slack: EOF", true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url, _ := webhook(t, tt.answer)
			err := newSlack(t, reporters.SlackSettings{Webhook: url}).Report(t.Context(), reporters.Report{Verdict: verdict(nil)})
			if err == nil || err.Error() != tt.text {
				t.Fatalf("got %v, want %s", err, tt.text)
			}
			if leak := redact.Leaks(fmt.Sprintf("%v %+v %#v", err, err, err), url); leak != "" {
				t.Error(leak)
			}
			if retry, after := reporters.Retryable(fmt.Errorf("wrapped: %w", err)); retry != tt.retry || after != tt.after {
				t.Errorf("retryable %t after %s, want %t after %s", retry, after, tt.retry, tt.after)
			}
		})
	}
}

func TestSlackGivesUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		start := time.Now()
		err := newSlack(t, reporters.SlackSettings{Webhook: "https://hooks.slack.test/services/s3cr3ts3cr3ts3cr3t", Client: client}).
			Report(t.Context(), reporters.Report{Verdict: verdict(nil)})
		if retry, _ := reporters.Retryable(err); !retry {
			t.Errorf("got %v, want an error worth another try", err)
		}
		if took := time.Since(start); took != 15*time.Second {
			t.Errorf("gave up after %s, want 15s", took)
		}
	})
}

func TestSlackDialErrorsHideTheURL(t *testing.T) {
	const url = "https://hooks.slack.test/services/T000/B000/s3cr3ts3cr3ts3cr3t"
	client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route for " + r.URL.String())}
	})}
	err := newSlack(t, reporters.SlackSettings{Webhook: url, Client: client}).Report(t.Context(), reporters.Report{Verdict: verdict(nil)})
	if want := "slack: dial tcp: no route for [redacted]"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSlackBotErrors(t *testing.T) {
	tests := []struct {
		name   string
		status int
		header string
		body   string
		text   string
		retry  bool
		after  time.Duration
	}{
		{"bad token", 200, "", `{"ok":false,"error":"invalid_auth"}`, "slack refused the message: invalid_auth (make a new token)", false, 0},
		{"not invited", 200, "", `{"ok":false,"error":"not_in_channel"}`, "slack refused the message: not_in_channel (invite the bot to the channel)", false, 0},
		{"ill", 200, "", `{"ok":false,"error":"internal_error"}`, "slack refused the message: internal_error", true, 0},
		{"too many", 429, "3", "", "slack answered 429: too many messages", true, 3 * time.Second},
		{"too many, who knows", 429, "", "", "slack answered 429, want 200", true, 0},
		{"down", 502, "", "<html>", "slack answered 502, want 200", true, 0},
		{"no JSON", 200, "", "<html>", "slack: invalid character '<' looking for beginning of value", true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			}))
			defer server.Close()
			reporter := newSlack(t, reporters.SlackSettings{Token: "xoxb-1-secret", Channel: "#releases", API: server.URL + "/"})
			err := reporter.Report(t.Context(), reporters.Report{Verdict: verdict(nil)})
			if err == nil || err.Error() != tt.text {
				t.Fatalf("got %v, want %s", err, tt.text)
			}
			if retry, after := reporters.Retryable(err); retry != tt.retry || after != tt.after {
				t.Errorf("retryable %t after %s, want %t after %s", retry, after, tt.retry, tt.after)
			}
		})
	}
}

func TestNewSlackRefuses(t *testing.T) {
	now := func() time.Time { return noon }
	tests := []struct {
		name     string
		settings reporters.SlackSettings
		text     string
	}{
		{"zero", reporters.SlackSettings{}, "slack: want an HTTP client and a clock"},
		{"no way out", reporters.SlackSettings{}, "slack: neither webhook nor token, want one of them"},
		{"two ways out", reporters.SlackSettings{Webhook: "https://x/y", Token: "t", Channel: "c"}, "slack: both webhook and token, want one of them"},
		{"token without channel", reporters.SlackSettings{Token: "t"}, "slack: a token without a channel: add channel"},
		{"webhook with channel", reporters.SlackSettings{Webhook: "https://x/y", Channel: "c"}, "slack: a webhook has its channel already: remove channel"},
		{"no URL", reporters.SlackSettings{Webhook: "s3cr3t\x00"}, "slack: the webhook is no absolute URL"},
		{"too many mentions", reporters.SlackSettings{Webhook: "https://x/y", MentionOnFailure: make([]string, 21)}, "slack: 21 mentions, want at most 20: name a user group"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name != "zero" {
				tt.settings.Client, tt.settings.Now = &http.Client{}, now
			}
			if _, err := reporters.NewSlack(tt.settings); err == nil || err.Error() != tt.text {
				t.Errorf("got %v, want %s", err, tt.text)
			}
		})
	}
}
