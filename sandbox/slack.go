package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// A SlackAccount is how a color asks Slack: with a bot's token, or the URL of an incoming webhook.
type SlackAccount struct {
	Team    string // id of the workspace
	Channel string // id of a channel that the app is in
	Token   string // xoxb-…
	Webhook string // the path of the incoming webhook: the whole URL is a secret
}

// slackSim is a workspace with an app for each color.
type slackSim struct {
	clock  func() time.Time
	broken faulty
	limit  bucket

	mu       sync.Mutex
	accounts map[plumbline.Color]SlackAccount
	posted   map[string]string // messages by ts
	last     int               // number of the last message
}

const (
	slackTeam    = "T02ACME"
	slackChannel = "C02NUDGES"
)

// slackErrors are the failures that the Web API tells with status 200, and those of the webhook.
var slackErrors = []string{"not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "missing_scope", "no_permission",
	"ekm_access_denied", "accesslimited", "team_added_to_org", "channel_not_found", "is_archived", "internal_error", "fatal_error"}

// Failures that aren't an error code.
const (
	slackAnotherTeam = "another_team"
	slackNotMember   = "not_member"
	slackNoRows      = "no_rows"
	slackThrottled   = "ratelimited"
	slackOutage      = "outage"
)

func newSlack(clock func() time.Time, random io.Reader) *slackSim {
	s := &slackSim{clock: clock, limit: bucket{most: 50, per: time.Second}, posted: map[string]string{}, accounts: map[plumbline.Color]SlackAccount{}}
	for _, color := range plumbline.Colors() {
		s.accounts[color] = SlackAccount{Team: slackTeam, Channel: slackChannel, Token: "xoxb-" + secretOf(random),
			Webhook: "/services/" + slackTeam + "/B02" + strings.ToUpper(string(color)) + "/" + secretOf(random)}
	}
	return s
}

func (s *slackSim) account(color plumbline.Color) SlackAccount {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accounts[color]
}

func (s *slackSim) patterns() []string {
	return []string{"POST /api/auth.test", "POST /api/conversations.info", "POST /api/conversations.list", "POST /api/users.list",
		"POST /api/chat.postMessage", "POST /api/chat.delete", "POST /services/", "GET /api/v2.0.0/current"}
}

func (s *slackSim) faults() []string {
	return append(slices.Clone(slackErrors), slackAnotherTeam, slackNotMember, slackNoRows, slackThrottled, slackOutage)
}

func (s *slackSim) set(color plumbline.Color, fault string) error {
	s.broken.set(color, fault)
	return nil
}

func (s *slackSim) fault(color plumbline.Color) string { return s.broken.of(color) }

func (s *slackSim) settings(color plumbline.Color) map[string]string {
	return map[string]string{"team": s.account(color).Team}
}

func (s *slackSim) secrets(color plumbline.Color) map[string]string {
	return map[string]string{"token": s.account(color).Token}
}

// ServeHTTP answers as Slack does: failures of the Web API come with status 200.
func (s *slackSim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/api/v2.0.0/current":
		s.status(w)
	case strings.HasPrefix(r.URL.Path, "/services/"):
		s.webhook(w, r)
	default:
		s.method(w, r, strings.TrimPrefix(r.URL.Path, "/api/"))
	}
}

// status is the feed of the status page.
func (s *slackSim) status(w http.ResponseWriter) {
	now := s.clock().UTC().Format(time.RFC3339)
	incidents := []map[string]any{}
	if s.broken.of("") == slackOutage {
		incidents = append(incidents, map[string]any{"id": 1, "title": "Trouble with connecting to Slack", "type": "outage", "status": "active", "services": []string{"Apps/Integrations/APIs"}})
	}
	state := "ok"
	if len(incidents) > 0 {
		state = "active"
	}
	writeJSON(w, http.StatusOK, map[string]any{"status": state, "active_incidents": incidents, "date_created": now, "date_updated": now})
}

// who is the color whose secret this is.
func (s *slackSim) who(right func(SlackAccount) string, secret string) plumbline.Color {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, color := range slices.Sorted(maps.Keys(s.accounts)) {
		if secret != "" && same(right(s.accounts[color]), secret) == 1 {
			return color
		}
	}
	return ""
}

