package reporters

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/plumbline-dev/plumbline/internal/redact"
)

// SlackSettings say where a Slack reporter writes, and how: to an incoming webhook, or with a bot's token to a channel.
type SlackSettings struct {
	Webhook string // the whole URL is a secret
	Token   string // of a bot with chat:write
	Channel string // #name or id, with a token

	// MentionOnFailure are whom a fail calls: @here, @channel, ids (U…, W…, S…) or @handle of a user group.
	MentionOnFailure []string

	Client *http.Client // required; redirects and cookies of it are not used
	Now    func() time.Time
	API    string           // of another workspace host, with a slash at the end; "" is slack.com
	Redact *redact.Redactor // what no message may contain
}

// Slack writes one message per run. It holds no secret that could be printed.
type Slack struct {
	post    func(ctx context.Context, m message) error
	mention []string
	redact  *redact.Redactor
}

// A message is what Slack shows: blocks, and a text for notifications and screen readers.
type message struct {
	text   string
	blocks []slack.Block
}

const (
	slackTimeout = 15 * time.Second
	slackAnswer  = 64 << 10 // bytes of an answer that are read
	maxMentions  = 20
)

// NewSlack refuses settings that can't work.
func NewSlack(s SlackSettings) (*Slack, error) {
	switch {
	case s.Client == nil || s.Now == nil:
		return nil, errors.New("slack: want an HTTP client and a clock")
	case s.Webhook == "" && s.Token == "":
		return nil, errors.New("slack: neither webhook nor token, want one of them")
	case s.Webhook != "" && s.Token != "":
		return nil, errors.New("slack: both webhook and token, want one of them")
	case s.Webhook != "" && s.Channel != "":
		return nil, errors.New("slack: a webhook has its channel already: remove channel")
	case s.Token != "" && s.Channel == "":
		return nil, errors.New("slack: a token without a channel: add channel")
	case len(s.MentionOnFailure) > maxMentions:
		return nil, fmt.Errorf("slack: %d mentions, want at most %d: name a user group", len(s.MentionOnFailure), maxMentions)
	}
	client := *s.Client
	client.Jar = nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Transport = capped{client.Transport}
	reporter := &Slack{mention: s.MentionOnFailure, redact: s.Redact}
	if s.Webhook == "" {
		reporter.post = botPoster(s, &client)
		return reporter, nil
	}
	u, err := url.Parse(s.Webhook)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("slack: the webhook is no absolute URL")
	}
	reporter.post = webhookPoster(s, &client)
	return reporter, nil
}

// Report writes one message about the run.
func (s *Slack) Report(ctx context.Context, r Report) error {
	ctx, cancel := context.WithTimeout(ctx, slackTimeout)
	defer cancel()
	return s.post(ctx, s.render(summarize(r)))
}

func botPoster(s SlackSettings, client *http.Client) func(context.Context, message) error {
	options := []slack.Option{slack.OptionHTTPClient(client), slack.OptionLog(log.New(io.Discard, "", 0))}
	if s.API != "" {
		options = append(options, slack.OptionAPIURL(s.API))
	}
	api := slack.New(s.Token, options...)
	hide := redact.New(s.Token)
	return func(ctx context.Context, m message) error {
		_, _, err := api.PostMessageContext(ctx, s.Channel, slack.MsgOptionText(m.text, false), slack.MsgOptionBlocks(m.blocks...),
			slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(), slack.MsgOptionLinkNames(true))
		return classify(err, hide)
	}
}

// cures are what to do about complaints of Slack that the same message will meet again.
var cures = map[string]string{
	"invalid_auth":        "make a new token",
	"not_authed":          "make a new token",
	"token_revoked":       "make a new token",
	"token_expired":       "make a new token",
	"account_inactive":    "make a new token",
	"missing_scope":       "give the bot the scope chat:write",
	"not_in_channel":      "invite the bot to the channel",
	"channel_not_found":   "name a channel that exists, and invite the bot to it",
	"is_archived":         "name another channel",
	"no_service":          "the webhook was removed: make a new one",
	"no_team":             "the webhook was removed: make a new one",
	"invalid_token":       "the webhook was revoked: make a new one",
	"action_prohibited":   "an administrator forbids posting there",
	"channel_is_archived": "make a webhook for another channel",
}

var transient = regexp.MustCompile(`^(internal_error|fatal_error|request_timeout|service_unavailable|rate_?limited|rollup_error)$`)

// classify turns what the client library says into an Error without secrets.
func classify(err error, hide *redact.Redactor) error {
	if err == nil {
		return nil
	}
	var (
		limited  *slack.RateLimitedError
		status   slack.StatusCodeError
		answered slack.SlackErrorResponse
		network  *url.Error
	)
	switch {
	case errors.As(err, &limited):
		return &Error{Reason: "slack answered 429: too many messages", Retry: true, After: limited.RetryAfter}
	case errors.As(err, &status):
		return statusError(status.Code, "", 0)
	case errors.As(err, &answered):
		return complaint(answered.Err)
	case errors.As(err, &network):
		return &Error{Reason: "slack: " + hide.String(network.Err.Error()), Retry: true}
	}
	// An answer that couldn't be read: the message may have arrived, and twice is better than never.
	return &Error{Reason: "slack: " + hide.String(err.Error()), Retry: true}
}

func complaint(code string) *Error {
	reason := "slack refused the message: " + code
	if cure := cures[code]; cure != "" {
		reason += " (" + cure + ")"
	}
	return &Error{Reason: reason, Retry: transient.MatchString(code)}
}

func statusError(status int, code string, after time.Duration) *Error {
	reason := fmt.Sprintf("slack answered %d", status)
	if code != "" {
		reason += " " + code
	}
	reason += ", want 200"
	if cure := cures[code]; cure != "" {
		reason += " (" + cure + ")"
	}
	return &Error{Reason: reason, Retry: status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500, After: after}
}

var plainCode = regexp.MustCompile(`^[a-z_]{1,64}$`)

// webhookPoster posts by itself: the library drops the code that a webhook answers with.
func webhookPoster(s SlackSettings, client *http.Client) func(context.Context, message) error {
	hide := redact.New(s.Webhook)
	return func(ctx context.Context, m message) error {
		unfurl := false
		body, err := json.Marshal(slack.WebhookMessage{Text: m.text, Blocks: &slack.Blocks{BlockSet: m.blocks}, UnfurlLinks: &unfurl, UnfurlMedia: &unfurl})
		if err != nil {
			return &Error{Reason: "slack: " + hide.String(err.Error())}
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Webhook, bytes.NewReader(body))
		if err != nil {
			return &Error{Reason: "slack: the webhook is no URL"}
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req) // #nosec G704 -- the webhook of the configuration
		if err != nil {
			return classify(err, hide)
		}
		defer resp.Body.Close()
		answer, _ := io.ReadAll(resp.Body)
		if resp.StatusCode/100 == 2 {
			return nil
		}
		code := strings.TrimSpace(string(answer))
		if !plainCode.MatchString(code) {
			code = ""
		}
		return statusError(resp.StatusCode, code, retryAfter(resp.Header, s.Now()))
	}
}

// retryAfter reads seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// capped bounds what is read of an answer.
type capped struct{ next http.RoundTripper }

func (c capped) RoundTrip(req *http.Request) (*http.Response, error) {
	next := c.next
	if next == nil {
		next = http.DefaultTransport
	}
	resp, err := next.RoundTrip(req)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, slackAnswer), resp.Body}
	}
	return resp, err
}
