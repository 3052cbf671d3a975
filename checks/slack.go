package checks

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// KindSlack is the kind of connections and checks of Slack.
const KindSlack = "slack"

// A Slack is an app in a workspace, or an incoming webhook. The token is the connection's secret.
type Slack struct {
	Team    string        // id of the workspace, T0…; "" takes any
	Webhook func() string // the whole URL of an incoming webhook; nil: there is none
	Status  string        // origin of the status feed; "" asks none
}

func (s *Slack) credential(_ context.Context, _ *Connections, a *account, _ plumbline.Site) (credential, error) {
	secret, err := a.secret()
	return credential{header: authorization("Bearer " + secret), hidden: []string{secret}}, err
}

func (s *Slack) address() string {
	if s.Webhook == nil {
		return ""
	}
	return s.Webhook()
}

type slackParameters struct {
	Connection *yaml.Node `yaml:"connection"`
	Scopes     *yaml.Node `yaml:"scopes"`
	Channel    *yaml.Node `yaml:"channel"`
	Data       *yaml.Node `yaml:"data"`
	Mode       *yaml.Node `yaml:"mode"`
}

// slackData are the methods that show that data comes, with the field that has it. Both take a limit.
var slackData = map[string]string{"conversations.list": "channels", "users.list": "members"}

// A slackQuestion is what a check wants to know.
type slackQuestion struct {
	scopes  []string
	channel *template
	data    string // a method of slackData; "" asks for none
	canary  bool   // posts a message, and takes it back
}

// slack is the kind of a workspace: {slack: acme-slack}, or {slack: {connection: acme-slack, scopes: [chat:write], channel: C0…}}.
func (e *engine) slack() Kind {
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		r := d.reader(providerPlaces...)
		var p slackParameters
		r.main(d.Value, &p, &p.Connection)
		q := &slackQuestion{scopes: r.wordList(p.Scopes, "scopes")}
		if p.Channel != nil {
			channel := r.words(p.Channel)
			q.channel = &channel
		}
		if p.Data != nil {
			q.data = r.oneOf(p.Data, "data", sortedKeys(slackData))
		}
		effect := plumbline.EffectNone
		if q.canary = r.canary(p.Mode); q.canary {
			if effect = plumbline.EffectLasting; q.channel == nil {
				r.wrongHint(p.Mode, "add channel", "a canary without a channel")
			}
		}
		return e.provider(r, d, p.Connection, effect, q.inquire)
	}}
}

func (w *slackQuestion) inquire(ctx context.Context, q *inquiry) error {
	s := q.account.Provider.(*Slack)
	err := w.steps(ctx, q, s)
	if classIn(err).Passing() {
		return q.withIncident(ctx, s, err)
	}
	return err
}

func (w *slackQuestion) steps(ctx context.Context, q *inquiry, s *Slack) error {
	switch more := len(w.scopes) > 0 || w.channel != nil || w.data != "" || w.canary; {
	case s.Webhook != nil && more:
		return troublef(plumbline.ClassMisconfig, "the connection is a webhook, which knows of no scopes, channel, data or mode: name one with a token")
	case s.Webhook != nil:
		return slackWebhook(ctx, q, s)
	}
	granted, err := slackWho(ctx, q, s)
	if err != nil {
		return err
	}
	if err := slackScopes(q, granted, w.scopes); err != nil {
		return err
	}
	channel := ""
	if w.channel != nil {
		if channel, err = w.channel.text(q.scene); err != nil {
			return err
		}
		if err := slackMember(ctx, q, channel); err != nil {
			return err
		}
	}
	if len(w.scopes) > 0 || channel != "" {
		q.reached(plumbline.TierPermission)
	}
	if w.data != "" {
		if err := slackRows(ctx, q, w.data); err != nil {
			return err
		}
	}
	if w.canary {
		return slackCanary(ctx, q, channel)
	}
	return nil
}

// slackWho finds out who the token is for, and which scopes it has.
func slackWho(ctx context.Context, q *inquiry, s *Slack) (granted []string, err error) {
	var who struct {
		Team   string `json:"team"`
		TeamID string `json:"team_id"`
		User   string `json:"user"`
	}
	x, err := slackCall(ctx, q, "auth.test", nil, &who)
	if err != nil {
		return nil, err
	}
	q.reached(plumbline.TierCredential)
	q.proof["team"], q.proof["team_id"], q.proof["user"] = who.Team, who.TeamID, who.User
	if s.Team != "" && who.TeamID != s.Team {
		return nil, troublef(plumbline.ClassMisconfig, "auth.test answered for team %s, want %s: the token is of another workspace", show(who.TeamID), show(s.Team))
	}
	for scope := range strings.SplitSeq(x.headers.Get("X-OAuth-Scopes"), ",") {
		if scope = strings.TrimSpace(scope); scope != "" {
			granted = append(granted, scope)
		}
	}
	q.proof["scopes"] = granted
	return granted, nil
}