func (s *slackSim) method(w http.ResponseWriter, r *http.Request, method string) {
	fail := func(code string) { writeJSON(w, http.StatusOK, map[string]any{"ok": false, "error": code}) }
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	color := s.who(func(a SlackAccount) string { return a.Token }, token)
	fault := s.broken.of(color)
	switch {
	case fault == slackOutage:
		http.Error(w, "upstream connect error", http.StatusServiceUnavailable)
	case fault == slackThrottled, !s.limit.take(s.clock()):
		w.Header().Set("Retry-After", "30")
		writeJSON(w, http.StatusTooManyRequests, map[string]any{"ok": false, "error": "ratelimited"})
	case token == "":
		fail("not_authed")
	case color == "":
		fail("invalid_auth")
	case fault == "missing_scope" && method != "auth.test":
		writeJSON(w, http.StatusOK, map[string]any{"ok": false, "error": fault, "needed": "channels:read", "provided": "chat:write"})
	case slices.Contains([]string{"channel_not_found", "is_archived", "missing_scope"}, fault) && method == "auth.test":
		s.test(w, fault)
	case slices.Contains(slackErrors, fault):
		fail(fault)
	default:
		s.serve(w, r, method, fault)
	}
}

func (s *slackSim) test(w http.ResponseWriter, fault string) {
	team, scopes := slackTeam, "chat:write,channels:read,users:read"
	if fault == slackAnotherTeam {
		team = "T99OTHER"
	}
	if fault == "missing_scope" {
		scopes = "users:read"
	}
	w.Header().Set("X-OAuth-Scopes", scopes)
	writeJSON(w, http.StatusOK, map[string]any{"ok": true, "url": "https://acme.slack.com/", "team": "Acme", "team_id": team, "user": "plum", "user_id": "U02PLUM"})
}

func (s *slackSim) serve(w http.ResponseWriter, r *http.Request, method, fault string) {
	ok := func(more map[string]any) {
		more["ok"] = true
		writeJSON(w, http.StatusOK, more)
	}
	switch method {
	case "auth.test":
		s.test(w, fault)
	case "conversations.info":
		if r.PostFormValue("channel") != slackChannel {
			writeJSON(w, http.StatusOK, map[string]any{"ok": false, "error": "channel_not_found"})
			return
		}
		ok(map[string]any{"channel": map[string]any{"id": slackChannel, "name": "nudges", "is_member": fault != slackNotMember, "is_archived": false}})
	case "conversations.list", "users.list":
		rows := []map[string]string{}
		if fault != slackNoRows {
			rows = append(rows, map[string]string{"id": slackChannel})
		}
		ok(map[string]any{map[string]string{"conversations.list": "channels", "users.list": "members"}[method]: rows})
	case "chat.postMessage":
		wrong := ""
		switch {
		case r.PostFormValue("channel") != slackChannel:
			wrong = "channel_not_found"
		case fault == slackNotMember:
			wrong = "not_in_channel"
		case r.PostFormValue("text") == "":
			wrong = "no_text"
		}
		if wrong != "" {
			writeJSON(w, http.StatusOK, map[string]any{"ok": false, "error": wrong})
			return
		}
		s.mu.Lock()
		s.last++
		ts := fmt.Sprintf("%d.%06d", s.clock().Unix(), s.last)
		if s.posted[ts] = r.PostFormValue("text"); len(s.posted) > maxLinks {
			clear(s.posted)
		}
		s.mu.Unlock()
		ok(map[string]any{"channel": r.PostFormValue("channel"), "ts": ts})
	case "chat.delete":
		s.mu.Lock()
		_, there := s.posted[r.PostFormValue("ts")]
		delete(s.posted, r.PostFormValue("ts"))
		s.mu.Unlock()
		if !there {
			writeJSON(w, http.StatusOK, map[string]any{"ok": false, "error": "message_not_found"})
			return
		}
		ok(map[string]any{"ts": r.PostFormValue("ts")})
	}
}

// webhook takes a message with a text, in plain words.
func (s *slackSim) webhook(w http.ResponseWriter, r *http.Request) {
	say := func(status int, text string) {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text) // #nosec G705 -- text, sent as such
	}
	color := s.who(func(a SlackAccount) string { return a.Webhook }, r.URL.Path)
	var message struct {
		Text string `json:"text"`
	}
	fault := s.broken.of(color)
	switch err := json.NewDecoder(r.Body).Decode(&message); {
	case fault == slackOutage:
		say(http.StatusServiceUnavailable, "upstream connect error")
	case fault == slackThrottled:
		w.Header().Set("Retry-After", "30")
		say(http.StatusTooManyRequests, "rate_limited")
	case color == "", fault == "token_revoked":
		say(http.StatusForbidden, "invalid_token")
	case fault == "channel_not_found":
		say(http.StatusNotFound, fault)
	case fault == "is_archived":
		say(http.StatusGone, "channel_is_archived")
	case err != nil:
		say(http.StatusBadRequest, "invalid_payload")
	case message.Text == "":
		say(http.StatusBadRequest, "no_text")
	default:
		say(http.StatusOK, "ok")
	}
}