func slackScopes(q *inquiry, granted, wanted []string) error {
	var missing []string
	for _, scope := range wanted {
		if !slices.Contains(granted, scope) {
			missing = append(missing, scope)
		}
	}
	if len(missing) > 0 {
		return troublef(plumbline.ClassPermission, "the token lacks the scope %s: add it to the app and install the app again", strings.Join(missing, ", "))
	}
	return nil
}

// slackMember wants the app to be in a channel that isn't archived.
func slackMember(ctx context.Context, q *inquiry, channel string) error {
	var info struct {
		Channel struct {
			Name     string `json:"name"`
			Member   bool   `json:"is_member"`
			Archived bool   `json:"is_archived"`
		} `json:"channel"`
	}
	if _, err := slackCall(ctx, q, "conversations.info", url.Values{"channel": {channel}}, &info); err != nil {
		return err
	}
	q.proof["channel"] = info.Channel.Name
	switch {
	case info.Channel.Archived:
		return troublef(plumbline.ClassMisconfig, "the channel %s is archived: name another one", show(info.Channel.Name))
	case !info.Channel.Member:
		return troublef(plumbline.ClassMisconfig, "the app is not in the channel %s: invite it there", show(info.Channel.Name))
	}
	return nil
}

func slackRows(ctx context.Context, q *inquiry, method string) error {
	rows := map[string]json.RawMessage{}
	if _, err := slackCall(ctx, q, method, url.Values{"limit": {"1"}}, &rows); err != nil {
		return err
	}
	q.reached(plumbline.TierPermission)
	var list []json.RawMessage
	if json.Unmarshal(rows[slackData[method]], &list) != nil || len(list) == 0 {
		return troublef(plumbline.ClassEmptyData, "%s answered without a row: the app sees nothing of this workspace", method)
	}
	q.proof["rows"] = len(list)
	q.reached(plumbline.TierData)
	return nil
}

// slackCanary posts a message that says what it is, and deletes it.
func slackCanary(ctx context.Context, q *inquiry, channel string) error {
	var posted struct {
		Channel string `json:"channel"`
		TS      string `json:"ts"`
	}
	text := "plumbline canary " + q.scene.ask.Run
	if _, err := slackCall(ctx, q, "chat.postMessage", url.Values{"channel": {channel}, "text": {text}}, &posted); err != nil {
		return err
	}
	q.reached(plumbline.TierData)
	var deleted slackAnswer
	if _, err := slackCall(ctx, q, "chat.delete", url.Values{"channel": {posted.Channel}, "ts": {posted.TS}}, &deleted); err != nil {
		q.warn("the canary message was posted and could not be deleted: %s", err)
	}
	return nil
}

// slackWebhook proves that a webhook is alive without posting: it refuses a message without text.
func slackWebhook(ctx context.Context, q *inquiry, s *Slack) error {
	address := s.Webhook()
	if _, err := q.conceal(address); err != nil {
		return err
	}
	x, err := q.ask(ctx, demand{method: http.MethodPost, path: address, body: []byte(`{"text":""}`), bare: true,
		header: http.Header{"Content-Type": {"application/json"}}})
	if err != nil {
		return err
	}
	if err := q.machine(x, "the webhook"); err != nil {
		return err
	}
	code := strings.TrimSpace(cut(string(x.body), 100))
	if x.status == http.StatusBadRequest && (code == "no_text" || code == "missing_text") {
		q.reached(plumbline.TierPermission)
		return nil
	}
	if r, known := rule(slackWebhookCatalogue, x.status, code, ""); known {
		return q.troubled(r, x, "the webhook answered %d %s", x.status, show(code))
	}
	if x.status == http.StatusOK {
		return troublef(plumbline.ClassProtocol, "the webhook took a message without text, want no_text: this is no incoming webhook of Slack")
	}
	return q.amiss(x, "the webhook")
}

// withIncident adds what Slack says of itself. It annotates, and decides nothing.
func (q *inquiry) withIncident(ctx context.Context, s *Slack, err error) error {
	if s.Status == "" {
		return err
	}
	x, failed := (&httpCheck{engine: q.engine, method: http.MethodGet}).deliver(ctx, q.scene, q.via, func() (*request, error) {
		target, err := resolve(s.Status, "/api/v2.0.0/current")
		return &request{method: http.MethodGet, target: target, header: http.Header{}}, err
	})
	var feed struct {
		Incidents []struct {
			Title  string `json:"title"`
			Status string `json:"status"`
		} `json:"active_incidents"`
	}
	if failed != nil || x.status != http.StatusOK || json.Unmarshal(x.body, &feed) != nil {
		return err
	}
	note := "Slack's status page knows of no incident"
	if len(feed.Incidents) > 0 {
		note = "Slack's status page has an incident: " + q.quote(feed.Incidents[0].Title, 200)
	}
	q.warn("%s", note)
	return err
}
